//! Which processes of the machine are observed, kept up to date by what the kernel tells.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::teller::Observed;
use crate::arguments::{EbpfArguments, InstrumentArguments, SamplerArguments};
use crate::discover::naming::{Surroundings, service};
use crate::discover::{Containers, Facts, Selection, Selector};
use crate::telemetry::Service;

/// For how many ended processes it is remembered who they were: their last exchanges come after their end.
const ENDED: usize = 1024;

/// Where facts about processes come from.
pub trait Census {
    /// What is known of a process now; `None` if it has gone.
    fn facts(&self, pid: u32) -> Option<Facts>;
    /// All processes that listen on a port.
    fn listeners(&self) -> Vec<u32>;
    /// All processes.
    fn processes(&self) -> Vec<u32>;
}

/// What metrics should know of a process.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// It is observed.
    Observed(u32, Arc<Service>),
    /// It is only told that it is there.
    Surveyed(u32, Arc<Service>),
    /// Nothing is told of it any more.
    Gone(u32),
}

/// The machine.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    /// Its name.
    pub host: String,
    /// Its id.
    pub host_id: String,
}

/// What has changed for the kernel side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Observe the process.
    Observe(u32),
    /// Do not, whatever ports it has.
    Ignore(u32),
    /// Nothing holds for it any more.
    Clear(u32),
}

/// Knows who is observed.
#[derive(Debug)]
pub struct Processes<C> {
    census: C,
    selection: Selection,
    samplers: Vec<SamplerArguments>,
    machine: Machine,
    containers: Containers,
    /// Begins of paths of the system's programs.
    system: Vec<String>,
    news: Vec<News>,
    /// Who listens on a port.
    listening: HashMap<u16, u32>,
    traces: bool,
    default_sampler: SamplerArguments,
    observed: HashMap<u32, Observed>,
    /// Processes that no rule chose, so that they are not asked about again for each request.
    others: HashMap<u32, ()>,
    ended: VecDeque<u32>,
}

impl<C: Census> Processes<C> {
    /// By the arguments.
    ///
    /// # Errors
    /// A glob or an expression that is none.
    pub fn new(args: &EbpfArguments, machine: Machine, census: C) -> Result<Self, String> {
        let discovery = &args.discovery;
        let rules = discovery.instrument.iter().chain(&discovery.services);
        let chosen = rules.filter(|rule| !InstrumentArguments::needs_kubernetes(rule));
        Ok(Self {
            census,
            selection: args.selection()?,
            samplers: chosen.map(|rule| rule.sampler.clone()).collect(),
            machine,
            containers: Containers::default(),
            system: discovery.excluded_linux_system_paths.clone(),
            news: Vec::new(),
            listening: HashMap::new(),
            traces: args.output.is_some(),
            default_sampler: args.traces.sampler.clone(),
            observed: HashMap::new(),
            others: HashMap::new(),
            ended: VecDeque::new(),
        })
    }

    /// Where the facts come from.
    pub fn census_mut(&mut self) -> &mut C {
        &mut self.census
    }

    /// Ports by which processes are chosen: their connections are worth looking at whoever has them.
    pub fn ports(&self) -> impl Iterator<Item = u16> {
        self.selection.include.iter().flat_map(|rule| rule.ports.iter())
    }

    /// What has changed for metrics, since this was last asked.
    pub fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// Looks at all processes that run now.
    pub fn look_around(&mut self) -> Vec<Decision> {
        let all = if self.selection.needs_all() { self.census.processes() } else { self.census.listeners() };
        all.into_iter().filter_map(|pid| self.look(pid)).collect()
    }

