//! OTLP/gRPC.

use std::sync::Arc;
use std::time::Instant;

use corten_component::BoxFuture;
use corten_net::auth;
use corten_net::grpc::{self, Code, Status};
use corten_net::server::Handler;
use corten_net::{Body, Peer};
use corten_signal::otlp::{BodyFormat, PartialSuccess, SignalKind};
use http::{Request, Response, StatusCode};

use crate::arguments::Grpc;
use crate::ingest::{Ingest, Raw};
use crate::refused::{Cause, Refused};

/// An instance's gRPC server.
pub(crate) struct GrpcServer {
    pub(crate) args: Grpc,
    pub(crate) ingest: Arc<Ingest>,
}

impl Handler for GrpcServer {
    fn call(self: Arc<Self>, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        Box::pin(async move {
            if !grpc::is_grpc(request.headers()) {
                self.ingest.meters.rejected(Cause::Unsupported);
                let text = "this is an OTLP/gRPC endpoint; OTLP/HTTP has one of its own, usually on port 4318\n";
                let mut response = Response::new(Body::from(text));
                *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
                return response;
            }
            let start = Instant::now();
            let kind = SignalKind::ALL.into_iter().find(|kind| request.uri().path() == kind.grpc_path());
            let mut read = 0;
            let (response, code) = match self.answer(kind, request, &mut read).await {
                Ok(kind) => {
                    let message = PartialSuccess::default().encode(kind, BodyFormat::Protobuf);
                    (grpc::reply(message.into()), Code::Ok)
                }
                Err(refused) => {
                    if let Some(cause) = refused.cause {
                        self.ingest.meters.rejected(cause);
                    }
                    (grpc::reply_status(&refused.status), refused.status.code)
                }
            };
            if let Some(meters) = kind.and_then(|kind| self.ingest.meters.signal(kind)) {
                meters.exchange(&(code as u8).to_string(), start.elapsed(), read, 0);
            }
            response
        })
    }
}

impl GrpcServer {
    async fn answer(
        &self,
        kind: Option<SignalKind>,
        request: Request<Body>,
        read: &mut usize,
    ) -> Result<SignalKind, Refused> {
        let peer = request.extensions().get::<Peer>().cloned().unwrap_or_default();
        let auth = match &self.args.auth {
            None => auth::AuthData::default(),
            Some(handle) => auth::check(handle, request.headers(), &peer)
                .await
                .map_err(|refused| Refused::new(Cause::Unauthenticated, refused.message))?,
        };
        let served = kind.and_then(|kind| Some((kind, self.ingest.room(kind)?)));
        let Some((kind, mut room)) = served else {
            let message = match kind {
                Some(kind) => format!("this receiver has no output for {kind}"),
                None => "unknown service or method".to_owned(),
            };
            return Err(Refused::new(Cause::Unsupported, message));
        };
        let own = self.ingest.deadline;
        let client = grpc::timeout(request.headers()).filter(|client| *client < own);
        let deadline = Instant::now() + client.unwrap_or(own);
        let (head, body) = request.into_parts();
        let headers = head.headers.clone();
        let request = Request::from_parts(head, body.paced(Default::default()));
        let limit = self.args.max_recv_msg_size.as_usize();
        let message = match grpc::read_message(request, limit, &mut |total| room.admit(total)).await {
            Ok(framed) => framed,
            Err(status) if status.code == Code::Unavailable => return Err(room.refusal()),
            Err(status) => return Err(classified(status)),
        };
        let grpc::Framed { encoding, parts } = message;
        let raw = Raw { format: BodyFormat::Protobuf, encoding, parts, limit, room };
        let Some(batch) = self.ingest.batch(kind, raw, read).await? else { return Ok(kind) };
        let batch = batch.with_meta(self.ingest.meta(&headers, &peer, &auth));
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let message = "the call's time was over before the pipeline saw the data";
            return Err(Refused {
                status: Status::new(Code::DeadlineExceeded, message),
                ..Refused::new(Cause::Incomplete, "")
            });
        }
        self.ingest.deliver(kind, batch, left).await.map_err(|mut refused| {
            // A client's own deadline has its own word.
            if refused.late && client.is_some() {
                refused.status.code = Code::DeadlineExceeded;
            }
            refused
        })?;
        Ok(kind)
    }
}

/// Why reading a message failed.
fn classified(status: Status) -> Refused {
    let cause = match status.code {
        Code::ResourceExhausted => Cause::TooLarge,
        Code::Unimplemented => Cause::Unsupported,
        Code::Cancelled | Code::DeadlineExceeded => Cause::Incomplete,
        _ => Cause::Malformed,
    };
    Refused { status, ..Refused::new(cause, "") }
}
