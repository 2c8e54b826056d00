//! One worker: its state, what it runs, what it holds unstarted, and the ladder that ends it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Turn;
use super::deadline::{Due, Key};
use crate::effect::Effect;
use crate::event::{CancelReason, Event, Rung};
use crate::task::{Task, WorkerId};

/// A worker whose last task took less than this may be handed tasks early.
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
    /// It was told to go, or says that it goes.
    Stopping,
}

impl WorkerState {
    /// The word that replies use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Initialized => "initialized",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Stopping => "stopping",
        }
    }
}

/// A task that its worker has begun, as far as the engine can know.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) task: Arc<Task>,
    pub(crate) seq: u64,
    pub(crate) since: Instant,
    pub(crate) timeout: Option<Key>,
    pub(crate) cancelled: Option<CancelReason>,
}

/// A task that its worker holds unstarted.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) task: Arc<Task>,
    pub(crate) seq: u64,
    pub(crate) cancelled: Option<CancelReason>,
}

/// How far a worker has been driven.
#[derive(Debug)]
pub(crate) struct Ladder {
    pub(crate) rung: Rung,
    pub(crate) why: CancelReason,
    key: Key,
}

/// One worker.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) id: WorkerId,
    pub(crate) state: WorkerState,
    pub(crate) slots: u16,
    /// How many tasks it may hold unstarted.
    pub(crate) ahead_limit: u16,
    pub(crate) running: Vec<Running>,
    pub(crate) ahead: VecDeque<Handed>,
    next_seq: u64,
    pub(crate) finished: u64,
    /// Rises with every use in the pool, so that the one idle longest has the smallest.
    pub(crate) used: u64,
    pub(crate) created: Instant,
    /// Its last task was over at once.
    pub(crate) quick: bool,
    /// A take-back was asked for and is not answered.
    pub(crate) recalling: bool,
    pub(crate) patience: Option<Key>,
    pub(crate) ladder: Option<Ladder>,
}

impl Worker {
    pub(crate) fn new(id: WorkerId, now: Instant) -> Self {
        Self {
            id,
            state: WorkerState::Initialized,
            slots: 1,
            ahead_limit: 0,
            running: Vec::new(),
            ahead: VecDeque::new(),
            next_seq: 1,
            finished: 0,
            used: 0,
            created: now,
            quick: false,
            recalling: false,
            patience: None,
            ladder: None,
        }
    }

    /// It could begin a task now.
    pub(crate) fn is_idle(&self) -> bool {
        self.state == WorkerState::Ready
            && self.ahead.is_empty()
            && self.running.len() < usize::from(self.slots)
    }

    /// It could be handed tasks early: all its slots are busy with short tasks and it holds few.
    pub(crate) fn is_thirsty(&self) -> bool {
        self.state == WorkerState::Ready
            && self.quick
            && !self.recalling
            && self.ladder.is_none()
            && self.ahead.len() * 2 <= usize::from(self.ahead_limit)
            && self.ahead_limit > 0
            && self.running.len() >= usize::from(self.slots)
    }

    fn take_seq(&mut self) -> u64 {
        let seq = self.next_seq;
        self.next_seq += 1;
        seq
    }

    /// Gives it a task to begin at once.
    pub(crate) fn start(&mut self, task: Arc<Task>, turn: &mut Turn<'_>) {
        let seq = self.take_seq();
        turn.out.push_back(Effect::Run { worker: self.id, seq, task: Arc::clone(&task) });
        self.begin(Handed { task, seq, cancelled: None }, turn);
    }

    /// Gives it a task to hold until it is free.
    pub(crate) fn hand_out(&mut self, task: Arc<Task>, turn: &mut Turn<'_>) {
        let seq = self.take_seq();
        turn.out.push_back(Effect::Run { worker: self.id, seq, task: Arc::clone(&task) });
        self.ahead.push_back(Handed { task, seq, cancelled: None });
    }

    /// A task counts as begun: its timeout runs.
    fn begin(&mut self, handed: Handed, turn: &mut Turn<'_>) {
        let Handed { task, seq, cancelled } = handed;
        let timeout = task.message.timeout();
        let timeout = timeout.map(|limit| turn.deadlines.add(turn.now + limit, Due::Timeout(self.id, seq)));
        if turn.verbose {
            turn.out.push_back(Effect::Event(Event::Started { task: Arc::clone(&task), worker: self.id }));
        }
        self.running.push(Running { task, seq, since: turn.now, timeout, cancelled: None });
        if let Some(why) = cancelled {
            self.cancel(self.running.len() - 1, why, turn);
        }
    }

