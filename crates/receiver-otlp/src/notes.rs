//! What is worth knowing about where the servers listen.

use corten_component::Note;
use corten_net::Address;

use crate::arguments::{OtlpArguments, Transport};
use crate::component::{DEFAULT_GRPC, DEFAULT_HTTP};

/// A server as far as others can reach it.
struct Door<'a> {
    protocol: &'static str,
    endpoint: Option<&'a str>,
    default: &'static str,
    transport: Transport,
    /// Whether those who reach it must show who they are, or cannot be overheard.
    guarded: bool,
    /// `endpoint`, `transport`, `tls`, `auth`.
    fields: [&'static str; 4],
}

pub(crate) fn notes(args: &OtlpArguments) -> Vec<Note> {
    let grpc = args.grpc.as_ref().map(|grpc| Door {
        protocol: "grpc",
        endpoint: grpc.endpoint.as_deref(),
        default: DEFAULT_GRPC,
        transport: grpc.transport,
        guarded: grpc.tls.is_some() || grpc.auth.is_some(),
        fields: ["grpc.endpoint", "grpc.transport", "grpc.tls", "grpc.auth"],
    });
    let http = args.http.as_ref().map(|http| Door {
        protocol: "http",
        endpoint: http.endpoint.as_deref(),
        default: DEFAULT_HTTP,
        transport: http.transport,
        guarded: http.tls.is_some() || http.auth.is_some(),
        fields: ["http.endpoint", "http.transport", "http.tls", "http.auth"],
    });
    [grpc, http].into_iter().flatten().filter_map(|door| door.note()).collect()
}

impl Door<'_> {
    fn note(&self) -> Option<Note> {
        let Self { protocol, default, .. } = self;
        if self.transport == Transport::Unix {
            return None;
        }
        let Some(endpoint) = self.endpoint else {
            let message =
                format!("{protocol} listens on {default}, for this machine only, since no endpoint is written");
            let help =
                format!("write endpoint = {:?} to take data from others", default.replace("127.0.0.1", "0.0.0.0"));
            return Some(Note::new([self.fields[0], self.fields[1]], message).with_help(help));
        };
        if self.guarded || is_local(endpoint) {
            return None;
        }
        let message =
            format!("{protocol} takes data from anybody who can reach {endpoint}: it has neither TLS nor auth");
        let help = "add a tls block or auth, or listen on 127.0.0.1";
        Some(Note::new(self.fields, message).with_help(help).caution())
    }
}

/// Without looking names up: a name that is none of this machine's usual ones counts as reachable.
fn is_local(endpoint: &str) -> bool {
    let host = endpoint.rsplit_once(':').map_or(endpoint, |(host, _)| host);
    let literal = host.parse::<std::net::IpAddr>().is_ok()
        || host.starts_with('[')
        || endpoint.starts_with("unix:")
        || matches!(host, "" | "localhost");
    // What is no address at all is refused when it is built.
    if literal { Address::parse(endpoint).map_or(true, |address| address.is_local()) } else { false }
}

#[cfg(test)]
mod tests {
    use corten_net::args::TlsServer;

    use super::*;
    use crate::arguments::{Grpc, Http};

    fn http(endpoint: Option<&str>) -> OtlpArguments {
        let http = Http { endpoint: endpoint.map(str::to_owned), ..Http::default() };
        OtlpArguments { http: Some(http), ..OtlpArguments::default() }
    }

    #[test]
    fn a_default_address_is_a_note_and_an_open_one_a_caution() {
        let said = |endpoint| notes(&http(endpoint)).pop().map(|note| note.caution);
        assert_eq!(said(None), Some(false));
        for local in ["127.0.0.1:4318", "[::1]:4318", "localhost:4318", "unix:/run/x.sock"] {
            assert_eq!(said(Some(local)), None, "{local}");
        }
        for open in ["0.0.0.0:4318", ":4318", "[::]:4318", "192.0.2.1:4318", "collector.example:4318"] {
            assert_eq!(said(Some(open)), Some(true), "{open}");
        }
    }

    #[test]
    fn tls_and_unix_sockets_are_quiet() {
        let mut args = http(Some("0.0.0.0:4318"));
        if let Some(http) = &mut args.http {
            http.tls = Some(TlsServer::default());
        }
        assert_eq!(notes(&args), []);
        let socket = Grpc { transport: Transport::Unix, endpoint: Some("/run/x.sock".into()), ..Grpc::default() };
        assert_eq!(notes(&OtlpArguments { grpc: Some(socket), ..OtlpArguments::default() }), []);
    }
}
