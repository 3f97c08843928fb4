//! How clients check servers where that is not by written authorities.

use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

use super::material::system_roots;

/// Whose certificates are good.
#[derive(Debug)]
pub(super) enum Trust {
    /// Any: `insecure_skip_verify`. Signatures are still checked, so that the peer holds the key of what it shows.
    Anyone,
    /// Those of the system's authorities, made when a server first shows its certificate.
    System(OnceLock<Arc<WebPkiServerVerifier>>),
}

impl Trust {
    pub(super) fn system() -> Self {
        Self::System(OnceLock::new())
    }
}

/// Checks servers.
#[derive(Debug)]
pub(super) struct Verifier {
    provider: Arc<CryptoProvider>,
    trust: Trust,
}

impl Verifier {
    pub(super) fn new(provider: Arc<CryptoProvider>, trust: Trust) -> Arc<Self> {
        Arc::new(Self { provider, trust })
    }

    fn by_system(&self, made: &OnceLock<Arc<WebPkiServerVerifier>>) -> Result<Arc<WebPkiServerVerifier>, Error> {
        if let Some(made) = made.get() {
            return Ok(Arc::clone(made));
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(system_roots(), Arc::clone(&self.provider))
            .build()
            .map_err(|error| Error::General(format!("the system's certificate authorities: {error}")))?;
        Ok(Arc::clone(made.get_or_init(|| verifier)))
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.trust {
            Trust::Anyone => Ok(ServerCertVerified::assertion()),
            Trust::System(made) => self.by_system(made)?.verify_server_cert(certificate, chain, name, ocsp, now),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
