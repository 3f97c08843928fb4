//! Requests that are not taken: why, and how to say so in each protocol.

use std::time::Duration;

use corten_component::Refusal;
use corten_net::grpc::{Code, Status};
use http::StatusCode;

/// Why a request is refused before downstream has seen it; the label `reason` of the counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Not who it should be.
    Unauthenticated,
    /// Not a path, method, type or encoding that is served.
    Unsupported,
    /// Larger than allowed, before or after decompression.
    TooLarge,
    /// Not what it says it is.
    Malformed,
    /// Its body did not come in time, or not to its end.
    Incomplete,
    /// No memory for it.
    Overload,
}

impl Cause {
    pub(crate) const ALL: [Self; 6] =
        [Self::Unauthenticated, Self::Unsupported, Self::TooLarge, Self::Malformed, Self::Incomplete, Self::Overload];

    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::Unsupported => "unsupported",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::Incomplete => "incomplete",
            Self::Overload => "overload",
        }
    }
}

/// A refusal with all that either protocol needs for its answer.
#[derive(Debug, Clone)]
pub(crate) struct Refused {
    /// `None`: downstream refused.
    pub(crate) cause: Option<Cause>,
    pub(crate) http: StatusCode,
    pub(crate) status: Status,
    /// Downstream did not answer in time.
    pub(crate) late: bool,
}

impl Refused {
    pub(crate) fn new(cause: Cause, message: impl Into<String>) -> Self {
        let (http, code) = match cause {
            Cause::Unauthenticated => (StatusCode::UNAUTHORIZED, Code::Unauthenticated),
            Cause::Unsupported => (StatusCode::NOT_FOUND, Code::Unimplemented),
            Cause::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, Code::ResourceExhausted),
            Cause::Malformed => (StatusCode::BAD_REQUEST, Code::InvalidArgument),
            Cause::Incomplete => (StatusCode::REQUEST_TIMEOUT, Code::DeadlineExceeded),
            Cause::Overload => (StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable),
        };
        let status = Status::new(code, message);
        Self { cause: Some(cause), http, status, late: false }
    }

    /// The same with another HTTP status.
    pub(crate) fn with_http(mut self, http: StatusCode) -> Self {
        self.http = http;
        self
    }

    /// No memory: downstream's reason, or the budget's.
    pub(crate) fn overload(refusal: &Refusal) -> Self {
        Self { cause: Some(Cause::Overload), ..Self::downstream(refusal) }
    }

    /// What a consumer answered.
    pub(crate) fn downstream(refusal: &Refusal) -> Self {
        let status = match refusal {
            Refusal::Retry { after, why } => Status::new(Code::Unavailable, why.clone()).with_retry_after(*after),
            Refusal::Reject { why } => Status::new(Code::Internal, why.clone()),
            Refusal::Closed => Status::new(Code::Unavailable, refusal.to_string()),
        };
        Self { cause: None, http: status.code.http(), status, late: false }
    }

    /// A task of this process has failed.
    pub(crate) fn broken() -> Self {
        let status = Status::new(Code::Internal, "internal error");
        Self { cause: None, http: StatusCode::INTERNAL_SERVER_ERROR, status, late: false }
    }

    /// Downstream did not answer in time.
    pub(crate) fn late(deadline: Duration) -> Self {
        let status = Status::new(Code::Unavailable, format!("the pipeline did not take the data within {deadline:?}"));
        Self { cause: None, http: StatusCode::SERVICE_UNAVAILABLE, status, late: true }
    }
}
