//! What a container is called, by its id: from the files that Docker and Podman keep, else from their sockets.
//!
//! | who | where |
//! |---|---|
//! | Docker | `/var/lib/docker/containers/ID/config.v2.json`, or below the `data-root` of `/etc/docker/daemon.json` |
//! | Docker, of a user | `~/.local/share/docker/containers/ID/config.v2.json` |
//! | Podman | `/var/lib/containers/storage/overlay-containers/containers.json`; `volatile-containers.json` below `/run/containers/storage` |
//! | Podman, of a user | the same below `~/.local/share/containers/storage` and `/run/user/UID/containers` |
//! | either | `GET /containers/ID/json` on its Unix socket |

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long it is believed that nobody knows a container: its file may come after its first process.
const AGAIN: Duration = Duration::from_secs(30);
/// How long a socket may take.
const ANSWER: Duration = Duration::from_millis(500);
/// The largest file or answer that is read.
const LARGEST: u64 = 4 << 20;
/// The most containers that are remembered.
const CONTAINERS: usize = 4096;
/// Docker Compose's and Podman Compose's name for what a container is for.
const COMPOSE: [&str; 2] = ["com.docker.compose.service", "io.podman.compose.service"];

/// A container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// The service of a composition that it is; may be empty.
    pub service: String,
}

/// The containers of the machine.
#[derive(Debug)]
pub struct Containers {
    root: PathBuf,
    known: HashMap<String, (Option<Container>, Instant)>,
}

impl Default for Containers {
    fn default() -> Self {
        Self::below("/")
    }
}

impl Containers {
    /// With all files and sockets below a directory.
    pub fn below(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), known: HashMap::new() }
    }

    /// The container with this id, as far as anybody tells.
    pub fn find(&mut self, id: &str) -> Option<Container> {
        // It becomes part of paths.
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        if let Some((known, when)) = self.known.get(id)
            && (known.is_some() || when.elapsed() < AGAIN)
        {
            return known.clone();
        }
        let found = self.look(id);
        if self.known.len() >= CONTAINERS {
            self.known.clear();
        }
        self.known.insert(id.to_owned(), (found.clone(), Instant::now()));
        found
    }

    fn look(&self, id: &str) -> Option<Container> {
        let homes = self.homes();
        let docker = [self.docker_root(), self.root.join("var/lib/docker")].into_iter();
        let docker = docker.chain(homes.iter().map(|(_, home)| home.join(".local/share/docker")));
        let of_docker = || {
            docker.into_iter().find_map(|root| of_docker(&json(&root.join(format!("containers/{id}/config.v2.json")))?))
        };
        let user = |uid: &u32| self.root.join(format!("run/user/{uid}"));
        let podman = ["var/lib/containers/storage", "run/containers/storage"].map(|at| self.root.join(at)).into_iter();
        let podman = podman
            .chain(homes.iter().map(|(_, home)| home.join(".local/share/containers/storage")))
            .chain(homes.iter().map(|(uid, _)| user(uid).join("containers")));
        let of_podman = || podman.into_iter().find_map(|root| of_podman(&root.join("overlay-containers"), id));
        let sockets = ["var/run/docker.sock", "run/docker.sock", "run/podman/podman.sock"];
        let sockets = sockets.map(|at| self.root.join(at)).into_iter();
        let sockets = sockets
            .chain(homes.iter().map(|(uid, _)| user(uid).join("docker.sock")))
            .chain(homes.iter().map(|(uid, _)| user(uid).join("podman/podman.sock")));
        let asked = || sockets.into_iter().find_map(|socket| of_docker_api(&socket, id));
        of_docker().or_else(of_podman).or_else(asked)
    }

    /// Where Docker was told to keep things; the default if nowhere.
    fn docker_root(&self) -> PathBuf {
        let settings = json(&self.root.join("etc/docker/daemon.json"));
        let told = settings.as_ref().and_then(|settings| settings.get("data-root")?.as_str());
        self.root.join(told.unwrap_or("/var/lib/docker").trim_start_matches('/'))
    }

    /// Users who may run containers of their own, and their homes.
    fn homes(&self) -> Vec<(u32, PathBuf)> {
        let users = std::fs::read_to_string(self.root.join("etc/passwd")).unwrap_or_default();
        let home = |line: &str| {
            let mut fields = line.split(':');
            let uid: u32 = fields.nth(2)?.parse().ok()?;
            let home = fields.nth(2)?;
            (uid >= 1000 && uid != 65_534).then(|| (uid, self.root.join(home.trim_start_matches('/'))))
        };
        users.lines().filter_map(home).take(64).collect()
    }
}

/// Of Docker's own file, or of what its API answers: both have a name with a slash before it.
fn of_docker(container: &Value) -> Option<Container> {
    let name = container.get("Name")?.as_str()?.trim_matches('/');
    let labels = container.get("Config").and_then(|config| config.get("Labels"));
    let service = COMPOSE.iter().find_map(|label| labels?.get(label)?.as_str()).unwrap_or_default();
    (!name.is_empty()).then(|| Container { name: name.to_owned(), service: service.to_owned() })
}

fn of_podman(directory: &Path, id: &str) -> Option<Container> {
    ["containers.json", "volatile-containers.json"].iter().find_map(|file| {
        let all = json(&directory.join(file))?;
        let own = all.as_array()?.iter().find(|one| one.get("id").and_then(Value::as_str) == Some(id))?;
        let name = own.get("names")?.as_array()?.first()?.as_str()?;
        Some(Container { name: name.to_owned(), service: String::new() })
    })
}

