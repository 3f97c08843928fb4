//! git's protocol 2 over HTTP, as much as one commit needs: which commit a name stands for, and its pack.

use std::time::Duration;

use corten_engine::GitAuth;
use corten_net::args::{BasicAuth, HttpClient};
use corten_net::client::{ConfiguredClient, Outgoing};
use gix_hash::ObjectId;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::packet::{Packet, Packets, request};

/// The answer to a question about names.
const REFS_LIMIT: usize = 4 << 20;
/// A commit's whole tree, packed. Modules are small; what is larger is not a repository of modules.
const PACK_LIMIT: usize = 64 << 20;
/// For each exchange; the whole has the request's own deadline.
const EXCHANGE: Duration = Duration::from_secs(60);

/// A repository behind HTTP.
pub(super) struct Remote {
    url: String,
    client: ConfiguredClient,
}

impl Remote {
    pub(super) fn new(url: &str, auth: &GitAuth) -> Result<Self, String> {
        let mut settings = HttpClient::default();
        settings.proxy.proxy_from_environment = true;
        if let GitAuth::Basic { username, password } = auth {
            settings.basic_auth =
                Some(BasicAuth { username: username.clone(), password: password.clone(), ..BasicAuth::default() });
        }
        let client = ConfiguredClient::new(&settings).map_err(|error| error.to_string())?;
        Ok(Self { url: url.trim_end_matches('/').to_owned(), client })
    }

    /// The commit of a branch, a tag, a full name of a reference or a full id.
    pub(super) async fn resolve(&self, revision: &str) -> Result<ObjectId, String> {
        if let Some(id) = full_id(revision) {
            return Ok(id);
        }
        self.handshake().await?;
        let names = [format!("refs/heads/{revision}"), format!("refs/tags/{revision}"), revision.to_owned()];
        let mut arguments = vec!["peel".to_owned()];
        arguments.extend(names.iter().map(|name| format!("ref-prefix {name}")));
        let answer = self.command("ls-refs", &arguments, REFS_LIMIT).await?;
        find(&answer, &names)?.ok_or_else(|| format!("the repository has no branch, tag or commit {revision:?}"))
    }

    /// The commit with its whole tree, without its history.
    pub(super) async fn pack(&self, commit: ObjectId) -> Result<Vec<u8>, String> {
        let arguments = [
            "ofs-delta".to_owned(),
            "no-progress".to_owned(),
            "deepen 1".to_owned(),
            format!("want {commit}"),
            "done".to_owned(),
        ];
        unpack(&self.command("fetch", &arguments, PACK_LIMIT).await?)
    }

    async fn handshake(&self) -> Result<(), String> {
        let answer = self.send(Method::GET, "info/refs?service=git-upload-pack", Vec::new(), REFS_LIMIT).await?;
        let version2 = Packets(&answer).any(|packet| packet.is_ok_and(|packet| packet == Packet::Data(b"version 2\n")));
        match version2 {
            true => Ok(()),
            false => Err("the server does not speak version 2 of git's protocol".to_owned()),
        }
    }

    async fn command(&self, command: &str, arguments: &[String], limit: usize) -> Result<Vec<u8>, String> {
        self.send(Method::POST, "git-upload-pack", request(command, arguments), limit).await
    }

    async fn send(&self, method: Method, path: &str, body: Vec<u8>, limit: usize) -> Result<Vec<u8>, String> {
        let url = format!("{}/{path}", self.url);
        let uri = url.parse().map_err(|_| format!("{:?} is not a URL", self.url))?;
        let mut headers = HeaderMap::new();
        headers.insert("git-protocol", HeaderValue::from_static("version=2"));
        headers.insert(
            header::USER_AGENT,
            HeaderValue::from_static(concat!("git/2 (Corten/", env!("CARGO_PKG_VERSION"), ")")),
        );
        if method == Method::POST {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-git-upload-pack-request"));
        }
        let request = Outgoing { method, uri, headers, body: body.into() };
        let answer = self.client.send(request, EXCHANGE, limit).await.map_err(|error| error.to_string())?;
        match answer.status {
            _ if answer.truncated => Err(format!("the answer is larger than {} MiB", limit >> 20)),
            StatusCode::OK => Ok(answer.body.to_vec()),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(format!("the server answered {}: basic_auth is missing or wrong", answer.status))
            }
            StatusCode::NOT_FOUND => {
                Err("the server has no such repository, or does not show it without basic_auth".to_owned())
            }
            status => Err(format!("the server answered {status}")),
        }
    }
}

