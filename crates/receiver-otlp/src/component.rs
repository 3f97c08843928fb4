//! The life of an instance.

use std::sync::Arc;
use std::time::Duration;

use corten_component::metrics::MetricDoc;
use corten_component::{BuildContext, BuildError, Component, Lease, NoExports, Note, RunContext, RunError};
use corten_delivery::{Arena, Holder};
use corten_net::Address;
use corten_net::args::TlsServer;
use corten_net::auth::AuthHandle;
use corten_net::server::{Handler, Installed, Limits, Listener, MAX_PER_PEER, Refusals, Serving};
use corten_net::tls::ServerTls;
use corten_signal::otlp::{Batch, SignalKind};
use tokio::time::Instant;

use crate::arguments::{Grpc, Http, OtlpArguments, Transport};
use crate::grpc::GrpcServer;
use crate::http::HttpServer;
use crate::ingest::Ingest;
use crate::metrics::{self, Meters, Protocol};

pub(crate) const DEFAULT_GRPC: &str = "127.0.0.1:4317";
pub(crate) const DEFAULT_HTTP: &str = "127.0.0.1:4318";
/// How long downstream may take to answer a gRPC call.
const GRPC_DEADLINE: Duration = Duration::from_secs(60);
/// The part of the time to stop that is kept for calls whose clients have gone.
const LAST_CALLS: Duration = Duration::from_millis(200);

/// `otelcol.receiver.otlp`.
pub struct OtlpReceiver {
    servers: Vec<Server>,
    holder: Arc<Holder<Batch>>,
}

struct Server {
    protocol: Protocol,
    lease: Lease<Listener>,
    serving: Serving,
    ingest: Arc<Ingest>,
    auth: Option<AuthHandle>,
    address: Address,
}

impl Component for OtlpReceiver {
    const NAME: &'static str = "otelcol.receiver.otlp";
    const DOC: &'static str = "Takes traces, metrics and logs over OTLP, by gRPC and HTTP.\n\n\
        A server runs if its block is written. It listens on 127.0.0.1 unless `endpoint` says otherwise, and serves the signals \
        that `output` has consumers for. Bodies are limited before and after decompression, checked at every level and passed on \
        as bytes; the answer is what downstream answered: 503 or UNAVAILABLE means that the sender should try again, and says \
        when if that is known. Changing arguments breaks no connection.";
    const METRICS: &'static [MetricDoc] = metrics::DOCS;
    type Arguments = OtlpArguments;
    type Exports = NoExports;
    type Carry = ();

    async fn build(args: Arc<Self::Arguments>, cx: &mut BuildContext<'_>) -> Result<(Self, Self::Exports), BuildError> {
        let mut servers = Vec::new();
        let output = |kind: usize| args.output.of(*SignalKind::ALL.get(kind)?).cloned();
        let holder = Holder::for_several(cx.id().to_string(), Arena::of(cx), cx.health().clone(), cx.metrics(), output);
        if let Some(grpc) = &args.grpc {
            servers.push(build_grpc(grpc, &args, &holder, cx)?);
        }
        if let Some(http) = &args.http {
            servers.push(build_http(http, &args, &holder, cx)?);
        }
        if let [a, b] = servers.as_slice()
            && a.address == b.address
            && a.address.socket_addr().is_none_or(|address| address.port() != 0)
        {
            let message = format!("grpc and http cannot both listen on {}", a.address);
            return Err(BuildError::at("http.endpoint", message));
        }
        Ok((Self { servers, holder }, NoExports))
    }

    fn notes(args: &Self::Arguments) -> Vec<Note> {
        crate::notes::notes(args)
    }

