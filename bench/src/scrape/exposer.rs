//! The targets: one server that shows what an application's instances show, with other values each time.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::Result;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::spawn_local;

use super::book::{Book, Total};

const ROUTES: [&str; 5] =
    ["/api/carts/items", "/api/orders/list", "/api/products/search", "/static/assets/logo", "/login/session/new"];
const METHODS: [&str; 2] = ["GET", "POST"];
const BOUNDS: [&str; 12] = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"];
/// Series of one instance of the application, the series that rules drop included.
pub(super) const BLOCK: u64 = 250;

/// Before the number of a line.
struct Line {
    text: Box<str>,
    is_gauge: bool,
    is_wanted: bool,
}

enum Part {
    About(&'static str),
    Line(Line),
}

/// All targets.
pub(super) struct Exposer {
    targets: Vec<Vec<Part>>,
    /// How often each was shown.
    shown: RefCell<Vec<u64>>,
    /// After so many scrapes a target does not answer any more.
    rounds: u64,
    book: Rc<Book>,
}

impl Exposer {
    /// So many targets with so many series each, a multiple of [`BLOCK`].
    pub(super) fn new(targets: u64, series: u64, rounds: u64, book: Rc<Book>) -> Self {
        let targets: Vec<_> = (0..targets).map(|target| parts(target, series / BLOCK)).collect();
        let shown = RefCell::new(vec![0; targets.len()]);
        Self { targets, shown, rounds, book }
    }

    /// Whether all targets were shown so often.
    pub(super) fn was_shown(&self, times: u64) -> bool {
        self.shown.borrow().iter().all(|shown| *shown >= times)
    }

    /// The exposition of a target, or nothing any more.
    fn expose(&self, target: usize) -> Option<String> {
        let parts = self.targets.get(target)?;
        let scrape = {
            let mut shown = self.shown.borrow_mut();
            let scrape = shown.get_mut(target).filter(|scrape| **scrape < self.rounds)?;
            *scrape += 1;
            *scrape
        };
        let mut body = String::with_capacity(parts.len() * 130);
        let (mut count, mut wanted) = (0, Total::default());
        for (at, part) in (0..).zip(parts) {
            match part {
                Part::About(text) => body.push_str(text),
                Part::Line(line) => {
                    body.push_str(&line.text);
                    let quarters = value(at, scrape, line.is_gauge);
                    count += 1;
                    if line.is_wanted {
                        wanted.add(quarters);
                    }
                    let hundredths = ["", ".25", ".5", ".75"][(quarters % 4) as usize];
                    // Writing to a string does not fail.
                    let _ = writeln!(body, "{}{hundredths}", quarters / 4);
                }
            }
        }
        self.book.show(count, wanted);
        Some(body)
    }

