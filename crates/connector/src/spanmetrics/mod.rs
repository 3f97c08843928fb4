//! `otelcol.connector.spanmetrics`: calls, durations and events by operation.
//!
//! | file | what it holds |
//! |---|---|
//! | `arguments.rs` | what the user writes |
//! | `component.rs` | [`SpanMetrics`]: the port and the life of an instance |
//! | `dimensions.rs` | the attributes that series are told apart by |
//! | `glob.rs` | names of attributes with wildcards |
//! | `weight.rs` | how many spans a sampled span stands for |
//! | `form.rs` | what forms the series, of the arguments |
//! | `series.rs` | the series of one resource |
//! | `state.rs` | the series of all resources: spans in, metrics out |
//! | `writing.rs` | series as metrics |

mod arguments;
mod component;
mod dimensions;
mod form;
mod glob;
mod series;
mod state;
#[cfg(test)]
mod tests;
mod weight;
mod writing;

pub(crate) use arguments::usual_buckets;
pub use arguments::{
    Dimension, EventsArguments, ExemplarsArguments, ExplicitArguments, ExponentialArguments, HistogramArguments,
    SpanMetricsArguments,
};
pub use component::SpanMetrics;
