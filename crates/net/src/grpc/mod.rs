//! Unary gRPC on HTTP/2: five bytes before a message, a status behind it. Messages stay bytes.
//!
//! A message is limited before and after decompression, on both sides.

mod client;
mod frame;
mod server;
mod status;

pub use client::{Endpoint, EndpointError, GrpcClient, GrpcOptions, Reply};
pub use frame::{Framed, frame};
pub use server::{is_grpc, read_message, reply, reply_status, timeout};
pub use status::{Code, Status};
