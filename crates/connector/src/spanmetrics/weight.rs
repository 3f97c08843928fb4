//! How many spans a sampled span stands for, as its trace state says.
//!
//! `ot=th:8` means that spans whose 56 random bits are below 0x80000000000000 were left out: each that is there
//! stands for two. Source: "TraceState: Probability Sampling" of OpenTelemetry.

/// Remembers the last answer: spans of a trace come together and have the same state.
#[derive(Debug, Default)]
pub(crate) struct Weights {
    state: String,
    weight: u64,
}

const ALL: u64 = 1 << 56;

impl Weights {
    /// How many spans one with this trace state stands for. Where that is not a whole number, the answers are right on
    /// average.
    pub(crate) fn of(&mut self, state: &str) -> u64 {
        if state.is_empty() {
            return 1;
        }
        if state != self.state || self.weight == 0 {
            state.clone_into(&mut self.state);
            self.weight = threshold(state).map_or(1, |threshold| round(ALL - threshold));
        }
        self.weight
    }
}

/// ALL / kept, up or down at random.
fn round(kept: u64) -> u64 {
    let (whole, rest) = (ALL / kept.max(1), ALL % kept.max(1));
    whole + u64::from(rest > 0 && fastrand::u64(0..kept) < rest)
}

/// The rejection threshold, below 2^56.
fn threshold(state: &str) -> Option<u64> {
    let own = state.split(',').find_map(|member| member.trim().strip_prefix("ot="))?;
    let digits = own.split(';').find_map(|field| field.strip_prefix("th:"))?;
    if digits.is_empty() || digits.len() > 14 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let value = u64::from_str_radix(digits, 16).ok()?;
    Some(value << (4 * (14 - digits.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_gives_a_weight() {
        let mut weights = Weights::default();
        let cases = [
            ("", 1),
            ("ot=th:8", 2),
            ("ot=th:c", 4),
            ("vendor=x, ot=rv:abc;th:f", 16),
            ("ot=th:0", 1),
            ("ot=rv:8", 1),
            ("ot=th:xyz", 1),
            ("ot=th:", 1),
            ("ot=th:ffffffffffffff", ALL),
            ("ot=th:fffffffffffffff", 1),
            ("not=th:8", 1),
        ];
        for (state, weight) in cases {
            assert_eq!(weights.of(state), weight, "{state}");
        }
    }

    #[test]
    fn what_is_not_whole_is_right_on_average() {
        fastrand::seed(7);
        // A third is left out: each span stands for one and a half.
        let sum: u64 = (0..1000).map(|_| round(threshold("ot=th:55555555555555").map_or(1, |low| ALL - low))).sum();
        assert!((1400..1600).contains(&sum), "{sum}");
    }
}
