//! The client settings of the Prometheus, Loki and Pyroscope families.

use std::collections::BTreeMap;

use corten_component::{Arguments, Enumeration, Invalid};
use corten_syntax::Secret;

/// Where requests go through.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
#[arguments(validate)]
pub struct ProxySettings {
    /// The proxy, `http://host:port`.
    pub proxy_url: String,
    /// Hosts, suffixes and networks that are reached without the proxy, separated by commas.
    pub no_proxy: String,
    /// Take the proxy from `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`.
    pub proxy_from_environment: bool,
    /// Headers for the proxy's CONNECT request.
    pub proxy_connect_header: BTreeMap<String, Vec<Secret>>,
}

impl ProxySettings {
    fn validate(&self) -> Result<(), Invalid> {
        let has_url = !self.proxy_url.is_empty();
        if self.proxy_from_environment && has_url {
            return Err(Invalid::at(
                "proxy_from_environment",
                "proxy_from_environment and proxy_url cannot be used together",
            ));
        }
        if self.proxy_from_environment && !self.no_proxy.is_empty() {
            return Err(Invalid::at("no_proxy", "proxy_from_environment and no_proxy cannot be used together"));
        }
        if !self.no_proxy.is_empty() && !has_url {
            return Err(Invalid::at("no_proxy", "no_proxy needs proxy_url"));
        }
        if !self.proxy_connect_header.is_empty() && !has_url && !self.proxy_from_environment {
            return Err(Invalid::at(
                "proxy_connect_header",
                "proxy_connect_header needs proxy_url or proxy_from_environment",
            ));
        }
        Ok(())
    }
}

/// `authorization`: any scheme.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
#[arguments(validate)]
pub struct Authorization {
    /// The scheme; `Bearer` if only credentials are given.
    #[arg(name = "type")]
    pub scheme: String,
    /// What follows the scheme.
    pub credentials: Secret,
    /// A file with it, read for every request.
    pub credentials_file: String,
}

impl Authorization {
    fn validate(&self) -> Result<(), Invalid> {
        if !self.credentials.is_empty() && !self.credentials_file.is_empty() {
            return Err(Invalid::new("at most one of credentials and credentials_file must be configured"));
        }
        if self.scheme.eq_ignore_ascii_case("basic") {
            return Err(Invalid::at("type", "authorization type cannot be set to \"basic\"")
                .with_help("use a basic_auth block"));
        }
        Ok(())
    }
}

/// `basic_auth`.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
#[arguments(validate)]
pub struct BasicAuth {
    /// The name.
    pub username: String,
    /// The password.
    pub password: Secret,
    /// A file with the password, read for every request.
    pub password_file: String,
}

impl BasicAuth {
    fn validate(&self) -> Result<(), Invalid> {
        if !self.password.is_empty() && !self.password_file.is_empty() {
            return Err(Invalid::new("at most one of basic_auth password and password_file must be configured"));
        }
        Ok(())
    }
}

/// `oauth2`: client credentials.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
#[arguments(validate)]
pub struct OAuth2 {
    /// The client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// A file with its secret.
    pub client_secret_file: String,
    /// Where tokens are had.
    pub token_url: String,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// More parameters of the token request.
    pub endpoint_params: BTreeMap<String, String>,
    /// The way to the token endpoint.
    #[arg(flatten)]
    pub proxy: ProxySettings,
    /// TLS to the token endpoint.
    #[arg(block)]
    pub tls_config: Option<TlsConfig>,
}

impl OAuth2 {
    fn validate(&self) -> Result<(), Invalid> {
        if self.client_id.is_empty() {
            return Err(Invalid::new("oauth2 client_id must be configured"));
        }
        if self.client_secret.is_empty() == self.client_secret_file.is_empty() {
            return Err(Invalid::new("exactly one of oauth2 client_secret and client_secret_file must be configured"));
        }
        if self.token_url.is_empty() {
            return Err(Invalid::new("oauth2 token_url must be configured"));
        }
        Ok(())
    }
}

