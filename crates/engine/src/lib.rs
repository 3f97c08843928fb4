//! From a configuration to running components.
//!
//! ```text
//! Source -> parse -> graph -> plan (evaluate, build aside) -> prepare (resources) -> commit (replace) -> running
//! ```
//!
//! An [`Engine`] holds one running graph. [`Engine::load`] makes it what the file says: at first everything starts;
//! later only what has changed is replaced, behind ports where calls wait meanwhile. A load that fails changes
//! nothing. The engine knows no component (they come in a [`corten_component::Registry`]), no signal, and opens no
//! connection (see [`Fetch`]).
//!
//! | file | what it holds |
//! |---|---|
//! | `source.rs`, `graph/` | files to nodes and edges; what is wrong with them before anything is evaluated |
//! | `plan/` | evaluation in order, building aside; modules, `foreach`, imports |
//! | `prepare.rs`, `commit.rs`, `stop.rs`, `run.rs` | resources, replacing, draining, one running instance |
//! | `load.rs`, `changes.rs` | loads and re-evaluations one after the other; exports that wait for one |
//! | `live.rs`, `describe.rs`, `info.rs`, `flow.rs`, `shape.rs`, `metrics.rs`, `trace.rs` | what runs, as people and programs see it |
//! | `import/`, `fetch.rs`, `host.rs` | content from elsewhere; what the host brings |
//! | `validate/` | checking without running |
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use corten_engine::{Engine, Settings, Source};
//! let registry = corten_component::Registry::new(); // .with(my_crate::COMPONENTS)?
//! let engine = Engine::new(Settings::new(registry));
//! engine.load(Source::path("config.alloy")).await?;
//! // ... until a signal comes
//! engine.shutdown(std::time::Duration::from_secs(30)).await;
//! # Ok(())
//! # }
//! ```

mod catalogue;
mod changes;
mod commit;
mod describe;
mod engine;
mod error;
mod fetch;
mod flow;
mod graph;
mod host;
mod import;
mod info;
mod live;
mod load;
mod metrics;
mod module;
mod plan;
mod prepare;
mod run;
mod secrets;
mod shape;
mod source;
mod stop;
mod trace;
mod validate;

pub use engine::{Engine, Settings};
pub use error::{DrainReport, LoadError, LoadReport, LoadStage};
pub use fetch::{Fetch, FetchClient, GitAuth, GitFiles, GitRequest, HttpRequest, HttpResponse, NoFetch};
pub use flow::Flow;
pub use host::{HostBlock, HostKind};
pub use info::{ComponentInfo, HealthSummary, InfoStatement, NodeKind, statements};
pub use source::Source;
pub use validate::validate;
