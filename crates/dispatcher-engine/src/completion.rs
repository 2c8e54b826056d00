//! Step 5: a task has ended, or will not run. Outcome → counts, an event, and how its broker settles it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dispatcher_protocol::{Done, Outcome, TaskError};

use crate::effect::Settled;
use crate::ended::{End, LastEnded};
use crate::event::{CancelReason, DropReason, Event};
use crate::figures::{Ending, Figures};
use crate::input::Exit;
use crate::pool::turn::Turn;
use crate::pool::worker::Running;
use crate::task::{Task, WorkerId};

/// What has been counted since the start.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Messages that could be read: tasks, those the service itself starts included, and control requests.
    pub received: u64,
    /// Control requests.
    pub control: u64,
    /// Tasks that ended by themselves, well or badly.
    pub finished: u64,
    /// Tasks that were cancelled while they ran, or lost their worker.
    pub canceled: u64,
    /// Tasks dropped because an equal one was here.
    pub discarded: u64,
    /// Tasks dropped because they were cancelled while they waited.
    pub cancelled_waiting: u64,
    /// Tasks dropped because the service stops.
    pub abandoned: u64,
    /// Workers that died without being told to.
    pub workers_lost: u64,
    /// Messages that were refused, and tasks for which there was no room, by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Tasks that were lost with their worker, by how it ended.
    pub lost: BTreeMap<&'static str, u64>,
    /// The last tasks that ended, and how.
    pub last: LastEnded,
    /// Waits, runs and endings of the tasks that were given to workers.
    pub figures: Figures,
}

impl Counters {
    /// A message was refused.
    pub(crate) fn refuse(&mut self, event: Event, turn: &mut Turn) {
        if let Event::Refused { reason, .. } = event {
            *self.refused.entry(reason).or_default() += 1;
        }
        turn.tell(event);
    }

    /// A worker says that a task has ended.
    pub(crate) fn end(&mut self, worker: WorkerId, ended: &Running, done: Done, turn: &mut Turn) -> Settled {
        let cancelled = done.outcome == Outcome::Cancelled && ended.cancelled.is_some();
        let how = ending(Some(done.outcome), ended.cancelled);
        self.measure(ended, how, turn);
        let why = said(how, ended.cancelled);
        self.remember(worker, ended, (how, why), done.error.as_ref(), turn);
        *(if cancelled { &mut self.canceled } else { &mut self.finished }) += 1;
        if turn.verbose || done.outcome != Outcome::Success {
            turn.tell(Event::Finished {
                task: Arc::clone(&ended.task),
                worker,
                outcome: done.outcome,
                error: done.error.map(Box::new),
                ran: turn.now - ended.since,
                cancelled: ended.cancelled,
            });
        }
        if cancelled && ended.cancelled == Some(CancelReason::Shutdown) {
            return Settled::Lost;
        }
        Settled::Acknowledged
    }

    /// A task's worker is gone.
    ///
    /// The neighbour is the task for which that worker was ended, if it was another one of its tasks.
    pub(crate) fn lose(
        &mut self,
        worker: WorkerId,
        lost: &Running,
        neighbour: Option<&Arc<Task>>,
        exit: &Exit,
        turn: &mut Turn,
    ) -> Settled {
        self.canceled += 1;
        let how = ending(None, lost.cancelled);
        self.measure(lost, how, turn);
        *self.lost.entry(if neighbour.is_some() { "neighbour" } else { exit.label() }).or_default() += 1;
        let sake = neighbour.map_or_else(String::new, |other| format!(", for the sake of {other}"));
        let why = format!("{}; its worker {exit}{sake}", said(how, lost.cancelled));
        self.remember(worker, lost, (how, why), None, turn);
        turn.tell(Event::Lost {
            task: Arc::clone(&lost.task),
            worker,
            exit: exit.clone(),
            cancelled: lost.cancelled,
            neighbour: neighbour.map(Arc::clone),
        });
        match lost.cancelled {
            Some(CancelReason::Control | CancelReason::Timeout) => Settled::Acknowledged,
            Some(CancelReason::Shutdown) | None => Settled::Lost,
        }
    }

    /// A task will not run.
    pub(crate) fn drop(&mut self, task: &Arc<Task>, why: DropReason, turn: &mut Turn) -> Settled {
        turn.tell(Event::Dropped { task: Arc::clone(task), why });
        match why {
            DropReason::Duplicate => self.discarded += 1,
            DropReason::Cancelled => {
                self.cancelled_waiting += 1;
                let why = "cancelled by control while it waited".to_owned();
                let (how, ran, at) = (Ending::Cancelled, Duration::ZERO, turn.now);
                self.last.note(task, End { worker: None, how, why, error: None, ran, at });
            }
            DropReason::Shutdown => self.abandoned += 1,
            DropReason::Quiet => *self.refused.entry("quiet").or_default() += 1,
            DropReason::Full(bound) => *self.refused.entry(bound).or_default() += 1,
        }
        match why {
            DropReason::Duplicate | DropReason::Cancelled => Settled::Acknowledged,
            DropReason::Shutdown | DropReason::Quiet | DropReason::Full(_) => Settled::Released,
        }
    }

    fn remember(
        &mut self,
        worker: WorkerId,
        task: &Running,
        (how, why): (Ending, String),
        error: Option<&TaskError>,
        turn: &Turn,
    ) {
        let (ran, at) = (turn.now - task.since, turn.now);
        self.last.note(&task.task, End { worker: Some(worker), how, why, error, ran, at });
    }

    /// A task that was given to a worker is over.
    fn measure(&mut self, task: &Running, how: Ending, turn: &Turn) {
        let waited = task.since.saturating_duration_since(task.task.due());
        self.figures.record(task.task.message.task(), how, waited, turn.now - task.since);
    }
}

/// What an end counts as. Without an outcome the worker has died.
fn ending(outcome: Option<Outcome>, cancelled: Option<CancelReason>) -> Ending {
    match (outcome, cancelled) {
        (Some(Outcome::Success), _) => Ending::Success,
        (Some(Outcome::Failure), _) => Ending::Failure,
        (Some(Outcome::Refused), _) => Ending::Refused,
        (Some(Outcome::Cancelled) | None, Some(CancelReason::Timeout)) => Ending::TimedOut,
        (Some(Outcome::Cancelled), _) | (None, Some(_)) => Ending::Cancelled,
        (None, None) => Ending::Lost,
    }
}

/// How a task ended, for people. Nothing for what ended well, which costs nothing to make.
fn said(how: Ending, cancelled: Option<CancelReason>) -> String {
    let by = match cancelled {
        Some(CancelReason::Control) => " by control",
        Some(CancelReason::Shutdown) => " by the end of the service",
        // What has had its time is not said to be cancelled.
        Some(CancelReason::Timeout) | None => "",
    };
    match how {
        Ending::Success => String::new(),
        Ending::Failure => "failed".to_owned(),
        Ending::Cancelled => format!("cancelled{by}"),
        Ending::TimedOut => "timed out".to_owned(),
        Ending::Refused => "refused by its worker".to_owned(),
        Ending::Lost => "lost".to_owned(),
    }
}
