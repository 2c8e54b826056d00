//! What stands between the driver and a lane: the tasks it was handed, and what it was told.
//!
//! Both ends hold the lock for a few instructions and never while anything is awaited or run, so the driver waits for no
//! task. Where it stands: inside a worker that lives in this process.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dispatcher_engine::Task;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// A task with its ticket.
#[derive(Debug)]
struct Handed {
    seq: u64,
    task: Arc<Task>,
    cancelled: bool,
}

/// How far a lane's end has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Life {
    #[default]
    Serves,
    /// It ends when it is idle.
    Leaves,
    /// What it runs is dropped, if that can be.
    DropsRun,
    /// Its end has been reported. What it says from here on is not heard.
    Ended,
}

#[derive(Debug, Default)]
struct State {
    handed: VecDeque<Handed>,
    /// What it has begun last; it may have ended since.
    begun: Option<(Arc<Task>, CancellationToken)>,
    life: Life,
    /// The lane sleeps.
    idle: bool,
}

/// Both ends of it.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Something has happened for which a lane that sleeps, or waits for its run, has to look.
    news: Notify,
}

/// What a lane does next.
#[derive(Debug)]
pub(super) enum Next {
    /// Begin this.
    Begin(Arc<Task>, CancellationToken),
    /// Report this one as cancelled: it was before it could begin.
    Cancelled(Arc<Task>),
    /// Sleep.
    Sleep,
    /// End.
    Leave,
}

impl Queue {
    pub(super) fn put(&self, seq: u64, task: Arc<Task>) {
        let mut state = self.state();
        state.handed.push_back(Handed { seq, task, cancelled: false });
        if std::mem::take(&mut state.idle) {
            drop(state);
            self.news.notify_one();
        }
    }

    pub(super) fn take_back(&self) -> Vec<u64> {
        let mut seqs = Vec::new();
        self.state().handed.retain(|handed| {
            if !handed.cancelled {
                seqs.push(handed.seq);
            }
            // Its lane reports one that is.
            handed.cancelled
        });
        seqs
    }

    pub(super) fn cancel(&self, uuid: &str) {
        let mut state = self.state();
        if let Some((_, token)) = state.begun.as_ref().filter(|(task, _)| *task.uuid == *uuid) {
            // Wakes whoever waits for it, so not under the lock.
            let token = token.clone();
            drop(state);
            return token.cancel();
        }
        if let Some(handed) = state.handed.iter_mut().find(|handed| *handed.task.uuid == *uuid) {
            handed.cancelled = true;
        }
    }

    pub(super) fn leave(&self) {
        self.tell(Life::Leaves);
    }

    /// Whether this was its end.
    pub(super) fn give_up(&self, now: bool) -> bool {
        if now {
            return self.tell(Life::Ended);
        }
        self.tell(Life::DropsRun);
        false
    }

    /// A lane that ends by itself says so, unless it was given up meanwhile.
    pub(super) fn end(&self) -> bool {
        self.tell(Life::Ended)
    }

    /// Its life goes on to this; false when it is there, or further, already.
    fn tell(&self, life: Life) -> bool {
        let mut state = self.state();
        let news = state.life < life;
        state.life = state.life.max(life);
        state.idle = false;
        drop(state);
        self.news.notify_one();
        news
    }

    pub(super) fn next(&self) -> Next {
        let mut state = self.state();
        if state.life >= Life::DropsRun {
            return Next::Leave;
        }
        state.begun = None;
        if let Some(Handed { task, cancelled, .. }) = state.handed.pop_front() {
            if cancelled {
                return Next::Cancelled(task);
            }
            let token = CancellationToken::new();
            state.begun = Some((Arc::clone(&task), token.clone()));
            return Next::Begin(task, token);
        }
        if state.life == Life::Leaves {
            return Next::Leave;
        }
        state.idle = true;
        Next::Sleep
    }

    /// Whether the run that is waited for is to be given up: one that can be dropped earlier than one that blocks.
    pub(super) fn gives_up(&self, can_be_dropped: bool) -> bool {
        self.state().life >= if can_be_dropped { Life::DropsRun } else { Life::Ended }
    }

    /// Waits until there is something to look at.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
