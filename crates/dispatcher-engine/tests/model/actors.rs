//! What takes part in a history: messages, the steps that can happen, workers as they really are.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use dispatcher_engine::Settled;
use dispatcher_protocol::{Done, Outcome};

/// What a message asks for when an equal task is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    Parallel,
    Discard,
    Serial,
    QueueOne,
}

/// A message to publish. Messages of the same kind ask for the same work.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) kind: u8,
    pub(crate) rule: Rule,
    pub(crate) delay: Duration,
    pub(crate) timeout: Duration,
    /// With the uuid of the message before it.
    pub(crate) old_uuid: bool,
}

impl Work {
    pub(crate) fn payload(&self, uuid: &str) -> String {
        let rule = match self.rule {
            Rule::Parallel => "parallel",
            Rule::Discard => "discard",
            Rule::Serial => "serial",
            Rule::QueueOne => "queue_one",
        };
        let module = if self.kind.is_multiple_of(2) { "some" } else { "other" };
        format!(
            r#"{{"task": "{module}.task", "args": [{}], "uuid": "{uuid}", "on_duplicate": "{rule}", "delay": {}, "timeout": {}}}"#,
            self.kind,
            self.delay.as_secs_f64(),
            self.timeout.as_secs_f64(),
        )
    }
}

/// One thing that happens. Workers are meant by their place among those that are there.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Deliver(Work),
    OtherPayload(u8),
    Ready { w: usize, slots: u16, ahead: u16, knows: bool },
    Claim(usize),
    Finish { w: usize, how: u8, leaves: bool },
    TakeTickets(usize),
    Answer(usize),
    SaysItLeaves(usize),
    Exit { w: usize, announced: bool, how: u8 },
    Hostile { w: usize, which: u8 },
    Cancel(u8),
    Wait(Duration),
    Quiet,
    Pause,
    Resume,
    Scale { pool: usize, min: usize, max: usize },
    Recycle(usize),
    Memory { w: usize, resident: u64 },
    Stop,
    Hurry,
}

/// A task as its publisher and its worker know it.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) work: Work,
    pub(crate) uuid: String,
    pub(crate) settled: Option<Settled>,
    /// How often a worker has really begun it.
    pub(crate) begun: u32,
    /// When it counted as begun.
    pub(crate) since: Option<Instant>,
    pub(crate) cancelled: Option<Instant>,
    /// A control request has cancelled it.
    pub(crate) doomed: bool,
    /// When it may be ready.
    pub(crate) due: Instant,
    /// Its ticket came back from a worker that was gone.
    pub(crate) surely_unbegun: bool,
}

/// Whether a worker takes tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Life {
    #[default]
    Starting,
    Ready,
    Leaving,
}

/// A worker as it really is.
#[derive(Debug, Default)]
pub(crate) struct Sim {
    pub(crate) pool: usize,
    pub(crate) life: Life,
    pub(crate) slots: usize,
    pub(crate) ahead: usize,
    /// Frames that it has got and not begun: ticket and handle.
    pub(crate) frames: VecDeque<(u64, u64)>,
    /// Whose each ticket is.
    pub(crate) owners: BTreeMap<u64, u64>,
    /// Tickets in its pipe.
    pub(crate) tickets: BTreeSet<u64>,
    /// What it has begun and not ended.
    pub(crate) begun: Vec<u64>,
    pub(crate) begun_ever: u64,
    /// A take-back was asked for; then, what the tender took.
    pub(crate) asked_back: bool,
    pub(crate) taken: Option<Vec<u64>>,
    /// Handles that the engine counts as this worker's.
    pub(crate) has: BTreeSet<u64>,
    pub(crate) terminated: Option<Instant>,
    pub(crate) killed: bool,
}

impl Sim {
    /// It takes no more tasks and ends those that it has: nobody has signalled it.
    pub(crate) fn is_parting(&self) -> bool {
        self.life == Life::Leaving && self.terminated.is_none() && !self.has.is_empty()
    }

    /// Tasks with these tickets are not its own any more.
    pub(crate) fn forget(&mut self, seqs: &[u64]) -> Vec<u64> {
        let gone: Vec<u64> = seqs.iter().filter_map(|seq| self.owners.get(seq)).copied().collect();
        self.has.retain(|handle| !gone.contains(handle));
        gone
    }
}

/// What a worker says at the end of a task.
pub(crate) fn done(uuid: String, outcome: Outcome, is_stopping: bool) -> Done {
    Done { uuid, outcome, error: None, time_started: 0.0, time_finish: 0.0, is_stopping }
}
