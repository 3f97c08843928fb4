//! A scrape: one call for all units, one for the manager, and calls for what has changed, several at a time.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use corten_component::{BoxFuture, Health};
use corten_signal::exposition::{Expose, Exposition, ScrapeRequest};
use corten_signal::regexp;
use futures_util::{StreamExt, stream};
use regex::Regex;
use tokio::time::timeout;
use zbus::zvariant::OwnedObjectPath;

use super::cache::{Cache, MANAGER, MANAGER_PATH, SYSTEMD};
use super::facts::{Facts, Numbers, Object};
use super::report::{self, Unit};
use super::{SystemdArguments, manager, resolved};
use crate::bus::{Bus, BusError, Method};
use crate::exporter::{build_info, patience};
use crate::families::{Families, render};

/// How long one call may take.
const DEADLINE: Duration = Duration::from_secs(2);
/// Units that are asked about at a time: PID 1 answers one after another.
const AT_A_TIME: usize = 16;

/// Name, description, load state, active state, sub state, followed unit, path, job, job type, job path.
pub(crate) type Listed =
    (String, String, String, String, String, String, OwnedObjectPath, u32, String, OwnedObjectPath);

/// Asks systemd when it is scraped.
pub struct Exporter {
    bus: Bus,
    include: Regex,
    exclude: Regex,
    with_restarts: bool,
    with_ip: bool,
    with_resolved: bool,
    cache: Cache,
    health: Health,
    /// The last failure that has been logged.
    logged: Mutex<Option<String>>,
}

impl Exporter {
    /// As the arguments say.
    ///
    /// # Errors
    /// An expression that is none.
    pub fn new(args: &SystemdArguments, health: Health) -> Result<Self, String> {
        let bus = match args.bus_address.as_str() {
            "" => Bus::system(DEADLINE),
            address => Bus::at(address, DEADLINE),
        };
        Ok(Self {
            bus,
            include: regexp::anchored(&args.unit_include)?,
            exclude: regexp::anchored(&args.unit_exclude)?,
            with_restarts: args.enable_restarts,
            with_ip: args.enable_ip_accounting,
            with_resolved: args.enable_resolved,
            cache: Cache::default(),
            health,
            logged: Mutex::default(),
        })
    }

    /// Adds what can be had; an error says why something is missing.
    async fn collect(&self, out: &mut Families) -> Result<(), BusError> {
        self.cache.follow(&self.bus).await?;
        let list = Method { destination: SYSTEMD, path: MANAGER_PATH, interface: MANAGER, member: "ListUnits" };
        let (listed, properties) = tokio::join!(
            self.bus.call::<_, Vec<Listed>>(list, &()),
            self.bus.properties(SYSTEMD, MANAGER_PATH, MANAGER)
        );
        manager::report(out, &properties?);
        let units: Vec<Unit> = listed?.into_iter().filter_map(|unit| self.wanted(unit)).collect();
        report::states(out, &units);
        let paths: HashSet<&str> = units.iter().map(|unit| unit.path.as_str()).collect();
        self.cache.retain(|path| paths.contains(path));

        let mut outcome = Ok(());
        let questions: Vec<_> = units.iter().map(|unit| self.ask(unit)).collect();
        let mut answers = pin!(stream::iter(questions).buffer_unordered(AT_A_TIME));
        while let Some((unit, answer)) = answers.next().await {
            match answer {
                Ok((facts, numbers)) => report::unit(out, unit, &facts, &numbers),
                Err(error) if is_gone(&error) => tracing::debug!(unit = unit.name, "a unit has gone: {error}"),
                Err(error) => outcome = Err(error),
            }
        }
        if self.with_resolved {
            resolved::collect(out, &self.bus).await?;
        }
        outcome
    }

    fn wanted(&self, (name, _, load, active, _, _, path, ..): Listed) -> Option<Unit> {
        let is_wanted = load == "loaded" && self.include.is_match(&name) && !self.exclude.is_match(&name);
        is_wanted.then(|| Unit { name, active, path: path.as_str().to_owned() })
    }

    async fn ask<'a>(&'a self, unit: &'a Unit) -> (&'a Unit, Result<(Arc<Facts>, Numbers), BusError>) {
        (unit, self.answer(unit).await)
    }

    async fn answer(&self, unit: &Unit) -> Result<(Arc<Facts>, Numbers), BusError> {
        let object = Object { bus: &self.bus, path: &unit.path };
        let facts = match self.cache.get(&unit.path) {
            Some(facts) => facts,
            None => {
                let mark = self.cache.mark();
                let facts = Arc::new(object.facts(&unit.name, self.with_restarts).await?);
                self.cache.put(mark, &unit.path, &facts);
                facts
            }
        };
        let numbers = object.numbers(&facts.kind, unit.active == "inactive", self.with_ip).await?;
        Ok((facts, numbers))
    }

    fn settle(&self, outcome: &Result<(), BusError>) {
        let failure = outcome.as_ref().err().map(|why| format!("systemd could not be asked over D-Bus: {why}"));
        match &failure {
            None => self.health.healthy("systemd answers"),
            Some(why) => self.health.unhealthy(why.clone()),
        }
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        if *logged != failure {
            match &failure {
                None => tracing::info!("systemd answers again"),
                Some(why) => tracing::warn!("{why}"),
            }
            *logged = failure;
        }
    }
}

/// Units come and go between being listed and being asked about.
fn is_gone(error: &BusError) -> bool {
    let gone = ["UnknownObject", "NoSuchUnit", "UnknownInterface", "UnknownMethod"];
    matches!(error, BusError::Failed(why) if gone.iter().any(|name| why.contains(name)))
}

impl Expose for Exporter {
    fn expose(&self, request: ScrapeRequest) -> BoxFuture<'_, Result<Exposition, String>> {
        Box::pin(async move {
            let begin = Instant::now();
            let mut out = Families::new();
            let patience = patience(&request);
            let collected = timeout(patience, self.collect(&mut out)).await;
            let outcome = collected.unwrap_or(Err(BusError::Late(patience)));
            self.settle(&outcome);
            let help = "Whether systemd has answered all questions of this scrape.";
            out.gauge("systemd_exporter_scrape_success", help, &[], outcome.is_ok());
            let help = "How long the scrape took, in seconds.";
            out.gauge("systemd_exporter_scrape_duration_seconds", help, &[], begin.elapsed().as_secs_f64());
            build_info(&mut out, "systemd_exporter");
            Ok(Exposition::text(render(&mut [out])))
        })
    }
}
