//! `import.git` over HTTPS, from git's own server.

#![cfg(feature = "git")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "says why nothing was tested")]
#![allow(clippy::disallowed_methods, reason = "waits for other processes")]

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use bytes::Bytes;
use corten_component::{BoxFuture, NodeId};
use corten_net::Body;
use corten_net::args::{TlsFiles, TlsServer};
use corten_net::http::{Request, Response, StatusCode, header};
use corten_net::server::{Handler, Listener, Serving};
use corten_net::tls::ServerTls;
use corten_syntax::Secret;
use corten_testkit::{Collector, eventually};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// What git answers, trimmed; `None` where there is no git.
fn git(directory: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .current_dir(directory)
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"])
        .args(args)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .ok()?;
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

/// `git http-backend` behind an HTTP server, as CGI (RFC 3875), for one user.
struct Cgi {
    program: PathBuf,
    root: PathBuf,
    credentials: String,
    asked: Mutex<Vec<String>>,
}

impl Cgi {
    fn answer(&self, head: &corten_net::http::request::Parts, body: &[u8]) -> Response<Body> {
        self.asked.lock().unwrap().push(format!("{} {}", head.method, head.uri.path()));
        let text = |name: &str| head.headers.get(name).map_or("", |value| value.to_str().unwrap());
        if text("authorization") != self.credentials {
            let refused = Response::builder().status(StatusCode::UNAUTHORIZED);
            return refused.header(header::WWW_AUTHENTICATE, "Basic realm=\"git\"").body(Body::empty()).unwrap();
        }
        let mut child = Command::new(&self.program)
            .env("GIT_PROJECT_ROOT", &self.root)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("PATH_INFO", head.uri.path())
            .env("QUERY_STRING", head.uri.query().unwrap_or(""))
            .env("REQUEST_METHOD", head.method.as_str())
            .env("CONTENT_TYPE", text("content-type"))
            .env("CONTENT_LENGTH", body.len().to_string())
            .env("HTTP_CONTENT_ENCODING", text("content-encoding"))
            .env("GIT_PROTOCOL", text("git-protocol"))
            .env("REMOTE_USER", "t")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(body).unwrap();
        let output = child.wait_with_output().unwrap().stdout;
        let end = output.windows(4).position(|four| four == b"\r\n\r\n").expect("a CGI answer has a header");
        let mut response = Response::builder();
        for line in std::str::from_utf8(&output[..end]).unwrap().lines() {
            let (name, value) = line.split_once(": ").unwrap();
            response = match name {
                "Status" => response.status(value.split(' ').next().unwrap()),
                _ => response.header(name, value),
            };
        }
        response.body(Body::from(Bytes::copy_from_slice(&output[end + 4..]))).unwrap()
    }
}

impl Handler for Cgi {
    fn call(self: Arc<Self>, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect(1 << 20).await.unwrap();
            tokio::task::spawn_blocking(move || self.answer(&head, &body)).await.unwrap()
        })
    }
}

/// A server certificate for `localhost`, and the authority that signed it.
fn certificates() -> (TlsServer, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let own = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let files = TlsFiles {
        cert_pem: params.signed_by(&own, &issuer).unwrap().pem(),
        key_pem: Secret::new(own.serialize_pem()),
        ..TlsFiles::default()
    };
    (TlsServer { files, ..TlsServer::default() }, authority)
}

/// A repository with a module; its history is longer than what has to be fetched.
fn repository(root: &Path) -> Option<()> {
    let work = root.join("work");
    std::fs::create_dir_all(work.join("lib")).unwrap();
    git(&work, &["init", "--quiet", "--initial-branch=main"])?;
    for (text, name) in [("declare \"old\" { }\n", "first"), (MODULE, "second")] {
        std::fs::write(work.join("lib/m.alloy"), text).unwrap();
        git(&work, &["add", "."])?;
        git(&work, &["commit", "--quiet", "-m", name])?;
    }
    git(root, &["clone", "--quiet", "--bare", "work", "repo.git"])?;
    Some(())
}

