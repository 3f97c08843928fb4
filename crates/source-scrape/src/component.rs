//! The life of an instance.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use corten_component::metrics::{MetricDoc, Metrics};
use corten_component::{BuildContext, BuildError, Component, NoExports, Note, RunContext, RunError};
use corten_net::client::ConfiguredClient;
use corten_net::http::HeaderValue;
use corten_signal::exposition::Routes;

use crate::arguments::ScrapeArguments;
use crate::failures::FailureLog;
use crate::fetch::Fetcher;
use crate::metrics::{self, Meters};
use crate::pool::{Counts, Pool, Sessions, Shared};
use crate::session::Order;
use crate::target;

/// `prometheus.scrape`.
pub struct Scrape {
    args: Arc<ScrapeArguments>,
    client: ConfiguredClient,
}

/// What is known of targets when an instance is replaced.
#[derive(Default)]
pub struct ScrapeCarry {
    sessions: Sessions,
    args: Option<Arc<ScrapeArguments>>,
}

impl Component for Scrape {
    const NAME: &'static str = "prometheus.scrape";
    const DOC: &'static str = "Scrapes metrics from targets, over HTTP or from components of this process.\n\n\
        It reads the text format of Prometheus, OpenMetrics and protobuf, with native histograms, exemplars and times of \
        creation. Each scrape is sent on whole or not at all: one that fails or hits a limit sends `up` as 0 and ends \
        the series of the target. A series that vanishes is ended, and all series of a target that goes. A reload that \
        keeps a target keeps its rhythm and ends nothing.";
    const METRICS: &'static [MetricDoc] = metrics::DOCS;
    type Arguments = ScrapeArguments;
    type Exports = NoExports;
    type Carry = ScrapeCarry;

    async fn build(args: Arc<Self::Arguments>, cx: &mut BuildContext<'_>) -> Result<(Self, NoExports), BuildError> {
        let client = ConfiguredClient::new(&args.client).map_err(|error| BuildError::new(error.to_string()))?;
        Meters::register(cx.metrics(), &[]);
        Ok((Self { args, client }, NoExports))
    }

    async fn run(self, carry: Self::Carry, mut cx: RunContext<Self>) -> (Self::Carry, Result<(), RunError>) {
        let id = cx.id().to_string();
        let meters = Meters::register(cx.metrics(), &[]);
        let mut sessions = carry.sessions;
        if let Some(old) = carry.args {
            meters.reloads.inc();
            if !old.means_the_same(&self.args) {
                sessions.values_mut().for_each(|session| session.memory.cache.forget_keys());
            }
        }
        let job = target::job(&self.args, &id).to_owned();
        let shared = Shared {
            reading: Arc::new(self.args.reading()),
            fetcher: Fetcher {
                client: self.client,
                routes: cx.service::<Routes>(),
                accept: HeaderValue::from_str(&self.args.accept()).unwrap_or(HeaderValue::from_static("*/*")),
                compression: self.args.enable_compression,
                limit: self.args.body_size_limit.as_usize(),
            },
            meters,
            scope: cx.metrics().clone(),
            failures: open_log(&self.args, &job),
            job,
            health: cx.health().clone(),
            counts: Counts::default(),
            forced: Mutex::default(),
            args: Arc::clone(&self.args),
        };
        // Each session takes itself out of the count that it is in.
        sessions.values().for_each(|session| shared.tell(None, session.up));
        let mut pool = Pool::new(Arc::new(shared), id);
        let mut args = cx.arguments();
        loop {
            pool.sync(&args.targets, std::mem::take(&mut sessions)).await;
            match cx.told().await {
                Some(new) => args = new,
                None => break,
            }
        }
        let sessions = match cx.is_inherited() {
            true => pool.stop_all(Order::HandOver).await,
            false => {
                pool.stop_all(Order::End).await;
                HashMap::new()
            }
        };
        (ScrapeCarry { sessions, args: Some(args) }, Ok(()))
    }

    fn absorbs(old: &ScrapeArguments, new: &ScrapeArguments) -> bool {
        ScrapeArguments { targets: new.targets.clone(), ..old.clone() } == *new
    }

    fn notes(args: &ScrapeArguments) -> Vec<Note> {
        let mut notes = Vec::new();
        if args.clustering.enabled {
            let message = "Corten has no clusters: this instance scrapes all targets";
            notes.push(Note::new(["clustering.enabled"], message));
        }
        if args.enable_protobuf_negotiation {
            let message = "enable_protobuf_negotiation is deprecated";
            notes.push(Note::new(["enable_protobuf_negotiation"], message).with_help("use scrape_native_histograms"));
        }
        notes
    }
}

fn open_log(args: &ScrapeArguments, job: &str) -> Option<FailureLog> {
    let path = args.scrape_failure_log_file.as_str();
    if path.is_empty() {
        return None;
    }
    let opened = FailureLog::open(path, job);
    opened.inspect_err(|error| tracing::error!(path, err = %error, "scrape_failure_log_file cannot be opened")).ok()
}
