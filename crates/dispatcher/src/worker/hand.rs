//! What runs tell the loop of their worker, and how: the other end of every [`TaskContext`](crate::TaskContext) here.
//!
//! Progress may be told in a hot loop: the last word of each run is kept, and the loop is called once for all of them. Never
//! waits but for the answer to a question.

use std::collections::HashMap;
use std::mem;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};

use super::run::Ending;
use crate::context::{Host, HostFuture, Progress};

/// The number of a run in this worker. A uuid is a publisher's, and may come twice.
pub(super) type RunId = u64;

/// The answer to a question.
pub(super) type Answer = oneshot::Sender<Map<String, Value>>;

/// What the loop is told.
#[derive(Debug)]
pub(super) enum News {
    /// A run is over.
    Ended(RunId, Box<Ending>),
    /// A run wants to know something of the service.
    Asked { command: String, data: Map<String, Value>, answer: Answer },
    /// Some run has told how far it has come.
    Progress,
}

/// The way to the loop.
#[derive(Debug)]
pub(super) struct Hand {
    news: mpsc::UnboundedSender<News>,
    progress: Mutex<HashMap<String, Progress>>,
}

impl Hand {
    pub(super) fn new(news: mpsc::UnboundedSender<News>) -> Self {
        Self { news, progress: Mutex::default() }
    }

    /// Tells the loop. When the loop is gone the process is about to be.
    pub(super) fn tell(&self, news: News) {
        let _ = self.news.send(news);
    }

    /// What runs have told of themselves since the last time, by their uuids.
    pub(super) fn take_progress(&self) -> HashMap<String, Progress> {
        mem::take(&mut self.progress.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Host for Hand {
    fn progress(&self, uuid: &str, progress: Progress) {
        let mut latest = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.is_empty() {
            self.tell(News::Progress);
        }
        latest.insert(uuid.to_owned(), progress);
    }

    fn control<'a>(
        &'a self,
        command: &'a str,
        data: Map<String, Value>,
    ) -> HostFuture<'a, Result<Map<String, Value>, String>> {
        let (answer, answered) = oneshot::channel();
        self.tell(News::Asked { command: command.to_owned(), data, answer });
        Box::pin(async { answered.await.map_err(|_| "the service does not answer any more".to_owned()) })
    }
}
