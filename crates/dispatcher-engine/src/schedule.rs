//! Step 1b: tasks that the configuration itself starts, once or again and again.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use dispatcher_protocol::{Decoded, TaskMessage, decode};

use crate::config::Schedule;

/// The shortest interval between two runs: a schedule of nothing must not hold up the engine.
const SHORTEST: Duration = Duration::from_millis(1);

/// When each schedule is due next.
#[derive(Debug)]
pub(crate) struct Schedules {
    list: Vec<Schedule>,
    due: BTreeSet<(Instant, usize)>,
    produced: u64,
}

impl Schedules {
    /// The first run of each comes one interval after the start.
    pub(crate) fn new(mut list: Vec<Schedule>, now: Instant) -> Self {
        for schedule in &mut list {
            schedule.every = schedule.every.max(SHORTEST);
        }
        let due = list.iter().enumerate().map(|(index, schedule)| (now + schedule.every, index)).collect();
        Self { list, due, produced: 0 }
    }

    pub(crate) fn next_wakeup(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    pub(crate) fn produced(&self) -> u64 {
        self.produced
    }

    pub(crate) fn count(&self) -> usize {
        self.list.len()
    }

    /// The next due task and its uuid. Beats missed (the machine slept) are not made up for: one run, then the
    /// beat goes on.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(TaskMessage, String)> {
        loop {
            let (at, index) = *self.due.first()?;
            if at > now {
                return None;
            }
            self.due.pop_first();
            let schedule = &self.list[index];
            self.due.insert((next_beat(at, schedule.every, now), index));
            // It was read once before, when the configuration was; it reads the same again.
            if let Ok(Decoded::Task(message)) = decode(schedule.message.body().to_owned()) {
                self.produced += 1;
                return Some((message, format!("sch-{}", self.produced)));
            }
        }
    }

    /// No more of them.
    pub(crate) fn clear(&mut self) {
        self.due.clear();
    }
}

fn next_beat(at: Instant, every: Duration, now: Instant) -> Instant {
    let missed = (now - at).as_nanos() / every.as_nanos();
    let beats = u32::try_from(missed).unwrap_or(u32::MAX - 1) + 1;
    at + every.saturating_mul(beats)
}
