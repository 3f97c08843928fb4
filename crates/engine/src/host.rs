//! Blocks that configure the process rather than a component: `logging`, `http`, and what else the host defines.

use std::any::Any;
use std::sync::Arc;

use corten_component::arguments::decode;
use corten_component::{Arguments, Body, BuildError, Schema};
use corten_syntax::Diagnostics;

pub(crate) type Decoded = Arc<dyn Any + Send + Sync>;
type DecodeFn = dyn Fn(&Body) -> Result<Decoded, Diagnostics> + Send + Sync;
type CheckFn = dyn Fn(&Decoded) -> Result<(), BuildError> + Send + Sync;
type ApplyFn = dyn Fn(Option<Decoded>) -> Result<(), String> + Send + Sync;

/// What a host block configures; it decides the wording of its errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKind {
    /// `logging`, `tracing`.
    Config,
    /// `http`, `livedebugging`, `remotecfg`.
    Service,
}

/// A block of the root file that the host handles. It may refer to components; it takes no label.
#[derive(Clone)]
pub struct HostBlock {
    pub(crate) name: &'static str,
    pub(crate) kind: HostKind,
    pub(crate) schema: fn() -> &'static Schema,
    /// Arguments that are outputs, and what an output of that kind is usually called.
    pub(crate) outputs: Vec<(&'static str, &'static str)>,
    decode: Arc<DecodeFn>,
    check: Arc<CheckFn>,
    apply: Arc<ApplyFn>,
}

impl HostBlock {
    /// A block whose statements are `A`.
    ///
    /// `apply` is called at a commit, after all components run: at the first load and whenever the arguments have
    /// changed; with `None` if the block is not there (at the first load too). It must not wait. Its error goes to
    /// the log: the reload stands.
    pub fn new<A: Arguments>(
        name: &'static str,
        kind: HostKind,
        apply: impl Fn(Option<Arc<A>>) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            kind,
            schema: A::schema,
            outputs: Vec::new(),
            decode: Arc::new(|body| decode::<A>(body).map(|args| Arc::new(args) as Decoded)),
            check: Arc::new(|_| Ok(())),
            apply: Arc::new(move |args| apply(args.and_then(|args| args.downcast::<A>().ok()))),
        }
    }

    /// The consumers that `argument` refers to get what goes to an output called `output` (`traces`) elsewhere; those
    /// that do not take it are refused.
    #[must_use]
    pub fn sends(mut self, argument: &'static str, output: &'static str) -> Self {
        self.outputs.push((argument, output));
        self
    }

    /// Looks at the arguments while a load is planned (reads a certificate, say) and can refuse them. It observes
    /// and changes nothing.
    pub fn checked<A: Arguments>(
        mut self,
        check: impl Fn(&A) -> Result<(), BuildError> + Send + Sync + 'static,
    ) -> Self {
        self.check = Arc::new(move |args| args.downcast_ref::<A>().map_or(Ok(()), &check));
        self
    }

    /// The block's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The declaration of its statements.
    pub fn schema(&self) -> &'static Schema {
        (self.schema)()
    }

    pub(crate) fn decode(&self, body: &Body) -> Result<Decoded, Diagnostics> {
        (self.decode)(body)
    }

    pub(crate) fn check(&self, args: &Decoded) -> Result<(), BuildError> {
        (self.check)(args)
    }

    pub(crate) fn apply(&self, args: Option<Decoded>) -> Result<(), String> {
        (self.apply)(args)
    }
}

impl std::fmt::Debug for HostBlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostBlock").field("name", &self.name).field("kind", &self.kind).finish_non_exhaustive()
    }
}
