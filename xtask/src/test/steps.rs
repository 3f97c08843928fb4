//! Steps that run one after the other, whatever became of those before.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::process;

/// Steps whose tests are counted one by one.
const TESTS: &[&str] = &["tests", "clients"];

pub(super) struct Step {
    pub(super) name: &'static str,
    took: Duration,
    problem: Option<String>,
}

impl Step {
    pub(super) fn passed(&self) -> bool {
        self.problem.is_none()
    }

    pub(super) fn is_tests(&self) -> bool {
        TESTS.contains(&self.name)
    }
}

pub(super) struct Steps {
    done: Vec<Step>,
    only: Option<String>,
}

impl Steps {
    /// Only the step of this name, if there is one; all without it.
    pub(super) fn only(name: Option<String>) -> Self {
        Self { done: Vec::new(), only: name }
    }

    pub(super) fn run(&mut self, name: &'static str, step: impl FnOnce() -> Result<()>) {
        if self.only.as_ref().is_some_and(|only| only != name) {
            return;
        }
        println!("\n--- {name} ---");
        let started = Instant::now();
        let problem = step().err().map(|error| format!("{error:#}"));
        if let Some(problem) = &problem {
            println!("{name}: {problem}");
        }
        self.done.push(Step { name, took: started.elapsed(), problem });
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Step> {
        self.done.iter()
    }
}

impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut total = Duration::ZERO;
        for step in &self.done {
            total += step.took;
            let outcome = step.problem.as_deref().map_or("ok", |problem| problem.lines().next().unwrap_or_default());
            writeln!(f, "{:10} {:>14}  {outcome}", step.name, process::duration(step.took))?;
        }
        write!(f, "{:10} {:>14}", "all", process::duration(total))
    }
}
