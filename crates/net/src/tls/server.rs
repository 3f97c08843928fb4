//! TLS of servers.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::{Reloading, TlsError, material};
use crate::args::{TlsFiles, TlsServer};

/// Whether clients must show a certificate. The Go names that the web servers' blocks use are in brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientCertificates {
    /// Not asked for (`NoClientCert`).
    #[default]
    Ignored,
    /// Checked if one is shown (`VerifyClientCertIfGiven`, `RequestClientCert`).
    Optional,
    /// Needed (`RequireAndVerifyClientCert`, `RequireAnyClientCert`).
    Required,
}

/// What a server's TLS is made of; other families of blocks are put into this form.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ServerTlsOptions {
    /// Certificate, key, versions, suites, reload.
    pub files: TlsFiles,
    /// File with the authorities of client certificates.
    pub client_ca_file: String,
    /// The same as text.
    pub client_ca_pem: String,
    /// Whether clients must show one.
    pub client_certificates: ClientCertificates,
    /// Offer HTTP/1.1 only.
    pub http1_only: bool,
}

impl From<&TlsServer> for ServerTlsOptions {
    fn from(args: &TlsServer) -> Self {
        let client_certificates =
            if args.client_ca_file.is_empty() { ClientCertificates::Ignored } else { ClientCertificates::Required };
        Self {
            files: args.files.clone(),
            client_ca_file: args.client_ca_file.clone(),
            client_certificates,
            ..Self::default()
        }
    }
}

/// How a server speaks TLS. Cloning shares it; two are equal if they were made of equal options.
#[derive(Clone)]
pub struct ServerTls {
    options: Arc<ServerTlsOptions>,
    config: Arc<Reloading<ServerConfig>>,
}

impl ServerTls {
    /// From a block.
    ///
    /// # Errors
    /// If a file cannot be read or does not hold what it should, or the certificate is missing.
    pub fn new(args: &TlsServer) -> Result<Self, TlsError> {
        Self::from_options(args.into())
    }

    /// From options.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn from_options(options: ServerTlsOptions) -> Result<Self, TlsError> {
        let options = Arc::new(options);
        let source = Arc::clone(&options);
        let config = Reloading::new(options.files.reload_interval, move || config(&source))?;
        Ok(Self { options, config: Arc::new(config) })
    }

    /// The configuration of this moment.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.get()
    }
}

impl PartialEq for ServerTls {
    fn eq(&self, other: &Self) -> bool {
        self.options == other.options
    }
}

impl std::fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ServerTls").field(&self.options).finish()
    }
}

fn config(options: &ServerTlsOptions) -> Result<ServerConfig, TlsError> {
    let provider = material::provider(&options.files)?;
    let Some((chain, key)) = material::identity(&options.files)? else {
        return Err(TlsError::Config("a TLS server needs a certificate (cert_file or cert_pem) and its key".into()));
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&material::versions(&options.files))
        .map_err(|error| TlsError::Config(error.to_string()))?;
    let builder = match verifier(options, provider)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| TlsError::Config(format!("certificate and key do not fit together: {error}")))?;
    config.alpn_protocols = match options.http1_only {
        true => vec![b"http/1.1".to_vec()],
        false => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
    };
    Ok(config)
}

fn verifier(
    options: &ServerTlsOptions,
    provider: Arc<rustls::crypto::CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
    if options.client_certificates == ClientCertificates::Ignored {
        return Ok(None);
    }
    let Some(roots) = material::authorities(&options.client_ca_file, "client_ca", &options.client_ca_pem)? else {
        return Err(TlsError::Config(
            "to check client certificates, their authority (client_ca_file) is needed".into(),
        ));
    };
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = match options.client_certificates {
        ClientCertificates::Optional => builder.allow_unauthenticated(),
        _ => builder,
    };
    builder.build().map(Some).map_err(|error| TlsError::Config(format!("client_ca: {error}")))
}
