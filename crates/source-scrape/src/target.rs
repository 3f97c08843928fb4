//! From what discovery offers to what is scraped.

use std::collections::BTreeMap;
use std::time::Duration;

use corten_net::http::Uri;
use corten_signal::exposition;
use corten_signal::labels::Labels;

use crate::arguments::ScrapeArguments;
use crate::duration;

/// What is scraped.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Target {
    /// The labels that its series get.
    pub(crate) labels: Labels,
    /// Where it is.
    pub(crate) place: Place,
    /// The address as text, for people.
    pub(crate) url: String,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
}

/// Where a target is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Place {
    /// On the network.
    Url(Uri),
    /// A component of this process.
    Inside { path: String, params: Vec<(String, String)> },
}

/// The job of targets that name none.
pub(crate) fn job<'a>(args: &'a ScrapeArguments, id: &'a str) -> &'a str {
    if args.job_name.is_empty() { id } else { &args.job_name }
}

impl Target {
    /// From the labels that were discovered.
    ///
    /// # Errors
    /// Why it cannot be scraped, for a person.
    pub(crate) fn new(discovered: &Labels, args: &ScrapeArguments, id: &str) -> Result<Self, String> {
        let get = |name| discovered.get(name).unwrap_or_default();
        let or = |name, default: String| discovered.get(name).map_or(default, str::to_owned);
        let address = get("__address__");
        if address.is_empty() {
            return Err("no address".to_owned());
        }
        if address.contains('/') {
            return Err(format!("{address:?} is not a valid hostname"));
        }
        let read = |name, default, what| {
            let text = or(name, duration::text(default));
            match duration::parse(&text) {
                None => Err(format!("{what} {text:?} is not a duration")),
                Some(Duration::ZERO) => Err(format!("{what} cannot be 0")),
                Some(duration) => Ok(duration),
            }
        };
        let interval = read("__scrape_interval__", args.scrape_interval, "scrape interval")?;
        let timeout = read("__scrape_timeout__", args.scrape_timeout, "scrape timeout")?;
        if timeout > interval {
            return Err(format!("scrape timeout cannot be greater than scrape interval ({timeout:?} > {interval:?})"));
        }

        let labels = discovered.filter(|name, _| !name.starts_with("__"));
        let mut edit = labels.edit();
        for (name, default) in [("job", job(args, id)), ("instance", address)] {
            if !edit.has(name) {
                edit.set(name, default);
            }
        }
        let labels = edit.build();

        let params = params(discovered, args);
        let path = or("__metrics_path__", args.metrics_path.clone());
        let scheme = or("__scheme__", args.scheme.clone());
        let slash = if path.starts_with('/') { "" } else { "/" };
        let encoded: Vec<String> =
            params.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        let question = if encoded.is_empty() { "" } else { "?" };
        let url = format!("{scheme}://{address}{slash}{}{question}{}", encode_path(&path), encoded.join("&"));
        let place = if address == exposition::ADDRESS {
            Place::Inside { path, params }
        } else {
            if !matches!(scheme.as_str(), "http" | "https") {
                return Err(format!("unsupported scheme {scheme:?}: expected http or https"));
            }
            Place::Url(url.parse().map_err(|error| format!("{url:?} is not an address: {error}"))?)
        };
        Ok(Self { labels, place, url, interval, timeout })
    }

    /// What tells it from others and stays as long as it is the same target.
    pub(crate) fn identity(&self) -> Labels {
        let mut identity = self.labels.edit();
        identity.set("__url__", self.url.as_str());
        identity.build()
    }

    /// When in each interval it is scraped: always at the same time, and each target at another.
    pub(crate) fn offset(&self) -> Duration {
        // FNV-1a: the same in each process, so that a restart keeps the rhythm.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut feed = |text: &str| {
            for byte in text.bytes().chain([0xff]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        for (name, value) in &self.labels {
            feed(name);
            feed(value);
        }
        feed(&self.url);
        // The low bits of FNV are poor.
        let interval = u64::try_from(self.interval.as_nanos()).unwrap_or(u64::MAX).max(1);
        Duration::from_nanos((hash ^ (hash >> 32)) % interval)
    }
}

/// The query, sorted by name: of each parameter, a target's label replaces the first value.
fn params(discovered: &Labels, args: &ScrapeArguments) -> Vec<(String, String)> {
    let mut params: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, values) in &args.params {
        params.insert(name, values.iter().map(String::as_str).collect());
    }
    for (name, value) in discovered {
        if let Some(name) = name.strip_prefix("__param_") {
            let values = params.entry(name).or_default();
            match values.first_mut() {
                Some(first) => *first = value,
                None => values.push(value),
            }
        }
    }
    let pairs = params.iter().flat_map(|(name, values)| values.iter().map(move |value| (*name, *value)));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn encode(text: &str) -> String {
    escape(text, |byte| matches!(byte, b'-' | b'_' | b'.' | b'~')).replace("%20", "+")
}

fn encode_path(path: &str) -> String {
    escape(path, |byte| b"-_.~/:@!$&'()*+,;=".contains(&byte))
}

fn escape(text: &str, keeps: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            byte if byte.is_ascii_alphanumeric() || keeps(byte) => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(labels: &[(&str, &str)]) -> Result<Target, String> {
        let mut args = ScrapeArguments::default();
        args.params.insert("a".into(), vec!["1".into(), "2".into()]);
        Target::new(&Labels::from_pairs(labels.iter().copied()), &args, "prometheus.scrape.x")
    }

    #[test]
    fn defaults_are_filled_in() {
        let found = target(&[("__address__", "h:1"), ("__meta_x", "y"), ("zone", "z")]).unwrap();
        assert_eq!(found.labels.to_string(), r#"{instance="h:1", job="prometheus.scrape.x", zone="z"}"#);
        assert_eq!(found.url, "http://h:1/metrics?a=1&a=2");
        assert_eq!((found.interval, found.timeout), (Duration::from_secs(60), Duration::from_secs(10)));
        assert!(found.offset() < found.interval);
    }

    #[test]
    fn labels_of_the_target_decide() {
        let found = target(&[
            ("__address__", "h:1"),
            ("__scheme__", "https"),
            ("__metrics_path__", "/a b"),
            ("__param_a", "x y"),
            ("__param_b", "ä"),
            ("__scrape_interval__", "30s"),
            ("__scrape_timeout__", "500ms"),
            ("job", "j"),
            ("instance", "i"),
        ]);
        let found = found.unwrap();
        assert_eq!(found.url, "https://h:1/a%20b?a=x+y&a=2&b=%C3%A4");
        assert_eq!(found.labels.to_string(), r#"{instance="i", job="j"}"#);
        assert_eq!((found.interval, found.timeout), (Duration::from_secs(30), Duration::from_millis(500)));
    }

    #[test]
    fn components_are_reached_inside() {
        let found =
            target(&[("__address__", exposition::ADDRESS), ("__metrics_path__", "/api/v0/component/x/metrics")]);
        assert!(matches!(found.unwrap().place, Place::Inside { path, .. } if path.ends_with("/x/metrics")));
    }

    #[test]
    fn what_cannot_be_scraped_is_said() {
        for labels in [
            &[("job", "x")][..],
            &[("__address__", "http://h")],
            &[("__address__", "h"), ("__scheme__", "ftp")],
            &[("__address__", "h"), ("__scrape_interval__", "soon")],
            &[("__address__", "h"), ("__scrape_timeout__", "0s")],
            &[("__address__", "h"), ("__scrape_timeout__", "2m")],
            &[("__address__", "a b")],
        ] {
            assert!(target(labels).is_err(), "{labels:?}");
        }
    }
}