fn json(file: &Path) -> Option<Value> {
    let mut text = Vec::new();
    std::fs::File::open(file).ok()?.take(LARGEST).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Asks in HTTP/1.0, so that the answer ends with the connection.
fn of_docker_api(socket: &Path, id: &str) -> Option<Container> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(ANSWER)).ok()?;
    stream.set_write_timeout(Some(ANSWER)).ok()?;
    stream.write_all(format!("GET /containers/{id}/json HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes()).ok()?;
    let (mut answer, begun, mut piece) = (Vec::new(), Instant::now(), [0; 16 * 1024]);
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => answer.extend_from_slice(&piece[..length]),
            Err(_) => return None,
        }
        if answer.len() as u64 > LARGEST || begun.elapsed() > ANSWER {
            return None;
        }
    }
    let (head, body) = answer.split_at(memchr::memmem::find(&answer, b"\r\n\r\n")?);
    let is_good = head.split(|byte| *byte == b' ').nth(1) == Some(&b"200"[..]);
    is_good.then(|| serde_json::from_slice(&body[4..]).ok()).flatten().and_then(|found| of_docker(&found))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::os::unix::net::UnixListener;

    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn write(root: &Path, file: &str, text: &str) {
        let file = root.join(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    fn found(root: &Path) -> Option<(String, String)> {
        Containers::below(root).find(ID).map(|container| (container.name, container.service))
    }

    fn is(name: &str, service: &str) -> Option<(String, String)> {
        Some((name.to_owned(), service.to_owned()))
    }

    #[test]
    fn docker_keeps_a_file_for_each() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(found(root.path()), None);
        let file = format!("containers/{ID}/config.v2.json");
        let text = r#"{"StreamConfig":{},"ID":"x","Name":"/shop_web_1","Config":{"Hostname":"a","Labels":{"com.docker.compose.service":"web"}}}"#;
        write(root.path(), &format!("var/lib/docker/{file}"), text);
        assert_eq!(found(root.path()), is("shop_web_1", "web"));
        write(root.path(), "etc/docker/daemon.json", r#"{"data-root": "/srv/docker"}"#);
        write(root.path(), &format!("srv/docker/{file}"), r#"{"Name":"/other","Config":{"Labels":null}}"#);
        assert_eq!(found(root.path()), is("other", ""));
    }

    #[test]
    fn podman_keeps_a_list() {
        let root = tempfile::tempdir().unwrap();
        let list = format!(r#"[{{"id":"ff","names":["no"]}},{{"id":"{ID}","names":["web"],"image":"i","layer":"l"}}]"#);
        write(root.path(), "etc/passwd", "root:x:0:0::/root:/bin/sh\njane:x:1000:1000::/srv/jane:/bin/sh\n");
        let at = "run/user/1000/containers/overlay-containers/volatile-containers.json";
        write(root.path(), at, &list.replace("web", "volatile"));
        assert_eq!(found(root.path()), is("volatile", ""));
        let at = "srv/jane/.local/share/containers/storage/overlay-containers/containers.json";
        write(root.path(), at, &list.replace("web", "rootless"));
        assert_eq!(found(root.path()), is("rootless", ""));
        write(root.path(), "var/lib/containers/storage/overlay-containers/containers.json", &list);
        assert_eq!(found(root.path()), is("web", ""));
    }

    #[test]
    fn the_socket_is_asked_when_files_tell_nothing() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("run")).unwrap();
        let listener = UnixListener::bind(root.path().join("run/docker.sock")).unwrap();
        let server = std::thread::spawn(move || {
            let answers = [
                "HTTP/1.0 200 OK\r\n\r\n{\"Name\":\"/asked\",\"Config\":{\"Labels\":{}}}",
                "HTTP/1.0 404 Not Found\r\n\r\n{\"message\":\"No such container\"}",
                "nonsense",
            ];
            answers.map(|answer| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut line = String::new();
                BufReader::new(&stream).read_line(&mut line).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
                line
            })
        });
        assert_eq!(found(root.path()), is("asked", ""));
        assert_eq!((found(root.path()), found(root.path())), (None, None));
        let asked = server.join().unwrap();
        assert_eq!(asked[0], format!("GET /containers/{ID}/json HTTP/1.0\r\n"));
    }

    #[test]
    fn damaged_files_and_foreign_ids_tell_nothing() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), &format!("var/lib/docker/containers/{ID}/config.v2.json"), "{\"Name\":");
        write(root.path(), "var/lib/containers/storage/overlay-containers/containers.json", "{}");
        write(root.path(), "etc/passwd", "::::\nx:y:z\n");
        assert_eq!(found(root.path()), None);
        let mut containers = Containers::below(root.path());
        assert!(containers.find("../../etc").is_none() && containers.find("").is_none());
    }

    #[test]
    fn what_was_found_is_remembered() {
        let root = tempfile::tempdir().unwrap();
        let file = format!("var/lib/docker/containers/{ID}/config.v2.json");
        write(root.path(), &file, r#"{"Name":"/a"}"#);
        let mut containers = Containers::below(root.path());
        assert_eq!(containers.find(ID).unwrap().name, "a");
        std::fs::remove_file(root.path().join(file)).unwrap();
        assert_eq!(containers.find(ID).unwrap().name, "a");
    }
}
