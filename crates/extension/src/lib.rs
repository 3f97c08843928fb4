//! Components that hold no telemetry themselves: authentication, and files whose content others refer to.
//!
//! | file | component |
//! |---|---|
//! | `basic.rs`, `htpasswd.rs` | `otelcol.auth.basic` |
//! | `bearer.rs` | `otelcol.auth.bearer` |
//! | `headers.rs` | `otelcol.auth.headers` |
//! | `local_file.rs`, `watch.rs` | `local.file` |

mod basic;
mod bearer;
mod headers;
mod htpasswd;
mod local_file;
mod watch;

use corten_component::{Exports, Registration};
use corten_net::auth::AuthHandle;

pub use basic::{BasicArguments, BasicAuth, ClientAuth, HtpasswdBlock};
pub use bearer::{BearerArguments, BearerAuth};
pub use headers::{Action, HeaderBlock, HeadersArguments, HeadersAuth};
pub use local_file::{Detector, FileArguments, FileExports, LocalFile};

/// The components of this crate.
pub const COMPONENTS: &[Registration] = &[
    Registration::of::<BasicAuth>(),
    Registration::of::<BearerAuth>(),
    Registration::of::<HeadersAuth>(),
    Registration::of::<LocalFile>(),
];

/// What `otelcol.auth` components export.
#[derive(Debug, Exports)]
pub struct AuthExports {
    /// For the `auth` attribute of clients and servers.
    pub handler: AuthHandle,
}
