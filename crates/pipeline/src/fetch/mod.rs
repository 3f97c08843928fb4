//! Modules from elsewhere: `import.http` and `import.git`.

#[cfg(feature = "git")]
mod git;
mod http;

use corten_component::{Arguments, BoxFuture, Schema};
use corten_engine::{Fetch, FetchClient, GitFiles, GitRequest, HttpRequest, HttpResponse};
use corten_net::args;
use corten_syntax::Diagnostics;

/// A module may have at most this many bytes.
const MODULE_LIMIT: usize = 4 << 20;

/// Fetches over the network.
pub(crate) struct Network;

impl Fetch for Network {
    fn http(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse, String>> {
        Box::pin(http::fetch(request))
    }

    #[cfg(feature = "git")]
    fn git(&self, request: GitRequest) -> BoxFuture<'_, Result<GitFiles, String>> {
        Box::pin(git::fetch(request))
    }

    #[cfg(not(feature = "git"))]
    fn git(&self, _request: GitRequest) -> BoxFuture<'_, Result<GitFiles, String>> {
        Box::pin(async {
            Err("import.git is not part of this build of Corten; use import.http or import.file".to_owned())
        })
    }

    fn client_schema(&self) -> Option<&'static Schema> {
        Some(args::HttpClient::schema())
    }

    fn check_client(&self, client: &FetchClient) -> Result<(), Diagnostics> {
        http::settings(Some(client)).map(drop)
    }
}
