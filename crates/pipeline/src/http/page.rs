//! The summary page and a page for each component: plain HTML, no script, nothing loaded from elsewhere.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use corten_component::HealthState;
use corten_engine::{ComponentInfo, InfoStatement, NodeKind};
use corten_syntax::Value;

use super::figures::{self, Figure};
use super::{graph, style};
use crate::run::Control;
use crate::text;

/// All components: how they are, where data flows, what they count. `pause` in the query stops the refreshing.
pub(super) fn summary(control: &Control, query: &str) -> String {
    let refresh = !query.split('&').any(|word| word == "pause");
    let mut components = control.engine.components();
    graph::sort(&mut components);
    let figures = figures::by_component(&control.metrics.render());
    let bad = components.iter().filter(|info| is_bad(info)).count();
    let mut body = String::new();
    if let Some(error) = control.last_load().and_then(|load| load.error.map(|error| (load.when, error))) {
        let _ = write!(
            body,
            "<p class=\"banner\"><b>The last reload failed</b> {} ago; the configuration before it runs on.<br><code>{}</code></p>",
            ago(error.0),
            escape(&error.1)
        );
    }
    let drawing = graph::draw(&components, |id| link(control, id));
    if !drawing.is_empty() {
        let _ = write!(body, "<h2>Pipeline</h2><div class=\"scroll\">{drawing}</div>");
    }
    let health = match bad {
        0 => "all healthy".to_owned(),
        1 => "<span class=\"bad\">1 is not healthy</span>".to_owned(),
        bad => format!("<span class=\"bad\">{bad} are not healthy</span>"),
    };
    let _ =
        write!(body, "<h2>{} <span class=\"dim\">· {health}</span></h2>", text::count(components.len(), "component"));
    // What needs attention first; otherwise in the direction of the data.
    let (first, rest): (Vec<_>, Vec<_>) = components.iter().partition(|info| is_bad(info));
    for info in first.into_iter().chain(rest) {
        card(&mut body, control, info, figures.get(&info.id).map_or(&[], Vec::as_slice));
    }
    if components.is_empty() {
        body.push_str("<p class=\"dim\">The configuration has no components.</p>");
    }
    let toggle = match refresh {
        true => "<a href=\"?pause\">stop refreshing</a>",
        false => "<a href=\"?\">refresh every 5 s</a>",
    };
    shell(control, "Corten", if refresh { Some(5) } else { None }, &body, toggle)
}

/// One component with its arguments and exports. Secrets print as such.
pub(super) fn component(control: &Control, info: &ComponentInfo) -> String {
    let figures = figures::by_component(&control.metrics.render());
    let mut body = String::new();
    card(&mut body, control, info, figures.get(&info.id).map_or(&[], Vec::as_slice));
    for (title, statements) in [("Arguments", &info.arguments), ("Exports", &info.exports)] {
        if !statements.is_empty() {
            let mut code = String::new();
            print(&mut code, statements, 0);
            let _ = write!(body, "<h2>{title}</h2><pre>{}</pre>", escape(&code));
        }
    }
    references(&mut body, control, info);
    shell(control, &info.id, None, &body, "")
}

fn references(body: &mut String, control: &Control, info: &ComponentInfo) {
    let local = |id: &String| match info.module_id.as_str() {
        "" => id.clone(),
        module => format!("{module}/{id}"),
    };
    for (words, ids) in [("Refers to", &info.references_to), ("Is referred to by", &info.referenced_by)] {
        if !ids.is_empty() {
            let links: Vec<String> = ids.iter().map(|id| anchor(control, &local(id))).collect();
            let _ = write!(body, "<h2>{words}</h2><p>{}</p>", links.join(", "));
        }
    }
}

fn card(out: &mut String, control: &Control, info: &ComponentInfo, figures: &[Figure]) {
    let state = info.health.state.as_str();
    let kind = match info.kind {
        NodeKind::Component => "",
        NodeKind::Custom => " <span class=\"dim\">custom component</span>",
        NodeKind::Foreach | NodeKind::Import => " <span class=\"dim\">block</span>",
    };
    let _ = write!(
        out,
        "<div class=\"card {state}\"><div class=\"row\">{}{kind}<span class=\"state\">{state} for {}</span></div>",
        anchor(control, &info.id),
        ago(info.health.updated)
    );
    if info.health.state != HealthState::Healthy && !info.health.message.is_empty() {
        let _ = write!(out, "<div>{}</div>", escape(&info.health.message));
    }
    if !info.data_flow_edges_to.is_empty() {
        let links: Vec<String> = info.data_flow_edges_to.iter().map(|id| anchor(control, id)).collect();
        let _ = write!(out, "<div class=\"dim\">→ {}</div>", links.join(", "));
    }
    if !figures.is_empty() {
        out.push_str("<div class=\"figures\">");
        for figure in figures {
            let class = if figure.bad { " class=\"bad\"" } else { "" };
            let _ =
                write!(out, "<span{class}><b>{}</b> {}</span>", figures::number(figure.value), escape(&figure.name));
        }
        out.push_str("</div>");
    }
    out.push_str("</div>");
}

fn shell(control: &Control, title: &str, refresh: Option<u32>, body: &str, extra: &str) -> String {
    let refresh =
        refresh.map_or_else(String::new, |seconds| format!("<meta http-equiv=\"refresh\" content=\"{seconds}\">"));
    let source = match control.options.config_path() {
        Some(path) => path.display().to_string(),
        None => "the embedded default".to_owned(),
    };
    let home = escape(&format!("{}/", control.options.ui_prefix.trim_end_matches('/')));
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">{refresh}<title>{title}</title><style>{sheet}</style></head><body><main>\
         <header><h1><a href=\"{home}\">Corten</a></h1><span class=\"dim\">{version} · up for {up} · <code>{source}</code></span></header>\
         {body}<footer><a href=\"/metrics\">metrics</a><a href=\"{api}\">components as JSON</a><a href=\"/-/healthy\">health</a>{extra}</footer>\
         </main></body></html>",
        title = escape(title),
        sheet = style::SHEET,
        version = escape(crate::VERSION),
        up = ago(control.started),
        source = escape(&source),
        api = format_args!("{home}api/v0/web/components"),
    )
}

