//! `http`: who may use the HTTP server, and TLS for it.

use corten_component::{Arguments, Invalid};
use corten_engine::{HostBlock, HostKind};
use corten_syntax::Secret;

use crate::http::{Protection, Wanted};

pub(super) fn block(wanted: Wanted) -> HostBlock {
    HostBlock::new::<Http>("http", HostKind::Service, move |args| {
        let protection = args.map(|args| Protection::new(&args)).transpose().map_err(|error| error.to_string())?;
        wanted.set(protection.unwrap_or_default());
        Ok(())
    })
    .checked::<Http>(|args| Protection::new(args).map(drop))
}

/// The HTTP server's protection.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
pub(crate) struct Http {
    /// Who may ask.
    #[arg(block)]
    pub(crate) auth: Option<Auth>,
    /// TLS for the server.
    #[arg(block)]
    pub(crate) tls: Option<Tls>,
}

/// Who may ask.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
pub(crate) struct Auth {
    /// A user and a password.
    #[arg(block)]
    pub(crate) basic: Option<Basic>,
    /// Which paths are protected; without it all are.
    #[arg(block)]
    pub(crate) filter: Option<Filter>,
}

/// A user and a password.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
pub(crate) struct Basic {
    /// The user.
    #[arg(required)]
    pub(crate) username: String,
    /// The password.
    #[arg(required)]
    pub(crate) password: Secret,
}

/// Which paths are protected.
#[derive(Debug, Clone, PartialEq, Arguments)]
pub(crate) struct Filter {
    /// Beginnings of paths.
    pub(crate) paths: Vec<String>,
    /// Whether those that match are protected (`true`) or the others.
    pub(crate) authenticate_matching_paths: bool,
}

impl Default for Filter {
    fn default() -> Self {
        Self { paths: Vec::new(), authenticate_matching_paths: true }
    }
}

/// TLS for the server.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub(crate) struct Tls {
    /// The certificate and its chain, PEM.
    pub(crate) cert_pem: String,
    /// File with the same.
    pub(crate) cert_file: String,
    /// The private key, PEM.
    pub(crate) key_pem: Secret,
    /// File with the same.
    pub(crate) key_file: String,
    /// Authorities of client certificates, PEM.
    pub(crate) client_ca_pem: String,
    /// File with the same.
    pub(crate) client_ca_file: String,
    /// Whether clients show a certificate, in Go's words (`NoClientCert`, `RequireAndVerifyClientCert`, ...).
    pub(crate) client_auth_type: String,
    /// Names of cipher suites to allow.
    pub(crate) cipher_suites: Vec<String>,
    /// Names of curves to allow.
    pub(crate) curve_preferences: Vec<String>,
    /// The lowest version to accept.
    pub(crate) min_version: String,
    /// The highest version to offer.
    pub(crate) max_version: String,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            cert_pem: String::new(),
            cert_file: String::new(),
            key_pem: Secret::default(),
            key_file: String::new(),
            client_ca_pem: String::new(),
            client_ca_file: String::new(),
            client_auth_type: "NoClientCert".to_owned(),
            cipher_suites: Vec::new(),
            curve_preferences: Vec::new(),
            min_version: String::new(),
            max_version: String::new(),
        }
    }
}

impl Tls {
    fn validate(&self) -> Result<(), Invalid> {
        let one = |file, has_file: bool, pem, has_pem: bool| match (has_file, has_pem) {
            (true, true) => Err(Invalid::at(pem, format!("{file} and {pem} cannot be used together"))),
            (false, false) => Err(Invalid::new(format!("one of {file} and {pem} is required"))),
            _ => Ok(()),
        };
        one("cert_file", !self.cert_file.is_empty(), "cert_pem", !self.cert_pem.is_empty())?;
        one("key_file", !self.key_file.is_empty(), "key_pem", !self.key_pem.is_empty())?;
        if !self.client_ca_file.is_empty() && !self.client_ca_pem.is_empty() {
            return Err(Invalid::at("client_ca_pem", "client_ca_file and client_ca_pem cannot be used together"));
        }
        let needs_ca = match self.client_auth_type.as_str() {
            "NoClientCert" => false,
            "RequireAndVerifyClientCert" | "VerifyClientCertIfGiven" => true,
            "RequestClientCert" | "RequireAnyClientCert" => {
                return Err(Invalid::at("client_auth_type", "certificates that nobody verifies protect nothing")
                    .with_help(
                        "use \"RequireAndVerifyClientCert\" or \"VerifyClientCertIfGiven\" with client_ca_file",
                    ));
            }
            other => {
                return Err(Invalid::at("client_auth_type", format!("unknown client_auth_type {other:?}"))
                    .with_help("use \"NoClientCert\", \"VerifyClientCertIfGiven\" or \"RequireAndVerifyClientCert\""));
            }
        };
        if needs_ca && self.client_ca_file.is_empty() && self.client_ca_pem.is_empty() {
            return Err(Invalid::at(
                "client_auth_type",
                "client certificates can only be verified with client_ca_file or client_ca_pem",
            ));
        }
        Ok(())
    }
}
