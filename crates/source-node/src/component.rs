//! `prometheus.exporter.unix`: the machine's metrics as a component.

use std::sync::Arc;

use corten_component::{BoxFuture, BuildContext, BuildError, Component, Handle, Note, RunContext, RunError};
use corten_signal::exposition::{Expose, Exposition, ScrapeRequest};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use crate::arguments::UnixArguments;
use crate::collectors;
use crate::exporter::{ExporterExports, patience, serve};
use crate::unix::{Choice, Unix};

/// `prometheus.exporter.unix`.
pub struct UnixExporter {
    exposed: Handle<dyn Expose>,
}

impl Component for UnixExporter {
    const NAME: &'static str = "prometheus.exporter.unix";
    const DOC: &'static str = "Exposes the metrics of the machine, in the names of node_exporter 1.12.\n\n\
        It exports one target for `prometheus.scrape`. Collectors work beside one another: one that fails or hangs costs \
        what it would have said, `node_scrape_collector_success` says so, and the scrape goes on. Where `set_collectors` \
        is not written, those run that node_exporter runs by default; `enable_collectors` wins over \
        `disable_collectors`. All paths below `/proc`, `/sys` and `/` can lie elsewhere.";
    type Arguments = UnixArguments;
    type Exports = ExporterExports;
    type Carry = ();

    async fn build(args: Arc<Self::Arguments>, cx: &mut BuildContext<'_>) -> Result<(Self, Self::Exports), BuildError> {
        let exposed = cx.handle("metrics", Self::expose(&args)?);
        Ok((Self { exposed }, ExporterExports::new(Self::NAME, cx.id())))
    }

    async fn run(self, carry: (), cx: RunContext<Self>) -> ((), Result<(), RunError>) {
        serve(&cx, &self.exposed).await;
        (carry, Ok(()))
    }

    fn notes(args: &UnixArguments) -> Vec<Note> {
        let lists = [
            ("set_collectors", &args.set_collectors),
            ("disable_collectors", &args.disable_collectors),
            ("enable_collectors", &args.enable_collectors),
        ];
        let unknown = lists.into_iter().flat_map(|(field, names)| names.iter().map(move |name| (field, name)));
        let unknown = unknown.filter(|(_, name)| !collectors::names().any(|known| known == **name));
        let mut notes: Vec<_> = unknown
            .map(|(field, name)| {
                let note = Note::new([field], format!("there is no collector {name:?}; the name is passed over"));
                match corten_syntax::nearest(name, collectors::names()) {
                    Some(known) => note.with_help(format!("did you mean {known:?}?")),
                    None => note,
                }
            })
            .collect();
        if args.ethtool.metrics_include != ".*" {
            let what =
                "what drivers of network devices count on their own is not read, so there is nothing to choose from";
            notes.push(Note::new(["ethtool.metrics_include"], what));
        }
        notes
    }
}

impl UnixExporter {
    /// What the component exposes, for those who have no engine.
    ///
    /// # Errors
    /// An expression or an address that is none.
    pub fn expose(args: &UnixArguments) -> Result<Arc<dyn Expose>, BuildError> {
        Ok(Arc::new(Exposed { unix: Arc::new(Unix::new(args)?), turn: Mutex::default() }))
    }
}

struct Exposed {
    unix: Arc<Unix>,
    /// One look at a time, so that two scrapers do not find each other's collectors busy.
    turn: Mutex<()>,
}

impl Expose for Exposed {
    fn expose(&self, request: ScrapeRequest) -> BoxFuture<'_, Result<Exposition, String>> {
        Box::pin(async move {
            let end = Instant::now() + patience(&request);
            let late = |_| "somebody else's scrape has not ended in time".to_owned();
            let _turn = timeout_at(end, self.turn.lock()).await.map_err(late)?;
            let unix = Arc::clone(&self.unix);
            let choice = Choice::of(&request.params);
            let left = end.saturating_duration_since(Instant::now());
            let look = tokio::task::spawn_blocking(move || unix.gather(&choice, left));
            let text = look.await.map_err(|error| format!("gathering has failed: {error}"))?;
            Ok(Exposition::text(text))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn exposed(args: &UnixArguments) -> Exposed {
        Exposed { unix: Arc::new(Unix::new(args).unwrap()), turn: Mutex::default() }
    }

    async fn scrape(exposed: &Exposed, params: &[(&str, &str)]) -> String {
        let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let request = ScrapeRequest { params, timeout: Duration::from_secs(60) };
        let exposition = exposed.expose(request).await.unwrap();
        String::from_utf8(exposition.body.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn this_machine_is_told_of() {
        let exposed = exposed(&UnixArguments::default());
        let text = scrape(&exposed, &[]).await;
        for start in [
            "node_exporter_build_info{",
            "node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} ",
            "node_memory_MemTotal_bytes ",
            "node_scrape_collector_success{collector=\"stat\"} 1",
            "node_uname_info{",
            "node_network_receive_bytes_total{device=\"lo\"} ",
            "node_timex_status ",
            "node_time_zone_offset_seconds{",
        ] {
            assert!(text.lines().any(|line| line.starts_with(start)), "{start} is missing in {text}");
        }
        assert!(!text.contains("process_resident_memory_bytes") && !text.contains("node_swap_"));
    }

    #[tokio::test]
    async fn a_scraper_may_choose_collectors() {
        let exposed = exposed(&UnixArguments::default());
        let text = scrape(&exposed, &[("collect[]", "loadavg"), ("collect[]", "nosuch")]).await;
        assert!(text.contains("node_load1 ") && !text.contains("node_memory_"), "{text}");
        let text = scrape(&exposed, &[("exclude[]", "loadavg")]).await;
        assert!(!text.contains("node_load1 ") && text.contains("node_memory_"), "{text}");
    }

    #[tokio::test]
    async fn metrics_of_the_exporter_come_on_request() {
        let exposed = exposed(&UnixArguments { include_exporter_metrics: true, ..UnixArguments::default() });
        scrape(&exposed, &[]).await;
        let text = scrape(&exposed, &[]).await;
        assert!(text.contains("promhttp_metric_handler_requests_total{code=\"200\"} 1\n"), "{text}");
        for name in ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_start_time_seconds"] {
            assert!(text.lines().any(|line| line.starts_with(name)), "{name} is missing");
        }
    }

    #[test]
    fn names_that_are_not_known_are_said() {
        let args = UnixArguments { enable_collectors: vec!["sytemd".into(), "cpu".into()], ..UnixArguments::default() };
        let notes = UnixExporter::notes(&args);
        assert_eq!(notes.len(), 1);
        assert!(notes[0].message.contains("sytemd") && notes[0].help.as_ref().unwrap().contains("systemd"));
    }
}