fn is_bad(info: &ComponentInfo) -> bool {
    matches!(info.health.state, HealthState::Unhealthy | HealthState::Exited)
}

fn anchor(control: &Control, id: &str) -> String {
    format!("<a class=\"id\" href=\"{}\">{}</a>", escape(&link(control, id)), escape(id))
}

fn link(control: &Control, id: &str) -> String {
    format!("{}/component/{id}", control.options.ui_prefix.trim_end_matches('/'))
}

/// Statements as they would stand in a file.
fn print(out: &mut String, statements: &[InfoStatement], depth: usize) {
    let indent = "    ".repeat(depth);
    for statement in statements {
        match statement {
            InfoStatement::Attribute { name, value } => {
                let _ = writeln!(out, "{indent}{name} = {}", literal(value, depth));
            }
            InfoStatement::Block { name, label, body } => {
                let label =
                    label.as_ref().map_or_else(String::new, |label| format!(" {}", corten_syntax::quote(label)));
                let _ = writeln!(out, "{indent}{name}{label} {{");
                print(out, body, depth + 1);
                let _ = writeln!(out, "{indent}}}");
            }
        }
    }
}

/// Arrays longer than this are cut: a page with thousands of targets helps nobody.
const MOST_ELEMENTS: usize = 50;

fn literal(value: &Value, depth: usize) -> String {
    let indent = "    ".repeat(depth + 1);
    let close = "    ".repeat(depth);
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(bool) => bool.to_string(),
        Value::String(text) => corten_syntax::quote(text),
        Value::OptionalSecret(text) => text.plain().map_or_else(|| "(secret)".to_owned(), corten_syntax::quote),
        Value::Secret(_) => "(secret)".to_owned(),
        Value::Number(_) => {
            corten_syntax::value::to_text(value).map_or_else(|_| String::new(), |text| text.to_string())
        }
        Value::Bytes(_) | Value::Array(_) => {
            let length = value.array_len().unwrap_or(0);
            let elements: Vec<Value> =
                (0..length.min(MOST_ELEMENTS)).filter_map(|index| value.element(index)).collect();
            let mut parts: Vec<String> = elements.iter().map(|element| literal(element, depth + 1)).collect();
            if length > MOST_ELEMENTS {
                parts.push(format!("... {} more", length - MOST_ELEMENTS));
            }
            match parts.iter().map(String::len).sum::<usize>() > 80 {
                false => format!("[{}]", parts.join(", ")),
                true => {
                    format!("[\n{}{close}]", parts.iter().map(|part| format!("{indent}{part},\n")).collect::<String>())
                }
            }
        }
        Value::Object(fields) => object(fields, depth),
        Value::Capsule(capsule) => {
            capsule.as_object().map_or_else(|| value.describe(), |fields| object(&fields, depth))
        }
        Value::Function(_) => "function".to_owned(),
    }
}

fn object(fields: &corten_syntax::Object, depth: usize) -> String {
    if fields.is_empty() {
        return "{}".to_owned();
    }
    let (indent, close) = ("    ".repeat(depth + 1), "    ".repeat(depth));
    let fields = fields.iter().map(|(key, field)| {
        let key = if corten_syntax::is_identifier(key) { key.to_string() } else { corten_syntax::quote(key) };
        format!("{indent}{key} = {},\n", literal(field, depth + 1))
    });
    format!("{{\n{}{close}}}", fields.collect::<String>())
}

/// `12 s`, `3 min`, `2 h 5 min`, `4 d 2 h`.
fn ago(time: SystemTime) -> String {
    span(SystemTime::now().duration_since(time).unwrap_or(Duration::ZERO))
}

fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86400, seconds % 86400 / 3600),
    }
}

/// Text as HTML text or a quoted attribute.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use corten_syntax::Secret;

    use super::*;

    #[test]
    fn text_stays_text() {
        assert_eq!(escape("<a href='x' \"&\u{1b}>"), "&lt;a href=&#39;x&#39; &quot;&amp;\u{fffd}&gt;");
    }

    #[test]
    fn arguments_read_as_in_a_file_without_secrets() {
        let attribute = |name: &str, value| InfoStatement::Attribute { name: name.into(), value };
        let client = vec![
            attribute("endpoint", Value::string("http://x")),
            attribute("password", Value::Secret(Secret::new("canary"))),
            attribute("headers", Value::object([("x-a", Value::int(1))])),
        ];
        let mut out = String::new();
        print(&mut out, &[InfoStatement::Block { name: "client".into(), label: None, body: client }], 0);
        assert_eq!(
            out,
            "client {\n    endpoint = \"http://x\"\n    password = (secret)\n    headers = {\n        \"x-a\" = 1,\n    }\n}\n"
        );
    }

    #[test]
    fn long_arrays_are_cut() {
        let text = literal(&Value::array((0..1000).map(Value::int)), 0);
        assert!(text.contains("... 950 more") && text.len() < 1000, "{text}");
    }

    #[test]
    fn times_are_short() {
        for (seconds, text) in [(5, "5 s"), (65, "1 min"), (7500, "2 h 5 min"), (200_000, "2 d 7 h")] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }
}
