//! gRPC's statuses.

use std::time::Duration;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use corten_proto::google;
use http::{HeaderMap, HeaderValue, StatusCode};
use prost::Message;

use crate::client::Failure;

/// Binary headers are sent without padding and read with or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

macro_rules! codes {
    ($($number:literal $variant:ident $text:literal $doc:literal;)*) => {
        /// A gRPC status code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Code { $(#[doc = $doc] $variant = $number,)* }

        impl Code {
            /// The code with this number; unknown ones are [`Code::Unknown`].
            pub const fn from_number(number: i64) -> Self {
                match number { $($number => Self::$variant,)* _ => Self::Unknown }
            }

            /// Its name as gRPC writes it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

codes! {
    0 Ok "OK" "No error.";
    1 Cancelled "CANCELLED" "The caller gave up.";
    2 Unknown "UNKNOWN" "Something.";
    3 InvalidArgument "INVALID_ARGUMENT" "The request is wrong.";
    4 DeadlineExceeded "DEADLINE_EXCEEDED" "It took too long.";
    5 NotFound "NOT_FOUND" "What was asked for is not there.";
    6 AlreadyExists "ALREADY_EXISTS" "What was to be made is there.";
    7 PermissionDenied "PERMISSION_DENIED" "The caller may not.";
    8 ResourceExhausted "RESOURCE_EXHAUSTED" "Too much, or too large.";
    9 FailedPrecondition "FAILED_PRECONDITION" "The system is in the wrong state.";
    10 Aborted "ABORTED" "A conflict with something else.";
    11 OutOfRange "OUT_OF_RANGE" "Beyond the end.";
    12 Unimplemented "UNIMPLEMENTED" "There is no such method.";
    13 Internal "INTERNAL" "The server is broken.";
    14 Unavailable "UNAVAILABLE" "Not now.";
    15 DataLoss "DATA_LOSS" "Data is gone.";
    16 Unauthenticated "UNAUTHENTICATED" "The caller is not known.";
}

impl Code {
    /// The HTTP status that OTLP/HTTP answers with for this code.
    pub const fn http(self) -> StatusCode {
        match self {
            Self::Ok => StatusCode::OK,
            Self::InvalidArgument => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::PermissionDenied => StatusCode::FORBIDDEN,
            Self::Unimplemented => StatusCode::NOT_FOUND,
            Self::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Self::Cancelled
            | Self::DeadlineExceeded
            | Self::Aborted
            | Self::OutOfRange
            | Self::Unavailable
            | Self::DataLoss => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The code that stands for an HTTP status without a gRPC one.
    pub const fn from_http(status: StatusCode) -> Self {
        match status.as_u16() {
            400 => Self::Internal,
            401 => Self::Unauthenticated,
            403 => Self::PermissionDenied,
            404 => Self::Unimplemented,
            429 | 502 | 503 | 504 => Self::Unavailable,
            _ => Self::Unknown,
        }
    }
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// The code.
    pub code: Code,
    /// Why, for a person.
    pub message: String,
    /// When the caller may try again (`RetryInfo` in the details).
    pub retry_after: Option<Duration>,
    /// Where the call failed, if this is not what the server says, but what is said of it for want of an answer.
    pub failure: Option<Failure>,
}

impl Status {
    /// A status without details.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after: None, failure: None }
    }

    /// The same with a time to wait.
    #[must_use]
    pub fn with_retry_after(mut self, after: Option<Duration>) -> Self {
        self.retry_after = after;
        self
    }

    /// Whether OTLP lets the caller send the same again.
    pub fn is_retryable(&self) -> bool {
        match self.code {
            Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss => true,
            Code::ResourceExhausted => self.retry_after.is_some(),
            _ => false,
        }
    }

    /// As `google.rpc.Status`.
    pub fn to_proto(&self) -> google::Status {
        let details = self.retry_after.map(|after| google::Any {
            type_url: google::RetryInfo::TYPE_URL.to_owned(),
            value: google::RetryInfo {
                retry_delay: Some(google::Duration {
                    seconds: i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
                    nanos: after.subsec_nanos().cast_signed(),
                }),
            }
            .encode_to_vec(),
        });
        google::Status {
            code: i32::from(self.code as u8),
            message: self.message.clone(),
            details: details.into_iter().collect(),
        }
    }

    /// The trailers that carry it.
    pub fn to_headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-status", HeaderValue::from(u16::from(self.code as u8)));
        if !self.message.is_empty()
            && let Ok(message) = HeaderValue::from_str(&percent_encode(&self.message))
        {
            headers.insert("grpc-message", message);
        }
        if self.retry_after.is_some()
            && let Ok(details) = HeaderValue::from_str(&BASE64.encode(self.to_proto().encode_to_vec()))
        {
            headers.insert("grpc-status-details-bin", details);
        }
        headers
    }

    /// Reads trailers; `None` if they carry no status.
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let number = headers.get("grpc-status")?.to_str().ok()?.parse().unwrap_or(2);
        let message = headers.get("grpc-message").map(|value| percent_decode(value.as_bytes())).unwrap_or_default();
        let retry_after = headers.get("grpc-status-details-bin").and_then(|value| {
            let bytes = BASE64.decode(value.as_bytes()).ok()?;
            retry_info(&google::Status::decode(Bytes::from(bytes)).ok()?)
        });
        Some(Self { retry_after, ..Self::new(Code::from_number(number), message) })
    }
}

/// The time that a status' `RetryInfo` gives.
fn retry_info(status: &google::Status) -> Option<Duration> {
    let detail = status.details.iter().find(|detail| detail.type_url == google::RetryInfo::TYPE_URL)?;
    let delay = google::RetryInfo::decode(detail.value.as_slice()).ok()?.retry_delay.unwrap_or_default();
    let seconds = u64::try_from(delay.seconds).unwrap_or(0);
    Some(Duration::new(seconds, u32::try_from(delay.nanos).unwrap_or(0).min(999_999_999)))
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.message)
    }
}

impl std::error::Error for Status {}

fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

fn percent_decode(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match (first, code.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(code)) => {
                out.push(code);
                rest = &tail[2..];
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_survives_its_trailers() {
        let status =
            Status::new(Code::Unavailable, "full: 100 % ü\n").with_retry_after(Some(Duration::from_millis(1500)));
        assert_eq!(Status::from_headers(&status.to_headers()), Some(status));
        assert_eq!(Status::from_headers(&HeaderMap::new()), None);
    }

    #[test]
    fn retryable_is_what_otlp_says() {
        assert!(Status::new(Code::Unavailable, "").is_retryable());
        let exhausted = Status::new(Code::ResourceExhausted, "");
        assert!(!exhausted.is_retryable());
        assert!(exhausted.with_retry_after(Some(Duration::ZERO)).is_retryable());
        assert!(!Status::new(Code::Internal, "").is_retryable());
    }
}