/// The names of TLS versions in this family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enumeration)]
pub enum TlsVersion {
    /// Not written.
    #[default]
    #[arg(name = "")]
    Unset,
    /// 1.0: at least, so 1.2 is spoken.
    #[arg(name = "TLS10")]
    Tls10,
    /// 1.1: at least, so 1.2 is spoken.
    #[arg(name = "TLS11")]
    Tls11,
    /// 1.2.
    #[arg(name = "TLS12")]
    Tls12,
    /// 1.3.
    #[arg(name = "TLS13")]
    Tls13,
}

/// `tls_config`.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
#[arguments(validate)]
pub struct TlsConfig {
    /// Certificates of authorities to trust, PEM.
    pub ca_pem: String,
    /// The same in a file.
    pub ca_file: String,
    /// The own certificate, PEM.
    pub cert_pem: String,
    /// The same in a file.
    pub cert_file: String,
    /// The own private key, PEM.
    pub key_pem: Secret,
    /// The same in a file.
    pub key_file: String,
    /// The name that the server's certificate must have.
    pub server_name: String,
    /// Do not check the server's certificate.
    pub insecure_skip_verify: bool,
    /// The lowest TLS version.
    pub min_version: TlsVersion,
}

impl TlsConfig {
    fn validate(&self) -> Result<(), Invalid> {
        corten_component::Arguments::check(&self.to_client().files)
    }

    /// The same as the other family writes it.
    pub fn to_client(&self) -> super::TlsClient {
        let min_version = if self.min_version == TlsVersion::Tls13 { "TLS 1.3" } else { "TLS 1.2" };
        super::TlsClient {
            files: super::TlsFiles {
                ca_file: self.ca_file.clone(),
                ca_pem: self.ca_pem.clone(),
                cert_file: self.cert_file.clone(),
                cert_pem: self.cert_pem.clone(),
                key_file: self.key_file.clone(),
                key_pem: self.key_pem.clone(),
                min_version: min_version.to_owned(),
                // Rotated files are noticed within a minute, as short-lived certificates need.
                reload_interval: std::time::Duration::from_secs(60),
                ..super::TlsFiles::default()
            },
            server_name: self.server_name.clone(),
            insecure: false,
            insecure_skip_verify: self.insecure_skip_verify,
        }
    }
}

/// Settings of an HTTP client: flatten them into an `endpoint`, a `client` block or a component's arguments.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct HttpClient {
    /// A token for `Authorization: Bearer`.
    pub bearer_token: Secret,
    /// A file with the token, read for every request.
    pub bearer_token_file: String,
    /// Offer HTTP/2 on TLS connections.
    pub enable_http2: bool,
    /// Follow redirects.
    pub follow_redirects: bool,
    /// Headers for every request.
    pub http_headers: BTreeMap<String, Vec<Secret>>,
    /// The proxy.
    #[arg(flatten)]
    pub proxy: ProxySettings,
    /// Credentials of any scheme.
    #[arg(block)]
    pub authorization: Option<Authorization>,
    /// Name and password.
    #[arg(block)]
    pub basic_auth: Option<BasicAuth>,
    /// Tokens by client credentials.
    #[arg(block)]
    pub oauth2: Option<OAuth2>,
    /// TLS.
    #[arg(block)]
    pub tls_config: Option<TlsConfig>,
}

impl Default for HttpClient {
    fn default() -> Self {
        Self {
            bearer_token: Secret::default(),
            bearer_token_file: String::new(),
            enable_http2: true,
            follow_redirects: true,
            http_headers: BTreeMap::new(),
            proxy: ProxySettings::default(),
            authorization: None,
            basic_auth: None,
            oauth2: None,
            tls_config: None,
        }
    }
}

impl HttpClient {
    fn validate(&self) -> Result<(), Invalid> {
        let ways = [
            !self.bearer_token.is_empty(),
            !self.bearer_token_file.is_empty(),
            self.authorization.is_some(),
            self.basic_auth.is_some(),
            self.oauth2.is_some(),
        ];
        if ways.iter().filter(|used| **used).count() > 1 {
            return Err(Invalid::new(
                "at most one of basic_auth, authorization, oauth2, bearer_token & bearer_token_file must be configured",
            ));
        }
        Ok(())
    }
}
