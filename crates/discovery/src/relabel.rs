//! `discovery.relabel`: targets changed by rules.

use std::sync::Arc;

use corten_component::{Arguments, BuildContext, BuildError, Component, Exports, Handle};
use corten_signal::relabel::{RuleArguments, RuleSet, Rules};
use corten_signal::targets::Targets;

/// The arguments of `discovery.relabel`.
#[derive(Debug, Clone, Default, PartialEq, Arguments)]
pub struct RelabelArguments {
    /// The targets.
    #[arg(required)]
    pub targets: Targets,
    /// What to do, in this order.
    #[arg(block, name = "rule")]
    pub rules: Vec<RuleArguments>,
}

/// What others refer to.
#[derive(Exports)]
pub struct RelabelExports {
    /// The targets that are left.
    pub output: Targets,
    /// The rules.
    pub rules: Handle<dyn RuleSet>,
}

/// `discovery.relabel`.
pub struct Relabel;

impl Component for Relabel {
    const NAME: &'static str = "discovery.relabel";
    const DOC: &'static str = "Changes, keeps or drops targets by rules.\n\n\
        Labels that begin with `__` stay, for the rules of others.";
    type Arguments = RelabelArguments;
    type Exports = RelabelExports;
    type Carry = ();

    async fn build(args: Arc<Self::Arguments>, cx: &mut BuildContext<'_>) -> Result<(Self, Self::Exports), BuildError> {
        let rules = Rules::new(&args.rules).map_err(|why| BuildError::at("rule", why))?;
        let output = Targets::new(args.targets.iter().filter_map(|target| rules.apply(target)));
        let rules = cx.handle::<dyn RuleSet>("rules", Arc::new(Arc::new(rules)));
        Ok((Self, RelabelExports { output, rules }))
    }
}
