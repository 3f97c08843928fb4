//! Argument blocks that several components share.

mod debug;
mod http;
mod tls;

pub use debug::{DebugMetrics, MetricsLevel};
pub use http::{Authorization, BasicAuth, HttpClient, OAuth2, ProxySettings, TlsConfig, TlsVersion};
pub(crate) use tls::version as tls_version;
pub use tls::{TlsClient, TlsFiles, TlsServer, Tpm};
