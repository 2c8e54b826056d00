//! One worker: its life, what it runs, and what it holds unstarted.
//!
//! What a worker says is believed only about tasks that it was given. The steps towards its end are in
//! `pool/ladder.rs`, tasks handed out early in `pool/ahead.rs`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dispatcher_protocol::Progress;

use super::deadline::{Due, Key};
use super::turn::Turn;
use crate::config::PoolConfig;
use crate::effect::Effect;
use crate::event::{CancelReason, Event};
use crate::task::{Task, WorkerId};

/// A task that is over sooner than this is quick: its worker may be handed the next ones early.
const QUICK: Duration = Duration::from_millis(2);

/// What a worker is doing, in the words of the `workers` reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerState {
    /// Its process was asked for.
    Initialized,
    /// Its process exists and has not said that it is ready.
    Starting,
    /// It can be given tasks.
    Ready,
    /// It takes no more tasks: it was told to go, says that it goes, or was signalled.
    Stopping,
    /// It is gone, as it should be.
    Retired,
    /// It is gone, and nobody had told it to go.
    Error,
}

impl WorkerState {
    /// The word that replies use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Initialized => "initialized",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Stopping => "stopping",
            Self::Retired => "retired",
            Self::Error => "error",
        }
    }
}

/// A worker's life. It only moves forward; each move is one method with a full match.
#[derive(Debug)]
pub(super) enum Life {
    /// Its process was asked for.
    Initialized,
    /// Its process exists.
    Starting,
    /// It can be given tasks.
    Ready,
    /// It will end by itself once it is idle.
    Leaving {
        /// It was told to, and did not decide for itself.
        told: bool,
        /// When it is signalled; none while it is still busy.
        due: Option<Key>,
    },
    /// It got SIGTERM.
    Terminated {
        /// When it gets SIGKILL.
        due: Key,
    },
    /// It got SIGKILL.
    Killed {
        /// When it gets another one.
        due: Key,
    },
}

/// A task that its worker has begun, as far as the engine can know.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) task: Arc<Task>,
    /// Its ticket.
    pub(crate) seq: u64,
    pub(crate) since: Instant,
    pub(super) timeout: Option<Key>,
    /// Why it was asked to give way, if it was; a control request goes before all else.
    pub(crate) cancelled: Option<CancelReason>,
    /// When its worker is signalled, after a cancel.
    pub(super) grace: Option<Key>,
    /// How far it has come, as it said last.
    pub(crate) progress: Option<Box<Progress>>,
}

/// A task that its worker holds unstarted.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) task: Arc<Task>,
    pub(crate) seq: u64,
    pub(super) cancelled: Option<CancelReason>,
}

/// Where a worker stands in its pool's sets and counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// It can begin a task now. The worker with the fewest tasks is next, of those the one idle longest.
    pub(super) idle: Option<(usize, u64)>,
    /// It can be handed a task early. The worker that holds the fewest is next.
    pub(super) thirsty: Option<usize>,
    pub(super) free_slots: usize,
    pub(super) starting: usize,
    pub(super) leaving: usize,
    /// Of those that leave: it is busy with its last tasks.
    pub(super) parting: usize,
    pub(super) running: usize,
    pub(super) ahead: usize,
}

/// One worker.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) id: WorkerId,
    pub(super) life: Life,
    slots: u16,
    /// How many tasks it may hold unstarted.
    pub(super) ahead_limit: u16,
    pub(crate) running: Vec<Running>,
    pub(crate) ahead: VecDeque<Handed>,
    /// The last ticket; 0 before the first task.
    last_seq: u64,
    /// How many tasks it may run before it is replaced.
    most_tasks: u64,
    /// How long it may take to leave once it is idle.
    pub(super) stop_grace: Duration,
    pub(crate) finished: u64,
    /// The stamp of its last use; the one idle longest has the smallest.
    pub(crate) used: u64,
    pub(crate) created: Instant,
    /// When it said that it was ready.
    pub(super) ready_at: Option<Instant>,
    /// Its last task was over at once.
    pub(super) quick: bool,
    /// It is being filled up; once full, it is left alone until half is used up.
    pub(super) filling: bool,
    /// A take-back was asked for and is not answered.
    pub(super) recalling: bool,
    /// When to look whether tasks wait behind a long one.
    pub(super) patience: Option<Key>,
    /// When it is to be replaced for its age.
    pub(super) lifetime: Option<Key>,
    pub(super) standing: Standing,
}

impl Worker {
    pub(super) fn new(id: WorkerId, config: &PoolConfig, turn: &mut Turn) -> Self {
        Self {
            id,
            life: Life::Initialized,
            slots: 1,
            ahead_limit: 0,
            running: Vec::new(),
            ahead: VecDeque::new(),
            last_seq: 0,
            most_tasks: config.max_tasks.unwrap_or(u64::MAX),
            stop_grace: config.stop_grace,
            finished: 0,
            used: turn.stamp(),
            created: turn.now,
            ready_at: None,
            quick: false,
            filling: true,
            recalling: false,
            patience: None,
            lifetime: None,
            standing: Standing::default(),
        }
    }

