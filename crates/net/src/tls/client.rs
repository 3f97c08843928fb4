//! TLS of clients.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::verify::{Trust, Verifier};
use super::{Reloading, TlsError, material};
use crate::args::TlsClient;

/// How a client speaks TLS. Cloning shares it.
#[derive(Clone)]
pub struct ClientTls {
    config: Arc<Reloading<ClientConfig>>,
    server_name: Option<ServerName<'static>>,
}

impl ClientTls {
    /// From a block; its defaults trust the system's authorities. `http2` is what ALPN offers first.
    ///
    /// # Errors
    /// If a file cannot be read or does not hold what it should.
    pub fn new(args: &TlsClient, http2: Offer) -> Result<Self, TlsError> {
        let server_name = match args.server_name.as_str() {
            "" => None,
            name => Some(ServerName::try_from(name.to_owned()).map_err(|_| {
                TlsError::Config(format!("server_name {name:?} is neither a host name nor an IP address"))
            })?),
        };
        let args = args.clone();
        let config = Reloading::new(args.files.reload_interval, move || config(&args, http2))?;
        Ok(Self { config: Arc::new(config), server_name })
    }

    /// With all defaults.
    ///
    /// # Errors
    /// If the system's authorities cannot be used.
    pub fn system(http2: Offer) -> Result<Self, TlsError> {
        Self::new(&TlsClient::default(), http2)
    }

    /// The configuration of this moment.
    pub fn config(&self) -> Arc<ClientConfig> {
        self.config.get()
    }

    /// The name that overrides the host's.
    pub fn server_name(&self) -> Option<&ServerName<'static>> {
        self.server_name.as_ref()
    }
}

impl std::fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientTls").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

/// What a client offers by ALPN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Offer {
    /// HTTP/2, else HTTP/1.1.
    #[default]
    Both,
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 only, as gRPC needs.
    Http2,
}

fn config(args: &TlsClient, offer: Offer) -> Result<ClientConfig, TlsError> {
    let provider = material::provider(&args.files)?;
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&material::versions(&args.files))
        .map_err(|error| TlsError::Config(error.to_string()))?;
    let roots = if args.insecure_skip_verify { None } else { material::client_roots(&args.files)? };
    let builder = match roots {
        Some(roots) => builder.with_root_certificates(roots),
        None => {
            let trust = if args.insecure_skip_verify { Trust::Anyone } else { Trust::system() };
            builder.dangerous().with_custom_certificate_verifier(Verifier::new(provider, trust))
        }
    };
    let mut config = match material::identity(&args.files)? {
        Some((chain, key)) => builder
            .with_client_auth_cert(chain, key)
            .map_err(|error| TlsError::Config(format!("certificate and key do not fit together: {error}")))?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = match offer {
        Offer::Both => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        Offer::Http1 => vec![b"http/1.1".to_vec()],
        Offer::Http2 => vec![b"h2".to_vec()],
    };
    Ok(config)
}
