//! Names of nodes.

use std::fmt;
use std::sync::Arc;

/// A node's full name: the module path and the local name.
///
/// At the root `path` is `/` and `local` is `otelcol.receiver.otlp.default`; inside the module instance `lib.a`
/// the path is `/lib.a`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId {
    path: Arc<str>,
    local: Arc<str>,
}

impl NodeId {
    /// Names a node by its module path (`/` for the root) and its local name.
    pub fn new(path: impl Into<Arc<str>>, local: impl Into<Arc<str>>) -> Self {
        Self { path: path.into(), local: local.into() }
    }

    /// A node of the root module.
    pub fn root(local: impl Into<Arc<str>>) -> Self {
        Self::new("/", local)
    }

    /// The module path, `/` at the root: the label `component_path`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The name inside its module: the label `component_id`.
    pub fn local(&self) -> &str {
        &self.local
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.path {
            "/" => f.write_str(&self.local),
            path => write!(f, "{}/{}", path.trim_start_matches('/'), self.local),
        }
    }
}