    pub(crate) fn state(&self) -> WorkerState {
        match self.life {
            Life::Initialized => WorkerState::Initialized,
            Life::Starting => WorkerState::Starting,
            Life::Ready => WorkerState::Ready,
            Life::Leaving { .. } | Life::Terminated { .. } | Life::Killed { .. } => WorkerState::Stopping,
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        matches!(self.life, Life::Ready)
    }

    /// It takes no more tasks.
    pub(super) fn is_leaving(&self) -> bool {
        self.state() == WorkerState::Stopping
    }

    /// Since when it is ready; none when it is not.
    pub(super) fn ready_since(&self) -> Option<Instant> {
        self.ready_at.filter(|_| self.is_ready())
    }

    /// How many more tasks it may be given.
    fn budget(&self) -> usize {
        let given = self.finished + (self.running.len() + self.ahead.len()) as u64;
        usize::try_from(self.most_tasks.saturating_sub(given)).unwrap_or(usize::MAX)
    }

    /// It has run as many tasks as it may.
    pub(super) fn is_spent(&self) -> bool {
        self.finished >= self.most_tasks
    }

    /// Of two workers, the lesser one is missed less: one that is not ready, then one that runs less.
    pub(super) fn usefulness(&self) -> ((bool, usize, u64), WorkerId) {
        ((self.is_ready(), self.running.len() + self.ahead.len(), self.used), self.id)
    }

    /// One of its tasks was asked to give way and has not ended.
    pub(crate) fn is_cancelling(&self) -> bool {
        self.running.iter().any(|running| running.cancelled.is_some())
    }

    /// It was given a task at some time.
    pub(super) fn was_used(&self) -> bool {
        self.last_seq > 0
    }

    /// When the task began that has been running longest.
    pub(super) fn busy_since(&self) -> Option<Instant> {
        self.running.iter().map(|running| running.since).min()
    }

    pub(super) fn stand(&self) -> Standing {
        let (slots, running, ahead) = (usize::from(self.slots), self.running.len(), self.ahead.len());
        // A task that ignores its cancel costs the whole worker, so others are kept away from it.
        let budget = self.budget();
        let takes = self.is_ready() && !self.is_cancelling() && budget > 0;
        let idle = takes && ahead == 0 && running < slots;
        let state = self.state();
        Standing {
            idle: idle.then_some((running, self.used)),
            thirsty: (takes && running >= slots && self.wants_more()).then_some(ahead),
            free_slots: if idle { budget.min(slots - running) } else { 0 },
            starting: usize::from(matches!(state, WorkerState::Initialized | WorkerState::Starting)),
            leaving: usize::from(state == WorkerState::Stopping),
            parting: usize::from(matches!(self.life, Life::Leaving { .. }) && running > 0),
            running,
            ahead,
        }
    }

    /// Its process exists.
    pub(super) fn started(&mut self) {
        match self.life {
            Life::Initialized => self.life = Life::Starting,
            Life::Starting
            | Life::Ready
            | Life::Leaving { .. }
            | Life::Terminated { .. }
            | Life::Killed { .. } => {}
        }
    }

    /// It says that it is ready; false when that is no news, or comes too late.
    pub(super) fn ready(&mut self, slots: u16, ahead_limit: u16, now: Instant) -> bool {
        match self.life {
            Life::Initialized | Life::Starting => {
                self.life = Life::Ready;
                self.ready_at = Some(now);
                self.slots = slots.max(1);
                self.ahead_limit = ahead_limit;
                true
            }
            Life::Ready | Life::Leaving { .. } | Life::Terminated { .. } | Life::Killed { .. } => false,
        }
    }

    /// Sends it a task, and gives the ticket.
    pub(super) fn send(&mut self, task: &Arc<Task>, turn: &mut Turn) -> u64 {
        self.last_seq += 1;
        turn.ask(Effect::Run { worker: self.id, seq: self.last_seq, task: Arc::clone(task) });
        self.last_seq
    }

    /// Gives it a task to begin at once.
    pub(super) fn start(&mut self, task: Arc<Task>, turn: &mut Turn) {
        let seq = self.send(&task, turn);
        self.begin(Handed { task, seq, cancelled: None }, turn);
    }

    /// A task counts as begun: its timeout runs.
    pub(super) fn begin(&mut self, handed: Handed, turn: &mut Turn) {
        let Handed { task, seq, cancelled } = handed;
        let timeout = task.message.timeout();
        let timeout = timeout.map(|limit| turn.deadlines.add(turn.now + limit, Due::Timeout(self.id, seq)));
        turn.tell_verbose(|| Event::Started { task: Arc::clone(&task), worker: self.id });
        self.running.push(Running {
            task,
            seq,
            since: turn.now,
            timeout,
            cancelled: None,
            grace: None,
            progress: None,
        });
        if let Some(why) = cancelled {
            self.cancel(self.running.len() - 1, why, turn);
        }
    }

    /// Ends the record of a running task; the next one that it holds counts as begun.
    pub(super) fn finish(&mut self, uuid: &str, turn: &mut Turn) -> Option<Running> {
        let place = self.running.iter().position(|running| &*running.task.uuid == uuid)?;
        let ended = self.running.remove(place);
        turn.deadlines.remove(ended.timeout);
        turn.deadlines.remove(ended.grace);
        self.finished += 1;
        self.used = turn.stamp();
        self.quick = turn.now - ended.since < QUICK;
        self.begin_next(turn);
        Some(ended)
    }

    /// Free slots go to the tasks it holds: it begins them without being told.
    pub(super) fn begin_next(&mut self, turn: &mut Turn) {
        while self.running.len() < usize::from(self.slots) {
            let Some(next) = self.ahead.pop_front() else { break };
            self.begin(next, turn);
        }
        self.filling |= self.ahead.len() * 2 <= usize::from(self.ahead_limit);
    }
}