/// A commit's id in full.
pub(super) fn full_id(text: &str) -> Option<ObjectId> {
    (text.len() == 40).then(|| ObjectId::from_hex(text.as_bytes()).ok()).flatten()
}

/// The first of the names that the answer knows; an annotated tag's commit is behind `peeled:`.
fn find(answer: &[u8], names: &[String]) -> Result<Option<ObjectId>, String> {
    let mut found: Vec<Option<ObjectId>> = vec![None; names.len()];
    for packet in Packets(answer) {
        let Packet::Data(line) = packet? else { continue };
        let line = String::from_utf8_lossy(line);
        if let Some(why) = line.strip_prefix("ERR ") {
            return Err(format!("the server says: {}", why.trim()));
        }
        let mut words = line.split_whitespace();
        let (Some(id), Some(name)) = (words.next(), words.next()) else { continue };
        let id = words.find_map(|word| word.strip_prefix("peeled:")).unwrap_or(id);
        if let Some(place) = names.iter().position(|wanted| wanted == name) {
            found[place] = full_id(id);
        }
    }
    Ok(found.into_iter().flatten().next())
}

/// The pack out of an answer to `fetch`: band 1 of the section `packfile`.
fn unpack(answer: &[u8]) -> Result<Vec<u8>, String> {
    let (mut pack, mut inside) = (Vec::new(), false);
    for packet in Packets(answer) {
        match packet? {
            Packet::Data(b"packfile\n") if !inside => inside = true,
            Packet::Data(line) if line.starts_with(b"ERR ") => {
                return Err(format!("the server says: {}", String::from_utf8_lossy(&line[4..]).trim()));
            }
            Packet::Data([1, data @ ..]) if inside => pack.extend_from_slice(data),
            Packet::Data([3, why @ ..]) if inside => {
                return Err(format!("the server says: {}", String::from_utf8_lossy(why).trim()));
            }
            _ => {}
        }
    }
    match pack.is_empty() {
        true => Err("the server sent no pack".to_owned()),
        false => Ok(pack),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "1111111111111111111111111111111111111111";
    const B: &str = "2222222222222222222222222222222222222222";

    fn line(text: &str) -> String {
        format!("{:04x}{text}", text.len() + 4)
    }

    #[test]
    fn a_branch_goes_before_a_tag_and_a_tag_is_peeled() {
        let answer = line(&format!("{B} refs/tags/x peeled:{A}\n")) + &line(&format!("{B} refs/heads/x\n")) + "0000";
        let names = |text: &str| vec![format!("refs/heads/{text}"), format!("refs/tags/{text}")];
        assert_eq!(find(answer.as_bytes(), &names("x")), Ok(full_id(B)));
        assert_eq!(find(answer.as_bytes(), &names("x")[1..]), Ok(full_id(A)));
        assert_eq!(find(answer.as_bytes(), &names("y")), Ok(None));
        assert_eq!(find(line("ERR no\n").as_bytes(), &names("x")), Err("the server says: no".to_owned()));
    }

    #[test]
    fn the_pack_is_band_one() {
        let answer = line("shallow-info\n")
            + &line("shallow x\n")
            + "0001"
            + &line("packfile\n")
            + &line("\u{2}progress")
            + &line("\u{1}PA")
            + &line("\u{1}CK")
            + "0000";
        assert_eq!(unpack(answer.as_bytes()), Ok(b"PACK".to_vec()));
        assert!(
            unpack((line("packfile\n") + &line("\u{3}broken")).as_bytes()).is_err_and(|why| why.contains("broken"))
        );
        assert!(unpack(b"0000").is_err());
    }
}
