//! The last tasks that have ended, and how: what an operator asks about when a task is not there any more.
//!
//! Of fixed size: tasks that ended well and those that did not have a ring each, so that a flood of one kind does not
//! wash the other away (names and uuids have 255 bytes at most, or intake refuses them). Never holds arguments. Filled by
//! `completion.rs`, read from outside.

use std::time::{Duration, Instant};

use dispatcher_protocol::TaskError;

use crate::figures::{Ending, shown};
use crate::task::{Task, WorkerId};

/// How many tasks that ended well are remembered.
const WELL: usize = 1000;

/// How many others are. Each holds an error text and traceback of some kilobytes at most.
const BADLY: usize = 500;

/// One task that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// Its uuid.
    pub uuid: String,
    /// Its name; of text that begins with `lambda` only that.
    pub task: String,
    /// The worker that ran it; none when it never began.
    pub worker: Option<WorkerId>,
    /// How it ended.
    pub how: Ending,
    /// The same for people, with what is known beyond it: a signal, an exit code, who asked for it.
    pub why: String,
    /// What it raised.
    pub error: Option<TaskError>,
    /// How long it had its worker.
    pub ran: Duration,
    /// When it ended.
    pub at: Instant,
}

/// How a task ended, for its record.
#[derive(Debug)]
pub(crate) struct End<'a> {
    pub(crate) worker: Option<WorkerId>,
    pub(crate) how: Ending,
    /// Only made for those that did not end well.
    pub(crate) why: String,
    pub(crate) error: Option<&'a TaskError>,
    pub(crate) ran: Duration,
    pub(crate) at: Instant,
}

/// The last of a kind; the oldest makes room for the newest, and its memory is used again.
#[derive(Clone, Debug, Default)]
struct Ring {
    slots: Vec<Ended>,
    /// The oldest, once all are in use.
    oldest: usize,
}

impl Ring {
    fn next(&mut self, most: usize, at: Instant) -> &mut Ended {
        if self.slots.len() < most {
            self.slots.push(Ended {
                uuid: String::new(),
                task: String::new(),
                worker: None,
                how: Ending::Success,
                why: String::new(),
                error: None,
                ran: Duration::ZERO,
                at,
            });
            let last = self.slots.len() - 1;
            return &mut self.slots[last];
        }
        let place = self.oldest;
        self.oldest = (place + 1) % most;
        &mut self.slots[place]
    }
}

/// Both kinds.
#[derive(Clone, Debug, Default)]
pub struct LastEnded {
    well: Ring,
    badly: Ring,
}

impl LastEnded {
    /// A task has ended.
    pub(crate) fn note(&mut self, task: &Task, end: End<'_>) {
        let slot = match end.how {
            Ending::Success => self.well.next(WELL, end.at),
            _ => self.badly.next(BADLY, end.at),
        };
        write(&mut slot.uuid, &task.uuid);
        write(&mut slot.task, shown(task.message.task()));
        slot.worker = end.worker;
        slot.how = end.how;
        slot.why = end.why;
        slot.error = end.error.cloned();
        slot.ran = end.ran;
        slot.at = end.at;
    }

    /// All of them, the one that ended last first.
    pub fn newest_first(&self) -> Vec<&Ended> {
        let mut all: Vec<_> = self.well.slots.iter().chain(&self.badly.slots).collect();
        all.sort_by_key(|ended| std::cmp::Reverse(ended.at));
        all
    }
}

fn write(into: &mut String, text: &str) {
    into.clear();
    into.push_str(text);
}
