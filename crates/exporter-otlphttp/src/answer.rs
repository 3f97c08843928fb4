//! What an answer means for the data.

use corten_delivery::{Accepted, SendError};
use corten_net::client::{Answer, ClientError, Failure};
use corten_net::http::{StatusCode, header};
use corten_signal::otlp::{BodyFormat, ErrorStatus, PartialSuccess, SignalKind};

/// As much of an answer is read as a message needs.
pub(crate) const ANSWER_LIMIT: usize = 64 << 10;

/// As much of a back end's words goes into a log line.
const QUOTE: usize = 512;

pub(crate) fn read(kind: SignalKind, answer: Result<Answer, ClientError>) -> Result<Accepted, SendError> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            return Err(match error.failure {
                Failure::Request => SendError::failed(error.message),
                Failure::Connect | Failure::Transport => SendError::unreachable(error.message),
                Failure::Timeout => SendError::silent(error.message),
            });
        }
    };
    if answer.status.is_success() {
        return Ok(accepted(kind, &answer));
    }
    let why = explain(&answer);
    Err(match answer.status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            SendError::Busy { after: answer.retry_after(), why: why.into() }
        }
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => SendError::Busy { after: None, why: why.into() },
        StatusCode::PAYLOAD_TOO_LARGE => SendError::TooLarge { why: why.into() },
        status => SendError::Rejected { divisible: status == StatusCode::BAD_REQUEST, why: why.into() },
    })
}

fn format(answer: &Answer) -> Option<BodyFormat> {
    let value = answer.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    [BodyFormat::Protobuf, BodyFormat::Json].into_iter().find(|format| format.media_type() == value)
}

/// Data that was taken stays taken, whatever the rest of the answer looks like.
fn accepted(kind: SignalKind, answer: &Answer) -> Accepted {
    let Some(format) = format(answer).filter(|_| !answer.truncated) else { return Accepted::default() };
    match PartialSuccess::decode(kind, format, &answer.body) {
        Some(partial) => Accepted { rejected: partial.rejected, message: quote(&partial.message) },
        None => Accepted { rejected: 0, message: "the answer is not an OTLP response".to_owned() },
    }
}

/// The status, and the back end's own words if there are any.
fn explain(answer: &Answer) -> String {
    let status = answer.status;
    if status.is_redirection() {
        let to = answer.headers.get(header::LOCATION).and_then(|value| value.to_str().ok()).unwrap_or("nowhere");
        return format!("the server redirects ({status}) to {}; write that address as the endpoint", quote(to));
    }
    let words = match format(answer).and_then(|format| ErrorStatus::decode(format, &answer.body)) {
        Some(error) => error.message,
        None => String::from_utf8_lossy(&answer.body).trim().to_owned(),
    };
    match words.as_str() {
        "" => format!("the server answers {status}"),
        words => format!("the server answers {status}: {}", quote(words)),
    }
}

/// Printable, and no longer than a line should be.
fn quote(words: &str) -> String {
    let mut quoted: String = words.chars().take(QUOTE).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if words.chars().nth(QUOTE).is_some() {
        quoted.push('…');
    }
    quoted
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use corten_net::http::{HeaderMap, HeaderValue};

    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: Vec<u8>) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_static(value));
        }
        let status = StatusCode::from_u16(status).unwrap();
        Answer { status, headers: map, body: body.into(), truncated: false, trailers: None }
    }

    fn class(status: u16, headers: &[(&'static str, &'static str)]) -> SendError {
        read(SignalKind::Traces, Ok(answer(status, headers, b"no\nway".to_vec()))).unwrap_err()
    }

    #[test]
    fn only_four_statuses_are_tried_again() {
        for status in (300..600).filter(|status| ![413].contains(status)) {
            let retryable = [429, 502, 503, 504].contains(&status);
            assert_eq!(class(status, &[]).is_retryable(), retryable, "{status}");
        }
        assert!(matches!(class(413, &[]), SendError::TooLarge { .. }));
        assert!(matches!(class(400, &[]), SendError::Rejected { divisible: true, .. }));
        assert!(matches!(class(401, &[]), SendError::Rejected { divisible: false, .. }));
        assert_eq!(class(500, &[]).to_string(), "the server answers 500 Internal Server Error: no way");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_where_it_has_a_meaning() {
        let after = |status, value| match class(status, &[("retry-after", value)]) {
            SendError::Busy { after, .. } => after,
            other => panic!("{other:?}"),
        };
        assert_eq!(after(429, "17"), Some(Duration::from_secs(17)));
        assert_eq!(after(503, "Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert!(after(503, "Tue, 31 Dec 2999 23:59:59 GMT").unwrap() > Duration::from_secs(1 << 30));
        assert_eq!(after(503, "soon"), None);
        let dates = [("date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")];
        let SendError::Busy { after: by_its_clock, .. } = class(503, &dates) else { panic!("busy") };
        assert_eq!(by_its_clock, Some(Duration::from_secs(30)), "whatever our clock says");
        assert_eq!(after(502, "17"), None);
    }

    #[test]
    fn partial_success_is_read_in_the_format_it_says_it_has() {
        let partial = PartialSuccess { rejected: 3, message: "too old".to_owned() };
        for format in [BodyFormat::Protobuf, BodyFormat::Json] {
            let body = partial.encode(SignalKind::Logs, format);
            let accepted = |media| read(SignalKind::Logs, Ok(answer(200, &[("content-type", media)], body.clone())));
            let expected = Accepted { rejected: 3, message: "too old".to_owned() };
            assert_eq!(accepted(format.media_type()).unwrap(), expected);
            assert_eq!(accepted("text/plain").unwrap(), Accepted::default());
        }
        let garbage = answer(200, &[("content-type", "application/x-protobuf")], vec![0xff; 9]);
        let accepted = read(SignalKind::Logs, Ok(garbage)).unwrap();
        assert!(accepted.rejected == 0 && accepted.message.contains("not an OTLP response"));
    }

    #[test]
    fn a_redirect_says_where_to() {
        let error = class(301, &[("location", "https://b/")]);
        assert!(!error.is_retryable() && error.to_string().contains("https://b/"));
    }
}
