//! Looking on while data passes, through the real binary.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use corten_signal::otlp::SignalKind;
use corten_testkit::{Collector, Protocol, Sender, Sink, data, eventually, free_address};
use prost::Message;

const BINARY: &str = env!("CARGO_BIN_EXE_corten");
const RECEIVER: &str = "/api/v0/web/debug/otelcol.receiver.otlp.default";

fn config(door: SocketAddr, sink: &str, debugging: bool) -> String {
    format!(
        r#"
livedebugging {{
	enabled = {debugging}
}}

declare "out" {{
	otelcol.processor.batch "inner" {{
		timeout = "10ms"
		output {{
			traces = [otelcol.exporter.otlphttp.inner.input]
		}}
	}}
	otelcol.exporter.otlphttp "inner" {{
		client {{
			endpoint = "{sink}"
			headers = {{ "authorization" = "canary" }}
		}}
	}}
	export "input" {{
		value = otelcol.processor.batch.inner.input
	}}
}}

out "way" {{ }}

otelcol.receiver.otlp "default" {{
	http {{
		endpoint = "{door}"
		include_metadata = true
	}}
	output {{
		traces = [out.way.input]
	}}
}}
"#
    )
}

/// The records of a stream, as they come.
struct Stream(BufReader<TcpStream>);

impl Stream {
    fn open(collector: &Collector, path: &str) -> Self {
        let mut stream = TcpStream::connect(collector.http()).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", collector.http()).expect("it reads");
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).expect("a status");
        assert!(line.contains(" 200 "), "{line}");
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).expect("a header");
        }
        Self(reader)
    }

    /// One chunk; `None` at the end.
    fn chunk(&mut self) -> Option<String> {
        let mut size = String::new();
        self.0.read_line(&mut size).expect("a chunk");
        let size = usize::from_str_radix(size.trim(), 16).expect("a size");
        let mut bytes = vec![0; size + 2];
        self.0.read_exact(&mut bytes).expect("the chunk");
        (size > 0).then(|| String::from_utf8_lossy(&bytes[..size]).into_owned())
    }
}

async fn send(door: SocketAddr, names: impl Iterator<Item = String>) {
    let body = data::traces(names, 0).encode_to_vec();
    assert!(Sender::new(door, Protocol::Http1).send(SignalKind::Traces, body).await.expect("an answer").is_success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_component_sends_can_be_seen_while_the_file_allows_it() {
    let (sink, door) = (Sink::start(), free_address());
    let collector = Collector::start(BINARY, &config(door, &sink.url(), false));
    let (status, body) = collector.get(RECEIVER);
    assert!(status == 500 && body.contains("livedebugging { enabled = true }"), "{body}");
    let shown = |collector: &Collector| {
        let (_, body) = collector.get("/api/v0/web/components/otelcol.receiver.otlp.default");
        body.contains("\"liveDebuggingEnabled\":true")
    };
    assert!(!shown(&collector));

    assert_eq!(collector.reload(&config(door, &sink.url(), true)).0, 200);
    assert!(shown(&collector));
    assert_eq!(collector.get("/api/v0/web/debug/nothing.here").0, 404);
    assert_eq!(collector.get("/api/v0/web/debug/out.way").0, 500);
    assert_eq!(collector.get(&format!("{RECEIVER}?sampleProb=2")).0, 400);

    let mut receiver = Stream::open(&collector, RECEIVER);
    let mut exporter = Stream::open(&collector, "/api/v0/web/debug/out.way/otelcol.exporter.otlphttp.inner");
    let mut never = Stream::open(&collector, &format!("{RECEIVER}?sampleProb=0"));
    send(door, ["span-one".to_owned(), "a|;|b".to_owned()].into_iter()).await;
    for stream in [&mut receiver, &mut exporter] {
        let text = stream.chunk().expect("a record");
        assert!(text.contains("2 spans in ") && text.contains("span-one") && text.contains("a| ; |b"), "{text}");
        assert!(text.ends_with("|;|") && text.matches("|;|").count() == 1, "{text}");
        assert!(!text.contains("canary"), "{text}");
    }

    // A reload keeps streams, also where it replaces what they look at.
    let changed = config(door, &sink.url(), true).replace("include_metadata = true", "include_metadata = false");
    assert_eq!(collector.reload(&changed).0, 200);
    let text = tokio::task::spawn_blocking(move || receiver.chunk().map(|text| (text, receiver)));
    let again = async {
        for number in 0.. {
            send(door, [format!("again-{number}")].into_iter()).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let (text, mut receiver) = tokio::select! {
        () = again => unreachable!("it never ends"),
        text = text => text.unwrap().expect("a record"),
    };
    assert!(text.contains("again-"), "{text}");

    assert_eq!(collector.reload(&config(door, &sink.url(), false)).0, 200);
    while receiver.chunk().is_some() {}
    assert_eq!(never.chunk(), None, "nothing was wanted of this one");
    assert_eq!(collector.stop().code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn rates_are_those_of_the_edges_of_a_module() {
    let (sink, door) = (Sink::start(), free_address());
    let collector = Collector::start(BINARY, &config(door, &sink.url(), false));
    assert_eq!(collector.get("/api/v0/web/graph?window=61").0, 400);
    let mut root = Stream::open(&collector, "/api/v0/web/graph?window=1");
    let mut module = Stream::open(&collector, "/api/v0/web/graph/out.way?window=1");
    send(door, (0..10).map(|n| format!("span-{n}"))).await;
    eventually("the data", || (sink.items(SignalKind::Traces) == 10).then_some(()));

    let first = |stream: &mut Stream| {
        let row = std::iter::from_fn(|| stream.chunk()).find(|text| text != "[]|;|").expect("a row");
        serde_json::from_str::<serde_json::Value>(row.strip_suffix("|;|").expect("the separator")).expect("JSON")
    };
    let row = |from: &str, to: &str| serde_json::json!({ "componentID": from, "targetComponentIDs": [to], "type": "otel_trace", "rate": 10.0 });
    assert_eq!(first(&mut root), serde_json::json!([row("otelcol.receiver.otlp.default", "out.way")]));
    // Both edges need not fall into one window.
    let mut rows = Vec::new();
    while rows.len() < 2 {
        rows.extend(first(&mut module).as_array().expect("a list").clone());
    }
    rows.sort_by_key(ToString::to_string);
    let inner = row("otelcol.processor.batch.inner", "otelcol.exporter.otlphttp.inner");
    assert_eq!(rows, [inner, row("otelcol.receiver.otlp.default", "otelcol.processor.batch.inner")]);
    drop((root, module));
    assert_eq!(collector.stop().code, Some(0));
}
