//! Which processes of the machine are observed, kept up to date by what the kernel tells.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::teller::Observed;
use crate::arguments::{EbpfArguments, InstrumentArguments, SamplerArguments};
use crate::discover::naming::{Surroundings, service};
use crate::discover::{Facts, Selection};

/// For how many ended processes it is remembered who they were: their last exchanges come after their end.
const ENDED: usize = 1024;

/// Where facts about processes come from.
pub trait Census {
    /// What is known of a process now; `None` if it has gone.
    fn facts(&self, pid: u32) -> Option<Facts>;
    /// All processes that listen on a port.
    fn listeners(&self) -> Vec<u32>;
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
    host: String,
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
    pub fn new(args: &EbpfArguments, host: String, census: C) -> Result<Self, String> {
        let discovery = &args.discovery;
        let rules = discovery.instrument.iter().chain(&discovery.services);
        let chosen = rules.filter(|rule| !InstrumentArguments::needs_kubernetes(rule));
        Ok(Self {
            census,
            selection: args.selection()?,
            samplers: chosen.map(|rule| rule.sampler.clone()).collect(),
            host,
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

    /// Looks at all processes that run now.
    pub fn look_around(&mut self) -> Vec<Decision> {
        self.census.listeners().into_iter().filter_map(|pid| self.look(pid)).collect()
    }

    /// A process has begun to listen, or runs another program.
    pub fn look(&mut self, pid: u32) -> Option<Decision> {
        self.others.remove(&pid);
        let Some(facts) = self.census.facts(pid) else {
            return self.observed.remove(&pid).map(|_| Decision::Clear(pid));
        };
        match self.choose(&facts) {
            Some(observed) => {
                let known = self.observed.insert(pid, observed);
                known.is_none().then_some(Decision::Observe(pid))
            }
            None => {
                let was = self.observed.remove(&pid).is_some();
                self.remember_other(pid);
                match self.is_excluded(&facts) {
                    true => Some(Decision::Ignore(pid)),
                    false => was.then_some(Decision::Clear(pid)),
                }
            }
        }
    }

    /// A process was made by another: until it runs something else it is the same service.
    pub fn fork(&mut self, pid: u32, parent: u32) {
        if let Some(observed) = self.observed.get(&parent).cloned() {
            self.observed.insert(pid, observed);
        }
    }

    /// A process has ended. Who it was is remembered for a while.
    pub fn exit(&mut self, pid: u32) {
        self.others.remove(&pid);
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
            let mut facts = self.census.facts(pid)?;
            facts.ports.extend(port);
            match self.choose(&facts) {
                Some(observed) => {
                    self.observed.insert(pid, observed);
                }
                None => self.remember_other(pid),
            }
        }
        self.observed.get(&pid)
    }

    /// How many processes are observed.
    pub fn count(&self) -> usize {
        self.observed.len() - self.ended.len().min(self.observed.len())
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

    fn choose(&self, facts: &Facts) -> Option<Observed> {
        let rule = self.selection.choose(facts)?;
        let at = self.selection.include.iter().position(|known| std::ptr::eq(known, rule));
        let sampler =
            at.and_then(|at| self.samplers.get(at)).filter(|sampler| **sampler != SamplerArguments::default());
        let around = Surroundings { host: &self.host, container: None };
        Some(Observed {
            service: Arc::new(service(facts, rule, around)),
            traces: self.traces && rule.exports("traces"),
            metrics: rule.exports("metrics"),
            sampler: sampler.unwrap_or(&self.default_sampler).clone(),
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
    struct Machine(Rc<RefCell<HashMap<u32, Facts>>>);

    impl Machine {
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

    impl Census for Machine {
        fn facts(&self, pid: u32) -> Option<Facts> {
            self.0.borrow().get(&pid).cloned()
        }

        fn listeners(&self) -> Vec<u32> {
            let mut pids: Vec<u32> =
                self.0.borrow().values().filter(|facts| !facts.ports.is_empty()).map(|facts| facts.pid).collect();
            pids.sort_unstable();
            pids
        }
    }

    fn processes(machine: &Machine) -> Processes<Machine> {
        let mut args = EbpfArguments::default();
        args.discovery.instrument = vec![InstrumentArguments {
            open_ports: "8080".into(),
            name: "shop".into(),
            ..InstrumentArguments::default()
        }];
        Processes::new(&args, "h".into(), machine.clone()).unwrap()
    }

    #[test]
    fn who_listens_on_a_chosen_port_is_observed() {
        let machine = Machine::default();
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
        let machine = Machine::default();
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
        let machine = Machine::default();
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
    fn collectors_on_a_chosen_port_are_ignored() {
        let machine = Machine::default();
        machine.runs(1, "/usr/bin/alloy", &[8080]);
        assert_eq!(processes(&machine).look_around(), [Decision::Ignore(1)]);
    }

    #[test]
    fn a_process_whose_port_only_a_request_showed_is_found() {
        let machine = Machine::default();
        machine.runs(3, "/bin/worker", &[]);
        let mut processes = processes(&machine);
        assert!(processes.observed(3, Some(8080)).is_some());
    }
}
