//! What a server's answer means for the samples.

use std::time::Duration;

use corten_net::client::{Answer, ClientError};
use corten_net::http::{HeaderMap, StatusCode};

use super::arguments::Protocol;
use super::batch::Counts;

/// As much of an answer is read as a message needs.
pub(super) const ANSWER_LIMIT: usize = 64 << 10;

/// As much of a server's words goes into a log line.
const QUOTE: usize = 512;

/// A server that wants to be left alone for longer is asked again after this.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// So much of the request was written; the rest will never be.
    Taken(Counts),
    /// The request is to be made again, after this time if one is given.
    Again { after: Option<Duration>, why: String },
    /// The server does not know the message; nothing was written.
    Unknown(String),
    /// So much was written, the rest will never be. `divisible`: some of the samples may be at fault, and not the
    /// others.
    Refused { written: Counts, divisible: bool, why: String },
}

/// Reads an answer to a request that holds so much.
pub(super) fn read(answer: Result<Answer, ClientError>, protocol: Protocol, sent: Counts, retry_429: bool) -> Verdict {
    let answer = match answer {
        Ok(answer) => answer,
        // Without an answer nothing is known but that the server may be back in a moment.
        Err(error) => return Verdict::Again { after: None, why: error.message },
    };
    let written = Written::read(&answer.headers);
    if answer.status.is_success() {
        return match (written, protocol) {
            (Some(written), _) => written.of(sent, protocol),
            (None, Protocol::V1) => Verdict::Taken(sent),
            (None, Protocol::V2) => nothing_written(),
        };
    }
    let why = explain(&answer);
    match answer.status {
        status if status.is_server_error() || (status == StatusCode::TOO_MANY_REQUESTS && retry_429) => {
            let after = answer.retry_after().filter(|after| !after.is_zero()).map(|after| after.min(LONGEST_PAUSE));
            Verdict::Again { after, why }
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE if protocol == Protocol::V2 => Verdict::Unknown(why),
        status => {
            let divisible =
                [StatusCode::BAD_REQUEST, StatusCode::CONFLICT, StatusCode::UNPROCESSABLE_ENTITY].contains(&status);
            let written = written.map(|written| written.at_most(sent)).unwrap_or_default();
            Verdict::Refused { written, divisible, why }
        }
    }
}

fn nothing_written() -> Verdict {
    let why = "the server answers with success, but does not say that anything was written: it may know 1.0 only \
               (protobuf_message = \"prometheus.WriteRequest\")";
    Verdict::Refused { written: Counts::default(), divisible: false, why: why.to_owned() }
}

/// What a server says that it has written.
#[derive(Debug, Clone, Copy)]
struct Written {
    samples: u64,
    histograms: u64,
    exemplars: u64,
}

impl Written {
    /// `None` if it says nothing.
    fn read(headers: &HeaderMap) -> Option<Self> {
        let [samples, histograms, exemplars] = ["samples", "histograms", "exemplars"].map(|what| {
            let value = headers.get(format!("x-prometheus-remote-write-{what}-written"))?;
            value.to_str().ok()?.trim().parse::<u64>().ok()
        });
        if samples.is_none() && histograms.is_none() && exemplars.is_none() {
            return None;
        }
        let [samples, histograms, exemplars] = [samples, histograms, exemplars].map(Option::unwrap_or_default);
        Some(Self { samples, histograms, exemplars })
    }

    fn at_most(self, sent: Counts) -> Counts {
        Counts {
            samples: self.samples.min(sent.samples),
            histograms: self.histograms.min(sent.histograms),
            exemplars: self.exemplars.min(sent.exemplars),
            metadata: sent.metadata,
        }
    }

    fn of(self, sent: Counts, protocol: Protocol) -> Verdict {
        let written = self.at_most(sent);
        let nothing = written.samples + written.histograms + written.exemplars == 0;
        if nothing && protocol == Protocol::V2 && sent.rows() > 0 { nothing_written() } else { Verdict::Taken(written) }
    }
}

/// The status, and the server's own words.
fn explain(answer: &Answer) -> String {
    let status = answer.status;
    let words = String::from_utf8_lossy(&answer.body);
    let words = words.trim();
    let mut text = format!("the server answers {status}");
    if !words.is_empty() {
        text.push_str(": ");
        text.extend(words.chars().take(QUOTE).map(|c| if c.is_control() { ' ' } else { c }));
    }
    text
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use corten_net::client::Failure;
    use corten_net::http::HeaderValue;

    use super::*;

    const SENT: Counts = Counts { samples: 10, histograms: 2, exemplars: 1, metadata: 0 };

    fn answer(status: u16, headers: &[(&'static str, &'static str)]) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_static(value));
        }
        let (status, body) = (StatusCode::from_u16(status).unwrap(), Bytes::from_static(b"out of\norder"));
        Answer { status, headers: map, body, truncated: false, trailers: None }
    }

    fn verdict(status: u16, headers: &[(&'static str, &'static str)], protocol: Protocol) -> Verdict {
        read(Ok(answer(status, headers)), protocol, SENT, true)
    }

    #[test]
    fn statuses_are_final_or_not() {
        for status in 300..600 {
            let again = status >= 500 || status == 429;
            let read = verdict(status, &[], Protocol::V1);
            assert_eq!(matches!(read, Verdict::Again { .. }), again, "{status}: {read:?}");
        }
        let strict = read(Ok(answer(429, &[])), Protocol::V1, SENT, false);
        assert!(matches!(strict, Verdict::Refused { divisible: false, .. }));
        let lost = ClientError { failure: Failure::Request, message: "no".to_owned() };
        assert!(matches!(read(Err(lost), Protocol::V1, SENT, true), Verdict::Again { after: None, .. }));
        let Verdict::Refused { why, divisible: true, .. } = verdict(400, &[], Protocol::V1) else { panic!() };
        assert_eq!(why, "the server answers 400 Bad Request: out of order");
    }

    #[test]
    fn pauses_are_honoured_within_reason() {
        let after = |value| match verdict(503, &[("retry-after", value)], Protocol::V1) {
            Verdict::Again { after, .. } => after,
            other => panic!("{other:?}"),
        };
        assert_eq!(after("7"), Some(Duration::from_secs(7)));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:37 GMT"), None);
        assert_eq!(after("Tue, 31 Dec 2999 23:59:59 GMT"), Some(LONGEST_PAUSE));
        assert_eq!((after("0"), after("soon")), (None, None));
    }

    #[test]
    fn what_was_written_is_what_the_server_says() {
        const SAMPLES: &str = "x-prometheus-remote-write-samples-written";
        assert_eq!(verdict(204, &[], Protocol::V1), Verdict::Taken(SENT));
        assert!(matches!(verdict(204, &[], Protocol::V2), Verdict::Refused { divisible: false, .. }));
        assert!(matches!(verdict(204, &[(SAMPLES, "0")], Protocol::V2), Verdict::Refused { .. }));
        let some = Counts { samples: 4, ..Counts::default() };
        assert_eq!(verdict(204, &[(SAMPLES, "4")], Protocol::V2), Verdict::Taken(some));
        assert_eq!(verdict(200, &[(SAMPLES, "4")], Protocol::V1), Verdict::Taken(some));
        let Verdict::Taken(most) = verdict(200, &[(SAMPLES, "400")], Protocol::V2) else { panic!() };
        assert_eq!(most.samples, 10);
        let Verdict::Refused { written, .. } = verdict(400, &[(SAMPLES, "4")], Protocol::V2) else { panic!() };
        assert_eq!(written, some);
        assert!(matches!(verdict(415, &[], Protocol::V2), Verdict::Unknown(_)));
        assert!(matches!(verdict(415, &[], Protocol::V1), Verdict::Refused { .. }));
    }
}
