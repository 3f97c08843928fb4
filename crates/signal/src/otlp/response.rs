//! Answers: export responses with partial success, and `google.rpc.Status`, in protobuf and JSON.

use std::time::Duration;

use corten_proto::google::{Any, Duration as ProtoDuration, RetryInfo, Status};
use prost::Message as _;

use super::SignalKind;
use super::json::{Json, write_string};
use super::wire::{self, Fields};

/// The two bodies that OTLP/HTTP has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum BodyFormat {
    /// `application/x-protobuf`.
    #[default]
    Protobuf,
    /// `application/json`.
    Json,
}

impl BodyFormat {
    /// The media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }
}

/// What a destination did not take of a request that it answered with success.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartialSuccess {
    /// Rejected items; never negative.
    pub rejected: u64,
    /// For people. With nothing rejected it is a warning.
    pub message: String,
}

impl PartialSuccess {
    /// Whether all was taken and nothing said.
    pub fn is_empty(&self) -> bool {
        self.rejected == 0 && self.message.is_empty()
    }

    /// Encodes an `Export*ServiceResponse`. Full success is no bytes in protobuf, and `{"partialSuccess":{}}` in JSON.
    pub fn encode(&self, kind: SignalKind, format: BodyFormat) -> Vec<u8> {
        match format {
            BodyFormat::Protobuf => self.encode_protobuf(),
            BodyFormat::Json => {
                let mut fields = Vec::new();
                if self.rejected > 0 {
                    fields.push(format!("\"{}\":\"{}\"", rejected_name(kind), self.rejected));
                }
                if !self.message.is_empty() {
                    let mut text = br#""errorMessage":"#.to_vec();
                    write_string(&mut text, &self.message);
                    fields.push(String::from_utf8_lossy(&text).into_owned());
                }
                format!("{{\"partialSuccess\":{{{}}}}}", fields.join(",")).into_bytes()
            }
        }
    }

    fn encode_protobuf(&self) -> Vec<u8> {
        // The four responses share field numbers and types.
        let mut out = Vec::new();
        if self.is_empty() {
            return out;
        }
        let mut inner = Vec::new();
        if self.rejected > 0 {
            wire::put_tag(&mut inner, 1, 0);
            wire::put_varint(&mut inner, self.rejected.min(i64::MAX as u64));
        }
        if !self.message.is_empty() {
            wire::put_bytes(&mut inner, 2, self.message.as_bytes());
        }
        wire::put_bytes(&mut out, 1, &inner);
        out
    }

    /// Reads an `Export*ServiceResponse` of a back end. `None` if the body is not one; an empty body is full success.
    pub fn decode(kind: SignalKind, format: BodyFormat, body: &[u8]) -> Option<Self> {
        match format {
            BodyFormat::Protobuf => Self::decode_protobuf(body),
            BodyFormat::Json if body.trim_ascii().is_empty() => Some(Self::default()),
            BodyFormat::Json => {
                let json = Json::parse(body).ok()?;
                let Json::Object(_) = &json else { return None };
                let Some(partial) = json.get("partialSuccess").or_else(|| json.get("partial_success")) else {
                    return Some(Self::default());
                };
                let rejected = SignalKind::ALL.iter().find_map(|other| partial.get(rejected_name(*other)));
                let rejected = partial.get(rejected_name(kind)).or(rejected).and_then(Json::integer).unwrap_or(0);
                let message = partial.get("errorMessage").or_else(|| partial.get("error_message"));
                let message = message.and_then(Json::string).unwrap_or_default().to_owned();
                Some(Self { rejected: u64::try_from(rejected).unwrap_or(0), message })
            }
        }
    }

    fn decode_protobuf(body: &[u8]) -> Option<Self> {
        let mut found = Self::default();
        let mut fields = Fields::new(body);
        for field in fields.by_ref() {
            if field.number != 1 {
                continue;
            }
            let wire::Value::Len(partial) = field.value else { return None };
            let mut inner = Fields::new(partial);
            for field in inner.by_ref() {
                match (field.number, field.value) {
                    (1, wire::Value::Varint(count)) => found.rejected = u64::try_from(count as i64).unwrap_or(0),
                    (2, wire::Value::Len(text)) => found.message = String::from_utf8_lossy(text).into_owned(),
                    (1 | 2, _) => return None,
                    _ => {}
                }
            }
            if inner.pos != partial.len() {
                return None;
            }
        }
        (fields.pos == body.len()).then_some(found)
    }
}

fn rejected_name(kind: SignalKind) -> &'static str {
    match kind {
        SignalKind::Traces => "rejectedSpans",
        SignalKind::Metrics => "rejectedDataPoints",
        SignalKind::Logs => "rejectedLogRecords",
        SignalKind::Profiles => "rejectedProfiles",
    }
}

/// An error answer: `google.rpc.Status`, with when to try again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ErrorStatus {
    /// A gRPC status code, 0 to 16.
    pub code: i32,
    /// For people.
    pub message: String,
    /// `RetryInfo`, if there is one.
    pub retry_after: Option<Duration>,
}

