//! `prometheus.remote_write`: sends samples to Prometheus and to what speaks its remote write protocol.
//!
//! Samples come in at the door, which leaves out what is older than its series has already, and writes the rest as one
//! record for each endpoint's log (`corten_delivery::log`). Each endpoint reads its own log back and fills requests,
//! as many as its shards have room for; a record leaves the disk when every row of it is delivered, refused for good
//! or dropped for a reason. So a dead endpoint costs a few megabytes of memory and its share of the disk, and the
//! others nothing.
//!
//! | file | what it holds |
//! |---|---|
//! | `arguments.rs`, `cloud.rs` | what the user writes |
//! | `component.rs` | the life of an instance, and the upkeep of disk and memory |
//! | `door.rs`, `families.rs` | where samples come in; what is known of series and metric families |
//! | `record.rs` | samples as they wait on disk |
//! | `endpoint.rs`, `ledger.rs`, `faults.rs` | an endpoint, its books, and what is wrong with it |
//! | `dispatch.rs`, `series.rs` | from disk to the shards; what labels become |
//! | `shard.rs`, `scaling.rs` | what sends side by side, and how many of them there are |
//! | `batch.rs`, `wire/` | requests, and their bytes |
//! | `sender.rs`, `answer.rs`, `sigv4.rs` | the exchange with a server |
//! | `metrics.rs` | what is counted |

mod answer;
mod arguments;
mod batch;
mod cloud;
mod component;
mod dispatch;
mod door;
mod endpoint;
mod families;
mod faults;
mod ledger;
mod metrics;
mod record;
mod scaling;
mod sender;
mod series;
mod shard;
mod sigv4;
mod wire;

pub use component::RemoteWrite;
