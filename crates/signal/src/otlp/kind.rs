//! The four OTLP signals: their names on the wire, in URLs and in metrics.

use std::fmt;

/// A signal of OTLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum SignalKind {
    /// Spans.
    Traces = 0,
    /// Data points of metrics.
    Metrics = 1,
    /// Log records.
    Logs = 2,
    /// Profiles (the development version of the protocol). Their items are samples.
    Profiles = 3,
}

impl SignalKind {
    /// All signals, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Traces, Self::Metrics, Self::Logs, Self::Profiles];

    /// The signal's name: `traces`, `metrics`, `logs`, `profiles`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
            Self::Profiles => "profiles",
        }
    }

    /// What its items are called in metric names: `spans`, `metric_points`, `log_records`, `profile_samples`.
    pub const fn items_name(self) -> &'static str {
        match self {
            Self::Traces => "spans",
            Self::Metrics => "metric_points",
            Self::Logs => "log_records",
            Self::Profiles => "profile_samples",
        }
    }

    /// The default path of OTLP/HTTP: `/v1/traces` and so on.
    pub const fn url_path(self) -> &'static str {
        match self {
            Self::Traces => "/v1/traces",
            Self::Metrics => "/v1/metrics",
            Self::Logs => "/v1/logs",
            Self::Profiles => "/v1development/profiles",
        }
    }

    /// The full name of the gRPC service, without the method (which is always `Export`).
    pub const fn grpc_service(self) -> &'static str {
        match self {
            Self::Traces => "opentelemetry.proto.collector.trace.v1.TraceService",
            Self::Metrics => "opentelemetry.proto.collector.metrics.v1.MetricsService",
            Self::Logs => "opentelemetry.proto.collector.logs.v1.LogsService",
            Self::Profiles => "opentelemetry.proto.collector.profiles.v1development.ProfilesService",
        }
    }

    /// The path of the gRPC method.
    pub const fn grpc_path(self) -> &'static str {
        match self {
            Self::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Self::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            Self::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            Self::Profiles => "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export",
        }
    }

    /// The signal's bit, for sets held in one byte.
    pub const fn bit(self) -> u8 {
        1 << self as u8
    }

    /// The signal with this number (the one `kind as u8` gives), as disk records keep it.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Traces),
            1 => Some(Self::Metrics),
            2 => Some(Self::Logs),
            3 => Some(Self::Profiles),
            _ => None,
        }
    }
}

impl fmt::Display for SignalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of signals: what a consumer takes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct KindSet(u8);

impl KindSet {
    /// No signal.
    pub const NONE: Self = Self(0);
    /// All four signals.
    pub const ALL: Self = Self(0b1111);
    /// Traces, metrics and logs.
    pub const STABLE: Self = Self(0b0111);

    /// The set of exactly these signals.
    pub const fn of(kinds: &[SignalKind]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < kinds.len() {
            bits |= kinds[i].bit();
            i += 1;
        }
        Self(bits)
    }

    /// The set with these bits (as [`bits`](Self::bits) gives); unknown bits are ignored.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// One bit per signal.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether the signal is in the set.
    pub const fn contains(self, kind: SignalKind) -> bool {
        self.0 & kind.bit() != 0
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The signals in the set, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = SignalKind> {
        SignalKind::ALL.into_iter().filter(move |kind| self.contains(*kind))
    }
}

impl From<SignalKind> for KindSet {
    fn from(kind: SignalKind) -> Self {
        Self(kind.bit())
    }
}

impl fmt::Debug for KindSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_bits_agree() {
        for kind in SignalKind::ALL {
            assert_eq!(SignalKind::from_number(kind as u8), Some(kind));
            assert_eq!(kind.grpc_path(), format!("/{}/Export", kind.grpc_service()));
            assert!(KindSet::from(kind).contains(kind));
        }
        assert_eq!(SignalKind::from_number(4), None);
        assert_eq!(KindSet::of(&SignalKind::ALL), KindSet::ALL);
        assert!(!KindSet::STABLE.contains(SignalKind::Profiles));
        assert_eq!(KindSet::from_bits(0xff), KindSet::ALL);
    }
}
