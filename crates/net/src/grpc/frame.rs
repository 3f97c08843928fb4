//! The frame around a message: a flag, a length of four bytes, the message.

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::BodyExt;

use super::{Code, Status};
use crate::codec::{DecodeError, Encoding, decode};
use crate::{Body, BodyError};

/// A frame's head.
const HEAD: usize = 5;

/// A message in its frame, in two parts so that the message is not copied.
///
/// # Errors
/// If it is longer than a frame can say.
pub fn frame(message: impl IntoIterator<Item = Bytes>, compressed: bool) -> Result<Vec<Bytes>, Status> {
    let mut parts = vec![Bytes::new()];
    parts.extend(message);
    let len: usize = parts.iter().map(Bytes::len).sum();
    let len =
        u32::try_from(len).map_err(|_| Status::new(Code::ResourceExhausted, "the message is larger than 4 GiB"))?;
    let mut head = BytesMut::with_capacity(HEAD);
    head.put_u8(u8::from(compressed));
    head.put_u32(len);
    parts[0] = head.freeze();
    Ok(parts)
}

/// A message as it came.
#[derive(Debug)]
pub struct Framed {
    /// How it is compressed.
    pub encoding: Encoding,
    /// Its bytes, in the parts in which they came.
    pub parts: Vec<Bytes>,
}

/// Reads exactly one frame and decodes it. `limit` holds before and after decompression; `admit` is asked as the message grows.
pub(super) async fn unframe(
    body: &mut Body,
    encoding: Option<Encoding>,
    limit: usize,
    admit: &mut (dyn FnMut(usize) -> bool + Send),
) -> Result<Option<Bytes>, Status> {
    let Some(Framed { encoding, mut parts }) = read_frame(body, encoding, limit, admit).await? else {
        return Ok(None);
    };
    if encoding == Encoding::Identity {
        return Ok(Some(match parts.len() {
            1 => parts.remove(0),
            _ => parts.concat().into(),
        }));
    }
    match decode(encoding, parts, limit, admit) {
        Ok(message) => Ok(Some(message.into())),
        Err(DecodeError::TooLarge { limit }) => Err(too_large(limit)),
        Err(DecodeError::NotAdmitted) => Err(no_room()),
        Err(error) => Err(Status::new(Code::Internal, error.to_string())),
    }
}

/// Reads exactly one frame. `limit` holds for the message as it comes; `admit` is asked before it is read.
pub(super) async fn read_frame(
    body: &mut Body,
    encoding: Option<Encoding>,
    limit: usize,
    admit: &mut (dyn FnMut(usize) -> bool + Send),
) -> Result<Option<Framed>, Status> {
    let mut parts: Vec<Bytes> = Vec::new();
    let mut head = BytesMut::new();
    let mut expected: Option<(bool, usize)> = None;
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        let Ok(mut data) = frame.map_err(broken)?.into_data() else { continue };
        if expected.is_none() {
            let count = (HEAD - head.len()).min(data.len());
            head.extend_from_slice(&data.split_to(count));
            if head.len() < HEAD {
                continue;
            }
            let len = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
            if head[0] > 1 {
                return Err(Status::new(Code::Internal, format!("the message has the unknown flag {}", head[0])));
            }
            if len > limit {
                return Err(too_large(limit));
            }
            if !admit(len) {
                return Err(no_room());
            }
            expected = Some((head[0] == 1, len));
        }
        read += data.len();
        if expected.is_some_and(|(_, len)| read > len) {
            return Err(Status::new(Code::Unimplemented, "a unary call takes one message"));
        }
        if !data.is_empty() {
            parts.push(data);
        }
    }
    let Some((compressed, len)) = expected else {
        return if head.is_empty() { Ok(None) } else { Err(Status::new(Code::Internal, "the message is cut short")) };
    };
    if read < len {
        return Err(Status::new(Code::Internal, "the message is cut short"));
    }
    if !compressed {
        return Ok(Some(Framed { encoding: Encoding::Identity, parts }));
    }
    let Some(encoding) = encoding.filter(|encoding| *encoding != Encoding::Identity) else {
        return Err(Status::new(
            Code::Internal,
            "the message is marked as compressed, but grpc-encoding names nothing",
        ));
    };
    Ok(Some(Framed { encoding, parts }))
}

fn too_large(limit: usize) -> Status {
    Status::new(Code::ResourceExhausted, format!("the message is larger than {limit} bytes"))
}

fn no_room() -> Status {
    Status::new(Code::Unavailable, "there is no room for the message")
}

fn broken(error: BodyError) -> Status {
    Status::new(Code::Cancelled, error.to_string())
}