    /// Serves `/N/metrics`.
    pub(super) async fn start(self: Rc<Self>, address: SocketAddr) -> Result<()> {
        let listener = TcpListener::bind(address).await?;
        spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let exposer = Rc::clone(&self);
                spawn_local(async move {
                    let service = service_fn(move |request| answer(request, Rc::clone(&exposer)));
                    let http = hyper::server::conn::http1::Builder::new();
                    let _ = http.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Ok(())
    }
}

async fn answer(
    request: Request<Incoming>,
    exposer: Rc<Exposer>,
) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
    let target = request.uri().path().split('/').nth(1).and_then(|number| number.parse().ok());
    let Some(body) = target.and_then(|target| exposer.expose(target)) else {
        // Silence, not an error: a scrape that fails ends all series, which is no part of a run.
        return std::future::pending().await;
    };
    let mut response = Response::new(Full::from(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    Ok(response)
}

/// In quarters. Counters grow, gauges go up and down.
fn value(at: u64, scrape: u64, is_gauge: bool) -> u64 {
    match is_gauge {
        true => (at * 37 + scrape * 101) % 40_000,
        false => 4 * (at % 977 * 1000 + scrape * (1 + at % 7)),
    }
}

/// Families one after the other, as client libraries write them: in each all instances.
fn parts(target: u64, blocks: u64) -> Vec<Part> {
    let mut parts = Vec::new();
    let line = |parts: &mut Vec<Part>, text: String, is_gauge: bool, is_wanted: bool| {
        parts.push(Part::Line(Line { text: text.into(), is_gauge, is_wanted }));
    };
    let pod = |block: u64| format!("shop-7d4f9c-{target:03}-{block:05}");
    let each = |parts: &mut Vec<Part>, about: &'static str, write: &mut dyn FnMut(&mut Vec<Part>, u64, String)| {
        parts.push(Part::About(about));
        (0..blocks).for_each(|block| write(parts, block, pod(block)));
    };
    each(
        &mut parts,
        "# HELP bench_http_requests_total Requests that were answered.\n# TYPE bench_http_requests_total counter\n",
        &mut |parts, _, pod| {
            for (route, method) in pairs() {
                for code in ["200", "201", "400", "404", "500"] {
                    let text = format!(
                        "bench_http_requests_total{{code=\"{code}\",method=\"{method}\",path=\"{route}\",pod=\"{pod}\"}} "
                    );
                    line(parts, text, false, true);
                }
            }
        },
    );
    each(
        &mut parts,
        "# HELP bench_http_duration_seconds Time to answer.\n# TYPE bench_http_duration_seconds histogram\n",
        &mut |parts, _, pod| {
            for (route, method) in pairs() {
                let labels = format!("method=\"{method}\",path=\"{route}\",pod=\"{pod}\"");
                for bound in BOUNDS {
                    line(parts, format!("bench_http_duration_seconds_bucket{{{labels},le=\"{bound}\"}} "), false, true);
                }
                line(parts, format!("bench_http_duration_seconds_sum{{{labels}}} "), true, true);
                line(parts, format!("bench_http_duration_seconds_count{{{labels}}} "), false, true);
            }
        },
    );
    each(
        &mut parts,
        "# HELP bench_pool_connections Connections of the pool.\n# TYPE bench_pool_connections gauge\n",
        &mut |parts, block, pod| {
            for number in 0..35 {
                let text = format!(
                    "bench_pool_connections{{db=\"orders-{number}\",internal_id=\"{block:x}\",pod=\"{pod}\"}} "
                );
                line(parts, text, true, true);
            }
        },
    );
    each(
        &mut parts,
        "# HELP bench_unwanted_total Nobody looks at this.\n# TYPE bench_unwanted_total counter\n",
        &mut |parts, _, pod| {
            for number in 0..25 {
                line(parts, format!("bench_unwanted_total{{number=\"{number}\",pod=\"{pod}\"}} "), false, false);
            }
        },
    );
    parts
}

fn pairs() -> impl Iterator<Item = (&'static str, &'static str)> {
    ROUTES.into_iter().flat_map(|route| METHODS.into_iter().map(move |method| (route, method)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn books_say_what_is_shown() {
        let book = Rc::new(Book::new());
        let exposer = Exposer::new(2, 2 * BLOCK, 2, Rc::clone(&book));
        let body = exposer.expose(1).unwrap();
        let lines: Vec<&str> = body.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(lines.len() as u64, 2 * BLOCK);
        let mut total = Total::default();
        for line in lines.iter().filter(|line| !line.starts_with("bench_unwanted")) {
            total.add(super::super::book::quarters(line.rsplit(' ').next().unwrap().parse().unwrap()));
        }
        assert_eq!((book.shown(), book.expected()), (2 * BLOCK, total));
        assert!(!exposer.was_shown(1));
        assert!(exposer.expose(0).is_some() && exposer.expose(1).is_some() && exposer.was_shown(1));
        assert!(exposer.expose(1).is_none(), "two rounds were asked for");
        assert_ne!(exposer.expose(0), Some(body));
    }
}
