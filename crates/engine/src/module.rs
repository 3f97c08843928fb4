//! Modules while they are being planned: what their names mean, what their references give.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use corten_syntax::ast::Block;
use corten_syntax::eval::Scope;
use corten_syntax::{Object, Value};

use crate::graph::{Definition, Lexical, Reference, Structure};

/// The definitions that a body can instantiate: its [`Lexical`] names with the content of imports.
#[derive(Debug)]
pub(crate) struct Env {
    pub(crate) lexical: Arc<Lexical>,
    parent: Option<Arc<Env>>,
    imports: Mutex<HashMap<Arc<str>, Arc<Env>>>,
    /// Whether it came over the network.
    pub(crate) fetched: bool,
}

impl Env {
    pub(crate) fn new(lexical: Arc<Lexical>, parent: Option<Arc<Env>>, fetched: bool) -> Arc<Self> {
        Arc::new(Self { lexical, parent, imports: Mutex::default(), fetched })
    }

    /// Makes the content of an import usable.
    pub(crate) fn import(&self, namespace: &str, content: Arc<Env>) {
        self.imports.lock().unwrap_or_else(PoisonError::into_inner).insert(namespace.into(), content);
    }

    /// The body of a definition and the environment that it stands in.
    pub(crate) fn definition(self: &Arc<Self>, definition: &Definition) -> Result<(Arc<Block>, Arc<Env>), String> {
        let depth = match definition {
            Definition::Declared { depth, .. } | Definition::Imported { depth, .. } => *depth,
        };
        let mut env = self;
        for _ in 0..depth {
            env = env.parent.as_ref().ok_or("the definition is out of scope")?;
        }
        match definition {
            Definition::Declared { block, .. } => Ok((Arc::clone(block), Arc::clone(env))),
            Definition::Imported { namespace, name, .. } => {
                let imports = env.imports.lock().unwrap_or_else(PoisonError::into_inner);
                let content = imports.get(namespace);
                let found =
                    content.and_then(|env| Some((Arc::clone(env.lexical.declares.get(name)?), Arc::clone(env))));
                found.ok_or_else(|| {
                    format!(
                        "custom component config not found in the registry, namespace: {namespace:?}, \
                         componentName: {name:?}"
                    )
                })
            }
        }
    }

    /// The names that an import offers.
    pub(crate) fn offered(&self, namespace: &str) -> Vec<Arc<str>> {
        let imports = self.imports.lock().unwrap_or_else(PoisonError::into_inner);
        imports.get(namespace).map(|env| env.lexical.declares.keys().cloned().collect()).unwrap_or_default()
    }
}

/// A body while its nodes are evaluated one after the other.
pub(crate) struct Frame<'p> {
    pub(crate) structure: Arc<Structure>,
    pub(crate) env: Arc<Env>,
    /// `/` or `/lib.a`: the path of the nodes inside.
    pub(crate) path: Arc<str>,
    /// What each node exports; `None` before it is evaluated, or if that failed.
    pub(crate) values: Vec<Option<Arc<Object>>>,
    /// Whether this walk has changed a node's exports.
    pub(crate) changed: Vec<bool>,
    /// The item of a foreach.
    pub(crate) item: Option<Value>,
    /// The values of `argument` blocks, by name.
    pub(crate) arguments: BTreeMap<Arc<str>, Value>,
    /// The body around a foreach.
    pub(crate) outer: Option<&'p Frame<'p>>,
}

impl<'p> Frame<'p> {
    pub(crate) fn new(structure: Arc<Structure>, env: Arc<Env>, path: Arc<str>, outer: Option<&'p Frame<'p>>) -> Self {
        let count = structure.nodes.len();
        Self {
            structure,
            env,
            path,
            values: vec![None; count],
            changed: vec![false; count],
            item: None,
            arguments: BTreeMap::new(),
            outer,
        }
    }

    fn at(&self, depth: usize) -> Option<&Frame<'p>> {
        let mut frame = self;
        for _ in 0..depth {
            frame = frame.outer?;
        }
        Some(frame)
    }

    /// What a node refers to, by name; `None` if something that it refers to could not be evaluated.
    pub(crate) fn scope(&self, references: &[Reference]) -> Option<NodeScope<'_, 'p>> {
        let mut root = Tree::default();
        for reference in references {
            let value = self.at(reference.depth)?.values[reference.index].as_ref()?;
            root.insert(&reference.names, value);
        }
        Some(NodeScope { names: root.0.into_iter().map(|(name, tree)| (name, tree.value())).collect(), frame: self })
    }
}

/// The names that one node's expressions use: only what they refer to is put together.
pub(crate) struct NodeScope<'a, 'p> {
    names: BTreeMap<Arc<str>, Value>,
    frame: &'a Frame<'p>,
}

impl Scope for NodeScope<'_, '_> {
    fn lookup(&self, name: &str) -> Option<Value> {
        if let Some(value) = self.names.get(name) {
            return Some(value.clone());
        }
        let mut frame = Some(self.frame);
        while let Some(current) = frame {
            if current.structure.variable.as_deref() == Some(name) {
                return current.item.clone();
            }
            frame = current.outer;
        }
        (name == "module_path").then(|| Value::String(Arc::clone(&self.frame.structure.lexical.module_path)))
    }

    fn names(&self) -> Vec<Arc<str>> {
        self.names.keys().cloned().collect()
    }
}

#[derive(Default)]
struct Tree(BTreeMap<Arc<str>, Branch>);

enum Branch {
    Tree(Tree),
    Leaf(Arc<Object>),
}

impl Tree {
    fn insert(&mut self, names: &[Arc<str>], value: &Arc<Object>) {
        match names {
            [] => {}
            [last] => {
                self.0.insert(Arc::clone(last), Branch::Leaf(Arc::clone(value)));
            }
            [first, rest @ ..] => {
                let branch = self.0.entry(Arc::clone(first)).or_insert_with(|| Branch::Tree(Tree::default()));
                // A node's id is never a prefix of another's that the same expression could mean.
                if let Branch::Tree(tree) = branch {
                    tree.insert(rest, value);
                }
            }
        }
    }
}

impl Branch {
    fn value(self) -> Value {
        match self {
            Self::Leaf(object) => Value::Object(object),
            Self::Tree(tree) => Value::object(tree.0.into_iter().map(|(name, branch)| (name, branch.value()))),
        }
    }
}
