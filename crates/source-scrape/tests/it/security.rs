//! Targets that ask who is there, and targets that have to prove who they are.

use std::sync::Arc;

use corten_component::NodeId;
use corten_net::args::{TlsFiles, TlsServer};
use corten_net::http::{Request, Response, header};
use corten_net::server::{Installed, Listener, Serving};
use corten_net::tls::ServerTls;
use corten_net::{Address, Body};
use corten_signal::labels::Labels;
use corten_signal::samples::Sample;
use corten_signal::targets::Targets;
use corten_syntax::Secret;
use corten_testkit::Target;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::bench::{Scraper, values};
use crate::life::targets;

const FAST: &str = "scrape_interval = \"200ms\"\nscrape_timeout = \"200ms\"\n";

/// An authority, a server's identity for another name than its address, and a client's.
struct Pki {
    ca: String,
    server: (String, String),
    client: (String, String),
}

fn pki() -> Pki {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = Issuer::new(ca, ca_key);
    let signed = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
    };
    Pki { server: signed("scrape.test"), client: signed("client"), ca: ca_pem }
}

/// A target behind TLS that wants to see a certificate.
async fn secured(pki: &Pki, client_ca_file: &str) -> (Arc<Listener>, Installed) {
    let listener = Arc::new(Listener::bind(&Address::parse("127.0.0.1:0").unwrap()).unwrap());
    let (cert_pem, key_pem) = pki.server.clone();
    let files = TlsFiles { cert_pem, key_pem: Secret::new(key_pem), ..TlsFiles::default() };
    let tls = ServerTls::new(&TlsServer { files, client_ca_file: client_ca_file.to_owned() }).unwrap();
    let handler = |_: Request<Body>| async {
        Response::builder().header(header::CONTENT_TYPE, "text/plain").body(Body::from("a 1\n")).unwrap()
    };
    let serving = Serving { tls: Some(tls), ..Serving::new(Arc::new(handler)) };
    let installed = listener.install(&NodeId::root("test"), serving).await.unwrap();
    (listener, installed)
}

/// The first `up` of a target with these arguments.
async fn up(arguments: &str, targets: &Targets) -> String {
    let scraper = Scraper::start(&format!("{FAST}{arguments}"), targets).await;
    let rows = scraper.kept.until("a scrape", |rows: &[Sample]| !values(rows, "up").is_empty()).await;
    scraper.stop().await;
    values(&rows, "up").remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_show_who_they_are() {
    let (pki, directory) = (pki(), tempfile::tempdir().unwrap());
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (ca, cert, key) = (write("ca", &pki.ca), write("cert", &pki.client.0), write("key", &pki.client.1));
    let (listener, _installed) = secured(&pki, &ca).await;
    let targets = Targets::new([Labels::from_pairs([("__address__", listener.local_addr().to_string())])]);
    let tls = |rest: &str| format!("scheme = \"https\"\ntls_config {{\n ca_file = {ca:?}\n{rest}\n}}");
    let own = format!("cert_file = {cert:?}\nkey_file = {key:?}\n");
    let named = "server_name = \"scrape.test\"";
    assert_eq!(up(&tls(&format!("{own}{named}")), &targets).await, "1");
    assert_eq!(up(&tls(named), &targets).await, "0", "the target wants a certificate");
    assert_eq!(up(&tls(&own), &targets).await, "0", "the target is not the one that was meant");
    let other = format!("{own}server_name = \"other.test\"");
    assert_eq!(up(&tls(&other), &targets).await, "0");
    assert_eq!(up(&tls(&format!("{own}insecure_skip_verify = true")), &targets).await, "1");
    let unknown = format!("scheme = \"https\"\ntls_config {{\n{own}{named}\n}}");
    assert_eq!(up(&unknown, &targets).await, "0", "nobody vouches for the target");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_fetched_and_shown() {
    let (issuer, target) = (Target::start(""), Target::start("a 1\n"));
    let token = br#"{"access_token":"canary","token_type":"Bearer","expires_in":3600}"#;
    issuer.answer(200, &[("Content-Type", "application/json")], token);
    let arguments = format!(
        "oauth2 {{\n client_id = \"me\"\n client_secret = \"s\"\n token_url = \"http://{}/token\"\n scopes = [\"metrics\"]\n}}",
        issuer.address()
    );
    let scraper = Scraper::start(&format!("{FAST}{arguments}"), &targets(&[&target])).await;
    scraper.kept.until("two scrapes", |rows: &[Sample]| values(rows, "up").len() > 1).await;
    scraper.stop().await;
    assert!(target.requests().iter().all(|head| head.to_lowercase().contains("authorization: bearer canary\r\n")));
    assert_eq!(issuer.requests().len(), 1, "one token serves until it expires");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_is_asked_for_the_target() {
    let proxy = Target::start("a 1\n");
    let targets = Targets::new([Labels::from_pairs([("__address__", "nowhere.invalid:9100")])]);
    assert_eq!(up(&format!("proxy_url = \"http://{}\"", proxy.address()), &targets).await, "1");
    let head = proxy.requests().remove(0);
    assert!(head.starts_with("GET http://nowhere.invalid:9100/metrics HTTP/1.1\r\n"), "{head}");
    let direct = format!("proxy_url = \"http://{}\"\nno_proxy = \"nowhere.invalid\"", proxy.address());
    assert_eq!(up(&direct, &targets).await, "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_with_secrets_are_read_again() {
    let (target, directory) = (Target::start("a 1\n"), tempfile::tempdir().unwrap());
    let path = directory.path().join("secret");
    let file = path.display().to_string();
    for (arguments, [first, second]) in [
        (format!("authorization {{\n type = \"Token\"\n credentials_file = {file:?}\n}}"), ["token one", "token two"]),
        (
            format!("basic_auth {{\n username = \"u\"\n password_file = {file:?}\n}}"),
            // u:one and u:two
            ["basic dtpvbmu=", "basic dtp0d28="],
        ),
        (format!("bearer_token_file = {file:?}"), ["bearer one", "bearer two"]),
    ] {
        std::fs::write(&path, "one\n").unwrap();
        let before = target.requests().len();
        let scraper = Scraper::start(&format!("{FAST}{arguments}"), &targets(&[&target])).await;
        let shown = |wanted: &str| {
            let wanted = format!("authorization: {wanted}\r\n");
            target.requests()[before..].iter().any(|head| head.to_lowercase().contains(&wanted))
        };
        scraper.kept.until("the first secret", |_: &[Sample]| shown(first)).await;
        assert!(!shown(second));
        std::fs::write(&path, "two\n").unwrap();
        scraper.kept.until("the second secret", |_: &[Sample]| shown(second)).await;
        scraper.stop().await;
    }
}
