//! `import.*`: bringing content and making its declares usable.

use std::sync::Arc;

use corten_syntax::{Diagnostic, Severity};

use super::walk::{At, Failure, Outcome};
use super::{Planner, wrapped};
use crate::graph::{self, ImportKind, ModuleKind};
use crate::import::{ImportState, specification};
use crate::live::{What, inner_path};
use crate::module::{Env, Frame};
use crate::source::Texts;

const PREFIX: &str = "Failed to build component: ";

impl Planner<'_> {
    pub(super) async fn import(&mut self, at: At<'_, '_>, kind: ImportKind) -> Result<Outcome, Failure> {
        let body = self.body(&at)?;
        let settings = &self.engine.settings;
        let node = &at.frame.structure.nodes[at.index];
        let block = Arc::clone(&node.block);
        let label: Arc<str> = node.label().unwrap_or_default().into();
        let name = at.id.to_string();
        let directory = &at.frame.structure.lexical.module_path;
        let cache = settings.storage_path.join(&name);
        let wanted = specification(kind, &body, &name, directory, &cache, &*settings.fetch)?;
        let old = self.live.get(&at.id).and_then(|live| match &live.what {
            What::Import { state, .. } if state.specification == wanted => Some(Arc::clone(state)),
            _ => None,
        });
        let fetched = at.frame.env.fetched || wanted.is_http();
        let state = match old {
            Some(state) => {
                // A load reads files again, so that what it answers holds for what stands there now.
                if self.is_load() && kind == ImportKind::File {
                    let read = wanted.read(&*settings.fetch).await;
                    match read {
                        Ok(texts) if texts != *state.good() => ImportState::new(wanted, Arc::new(texts)),
                        Ok(_) => state,
                        Err(why) => return Err(vec![wrapped(&block, PREFIX, why)]),
                    }
                } else {
                    state
                }
            }
            None => {
                let texts = wanted.read(&*settings.fetch).await;
                let texts = texts.map_err(|why| vec![wrapped(&block, PREFIX, why)])?;
                ImportState::new(wanted, Arc::new(texts))
            }
        };
        let env = self.content(&at, &state.good(), fetched).await?;
        at.frame.env.import(&label, Arc::clone(&env));
        let references = self.reference_ids(at.frame, at.index);
        self.push_plain(&at, references, Arc::default(), body, What::Import { state, env });
        Ok(Outcome { exports: Arc::default() })
    }

    /// Parses content and plans the imports inside it.
    async fn content(&mut self, at: &At<'_, '_>, texts: &Texts, fetched: bool) -> Result<Arc<Env>, Failure> {
        let (body, diagnostics) = texts.parse(&mut self.map);
        let (errors, warnings): (Vec<Diagnostic>, Vec<Diagnostic>) =
            diagnostics.into_iter().partition(|diagnostic| diagnostic.severity == Severity::Error);
        self.warnings.extend(warnings);
        if !errors.is_empty() {
            return Err(errors);
        }
        let path = texts.directory.as_str().into();
        let examined = graph::build(ModuleKind::Content, &body, None, path, &self.context(fetched));
        self.warnings.extend(examined.warnings.iter().cloned());
        let structure = Arc::new(examined.into_result()?);
        let env = Env::new(Arc::clone(&structure.lexical), None, fetched);
        let path = inner_path(at.id.path(), at.id.local()).into();
        let mut frame = Frame::new(structure, Arc::clone(&env), path, None);
        self.walk(&mut frame, true).await?;
        Ok(env)
    }
}
