//! Workers that a signal has stopped (SIGSTOP, a debugger): they look alive, and their task does not go on.
//!
//! Says so once, and once more when one goes on. A stop that is over at once, such as the one that goes before a hard
//! kill, is no news. Ends nothing: timeouts and cancels do, as SIGKILL reaches a stopped process too.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

/// How long a stop lasts before it is news.
const NEWS: Duration = Duration::from_millis(500);

/// The stopped workers of one fork server.
#[derive(Debug, Default)]
pub(super) struct Stopped {
    /// When each is to be spoken of; none when that is done.
    workers: BTreeMap<u32, Option<Instant>>,
}

impl Stopped {
    pub(super) fn stops(&mut self, worker: u32) {
        self.workers.entry(worker).or_insert_with(|| Some(Instant::now() + NEWS));
    }

    pub(super) fn goes_on(&mut self, worker: u32) {
        if self.workers.remove(&worker) == Some(None) {
            info!(target: "dispatcher.pool", worker, "the worker that was stopped by a signal goes on");
        }
    }

    pub(super) fn ended(&mut self, worker: u32) {
        self.workers.remove(&worker);
    }

    /// Waits until one has been stopped for long enough; for ever while there is none.
    pub(super) fn overdue(&self) -> impl Future<Output = ()> + use<> {
        let first = self.workers.values().flatten().min().copied();
        async move {
            match first {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Speaks of those that have been stopped for long enough.
    pub(super) fn tell(&mut self) {
        let now = Instant::now();
        for (worker, due) in &mut self.workers {
            if due.is_some_and(|at| at <= now) {
                *due = None;
                warn!(
                    target: "dispatcher.pool",
                    worker,
                    "the worker is stopped by a signal, its task does not go on; SIGCONT wakes it, a cancel ends it"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spoken_of(stopped: &Stopped) -> Vec<u32> {
        stopped.workers.iter().filter(|(_, due)| due.is_none()).map(|(worker, _)| *worker).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_stop_that_lasts_is_news_and_only_once() {
        let mut stopped = Stopped::default();
        stopped.stops(1);
        stopped.stops(2);
        stopped.ended(1);
        stopped.overdue().await;
        stopped.tell();
        stopped.stops(2);
        assert_eq!(spoken_of(&stopped), [2]);
        assert!(tokio::time::timeout(Duration::from_secs(60), stopped.overdue()).await.is_err());
        stopped.goes_on(2);
        assert!(stopped.workers.is_empty());
    }
}
