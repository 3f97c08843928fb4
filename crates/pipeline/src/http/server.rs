//! The listener, and what protects it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use corten_component::{BoxFuture, BuildError, NodeId};
use corten_net::server::{Handler, Installed, Listener, Serving};
use corten_net::tls::{ClientCertificates, ServerTls, ServerTlsOptions};
use corten_net::{Address, Body, args};
use http::{HeaderValue, Request, Response, StatusCode, header};

use super::guard::Hosts;
use super::reply::Reply;
use super::{Access, router};
use crate::run::Control;
use crate::run::blocks::http::{Http, Tls};

/// What the `http` block says, ready for use.
#[derive(Clone, Default)]
pub(crate) struct Protection {
    access: Access,
    tls: Option<ServerTls>,
}

impl Protection {
    /// Reads certificates; changes nothing.
    pub(crate) fn new(http: &Http) -> Result<Self, BuildError> {
        let tls = http.tls.as_ref().map(|tls| ServerTls::from_options(options(tls))).transpose();
        let tls = tls.map_err(|error| BuildError::at("tls", error.to_string()))?;
        Ok(Self { access: Access::new(http), tls })
    }
}

fn options(tls: &Tls) -> ServerTlsOptions {
    // Go's web servers write `TLS12`.
    let version = |text: &str| match text {
        "TLS10" | "TLS11" | "TLS12" => "TLS 1.2".to_owned(),
        "TLS13" => "TLS 1.3".to_owned(),
        other => other.to_owned(),
    };
    let mut files = args::TlsFiles {
        cert_file: tls.cert_file.clone(),
        cert_pem: tls.cert_pem.clone(),
        key_file: tls.key_file.clone(),
        key_pem: tls.key_pem.clone(),
        cipher_suites: tls.cipher_suites.clone(),
        curve_preferences: tls.curve_preferences.clone(),
        // The peer reads its files for every handshake; a renewed certificate should not need a reload here either.
        reload_interval: Duration::from_secs(60),
        ..args::TlsFiles::default()
    };
    for (from, to) in [(&tls.min_version, &mut files.min_version), (&tls.max_version, &mut files.max_version)] {
        if !from.is_empty() {
            *to = version(from);
        }
    }
    ServerTlsOptions {
        files,
        client_ca_file: tls.client_ca_file.clone(),
        client_ca_pem: tls.client_ca_pem.clone(),
        client_certificates: match tls.client_auth_type.as_str() {
            "RequireAndVerifyClientCert" => ClientCertificates::Required,
            "VerifyClientCertIfGiven" => ClientCertificates::Optional,
            _ => ClientCertificates::Ignored,
        },
        http1_only: false,
    }
}

/// What the `http` block wants from now on; the server takes it up after the load.
#[derive(Clone, Default)]
pub(crate) struct Wanted(Arc<Mutex<Protection>>);

impl Wanted {
    pub(crate) fn set(&self, protection: Protection) {
        if protection.access.protects_nothing() {
            tracing::warn!(
                "http.auth has a filter without paths: no path is protected; leave the filter out to protect all"
            );
        }
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = protection;
    }

    fn get(&self) -> Protection {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The HTTP server of the process.
pub(crate) struct Server {
    listener: Listener,
    wanted: Wanted,
    installed: Option<Installed>,
}

impl Server {
    /// Takes the address; nothing is answered yet.
    pub(crate) fn bind(address: &str, wanted: Wanted) -> Result<Self, String> {
        let parsed = Address::parse(address).map_err(|error| format!("--server.http.listen-addr: {error}"))?;
        let listener = Listener::bind(&parsed).map_err(|error| {
            format!("{error}\nhelp: stop what uses it, or choose another address with --server.http.listen-addr")
        })?;
        if !listener.local_addr().is_local() {
            tracing::warn!(addr = %listener.local_addr(), "the HTTP server can be reached from other machines");
        }
        Ok(Self { listener, wanted, installed: None })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &Address {
        self.listener.local_addr()
    }

    /// As a browser wants it.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.wanted.get().tls.is_some() { "https" } else { "http" };
        match self.address().socket_addr() {
            Some(address) if address.ip().is_unspecified() => format!("{scheme}://127.0.0.1:{}", address.port()),
            _ => format!("{scheme}://{}", self.address()),
        }
    }

    /// Answers from now on, as the `http` block of the last load wants it.
    pub(crate) async fn serve(&mut self, control: &Arc<Control>) -> Result<(), String> {
        let protection = self.wanted.get();
        let options = &control.options;
        let site = Arc::new(Site {
            control: Arc::clone(control),
            hosts: Hosts::new(self.address().is_local(), &options.memory_address, &options.allowed_hosts),
            access: protection.access,
        });
        let serving = Serving { tls: protection.tls, ..Serving::new(site) };
        let installed = self.listener.install(&NodeId::root("http"), serving).await;
        self.installed = Some(installed.map_err(|error| error.to_string())?);
        Ok(())
    }
}

struct Site {
    control: Arc<Control>,
    hosts: Hosts,
    access: Access,
}

impl Site {
    async fn answer(&self, request: &http::request::Parts) -> Reply {
        let authority = request.uri.authority().map(|authority| authority.as_str());
        if let Err(why) = self.hosts.check(&request.headers, authority) {
            return Reply::text(StatusCode::FORBIDDEN, why);
        }
        if !self.access.allows(request.uri.path(), &request.headers) {
            return Reply::text(StatusCode::UNAUTHORIZED, "Unauthorized\n")
                .with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"Restricted\""));
        }
        router::answer(&self.control, request).await
    }
}

impl Handler for Site {
    fn call(self: Arc<Self>, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        Box::pin(async move {
            // No route reads a body.
            let (parts, _) = request.into_parts();
            self.answer(&parts).await.into_response(&parts.method)
        })
    }
}