    /// A process has begun to listen, or runs another program.
    pub fn look(&mut self, pid: u32) -> Option<Decision> {
        self.others.remove(&pid);
        self.begin(pid);
        let Some(facts) = self.facts(pid) else {
            return self.forget(pid).then_some(Decision::Clear(pid));
        };
        self.survey(&facts);
        match self.choose(&facts) {
            Some(observed) => {
                self.listening.extend(facts.ports.iter().map(|port| (*port, pid)));
                let known = self.insert(pid, observed);
                known.is_none().then_some(Decision::Observe(pid))
            }
            None => {
                let was = self.forget(pid);
                self.remember_other(pid);
                match self.is_excluded(&facts) {
                    true => Some(Decision::Ignore(pid)),
                    false => was.then_some(Decision::Clear(pid)),
                }
            }
        }
    }

    /// There is a process of this number: another one than whoever had it before and has ended.
    fn begin(&mut self, pid: u32) {
        if let Some(at) = self.ended.iter().position(|ended| *ended == pid) {
            self.ended.remove(at);
            self.observed.remove(&pid);
        }
    }

    /// A process was made by another: until it runs something else it is the same service.
    pub fn fork(&mut self, pid: u32, parent: u32) {
        self.begin(pid);
        if let Some(observed) = self.observed.get(&parent).cloned() {
            self.observed.insert(pid, observed);
        }
    }

    /// A process has ended. Who it was is remembered for a while.
    pub fn exit(&mut self, pid: u32) {
        self.others.remove(&pid);
        self.news.push(News::Gone(pid));
        self.listening.retain(|_, listener| *listener != pid);
        if !self.observed.contains_key(&pid) {
            return;
        }
        self.ended.push_back(pid);
        if self.ended.len() > ENDED
            && let Some(oldest) = self.ended.pop_front()
        {
            self.observed.remove(&oldest);
        }
    }

    /// Who a process is, if it is observed. `port` is one that it answers on, as an exchange showed.
    pub fn observed(&mut self, pid: u32, port: Option<u16>) -> Option<&Observed> {
        if !self.observed.contains_key(&pid) && !self.others.contains_key(&pid) {
            let mut facts = self.facts(pid)?;
            facts.ports.extend(port);
            match self.choose(&facts) {
                Some(observed) => {
                    self.insert(pid, observed);
                }
                None => self.remember_other(pid),
            }
        }
        self.observed.get(&pid)
    }

    /// The service that a process is, if it is known to be observed.
    pub fn service(&self, pid: u32) -> Option<Arc<Service>> {
        self.observed.get(&pid).map(|observed| Arc::clone(&observed.service))
    }

    /// The service that listens on a port of this machine, if it is observed.
    pub fn listener(&self, port: u16) -> Option<Arc<Service>> {
        self.service(*self.listening.get(&port)?)
    }

    /// The processes that are observed and metrics of which are wanted.
    pub fn running(&self) -> impl Iterator<Item = (u32, &Arc<Service>)> {
        let wanted = self.observed.iter().filter(|(pid, observed)| observed.metrics && !self.ended.contains(pid));
        wanted.map(|(pid, observed)| (*pid, &observed.service))
    }

    /// How many processes are observed.
    pub fn count(&self) -> usize {
        self.observed.len() - self.ended.len().min(self.observed.len())
    }

    fn facts(&self, pid: u32) -> Option<Facts> {
        let mut facts = self.census.facts(pid)?;
        facts.system = self.system.iter().any(|begin| facts.executable.starts_with(begin));
        Some(facts)
    }

    fn insert(&mut self, pid: u32, observed: Observed) -> Option<Observed> {
        let known = self.observed.insert(pid, observed.clone());
        if known.as_ref().is_none_or(|known| known.service != observed.service) && observed.metrics {
            self.news.push(News::Observed(pid, observed.service));
        }
        known
    }

    /// Whether it was observed.
    fn forget(&mut self, pid: u32) -> bool {
        let was = self.observed.remove(&pid).is_some();
        if was {
            self.news.push(News::Gone(pid));
        }
        was
    }