    async fn run(self, _carry: Self::Carry, cx: RunContext<Self>) -> (Self::Carry, Result<(), RunError>) {
        let mut installed: Vec<(Installed, Arc<Ingest>)> = Vec::new();
        let mut result = Ok(());
        for server in self.servers {
            match server.start(&cx).await {
                Ok(started) => installed.push((started, server.ingest)),
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        if result.is_ok() {
            cx.health().healthy(listening(&installed));
            tokio::select! {
                () = self.holder.send_left() => {}
                () = cx.stopping() => {}
            }
        }
        let deadline = cx.deadline().unwrap_or_else(|| Instant::now() + Duration::from_secs(5));
        let answers = deadline.checked_sub(LAST_CALLS).unwrap_or(deadline);
        let finished = installed.into_iter().map(|(installed, ingest)| async move {
            let answered = installed.finish(answers).await;
            // Clients may have gone while downstream was still at it.
            answered && tokio::time::timeout_at(deadline, ingest.quiet()).await.is_ok()
        });
        let mut all = true;
        for finished in finished.map(tokio::spawn).collect::<Vec<_>>() {
            all &= finished.await.unwrap_or(false);
        }
        if !all {
            tracing::warn!(component = %cx.id(), "some requests were still being answered when the receiver had to stop");
        }
        ((), result)
    }
}

impl Server {
    async fn start(&self, cx: &RunContext<OtlpReceiver>) -> Result<Installed, RunError> {
        let protocol = self.protocol.label();
        let Some(listener) = self.lease.get() else {
            return Err(RunError::new(format!("the {protocol} listener was not prepared")));
        };
        // Known only now: handlers are installed when the whole plan is committed.
        if let Some(Err(error)) = self.auth.as_ref().and_then(|auth| auth.get()).map(|auth| auth.serves()) {
            return Err(RunError::new(format!("{protocol}.auth cannot check who sends: {error}")));
        }
        listener.install(cx.id(), self.serving.clone()).await.map_err(|error| RunError::new(error.message))
    }
}

fn listening(installed: &[(Installed, Arc<Ingest>)]) -> String {
    let addresses: Vec<String> = installed.iter().map(|(each, _)| each.local_addr().to_string()).collect();
    match addresses.as_slice() {
        [] => "neither grpc nor http is written, so nothing is received".to_owned(),
        addresses => format!("listening on {}", addresses.join(" and ")),
    }
}

pub(crate) fn address(
    field: &str,
    transport: Transport,
    endpoint: Option<&str>,
    default: &str,
) -> Result<Address, BuildError> {
    let text = endpoint.unwrap_or(default);
    let parsed = match transport {
        Transport::Unix => Address::unix(text.trim_start_matches("unix://").trim_start_matches("unix:")),
        _ => Address::parse(text),
    };
    let address = parsed.map_err(|error| BuildError::at(field, error.to_string()))?;
    let fits = match (transport, address.socket_addr()) {
        (Transport::Tcp4, Some(address)) => address.is_ipv4(),
        (Transport::Tcp6, Some(address)) => address.is_ipv6(),
        _ => true,
    };
    if fits { Ok(address) } else { Err(BuildError::at(field, format!("{text} is not an address of the transport"))) }
}

fn tls(field: &str, args: Option<&TlsServer>) -> Result<Option<ServerTls>, BuildError> {
    args.map(|args| ServerTls::new(args).map_err(|error| BuildError::at(field, error.to_string()))).transpose()
}

/// 0 is for ever.
fn unless_zero(time: Duration) -> Option<Duration> {
    (!time.is_zero()).then_some(time)
}

/// Connections that one peer may have. Where only this machine can connect, all peers have one address.
fn per_peer(address: &Address) -> Option<usize> {
    (!address.is_local()).then_some(MAX_PER_PEER)
}

fn meters(cx: &BuildContext<'_>, protocol: Protocol, routes: &[(SignalKind, String)]) -> (Meters, Refusals) {
    let receiver = format!("otlp/{}", cx.id().local());
    let meters = Meters::register(cx.metrics(), &receiver, protocol, routes.to_vec());
    (meters, metrics::refusals(cx.metrics(), &receiver, protocol))
}

fn build_grpc(
    grpc: &Grpc,
    args: &OtlpArguments,
    holder: &Arc<Holder<Batch>>,
    cx: &mut BuildContext<'_>,
) -> Result<Server, BuildError> {
    let address = address("grpc.endpoint", grpc.transport, grpc.endpoint.as_deref(), DEFAULT_GRPC)?;
    let served = SignalKind::ALL.into_iter().filter(|kind| args.output.of(*kind).is_some());
    let routes: Vec<_> = served.map(|kind| (kind, kind.grpc_service().to_owned())).collect();
    let (meters, refusals) = meters(cx, Protocol::Grpc, &routes);
    let ingest = Ingest::new(
        cx.id(),
        Arc::clone(holder),
        args.output.clone(),
        Arena::of(cx),
        meters,
        grpc.include_metadata,
        GRPC_DEADLINE,
    );
    let ingest = Arc::new(ingest);
    let server = &grpc.keepalive.server_parameters;
    let defaults = Limits::default();
    let limits = Limits {
        idle_timeout: unless_zero(server.max_connection_idle),
        max_concurrent_streams: match grpc.max_concurrent_streams {
            0 => defaults.max_concurrent_streams,
            streams => streams,
        },
        max_age: unless_zero(server.max_connection_age),
        grace: unless_zero(server.max_connection_age_grace).unwrap_or(defaults.grace),
        ping_interval: unless_zero(server.time),
        ping_timeout: unless_zero(server.timeout).unwrap_or(defaults.ping_timeout),
        pings: Some(grpc.keepalive.enforcement_policy.policy()),
        max_per_peer: per_peer(&address),
        ..defaults
    };
    let handler: Arc<dyn Handler> = Arc::new(GrpcServer { args: grpc.clone(), ingest: Arc::clone(&ingest) });
    Ok(Server {
        protocol: Protocol::Grpc,
        lease: cx.resource(address.clone()),
        serving: Serving { handler, tls: tls("grpc.tls", grpc.tls.as_ref())?, limits, refusals },
        ingest,
        auth: grpc.auth.clone(),
        address,
    })
}

fn build_http(
    http: &Http,
    args: &OtlpArguments,
    holder: &Arc<Holder<Batch>>,
    cx: &mut BuildContext<'_>,
) -> Result<Server, BuildError> {
    let address = address("http.endpoint", http.transport, http.endpoint.as_deref(), DEFAULT_HTTP)?;
    let served = SignalKind::ALL.into_iter().filter(|kind| args.output.of(*kind).is_some());
    let routes: Vec<_> = served.filter_map(|kind| Some((kind, http.path(kind)?))).collect();
    for (index, (_, path)) in routes.iter().enumerate() {
        if routes[..index].iter().any(|(_, other)| other == path) {
            return Err(BuildError::at("http", format!("two signals have the path {path}")));
        }
    }
    let (meters, refusals) = meters(cx, Protocol::Http, &routes);
    let deadline = unless_zero(http.write_timeout).unwrap_or(GRPC_DEADLINE);
    let ingest = Arc::new(Ingest::new(
        cx.id(),
        Arc::clone(holder),
        args.output.clone(),
        Arena::of(cx),
        meters,
        http.include_metadata,
        deadline,
    ));
    let defaults = Limits::default();
    let limits = Limits {
        header_timeout: unless_zero(http.read_header_timeout).unwrap_or(defaults.header_timeout),
        idle_timeout: unless_zero(http.idle_timeout).or(defaults.idle_timeout),
        keep_alive: http.keep_alives_enabled,
        max_per_peer: per_peer(&address),
        ..defaults
    };
    let handler: Arc<dyn Handler> = Arc::new(HttpServer {
        args: http.clone(),
        cors: http.cors.clone().unwrap_or_default(),
        ingest: Arc::clone(&ingest),
        routes,
        listening: address.clone(),
    });
    Ok(Server {
        protocol: Protocol::Http,
        lease: cx.resource(address.clone()),
        serving: Serving { handler, tls: tls("http.tls", http.tls.as_ref())?, limits, refusals },
        ingest,
        auth: http.auth.clone(),
        address,
    })
}
