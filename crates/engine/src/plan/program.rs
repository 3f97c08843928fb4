//! What was loaded last: texts and their graph.

use std::collections::HashMap;
use std::sync::Arc;

use corten_syntax::ast::Block;
use corten_syntax::{Diagnostics, Severity, SourceMap};
use sha2::{Digest, Sha256};

use crate::error::LoadStage;
use crate::graph::{self, ModuleKind, Structure};
use crate::module::Env;
use crate::source::Texts;

use super::Planner;

/// A parsed and examined configuration.
#[derive(Clone)]
pub(crate) struct Program {
    pub(crate) origin: String,
    pub(crate) texts: Arc<Texts>,
    pub(crate) map: SourceMap,
    pub(crate) root: Arc<Structure>,
    pub(crate) structures: HashMap<usize, (Arc<Block>, Arc<Structure>)>,
}

impl Planner<'_> {
    /// Parses and examines; the map and the warnings grow.
    pub(crate) fn program(&mut self, origin: String, texts: Arc<Texts>) -> Result<Program, (LoadStage, Diagnostics)> {
        let (body, diagnostics) = texts.parse(&mut self.map);
        if diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
            return Err((LoadStage::Read, diagnostics));
        }
        self.warnings.extend(diagnostics);
        let directory = texts.directory.as_str().into();
        let examined = graph::build(ModuleKind::Root, &body, None, directory, &self.context(false));
        self.warnings.extend(examined.warnings.iter().cloned());
        let root = examined.into_result().map_err(|diagnostics| (LoadStage::Graph, diagnostics))?;
        Ok(Program { origin, texts, map: self.map.clone(), root: Arc::new(root), structures: HashMap::new() })
    }

    /// Goes on with a program that was examined before.
    pub(crate) fn resume(&mut self, program: &Program) {
        self.map = program.map.clone();
        self.structures = program.structures.clone();
    }

    /// The examined body of a declare.
    pub(crate) fn declared(&mut self, block: &Arc<Block>, env: &Arc<Env>) -> Result<Arc<Structure>, Diagnostics> {
        let key = Arc::as_ptr(block) as usize;
        if let Some((_, structure)) = self.structures.get(&key) {
            return Ok(Arc::clone(structure));
        }
        let path = Arc::clone(&env.lexical.module_path);
        let lexical = Some(Arc::clone(&env.lexical));
        let examined = graph::build(ModuleKind::Declare, &block.body, lexical, path, &self.context(env.fetched));
        self.warnings.extend(examined.warnings.iter().cloned());
        let structure = Arc::new(examined.into_result()?);
        self.structures.insert(key, (Arc::clone(block), Arc::clone(&structure)));
        Ok(structure)
    }
}

/// The hash that `alloy_config_hash` shows.
pub(crate) fn sha256(texts: &Texts) -> String {
    let mut hash = Sha256::new();
    for file in &texts.files {
        hash.update(&file.bytes);
    }
    hex(&hash.finalize())
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
