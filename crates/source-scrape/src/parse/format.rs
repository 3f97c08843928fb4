//! Which format a `Content-Type` means.

use corten_component::Enumeration;

/// The formats that differ in how they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The text format of Prometheus.
    Text,
    /// OpenMetrics.
    OpenMetrics,
    /// Delimited protobuf.
    Protobuf,
}

/// What may be asked for, in the words of Prometheus.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Enumeration)]
pub enum Protocol {
    /// Delimited protobuf.
    #[arg(name = "PrometheusProto")]
    PrometheusProto,
    /// The text format, 0.0.4.
    #[default]
    #[arg(name = "PrometheusText0.0.4")]
    PrometheusText004,
    /// The text format, 1.0.0.
    #[arg(name = "PrometheusText1.0.0")]
    PrometheusText100,
    /// OpenMetrics 0.0.1.
    #[arg(name = "OpenMetricsText0.0.1")]
    OpenMetricsText001,
    /// OpenMetrics 1.0.0.
    #[arg(name = "OpenMetricsText1.0.0")]
    OpenMetricsText100,
}

impl Protocol {
    /// How it is asked for.
    pub(crate) fn accept(self) -> &'static str {
        match self {
            Self::PrometheusProto => {
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
            }
            Self::PrometheusText004 => "text/plain;version=0.0.4",
            Self::PrometheusText100 => "text/plain;version=1.0.0",
            Self::OpenMetricsText001 => "application/openmetrics-text;version=0.0.1",
            Self::OpenMetricsText100 => "application/openmetrics-text;version=1.0.0",
        }
    }

    /// Whether it can be asked how names that older systems cannot have are escaped.
    pub(crate) fn has_escaping(self) -> bool {
        matches!(self, Self::PrometheusText100 | Self::OpenMetricsText100)
    }

    /// How its bodies are read.
    pub(crate) fn format(self) -> Format {
        match self {
            Self::PrometheusProto => Format::Protobuf,
            Self::PrometheusText004 | Self::PrometheusText100 => Format::Text,
            Self::OpenMetricsText001 | Self::OpenMetricsText100 => Format::OpenMetrics,
        }
    }
}

impl Format {
    /// The format that a `Content-Type` names, or the fallback's, if there is one, where it names none.
    ///
    /// # Errors
    /// Without a usable type and without a fallback.
    pub fn of(content_type: &str, fallback: Option<Protocol>) -> Result<Self, String> {
        let media = content_type.split(';').next().unwrap_or_default().trim();
        match (media.to_ascii_lowercase().as_str(), fallback) {
            ("text/plain", _) => Ok(Self::Text),
            ("application/openmetrics-text", _) => Ok(Self::OpenMetrics),
            ("application/vnd.google.protobuf", _) => Ok(Self::Protobuf),
            (_, Some(fallback)) => Ok(fallback.format()),
            ("", None) => Err("the target sends no Content-Type, and there is no scrape_fallback_protocol".to_owned()),
            (_, None) => Err(format!(
                "the target sends the unsupported Content-Type {content_type:?}, and there is no scrape_fallback_protocol"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_decides_and_the_fallback_steps_in() {
        let fallback = Some(Protocol::PrometheusProto);
        for (text, format) in [
            ("text/plain; version=0.0.4; charset=utf-8", Format::Text),
            ("Text/Plain", Format::Text),
            ("application/openmetrics-text; version=1.0.0; charset=utf-8", Format::OpenMetrics),
            (Protocol::PrometheusProto.accept(), Format::Protobuf),
        ] {
            assert_eq!(Format::of(text, None), Ok(format), "{text}");
        }
        for text in ["", "text/html", "nonsense"] {
            assert!(Format::of(text, None).is_err(), "{text}");
            assert_eq!(Format::of(text, fallback), Ok(Format::Protobuf), "{text}");
        }
    }
}