    /// Ends the record of a running task; the next one that it holds counts as begun.
    pub(crate) fn finish(&mut self, uuid: &str, turn: &mut Turn<'_>) -> Option<Running> {
        let place = self.running.iter().position(|running| &*running.task.uuid == uuid)?;
        let ended = self.running.remove(place);
        turn.deadlines.remove(ended.timeout);
        self.finished += 1;
        self.quick = turn.now - ended.since < QUICK;
        self.calm(turn);
        if let Some(next) = self.ahead.pop_front() {
            self.begin(next, turn);
        }
        Some(ended)
    }

    /// Steps off the ladder when nothing is left to cancel and its process was not signalled to end.
    fn calm(&mut self, turn: &mut Turn<'_>) {
        let done = self.running.iter().all(|running| running.cancelled.is_none());
        if done && self.state == WorkerState::Ready {
            self.clear_ladder(turn);
        }
    }

    pub(crate) fn clear_ladder(&mut self, turn: &mut Turn<'_>) {
        turn.deadlines.remove(self.ladder.take().map(|ladder| ladder.key));
    }

    /// Asks a running task to give way, and sets the time for harder means.
    pub(crate) fn cancel(&mut self, place: usize, why: CancelReason, turn: &mut Turn<'_>) {
        let running = &mut self.running[place];
        if running.cancelled.is_some() {
            return;
        }
        running.cancelled = Some(why);
        let task = Arc::clone(&running.task);
        turn.out.push_back(Effect::Cancel { worker: self.id, uuid: task.uuid.clone() });
        let event = Event::Ladder { task: Some(task), worker: self.id, rung: Rung::Cancel, why };
        turn.out.push_back(Effect::Event(event));
        self.arm(Rung::Cancel, why, turn.graces.cancel, turn);
    }

    /// Tells it to leave when idle, and sets the time for harder means.
    pub(crate) fn leave(&mut self, told: bool, turn: &mut Turn<'_>) {
        if self.state == WorkerState::Stopping {
            return;
        }
        self.state = WorkerState::Stopping;
        if told {
            turn.out.push_back(Effect::StopWorker { worker: self.id });
        }
        self.arm(Rung::Cancel, CancelReason::Shutdown, turn.graces.stop, turn);
    }

    /// Begins the ladder, unless it is begun.
    fn arm(&mut self, rung: Rung, why: CancelReason, grace: Duration, turn: &mut Turn<'_>) {
        if self.ladder.is_none() {
            let key = turn.deadlines.add(turn.now + grace, Due::Ladder(self.id));
            self.ladder = Some(Ladder { rung, why, key });
        }
    }

    /// The grace of the present rung is over.
    pub(crate) fn climb(&mut self, turn: &mut Turn<'_>) {
        let Some(Ladder { rung, why, .. }) = self.ladder.take() else { return };
        let next = if rung == Rung::Cancel { Rung::Terminate } else { Rung::Kill };
        self.state = WorkerState::Stopping;
        let (worker, task) = (self.id, self.running.first().map(|running| Arc::clone(&running.task)));
        turn.out.push_back(match next {
            Rung::Terminate => Effect::Terminate { worker },
            Rung::Cancel | Rung::Kill => Effect::Kill { worker },
        });
        turn.out.push_back(Effect::Event(Event::Ladder { task, worker, rung: next, why }));
        self.arm(next, why, turn.graces.terminate, turn);
    }

    /// Asks for the tasks that it has not begun.
    pub(crate) fn recall(&mut self, turn: &mut Turn<'_>) {
        if !self.recalling && !self.ahead.is_empty() {
            self.recalling = true;
            turn.out.push_back(Effect::TakeBack { worker: self.id });
        }
    }

    /// Takes out the tasks with these tickets: it will never begin them. A task that counted as begun since the
    /// take-back was asked for may be among them.
    pub(crate) fn taken_back(&mut self, seqs: &[u64], turn: &mut Turn<'_>) -> Vec<Handed> {
        self.recalling = false;
        self.quick = false;
        let mut back = Vec::new();
        for running in self.running.extract_if(.., |running| seqs.contains(&running.seq)) {
            turn.deadlines.remove(running.timeout);
            back.push(Handed { task: running.task, seq: running.seq, cancelled: running.cancelled });
        }
        self.ahead.retain(|handed| {
            !seqs.contains(&handed.seq) || {
                back.push(Handed {
                    task: Arc::clone(&handed.task),
                    seq: handed.seq,
                    cancelled: handed.cancelled,
                });
                false
            }
        });
        self.calm(turn);
        // What is left was begun: the first of it runs now if a slot is free.
        while self.running.len() < usize::from(self.slots) {
            let Some(next) = self.ahead.pop_front() else { break };
            self.begin(next, turn);
        }
        back
    }
}