const MODULE: &str = r#"declare "sink" {
  otelcol.exporter.debug "inside" { }

  export "input" {
    value = otelcol.exporter.debug.inside.input
  }
}
"#;

fn config(port: u16) -> String {
    format!(
        r#"import.git "m" {{
  repository     = "https://localhost:{port}/repo.git"
  path           = "lib/m.alloy"
  pull_frequency = "100ms"

  basic_auth {{
    username = "t"
    password = sys.env("GIT_TOKEN")
  }}
}}

m.sink "x" {{ }}

otelcol.receiver.otlp "in" {{
  output {{
    traces = [m.sink.x.input]
  }}
}}
"#
    )
}

/// The binary with an environment in which only `authority` is trusted, and with a password.
fn wrapper(directory: &Path, authority: &str, password: &str) -> PathBuf {
    let (pem, script) = (directory.join("ca.pem"), directory.join("corten"));
    std::fs::write(&pem, authority).unwrap();
    let text = format!(
        "#!/bin/sh\nunset SSL_CERT_DIR\nexport GIT_TOKEN='{password}' SSL_CERT_FILE='{}' no_proxy=localhost\nexec '{}' \"$@\"\n",
        pem.display(),
        env!("CARGO_BIN_EXE_corten")
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    script
}

/// What a run prints that cannot load its file.
fn refused(binary: &Path, directory: &Path, config: &str) -> String {
    let file = directory.join("refused.alloy");
    std::fs::write(&file, config).unwrap();
    let storage = format!("--storage.path={}", directory.join("refused-data").display());
    let output = Command::new(binary)
        .args(["run", "--server.http.listen-addr=127.0.0.1:0", &storage])
        .arg(file)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_module_comes_over_https() {
    let directory = tempfile::tempdir().unwrap();
    let backend = Command::new("git").arg("--exec-path").output().ok();
    let backend =
        backend.map(|output| Path::new(String::from_utf8(output.stdout).unwrap().trim()).join("git-http-backend"));
    let Some(program) = backend.filter(|program| program.exists()) else {
        eprintln!("skipped: git with its http-backend is not installed");
        return;
    };
    repository(directory.path()).unwrap();
    let credentials = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode("t:canary"));
    let cgi = Arc::new(Cgi { program, root: directory.path().to_owned(), credentials, asked: Mutex::default() });
    let (tls, authority) = certificates();
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
    let handler: Arc<dyn Handler> = cgi.clone();
    let serving = Serving { tls: Some(ServerTls::new(&tls).unwrap()), ..Serving::new(handler) };
    let installed = listener.install(&NodeId::root("test"), serving).await.unwrap();
    let port = installed.local_addr().socket_addr().unwrap().port();
    let home = directory.path().to_owned();
    let blocking = tokio::task::spawn_blocking(move || {
        let binary = wrapper(&home, &authority, "canary");
        let collector = Collector::start(&binary, &config(port));
        let asked: Vec<String> = cgi.asked.lock().unwrap().clone();
        assert!(asked.contains(&"POST /repo.git/git-upload-pack".to_owned()), "{asked:?}");
        let components = || collector.get("/api/v0/web/modules/m.sink.x/components").1;
        eventually("the module's component", || components().contains("otelcol.exporter.debug.inside").then_some(()));
        // What is pushed is pulled.
        std::fs::write(home.join("work/lib/m.alloy"), MODULE.replace("inside", "newer")).unwrap();
        git(&home.join("work"), &["commit", "--quiet", "-am", "third"]).unwrap();
        git(&home.join("work"), &["push", "--quiet", "../repo.git", "main"]).unwrap();
        eventually("the newer component", || components().contains("otelcol.exporter.debug.newer").then_some(()));
        let exited = collector.stop();
        assert!(!exited.output.contains("canary"));

        let said = refused(&wrapper(&home, &authority, "wrong-canary"), &home, &config(port));
        assert!(said.contains("401") && !said.contains("canary"), "{said}");
        let (_, stranger) = certificates();
        let said = refused(&wrapper(&home, &stranger, "canary"), &home, &config(port));
        assert!(said.contains("certificate") && !said.contains("canary"), "{said}");
    });
    blocking.await.unwrap();
}
