//! The server's side of a unary call.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header};

use super::frame::{frame, unframe};
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

/// Reads the one message of a unary call. `limit` holds before and after decompression; `admit` is asked with the size so far before
/// memory for more is taken, and `false` ends the call with `UNAVAILABLE`.
///
/// # Errors
/// What to answer.
pub async fn read_message(
    request: Request<Body>,
    limit: usize,
    admit: &mut (dyn FnMut(usize) -> bool + Send),
) -> Result<Bytes, Status> {
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
    let message = unframe(&mut body, encoding, limit, admit).await?;
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
