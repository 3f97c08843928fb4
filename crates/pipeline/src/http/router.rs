//! Paths and what they answer. Bodies that probes read are Alloy's, word for word.

use std::sync::Arc;

use corten_engine::ComponentInfo;
use http::{HeaderValue, Method, StatusCode, header, request};
use serde_json::{Value as Json, json};

use super::reply::Reply;
use super::{exposed, guard, json, live, page};
use crate::run::Control;

const COMPONENTS: &str = "/api/v0/component/";

/// Answers a request that may be asked.
pub(super) async fn answer(control: &Arc<Control>, request: &request::Parts) -> Reply {
    let path = request.uri.path();
    match path {
        "/-/ready" | "/ready" => ready(control),
        "/-/healthy" => healthy(control),
        "/-/reload" => reload(control, request).await,
        "/-/support" => support(control),
        "/metrics" => Reply::new(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", control.metrics.render()),
        _ => match path.strip_prefix(COMPONENTS) {
            Some(_) => component_api(control, request).await,
            None => web(control, request, path),
        },
    }
}

fn ready(control: &Control) -> Reply {
    match control.is_ready() {
        true => Reply::text(StatusCode::OK, "Alloy is ready.\n"),
        false => Reply::text(StatusCode::SERVICE_UNAVAILABLE, "Alloy is not ready.\n"),
    }
}

fn healthy(control: &Control) -> Reply {
    let health = control.engine.health_summary();
    if health.is_healthy() {
        return Reply::text(StatusCode::OK, "All Alloy components are healthy.\n");
    }
    let bad: Vec<&str> = health.unhealthy.iter().chain(&health.exited).map(String::as_str).collect();
    Reply::text(StatusCode::INTERNAL_SERVER_ERROR, format!("unhealthy components: {}\n", bad.join(", ")))
}

async fn reload(control: &Arc<Control>, request: &request::Parts) -> Reply {
    if !matches!(request.method, Method::GET | Method::POST) {
        return Reply::text(StatusCode::METHOD_NOT_ALLOWED, "use GET or POST\n")
            .with(header::ALLOW, HeaderValue::from_static("GET, POST"));
    }
    if guard::is_foreign(&request.headers, request.uri.authority().map(|authority| authority.as_str())) {
        return Reply::text(StatusCode::FORBIDDEN, "a page of another site may not reload the configuration\n");
    }
    if control.is_stopping() {
        return Reply::text(StatusCode::SERVICE_UNAVAILABLE, "shutting down\n");
    }
    match control.reload("http").await {
        Ok(_) => Reply::text(StatusCode::OK, "config reloaded\n"),
        Err(error) => Reply::text(StatusCode::BAD_REQUEST, format!("{error}\n")),
    }
}

fn support(control: &Control) -> Reply {
    match control.options.support_bundle {
        true => Reply::text(
            StatusCode::NOT_FOUND,
            "support bundles are not implemented by Corten\nhelp: /metrics and /api/v0/web/components have the facts\n",
        ),
        false => Reply::text(
            StatusCode::FORBIDDEN,
            "support bundle generation is disabled; it can be re-enabled by removing the --server.http.disable-support-bundle flag\n",
        ),
    }
}

/// `/api/v0/component/{id}/...`; the id may hold slashes, and the longest that exists is meant.
async fn component_api(control: &Control, request: &request::Parts) -> Reply {
    let path = decoded(request.uri.path());
    if let Some(exporter) = control.routes.find(&path) {
        return exposed::answer(&*exporter, request).await;
    }
    let rest = path.strip_prefix(COMPONENTS).unwrap_or_default();
    let ends = rest.match_indices('/').map(|(at, _)| at).chain([rest.len()]);
    let known = ends.filter_map(|end| control.engine.component(&rest[..end])).last();
    match known {
        Some(component) => Reply::text(StatusCode::NOT_FOUND, format!("{} serves nothing at {path}\n", component.id)),
        None => Reply::text(StatusCode::BAD_REQUEST, format!("failed to parse URL path {path:?}: invalid path\n")),
    }
}

fn web(control: &Arc<Control>, request: &request::Parts, path: &str) -> Reply {
    let prefix = control.options.ui_prefix.trim_end_matches('/');
    let Some(below) = path.strip_prefix(prefix).filter(|below| below.is_empty() || below.starts_with('/')) else {
        return not_found(path);
    };
    if !matches!(request.method, Method::GET | Method::HEAD | Method::POST) {
        return Reply::text(StatusCode::METHOD_NOT_ALLOWED, "use GET\n")
            .with(header::ALLOW, HeaderValue::from_static("GET"));
    }
    if matches!(below, "" | "/") {
        return Reply::html(page::summary(control, request.uri.query().unwrap_or_default()));
    }
    if let Some(id) = below.strip_prefix("/component/") {
        return match control.engine.component(&decoded(id)) {
            Some(component) => Reply::html(page::component(control, &component)),
            None => not_found(path),
        };
    }
    match below.strip_prefix("/api/v0/web/") {
        Some(rest) => {
            web_api(control, rest, request.uri.query().unwrap_or_default()).unwrap_or_else(|| not_found(path))
        }
        None => not_found(path),
    }
}

fn web_api(control: &Arc<Control>, rest: &str, query: &str) -> Option<Reply> {
    let debugged = |info: &ComponentInfo| control.debugging.is_enabled() && live::can_be_debugged(info);
    let list = |wanted: &dyn Fn(&ComponentInfo) -> bool| {
        let components = control.engine.components();
        let shown = components.iter().filter(|info| wanted(info)).map(|info| json::summary(info, debugged(info)));
        Reply::json(&shown.collect::<Json>())
    };
    match rest {
        "components" => return Some(list(&|info| info.module_id.is_empty())),
        "peers" => return Some(Reply::json(&peers(control))),
        "remotecfg/components" => return Some(Reply::json(&json!([]))),
        _ => {}
    }
    if let Some(id) = rest.strip_prefix("components/") {
        return control.engine.component(&decoded(id)).map(|info| Reply::json(&json::detail(&info, debugged(&info))));
    }
    if let Some(id) = rest.strip_prefix("debug/") {
        return Some(live::debug(control, &decoded(id), query));
    }
    if let Some(module) = rest.strip_prefix("graph").filter(|rest| rest.is_empty() || rest.starts_with('/')) {
        return Some(live::graph(control, decoded(module).trim_matches('/'), query));
    }
    let module = decoded(rest.strip_prefix("modules/")?.strip_suffix("/components")?);
    Some(list(&|info| info.module_id == module))
}

/// This one, alone.
fn peers(control: &Control) -> Json {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    json!([{ "name": name, "addr": control.options.listen, "isSelf": true, "state": "participant" }])
}

fn not_found(path: &str) -> Reply {
    Reply::text(StatusCode::NOT_FOUND, format!("nothing is at {path}\n"))
}

/// Percent-decoding; what is not an escape stays.
pub(super) fn decoded(path: &str) -> String {
    let bytes = path.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let digits =
            bytes.get(at + 1..at + 3).filter(|digits| *byte == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        match digits.and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|d| u8::from_str_radix(d, 16).ok()) {
            Some(decoded) => {
                out.push(decoded);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn escapes_are_decoded_once() {
        assert_eq!(super::decoded("lib.a%2Fb.c%20d%2520%zz%4"), "lib.a/b.c d%20%zz%4");
    }
}
