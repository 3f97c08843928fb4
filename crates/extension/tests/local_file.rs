//! `local.file` with real files.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::any::Any;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use corten_component::metrics::Registry;
use corten_component::node::{Node, Phase, Services, control};
use corten_component::{BuildContext, Component, HealthState, NodeId, RunContext};
use corten_extension::{Detector, FileArguments, LocalFile};
use corten_syntax::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

const LONG: Duration = Duration::from_secs(20);

struct Running {
    node: Arc<Node>,
    contents: mpsc::UnboundedReceiver<Value>,
    stop: tokio::sync::watch::Sender<Phase>,
    task: tokio::task::JoinHandle<()>,
    first: Value,
}

async fn start(args: FileArguments) -> Result<Running, String> {
    #[allow(clippy::disallowed_methods, reason = "holds what one test publishes")]
    let (published, contents) = mpsc::unbounded_channel();
    let id = NodeId::root("local.file.x");
    let metrics = Registry::new().node(&id);
    let node = Node::new(id, "/nowhere".into(), metrics, Services::default(), move |exports| {
        let _ = published.send(exports.get("content").cloned().unwrap_or_default());
    });
    let args = Arc::new(args);
    let mut cx = BuildContext::new(&node);
    let (file, exports) = LocalFile::build(Arc::clone(&args), &mut cx).await.map_err(|error| error.message)?;
    let first = corten_component::Attribute::to_value(&exports.content);
    let (control, state) = control(&node, args as Arc<dyn Any + Send + Sync>);
    let task = tokio::spawn(async move {
        let (_, result) = file.run((), RunContext::new(state)).await;
        result.unwrap();
    });
    Ok(Running { node, contents, stop: control.phase, task, first })
}

impl Running {
    async fn content(&mut self, wanted: &str) {
        let wait = async {
            while let Some(value) = self.contents.recv().await {
                if text(&value) == wanted {
                    return;
                }
            }
        };
        timeout(LONG, wait).await.expect("the new content");
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::OptionalSecret(text) => text.secret().expose().to_owned(),
        Value::String(text) => text.to_string(),
        Value::Secret(text) => text.expose().to_owned(),
        _ => panic!("not a text"),
    }
}

fn args(path: &Path, detector: Detector, poll: Duration) -> FileArguments {
    FileArguments { filename: path.display().to_string(), detector, poll_frequency: poll, is_secret: true }
}

#[tokio::test]
async fn changes_are_noticed_by_events() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    std::fs::write(&path, "one").unwrap();
    let mut running = start(args(&path, Detector::Fsnotify, Duration::from_secs(3600))).await.unwrap();
    assert_eq!(text(&running.first), "one");
    assert!(!format!("{:?}", running.first).contains("one"), "a secret is not shown");
    running.content("one").await;
    // As editors and configuration managers do it: a new file takes the place of the old.
    std::fs::write(dir.path().join("new"), "two").unwrap();
    std::fs::rename(dir.path().join("new"), &path).unwrap();
    running.content("two").await;
    std::fs::write(&path, "three").unwrap();
    running.content("three").await;
    running.stop.send_replace(Phase::Stopping { deadline: Instant::now() + LONG });
    timeout(LONG, running.task).await.expect("it stops").unwrap();
}

#[tokio::test]
async fn a_vanished_file_is_unhealthy_and_its_content_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    std::fs::write(&path, "one").unwrap();
    let mut running = start(args(&path, Detector::Poll, Duration::from_millis(5))).await.unwrap();
    running.content("one").await;
    std::fs::remove_file(&path).unwrap();
    let unhealthy = async {
        while running.node.health().report().is_none_or(|report| report.state != HealthState::Unhealthy) {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, unhealthy).await.expect("unhealthy");
    let message = running.node.health().report().unwrap().message;
    assert!(message.contains(&path.display().to_string()), "{message}");
    while let Ok(value) = running.contents.try_recv() {
        assert_eq!(text(&value), "one");
    }
    std::fs::write(&path, "two").unwrap();
    running.content("two").await;
}

#[tokio::test]
async fn the_first_reading_must_succeed() {
    let dir = tempfile::tempdir().unwrap();
    let missing = start(args(&dir.path().join("x"), Detector::Poll, LONG)).await;
    assert!(missing.is_err_and(|why| why.contains("No such file")));
    let folder = start(args(dir.path(), Detector::Poll, LONG)).await;
    assert!(folder.is_err_and(|why| why.contains("directory")));
    let path = dir.path().join("binary");
    std::fs::write(&path, [b'a', 0xff]).unwrap();
    assert!(start(args(&path, Detector::Poll, LONG)).await.is_err_and(|why| why.contains("byte 1")));
}
