//! The HTTP server: probes, reload, metrics, the component API and the summary page.

mod access;
mod figures;
mod graph;
mod guard;
mod json;
mod page;
mod reply;
mod router;
mod server;
mod style;

use access::Access;
pub(crate) use server::{Protection, Server, Wanted};
