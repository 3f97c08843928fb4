//! Components that hold no telemetry themselves: authentication, files whose content others refer to, and the place
//! for queues on disk.
//!
//! | file | component |
//! |---|---|
//! | `basic.rs`, `htpasswd.rs` | `otelcol.auth.basic` |
//! | `bearer.rs` | `otelcol.auth.bearer` |
//! | `headers.rs` | `otelcol.auth.headers` |
//! | `local_file.rs`, `watch.rs` | `local.file` |
//! | `storage_file.rs` | `otelcol.storage.file` |

mod basic;
mod bearer;
mod headers;
mod htpasswd;
mod local_file;
mod storage_file;
mod watch;

use corten_component::{Exports, Registration};
use corten_net::auth::AuthHandle;

pub use basic::{BasicArguments, BasicAuth, ClientAuth, HtpasswdBlock};
pub use bearer::{BearerArguments, BearerAuth};
pub use headers::{Action, HeaderBlock, HeadersArguments, HeadersAuth};
pub use local_file::{Detector, FileArguments, FileExports, LocalFile};
pub use storage_file::{Compaction, StorageExports, StorageFile, StorageFileArguments};

/// The components of this crate.
pub const COMPONENTS: &[Registration] = &[
    Registration::of::<BasicAuth>(),
    Registration::of::<BearerAuth>(),
    Registration::of::<HeadersAuth>(),
    Registration::of::<LocalFile>(),
    Registration::of::<StorageFile>(),
];

/// What `otelcol.auth` components export.
#[derive(Debug, Exports)]
pub struct AuthExports {
    /// For the `auth` attribute of clients and servers.
    pub handler: AuthHandle,
}
