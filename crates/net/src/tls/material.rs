//! Certificates, keys, versions and suites out of an argument block.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::RootCertStore;
use rustls::SupportedProtocolVersion;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsError;
use crate::args::TlsFiles;

/// A file may hold at most this many bytes: certificates are small, and a mistyped path may name anything.
const FILE_LIMIT: u64 = 4 << 20;

/// Text with the name of the place it came from.
struct Pem {
    place: String,
    text: Vec<u8>,
}

impl Pem {
    fn read(path: &str) -> Result<Self, TlsError> {
        let path = Path::new(path);
        let fail = |why: String| TlsError::File { path: path.to_owned(), why };
        let size = std::fs::metadata(path).map_err(|error| fail(error.to_string()))?.len();
        if size > FILE_LIMIT {
            return Err(fail(format!("{size} bytes are too many for certificates")));
        }
        let text = std::fs::read(path).map_err(|error| fail(error.to_string()))?;
        Ok(Self { place: path.display().to_string(), text })
    }

    /// The file if one is named, else the text if there is one.
    fn from(file: &str, argument: &str, text: &str) -> Result<Option<Self>, TlsError> {
        match (file, text) {
            ("", "") => Ok(None),
            ("", text) => Ok(Some(Self { place: argument.to_owned(), text: text.as_bytes().to_vec() })),
            (file, _) => Self::read(file).map(Some),
        }
    }

    fn fail(&self, why: impl Into<String>) -> TlsError {
        TlsError::Content { place: self.place.clone(), why: why.into() }
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.text).collect();
        let found = found.map_err(|error| self.fail(format!("not a PEM certificate: {error}")))?;
        if found.is_empty() { Err(self.fail("holds no PEM certificate")) } else { Ok(found) }
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        // The parser's message is left out: it could quote the key.
        PrivateKeyDer::from_pem_slice(&self.text).map_err(|_| self.fail("holds no PEM private key"))
    }

    fn add_to(&self, roots: &mut RootCertStore) -> Result<(), TlsError> {
        for certificate in self.certificates()? {
            roots.add(certificate).map_err(|error| self.fail(format!("not usable as an authority: {error}")))?;
        }
        Ok(())
    }
}

/// The own certificate with its key.
pub(super) type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

pub(super) fn identity(files: &TlsFiles) -> Result<Option<Identity>, TlsError> {
    let Some(certificate) = Pem::from(&files.cert_file, "cert_pem", &files.cert_pem)? else { return Ok(None) };
    let Some(key) = Pem::from(&files.key_file, "key_pem", files.key_pem.expose())? else {
        return Err(TlsError::Config("for the certificate, the key (key_file or key_pem) is missing".into()));
    };
    Ok(Some((certificate.certificates()?, key.key()?)))
}

/// The authorities that a client trusts, if any are written; else it trusts the system's.
pub(super) fn client_roots(files: &TlsFiles) -> Result<Option<RootCertStore>, TlsError> {
    let mut written = authorities(&files.ca_file, "ca_pem", &files.ca_pem)?;
    if let Some(roots) = &mut written
        && files.include_system_ca_certs_pool
    {
        roots.roots.extend_from_slice(&system_roots().roots);
    }
    Ok(written)
}

/// The system's authorities. They are read when they are first needed, which for clients of plaintext addresses is
/// never, and once in a process: there are hundreds of files.
pub(super) fn system_roots() -> Arc<RootCertStore> {
    static SYSTEM: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    if let Some(roots) = SYSTEM.get() {
        return Arc::clone(roots);
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        // Not kept: somebody may install them.
        tracing::warn!("the system has no certificate authorities; TLS needs them unless ca_file is written");
        return Arc::new(roots);
    }
    Arc::clone(SYSTEM.get_or_init(|| Arc::new(roots)))
}

pub(super) fn authorities(path: &str, argument: &str, text: &str) -> Result<Option<RootCertStore>, TlsError> {
    let Some(pem) = Pem::from(path, argument, text)? else { return Ok(None) };
    let mut roots = RootCertStore::empty();
    pem.add_to(&mut roots)?;
    Ok(Some(roots))
}

/// The versions to speak.
pub(super) fn versions(files: &TlsFiles) -> Vec<&'static SupportedProtocolVersion> {
    let min = crate::args::tls_version(&files.min_version).unwrap_or(12);
    let max = crate::args::tls_version(&files.max_version).unwrap_or(13);
    let all = [(12, &rustls::version::TLS12), (13, &rustls::version::TLS13)];
    all.into_iter().filter(|(number, _)| (min..=max).contains(number)).map(|(_, version)| version).collect()
}

/// The cryptography, narrowed to the suites and curves that are written.
pub(super) fn provider(files: &TlsFiles) -> Result<Arc<CryptoProvider>, TlsError> {
    let mut provider = ring::default_provider();
    if !files.cipher_suites.is_empty() {
        let known = |suite: &rustls::SupportedCipherSuite| suite_name(&format!("{:?}", suite.suite()));
        for name in &files.cipher_suites {
            if !provider.cipher_suites.iter().any(|suite| known(suite) == suite_name(name)) {
                return Err(TlsError::Config(format!("cipher_suites: {name:?} is not implemented or not secure")));
            }
        }
        // As in Go, the list rules TLS 1.2 only: suites of TLS 1.3 are all secure and always allowed.
        provider.cipher_suites.retain(|suite| {
            suite.version() == &rustls::version::TLS13
                || files.cipher_suites.iter().any(|name| suite_name(name) == known(suite))
        });
    }
    if !files.curve_preferences.is_empty() {
        let mut groups = Vec::new();
        for name in &files.curve_preferences {
            let wanted = match name.as_str() {
                "X25519" => "X25519",
                "P256" | "CurveP256" => "secp256r1",
                "P384" | "CurveP384" => "secp384r1",
                other => return Err(TlsError::Config(format!("curve_preferences: {other:?} is not implemented"))),
            };
            groups.extend(provider.kx_groups.iter().copied().filter(|group| format!("{:?}", group.name()) == wanted));
        }
        provider.kx_groups = groups;
    }
    Ok(Arc::new(provider))
}

/// One spelling for Go's, IANA's and rustls' names of a suite.
fn suite_name(name: &str) -> String {
    name.trim_start_matches("TLS13_").trim_start_matches("TLS_").trim_end_matches("_SHA256").to_owned()
}
