//! `otelcol.connector.servicegraph`: requests between services, from the spans at both ends.
//!
//! | file | what it holds |
//! |---|---|
//! | `arguments.rs` | what the user writes |
//! | `component.rs` | [`ServiceGraph`]: the port and the life of an instance |
//! | `store.rs` | requests of which one end was seen |
//! | `graph.rs` | spans in, edges out: which span is which end, and what becomes of ends without another |
//! | `series.rs` | what was counted of each edge, and the metrics of it |

mod arguments;
mod component;
mod graph;
mod series;
mod store;
#[cfg(test)]
mod tests;

pub use arguments::{ServiceGraphArguments, StoreArguments};
pub use component::ServiceGraph;
