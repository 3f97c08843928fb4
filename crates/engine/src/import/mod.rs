//! Where modules come from, and what becomes of their content as it changes.

mod arguments;
mod watch;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use corten_component::{HealthReport, HealthState};
use corten_syntax::{Severity, SourceMap};
use tokio::task::JoinHandle;

use crate::error::summary;
use crate::fetch::{Fetch, GitRequest, HttpRequest};
use crate::graph::{self, GraphContext, ModuleKind};
use crate::source::{Text, Texts, read_path};

pub(crate) use arguments::{Detector, check, specification};
pub(crate) use watch::watch;

/// What an import was told to bring.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Specification {
    File { path: String, detector: Detector, poll: Duration },
    Text { name: String, content: String, directory: String },
    Http { request: HttpRequest, poll: Duration },
    Git { request: GitRequest, pull: Duration },
}

impl Specification {
    /// Whether the content comes from a web server, which may not have files of this machine imported.
    pub(crate) fn is_http(&self) -> bool {
        matches!(self, Self::Http { .. })
    }

    /// Brings the content as it is now.
    pub(crate) async fn read(&self, fetch: &dyn Fetch) -> Result<Texts, String> {
        match self {
            Self::File { path, .. } => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || read_path(path.as_ref()));
                read.await.map_err(|error| error.to_string())?
            }
            Self::Text { name, content, directory } => Ok(Texts {
                files: vec![Text { name: name.clone(), bytes: content.clone().into_bytes() }],
                directory: directory.clone(),
            }),
            Self::Http { request, .. } => {
                let answer = bounded(request.timeout, fetch.http(request.clone())).await?;
                if answer.status != 200 {
                    return Err(format!("{} answered with status {}", request.url, answer.status));
                }
                let directory = request.url.rsplit_once('/').map_or("", |(directory, _)| directory).to_owned();
                Ok(Texts { files: vec![Text { name: request.url.clone(), bytes: answer.body }], directory })
            }
            Self::Git { request, .. } => {
                let answer = bounded(request.timeout, fetch.git(request.clone())).await?;
                let in_clone = request.cache.join(&request.path);
                let directory = match answer.directory {
                    true => Some(in_clone.as_path()),
                    false => in_clone.parent(),
                };
                let directory = directory.map(|path| path.display().to_string()).unwrap_or_default();
                let name = |file: &str| format!("{}@{}:{file}", request.repository, request.revision);
                let files = answer.files.into_iter().map(|(file, bytes)| Text { name: name(&file), bytes });
                Ok(Texts { files: files.collect(), directory })
            }
        }
    }
}

async fn bounded<T>(deadline: Duration, future: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    match tokio::time::timeout(deadline, future).await {
        Ok(answer) => answer,
        Err(_) => Err(format!("no answer within {} s", deadline.as_secs_f64())),
    }
}

struct Content {
    /// What was read last, good or bad.
    latest: Arc<Texts>,
    /// What can be used.
    good: Arc<Texts>,
}

/// An import that has brought something.
pub(crate) struct ImportState {
    pub(crate) specification: Specification,
    content: Mutex<Content>,
    health: Mutex<HealthReport>,
    watcher: Mutex<Option<JoinHandle<()>>>,
}

impl ImportState {
    pub(crate) fn new(specification: Specification, texts: Arc<Texts>) -> Arc<Self> {
        Arc::new(Self {
            specification,
            content: Mutex::new(Content { latest: Arc::clone(&texts), good: texts }),
            health: Mutex::new(HealthReport::now(HealthState::Healthy, "content loaded")),
            watcher: Mutex::new(None),
        })
    }

    /// The content that can be used.
    pub(crate) fn good(&self) -> Arc<Texts> {
        Arc::clone(&self.content().good)
    }

    pub(crate) fn health(&self) -> HealthReport {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn say(&self, state: HealthState, message: String) {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        if health.state != state || health.message != message {
            *health = HealthReport::now(state, message);
        }
    }

    fn content(&self) -> std::sync::MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers the task that looks for changes; it ends with the import.
    pub(crate) fn watched_by(&self, task: JoinHandle<()>) {
        *self.watcher.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.watcher.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Takes what was read. `true` if it is good and differs from what is in use.
    pub(crate) fn take(&self, read: Result<Texts, String>, context: &GraphContext<'_>) -> bool {
        let texts = match read {
            Ok(texts) => Arc::new(texts),
            Err(why) => {
                self.say(HealthState::Unhealthy, format!("the content could not be read: {why}"));
                return false;
            }
        };
        if *self.content().latest == *texts {
            // After a failed read the same content is good news again, unless it was bad all along.
            if self.content().good == texts {
                self.say(HealthState::Healthy, "content loaded".to_owned());
            }
            return false;
        }
        self.content().latest = Arc::clone(&texts);
        if let Some(why) = wrong(&texts, context) {
            self.say(HealthState::Unhealthy, format!("the content is wrong, the last good one stays in use: {why}"));
            return false;
        }
        self.say(HealthState::Healthy, "content loaded".to_owned());
        let mut content = self.content();
        let news = content.good != texts;
        content.good = texts;
        news
    }
}

impl Drop for ImportState {
    fn drop(&mut self) {
        if let Some(task) = self.watcher.get_mut().unwrap_or_else(PoisonError::into_inner) {
            task.abort();
        }
    }
}

/// What is wrong with a module's text, in one line.
fn wrong(texts: &Texts, context: &GraphContext<'_>) -> Option<String> {
    let mut map = SourceMap::default();
    let (body, diagnostics) = texts.parse(&mut map);
    if diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        return Some(summary(&map, &diagnostics));
    }
    let context = GraphContext { map: &map, ..*context };
    let examined = graph::build(ModuleKind::Content, &body, None, texts.directory.as_str().into(), &context);
    examined.into_result().err().map(|diagnostics| summary(&map, &diagnostics))
}
