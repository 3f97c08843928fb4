//! The `tls` blocks of `otelcol` clients and servers.

use std::time::Duration;

use corten_component::{Arguments, Invalid};
use corten_syntax::Secret;

/// What `tls` of clients and servers have in common.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct TlsFiles {
    /// File with certificates of authorities to trust, PEM.
    pub ca_file: String,
    /// The same as text.
    pub ca_pem: String,
    /// File with the own certificate and its chain, PEM.
    pub cert_file: String,
    /// The same as text.
    pub cert_pem: String,
    /// File with the own private key, PEM.
    pub key_file: String,
    /// The same as text.
    pub key_pem: Secret,
    /// The lowest TLS version to accept: `"TLS 1.2"` or `"TLS 1.3"`. Lower ones are accepted as a word and not spoken.
    pub min_version: String,
    /// The highest TLS version to offer: `"TLS 1.2"` or `"TLS 1.3"`.
    pub max_version: String,
    /// Names of cipher suites to allow; empty allows all that are secure.
    pub cipher_suites: Vec<String>,
    /// Names of curves to allow, in order of preference; empty allows all.
    pub curve_preferences: Vec<String>,
    /// Accepted and without effect: insecure suites are not implemented.
    pub include_insecure_cipher_suites: bool,
    /// Trust the system's authorities besides `ca_file` or `ca_pem`.
    pub include_system_ca_certs_pool: bool,
    /// How long to use certificates before their files are read again; 0 is for ever.
    pub reload_interval: Duration,
    /// Keys in a TPM (not implemented).
    #[arg(block)]
    pub tpm: Tpm,
}

/// A key held by a TPM.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
pub struct Tpm {
    /// Whether the key is in a TPM.
    pub enabled: bool,
    /// The device.
    pub path: String,
    /// Authorisation of the key.
    pub auth: Secret,
    /// Authorisation of the owner.
    pub owner_auth: Secret,
}

impl Default for TlsFiles {
    fn default() -> Self {
        Self {
            ca_file: String::new(),
            ca_pem: String::new(),
            cert_file: String::new(),
            cert_pem: String::new(),
            key_file: String::new(),
            key_pem: Secret::default(),
            min_version: "TLS 1.2".to_owned(),
            max_version: "TLS 1.3".to_owned(),
            cipher_suites: Vec::new(),
            curve_preferences: Vec::new(),
            include_insecure_cipher_suites: false,
            include_system_ca_certs_pool: false,
            reload_interval: Duration::ZERO,
            tpm: Tpm::default(),
        }
    }
}

/// The number behind `TLS 1.2` or `1.2`: 12.
pub(crate) fn version(text: &str) -> Option<u8> {
    match text.trim_start_matches("TLS").trim_start() {
        "1.0" => Some(10),
        "1.1" => Some(11),
        "1.2" => Some(12),
        "1.3" => Some(13),
        _ => None,
    }
}

impl TlsFiles {
    fn validate(&self) -> Result<(), Invalid> {
        let pairs = [
            ("ca_file", !self.ca_file.is_empty(), "ca_pem", !self.ca_pem.is_empty()),
            ("cert_file", !self.cert_file.is_empty(), "cert_pem", !self.cert_pem.is_empty()),
            ("key_file", !self.key_file.is_empty(), "key_pem", !self.key_pem.is_empty()),
        ];
        for (file, has_file, pem, has_pem) in pairs {
            if has_file && has_pem {
                return Err(Invalid::at(pem, format!("{file} and {pem} cannot be used together")));
            }
        }
        let has_cert = !self.cert_file.is_empty() || !self.cert_pem.is_empty();
        let has_key = !self.key_file.is_empty() || !self.key_pem.is_empty();
        if has_cert != has_key {
            let missing =
                if has_cert { "the key (key_file or key_pem)" } else { "the certificate (cert_file or cert_pem)" };
            return Err(Invalid::new(format!("for TLS with a certificate, {missing} is missing")));
        }
        let (min, max) = (version(&self.min_version), version(&self.max_version));
        let help = "versions are \"TLS 1.2\" and \"TLS 1.3\"";
        if min.is_none() && !self.min_version.is_empty() {
            return Err(
                Invalid::at("min_version", format!("unsupported TLS version {:?}", self.min_version)).with_help(help)
            );
        }
        if !self.max_version.is_empty() && max.is_none_or(|max| max < 12) {
            return Err(
                Invalid::at("max_version", format!("unsupported TLS version {:?}", self.max_version)).with_help(help)
            );
        }
        if let (Some(min), Some(max)) = (min, max)
            && min > max
        {
            return Err(Invalid::at("min_version", "min_version is above max_version"));
        }
        if self.tpm.enabled {
            return Err(Invalid::at("tpm", "keys in a TPM are not implemented by Corten"));
        }
        Ok(())
    }
}

/// `tls` of a client.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
pub struct TlsClient {
    /// Files, versions, reload.
    #[arg(flatten)]
    pub files: TlsFiles,
    /// The name that the server's certificate must have, instead of the endpoint's host.
    pub server_name: String,
    /// Speak plaintext to an endpoint without a scheme.
    pub insecure: bool,
    /// Do not check the server's certificate.
    pub insecure_skip_verify: bool,
}

/// `tls` of a server. Without the block the server speaks plaintext.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
pub struct TlsServer {
    /// Files, versions, reload.
    #[arg(flatten)]
    pub files: TlsFiles,
    /// File with authorities of client certificates, PEM. If written, clients must show a certificate.
    pub client_ca_file: String,
}
