//! The HTTP server: probes, reload, metrics, the component API, live debugging and the summary page.

mod access;
#[cfg(feature = "source-node")]
mod exporter;
mod exposed;
mod figures;
mod graph;
mod guard;
mod json;
mod live;
mod page;
mod reply;
mod router;
mod server;
mod style;

use access::Access;
#[cfg(feature = "source-node")]
pub(crate) use exporter::ExporterSite;
pub(crate) use live::Debugging;
pub(crate) use server::{Protection, Server, Wanted};