    fn survey(&mut self, facts: &Facts) {
        let Some(rule) = self.selection.survey(facts).cloned() else { return };
        let service = self.service_of(facts, &rule);
        self.news.push(News::Surveyed(facts.pid, service));
    }

    fn service_of(&mut self, facts: &Facts, rule: &Selector) -> Arc<Service> {
        let container = facts.container.as_deref().and_then(|id| self.containers.find(id));
        let around =
            Surroundings { host: &self.machine.host, host_id: &self.machine.host_id, container: container.as_ref() };
        Arc::new(service(facts, rule, around))
    }

    fn remember_other(&mut self, pid: u32) {
        if self.others.len() >= 65_536 {
            self.others.clear();
        }
        self.others.insert(pid, ());
    }

    fn is_excluded(&self, facts: &Facts) -> bool {
        self.selection.exclude.iter().chain(&self.selection.default_exclude).any(|rule| rule.matches(facts))
    }

    fn choose(&mut self, facts: &Facts) -> Option<Observed> {
        let rule = self.selection.choose(facts)?;
        let at = self.selection.include.iter().position(|known| std::ptr::eq(known, rule));
        let sampler =
            at.and_then(|at| self.samplers.get(at)).filter(|sampler| **sampler != SamplerArguments::default());
        let sampler = sampler.unwrap_or(&self.default_sampler).clone();
        let rule = rule.clone();
        Some(Observed {
            service: self.service_of(facts, &rule),
            traces: self.traces && rule.exports("traces"),
            metrics: rule.exports("metrics"),
            sampler,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use crate::arguments::InstrumentArguments;

    #[derive(Debug, Clone, Default)]
    struct Fake(Rc<RefCell<HashMap<u32, Facts>>>);

    impl Fake {
        fn runs(&self, pid: u32, executable: &str, ports: &[u16]) {
            let facts = Facts {
                pid,
                executable: executable.into(),
                ports: ports.iter().copied().collect(),
                ..Facts::default()
            };
            self.0.borrow_mut().insert(pid, facts);
        }
    }

    impl Census for Fake {
        fn facts(&self, pid: u32) -> Option<Facts> {
            self.0.borrow().get(&pid).cloned()
        }

        fn listeners(&self) -> Vec<u32> {
            let mut pids: Vec<u32> =
                self.0.borrow().values().filter(|facts| !facts.ports.is_empty()).map(|facts| facts.pid).collect();
            pids.sort_unstable();
            pids
        }

        fn processes(&self) -> Vec<u32> {
            let mut pids: Vec<u32> = self.0.borrow().keys().copied().collect();
            pids.sort_unstable();
            pids
        }
    }

    fn processes(machine: &Fake) -> Processes<Fake> {
        let mut args = EbpfArguments::default();
        args.discovery.instrument = vec![InstrumentArguments {
            open_ports: "8080".into(),
            name: "shop".into(),
            ..InstrumentArguments::default()
        }];
        Processes::new(&args, Machine::default(), machine.clone()).unwrap()
    }

    #[test]
    fn who_listens_on_a_chosen_port_is_observed() {
        let machine = Fake::default();
        machine.runs(1, "/bin/shop", &[8080]);
        machine.runs(2, "/bin/other", &[22]);
        let mut processes = processes(&machine);
        assert_eq!(processes.ports().collect::<Vec<_>>(), [8080]);
        assert_eq!(processes.look_around(), [Decision::Observe(1)]);
        assert_eq!(processes.observed(1, None).unwrap().service.name, "shop");
        assert!(processes.observed(2, Some(22)).is_none());
        machine.runs(2, "/bin/other", &[22, 8080]);
        assert_eq!(processes.look(2), Some(Decision::Observe(2)));
        assert_eq!(processes.look(2), None, "nothing new");
        machine.runs(2, "/bin/other", &[22]);
        assert_eq!(processes.look(2), Some(Decision::Clear(2)));
    }

    #[test]
    fn children_are_the_same_service_until_they_run_something_else() {
        let machine = Fake::default();
        machine.runs(1, "/bin/shop", &[8080]);
        let mut processes = processes(&machine);
        processes.look_around();
        processes.fork(5, 1);
        assert!(processes.observed(5, None).is_some());
        machine.runs(5, "/bin/sh", &[]);
        assert_eq!(processes.look(5), Some(Decision::Clear(5)));
        assert!(processes.observed(5, None).is_none());
    }

    #[test]
    fn an_ended_process_is_remembered_for_a_while() {
        let machine = Fake::default();
        machine.runs(1, "/bin/shop", &[8080]);
        let mut processes = processes(&machine);
        processes.look_around();
        machine.0.borrow_mut().clear();
        processes.exit(1);
        assert!(processes.observed(1, None).is_some());
        assert_eq!(processes.count(), 0);
        for pid in 10..12 + ENDED as u32 {
            machine.runs(pid, "/bin/shop", &[8080]);
            processes.look(pid);
            processes.exit(pid);
        }
        machine.0.borrow_mut().clear();
        assert!(processes.observed(1, None).is_none());
    }

    #[test]
    fn a_number_that_comes_again_is_another_process() {
        let machine = Fake::default();
        machine.runs(1, "/bin/shop", &[8080]);
        machine.runs(7, "/bin/shop", &[8080]);
        let mut processes = processes(&machine);
        processes.look_around();
        processes.exit(7);
        assert_eq!(processes.look(7), Some(Decision::Observe(7)), "the kernel has forgotten the one before");
        processes.exit(7);
        processes.fork(7, 1);
        assert_eq!(processes.count(), 2);
        for pid in 100..102 + ENDED as u32 {
            processes.fork(pid, 1);
            processes.exit(pid);
        }
        machine.0.borrow_mut().clear();
        assert!(processes.observed(7, None).is_some(), "it has not ended");
    }

    #[test]
    fn collectors_on_a_chosen_port_are_ignored() {
        let machine = Fake::default();
        machine.runs(1, "/usr/bin/alloy", &[8080]);
        assert_eq!(processes(&machine).look_around(), [Decision::Ignore(1)]);
    }

    #[test]
    fn a_process_whose_port_only_a_request_showed_is_found() {
        let machine = Fake::default();
        machine.runs(3, "/bin/worker", &[]);
        let mut processes = processes(&machine);
        assert!(processes.observed(3, Some(8080)).is_some());
    }

    #[test]
    fn surveyed_processes_are_told_of_and_not_observed() {
        let machine = Fake::default();
        machine.runs(1, "/bin/shop", &[8080]);
        machine.runs(2, "/bin/idle", &[]);
        machine.runs(3, "/usr/bin/alloy", &[]);
        let mut args = EbpfArguments::default();
        args.discovery.survey = vec![InstrumentArguments { exe_path: "*".into(), ..InstrumentArguments::default() }];
        let mut processes = Processes::new(&args, Machine::default(), machine.clone()).unwrap();
        assert_eq!(processes.look_around(), [Decision::Ignore(3)]);
        let told: Vec<_> = processes
            .take_news()
            .into_iter()
            .map(|news| match news {
                News::Surveyed(pid, service) => (pid, service.name.clone()),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(told, [(1, "shop".to_owned()), (2, "idle".to_owned())]);
        processes.exit(2);
        assert_eq!(processes.take_news(), [News::Gone(2)]);
    }

    #[test]
    fn who_listens_on_a_port_is_known() {
        let machine = Fake::default();
        machine.runs(1, "/bin/shop", &[8080]);
        let mut processes = processes(&machine);
        processes.look_around();
        assert_eq!(processes.listener(8080).unwrap().name, "shop");
        assert!(matches!(processes.take_news()[..], [News::Observed(1, _)]));
        processes.exit(1);
        assert!(processes.listener(8080).is_none());
    }
}
