//! "Did you mean": the candidate nearest to a mistyped name.

/// Longer names, in bytes, are no typing mistakes, and the work grows with the square.
const LONGEST: usize = 128;

/// The candidate that takes the fewest edits (insert, delete, replace, swap neighbours; case counts for nothing) to
/// become `name`; `None` if it takes more than a third of the name's length. The first of equals wins.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
    let wanted = fold(name);
    let limit = (wanted.len() / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= 2 * LONGEST && *candidate != name)
        .filter_map(|candidate| Some((distance(&wanted, &fold(candidate), limit)?, candidate)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn fold(text: &str) -> Vec<char> {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Optimal string alignment distance, `None` above `limit`.
fn distance(a: &[char], b: &[char], limit: usize) -> Option<usize> {
    if a.len().abs_diff(b.len()) > limit {
        return None;
    }
    let mut before_last = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replace = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replace.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    Some(last[b.len()]).filter(|distance| *distance <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_nearest_name() {
        let names = ["loki.write", "loki.source.file", "prometheus.scrape", "url", "job"];
        assert_eq!(nearest("loki.wirte", names), Some("loki.write"));
        assert_eq!(nearest("promtheus.scrap", names), Some("prometheus.scrape"));
        assert_eq!(nearest("Url", names), Some("url"));
        assert_eq!(nearest("ulr", names), Some("url"));
        assert_eq!(nearest("jb", names), Some("job"));
        assert_eq!(nearest("otelcol.exporter.otlp", names), None);
        assert_eq!(nearest("xyz", names), None);
        assert_eq!(nearest("a", []), None);
        assert_eq!(nearest("url", ["url"]), None);
    }
}
