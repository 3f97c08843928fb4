//! Timestamps in YAML, which become RFC 3339 text.

/// A date, or a date and time (`T` and zone, or a blank and no zone), as RFC 3339; `None` for other text.
pub(super) fn rfc3339(text: &str) -> Option<String> {
    let mut rest = text;
    let year = field(&mut rest, 4..=4)?;
    rest = rest.strip_prefix('-')?;
    let month = field(&mut rest, 1..=2)?;
    rest = rest.strip_prefix('-')?;
    let day = field(&mut rest, 1..=2)?;
    if !(1..=12).contains(&month) || day < 1 || day > days(year, month) {
        return None;
    }
    let date = format!("{year:04}-{month:02}-{day:02}");
    let Some(separator) = rest.chars().next() else { return Some(format!("{date}T00:00:00Z")) };
    rest = rest.strip_prefix(['T', 't', ' '])?;
    let hour = field(&mut rest, 1..=2).filter(|hour| *hour < 24)?;
    rest = rest.strip_prefix(':')?;
    let minute = field(&mut rest, 1..=2).filter(|minute| *minute < 60)?;
    rest = rest.strip_prefix(':')?;
    let second = field(&mut rest, 1..=2).filter(|second| *second < 60)?;
    let mut fraction = "";
    if let Some(after) = rest.strip_prefix('.') {
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return None;
        }
        fraction = after[..digits.min(9)].trim_end_matches('0');
        rest = &after[digits..];
    }
    let zone = match (separator, rest) {
        (' ', "") | ('T' | 't', "Z" | "+00:00" | "-00:00") => "Z",
        ('T' | 't', zone) if is_offset(zone) => zone,
        _ => return None,
    };
    let point = if fraction.is_empty() { "" } else { "." };
    Some(format!("{date}T{hour:02}:{minute:02}:{second:02}{point}{fraction}{zone}"))
}

fn field(rest: &mut &str, width: std::ops::RangeInclusive<usize>) -> Option<u32> {
    let digits = rest.bytes().take(*width.end()).take_while(u8::is_ascii_digit).count();
    if digits < *width.start() {
        return None;
    }
    let (number, after) = rest.split_at(digits);
    *rest = after;
    number.parse().ok()
}

fn is_offset(zone: &str) -> bool {
    let bytes = zone.as_bytes();
    let two = |at: usize| zone.get(at..at + 2).and_then(|digits| digits.parse::<u32>().ok());
    bytes.len() == 6
        && matches!(bytes[0], b'+' | b'-')
        && bytes[3] == b':'
        && two(1).is_some_and(|hours| hours <= 24)
        && two(4).is_some_and(|minutes| minutes < 60)
}

fn days(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}
