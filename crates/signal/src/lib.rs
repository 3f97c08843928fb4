//! What travels through Corten's ports.
//!
//! | module | what it holds |
//! |---|---|
//! | [`otlp`] | the one item type of the OpenTelemetry path: a batch of export requests in their own wire bytes |
//! | [`samples`] | the item type of the Prometheus path: a batch of samples |
//! | [`labels`] | sets of labels |
//! | [`targets`] | what discovery offers and scrapers take |
//! | [`relabel`] | `rule` blocks and how they change labels |
//! | [`regexp`] | RE2 expressions |
//! | [`exponential`] | histograms that find their own buckets |
//! | [`exposition`] | metrics that components offer to be scraped |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

pub mod exponential;
pub mod exposition;
pub mod labels;
pub mod otlp;
pub mod regexp;
pub mod relabel;
pub mod samples;
pub mod targets;