impl ErrorStatus {
    /// Encodes it as the body of an OTLP/HTTP error, or (protobuf) as gRPC's `grpc-status-details-bin`.
    pub fn encode(&self, format: BodyFormat) -> Vec<u8> {
        match format {
            BodyFormat::Protobuf => {
                let details = self.retry_after.map(|delay| {
                    let seconds = i64::try_from(delay.as_secs()).unwrap_or(i64::MAX);
                    let delay = ProtoDuration { seconds, nanos: delay.subsec_nanos() as i32 };
                    let info = RetryInfo { retry_delay: Some(delay) };
                    Any { type_url: RetryInfo::TYPE_URL.to_owned(), value: info.encode_to_vec() }
                });
                let status =
                    Status { code: self.code, message: self.message.clone(), details: details.into_iter().collect() };
                status.encode_to_vec()
            }
            BodyFormat::Json => {
                let mut out = format!("{{\"code\":{},\"message\":", self.code).into_bytes();
                write_string(&mut out, &self.message);
                if let Some(delay) = self.retry_after {
                    let delay = seconds_text(delay);
                    let detail =
                        format!(",\"details\":[{{\"@type\":\"{}\",\"retryDelay\":\"{delay}\"}}]", RetryInfo::TYPE_URL);
                    out.extend_from_slice(detail.as_bytes());
                }
                out.push(b'}');
                out
            }
        }
    }

    /// Reads one. `None` if the body is not a status.
    pub fn decode(format: BodyFormat, body: &[u8]) -> Option<Self> {
        match format {
            BodyFormat::Protobuf => {
                let status = Status::decode(body).ok()?;
                let retry_after = status.details.iter().find_map(|detail| {
                    if !detail.type_url.ends_with("google.rpc.RetryInfo") {
                        return None;
                    }
                    let delay = RetryInfo::decode(detail.value.as_slice()).ok()?.retry_delay?;
                    Some(Duration::new(
                        delay.seconds.try_into().ok()?,
                        u32::try_from(delay.nanos).ok()?.min(999_999_999),
                    ))
                });
                Some(Self { code: status.code, message: status.message, retry_after })
            }
            BodyFormat::Json => {
                let json = Json::parse(body).ok()?;
                let code = json.get("code").and_then(Json::integer).and_then(|code| i32::try_from(code).ok());
                let message = json.get("message").and_then(Json::string);
                if code.is_none() && message.is_none() {
                    return None;
                }
                let details = json.get("details").map_or(&[][..], Json::items);
                let retry_after = details.iter().find_map(|detail| {
                    let of_type = detail.get("@type").and_then(Json::string)?.ends_with("google.rpc.RetryInfo");
                    of_type.then(|| seconds(detail.get("retryDelay")?.string()?)).flatten()
                });
                Some(Self { code: code.unwrap_or(2), message: message.unwrap_or_default().to_owned(), retry_after })
            }
        }
    }
}

/// A duration as protobuf writes it in JSON: `1.5s`.
fn seconds_text(delay: Duration) -> String {
    let text = format!("{}.{:09}", delay.as_secs(), delay.subsec_nanos());
    format!("{}s", text.trim_end_matches('0').trim_end_matches('.'))
}

fn seconds(text: &str) -> Option<Duration> {
    let number = text.strip_suffix('s')?.parse::<f64>().ok()?;
    Duration::try_from_secs_f64(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_success_goes_both_ways() {
        for kind in SignalKind::ALL {
            for format in [BodyFormat::Protobuf, BodyFormat::Json] {
                for (rejected, message) in [(0, ""), (3, ""), (0, "slow \"down\""), (u64::from(u32::MAX) + 1, "é\n")] {
                    let partial = PartialSuccess { rejected, message: message.to_owned() };
                    let body = partial.encode(kind, format);
                    assert_eq!(PartialSuccess::decode(kind, format, &body), Some(partial), "{kind} {format:?}");
                }
            }
        }
        assert_eq!(PartialSuccess::default().encode(SignalKind::Logs, BodyFormat::Json), br#"{"partialSuccess":{}}"#);
        assert!(PartialSuccess::default().encode(SignalKind::Logs, BodyFormat::Protobuf).is_empty());
    }

    #[test]
    fn back_ends_answer_in_their_own_ways() {
        let json = |text: &str| PartialSuccess::decode(SignalKind::Traces, BodyFormat::Json, text.as_bytes());
        assert_eq!(json("{}"), Some(PartialSuccess::default()));
        assert_eq!(json(""), Some(PartialSuccess::default()));
        assert_eq!(json(r#"{"partialSuccess":null}"#), Some(PartialSuccess::default()));
        assert_eq!(json(r#"{"partial_success":{"rejectedSpans":2}}"#).map(|found| found.rejected), Some(2));
        assert_eq!(json("<html>"), None);
        assert_eq!(json("[]"), None);
        assert_eq!(PartialSuccess::decode(SignalKind::Traces, BodyFormat::Protobuf, b"ok"), None);
        assert_eq!(PartialSuccess::decode(SignalKind::Traces, BodyFormat::Protobuf, &[0x0a, 0x05]), None);
    }

    #[test]
    fn a_status_carries_when_to_retry() {
        for format in [BodyFormat::Protobuf, BodyFormat::Json] {
            for retry_after in [None, Some(Duration::from_millis(1500)), Some(Duration::from_secs(30))] {
                let status = ErrorStatus { code: 14, message: "busy".to_owned(), retry_after };
                assert_eq!(ErrorStatus::decode(format, &status.encode(format)), Some(status));
            }
        }
        let json = ErrorStatus { code: 8, message: String::new(), retry_after: Some(Duration::from_secs(1)) };
        let text = String::from_utf8(json.encode(BodyFormat::Json)).unwrap();
        assert!(text.contains(r#""retryDelay":"1s""#), "{text}");
        assert_eq!(ErrorStatus::decode(BodyFormat::Json, b"\"no\""), None);
    }
}
