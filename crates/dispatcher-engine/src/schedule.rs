//! Step 1b: tasks that the configuration itself starts, once or again and again.
//!
//! When a task is due says its timetable; one that needs a wall clock is made outside.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::{Duration, Instant};

use dispatcher_protocol::{Decoded, TaskMessage, decode};

use crate::config::Schedule;

/// The shortest interval between two runs: a schedule of nothing must not hold up the engine.
const SHORTEST: Duration = Duration::from_millis(1);

/// Says when a task is due.
pub trait Timetable: Debug + Send {
    /// Asked at the start, and again whenever the time has come that it named last.
    fn look(&mut self, now: Instant) -> Look;
}

/// What a timetable says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Whether the task is due now. However many runs were missed (the machine slept), it is due once.
    pub due: bool,
    /// When to ask again; none is never.
    pub again: Option<Instant>,
}

/// Due at a fixed interval, the first time one interval after the start.
#[derive(Debug)]
pub struct Every {
    interval: Duration,
    next: Option<Instant>,
}

impl Every {
    /// An interval shorter than a millisecond counts as one.
    pub fn new(interval: Duration) -> Self {
        Self { interval: interval.max(SHORTEST), next: None }
    }
}

impl Timetable for Every {
    fn look(&mut self, now: Instant) -> Look {
        let due = self.next.is_some_and(|next| next <= now);
        // Beats that were missed are passed over, and the beat goes on.
        let next = match self.next {
            Some(next) if due => next_beat(next, self.interval, now),
            Some(next) => next,
            None => now + self.interval,
        };
        self.next = Some(next);
        Look { due, again: Some(next) }
    }
}

fn next_beat(at: Instant, every: Duration, now: Instant) -> Instant {
    let missed = (now - at).as_nanos() / every.as_nanos();
    let beats = u32::try_from(missed).unwrap_or(u32::MAX - 1) + 1;
    at + every.saturating_mul(beats)
}

/// When each timetable is to be asked next.
#[derive(Debug)]
pub(crate) struct Schedules {
    list: Vec<Schedule>,
    looks: BTreeSet<(Instant, usize)>,
    produced: u64,
}

impl Schedules {
    pub(crate) fn new(list: Vec<Schedule>, now: Instant) -> Self {
        let mut schedules = Self { list, looks: BTreeSet::new(), produced: 0 };
        for index in 0..schedules.list.len() {
            schedules.look(index, now);
        }
        schedules
    }

    pub(crate) fn next_wakeup(&self) -> Option<Instant> {
        self.looks.first().map(|(at, _)| *at)
    }

    pub(crate) fn produced(&self) -> u64 {
        self.produced
    }

    pub(crate) fn count(&self) -> usize {
        self.list.len()
    }

    /// The next due task and its uuid.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(TaskMessage, String)> {
        while let Some((at, index)) = self.looks.first().copied().filter(|(at, _)| *at <= now) {
            self.looks.remove(&(at, index));
            if !self.look(index, now) {
                continue;
            }
            // It was read once before, when the configuration was; it reads the same again.
            if let Ok(Decoded::Task(message)) = decode(self.list[index].message.body().to_owned()) {
                self.produced += 1;
                return Some((message, format!("sch-{}", self.produced)));
            }
        }
        None
    }

    /// Asks one timetable; whether its task is due.
    fn look(&mut self, index: usize, now: Instant) -> bool {
        let look = self.list[index].timetable.look(now);
        // A timetable that asks for the present is asked a moment later, so that time goes on.
        self.looks.extend(look.again.map(|again| (again.max(now + SHORTEST), index)));
        look.due
    }

    /// No more of them.
    pub(crate) fn clear(&mut self) {
        self.looks.clear();
    }
}
