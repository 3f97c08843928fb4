//! The server's side of a unary call.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header};

use super::frame::{Framed, frame, read_frame};
use super::{Code, Status};
use crate::Body;
use crate::codec::Encoding;

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/grpc");
const ACCEPTED: HeaderValue = HeaderValue::from_static("gzip,zstd,snappy");

/// Whether a request is gRPC.
pub fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| {
        value
            .as_bytes()
            .strip_prefix(b"application/grpc")
            .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
    })
}

/// How long the client waits for the answer (`grpc-timeout`), if it says so and it can be read.
pub fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// Reads the one message of a unary call, still compressed. `limit` holds for it as it comes; `admit` is asked with its size before it
/// is read, and `false` ends the call with `UNAVAILABLE`.
///
/// # Errors
/// What to answer.
pub async fn read_message(
    request: Request<Body>,
    limit: usize,
    admit: &mut (dyn FnMut(usize) -> bool + Send),
) -> Result<Framed, Status> {
    let encoding = match request.headers().get("grpc-encoding").map(HeaderValue::to_str) {
        None => None,
        Some(Ok(name)) => Some(Encoding::from_grpc(name).ok_or_else(|| {
            Status::new(
                Code::Unimplemented,
                format!("the encoding {name:?} is not known; known are gzip, zstd and snappy"),
            )
        })?),
        Some(Err(_)) => return Err(Status::new(Code::Unimplemented, "grpc-encoding is not a name")),
    };
    let mut body = request.into_body();
    let message = read_frame(&mut body, encoding, limit, admit).await?;
    message.ok_or_else(|| Status::new(Code::Internal, "the call has no message"))
}

/// A successful answer.
pub fn reply(message: Bytes) -> Response<Body> {
    match frame([message], false) {
        Ok(parts) => {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            let mut response = Response::new(Body::parts(parts).with_trailers(trailers));
            response.headers_mut().insert(header::CONTENT_TYPE, CONTENT_TYPE);
            response.headers_mut().insert("grpc-accept-encoding", ACCEPTED);
            response
        }
        Err(status) => reply_status(&status),
    }
}

/// An answer without a message.
pub fn reply_status(status: &Status) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.headers_mut() = status.to_headers();
    response.headers_mut().insert(header::CONTENT_TYPE, CONTENT_TYPE);
    response.headers_mut().insert("grpc-accept-encoding", ACCEPTED);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_the_protocol_writes_them() {
        let read =
            |text: &str| timeout(&HeaderMap::from_iter([("grpc-timeout".parse().unwrap(), text.parse().unwrap())]));
        for (text, millis) in
            [("1H", 3_600_000), ("2M", 120_000), ("3S", 3000), ("99999999m", 99_999_999), ("5000u", 5)]
        {
            assert_eq!(read(text), Some(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(read("7n"), Some(Duration::from_nanos(7)));
        for text in ["", "S", "1", "123456789m", "-1S", "+1S", "1 S", "1x", "1.5S", "ü"] {
            let value = http::HeaderValue::from_bytes(text.as_bytes()).unwrap();
            assert_eq!(timeout(&HeaderMap::from_iter([("grpc-timeout".parse().unwrap(), value)])), None, "{text:?}");
        }
    }
}
