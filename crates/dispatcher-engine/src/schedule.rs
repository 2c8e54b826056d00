//! Step 1b: tasks that the configuration itself starts, once or again and again.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::config::Schedule;

/// When each schedule is due next.
#[derive(Debug)]
pub(crate) struct Schedules {
    list: Vec<Schedule>,
    due: BTreeSet<(Instant, usize)>,
    produced: u64,
}

impl Schedules {
    /// The first run of each comes one interval after the start.
    pub(crate) fn new(list: Vec<Schedule>, now: Instant) -> Self {
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

    /// The text of the next due task and its running number. Times missed (the machine slept) are not made up
    /// for: one run, then the beat goes on.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(String, u64)> {
        let (at, index) = *self.due.first()?;
        if at > now {
            return None;
        }
        self.due.pop_first();
        let schedule = &self.list[index];
        self.due.insert((next_beat(at, schedule.every, now), index));
        self.produced += 1;
        Some((schedule.message.body().to_owned(), self.produced - 1))
    }

    /// No more of them.
    pub(crate) fn clear(&mut self) {
        self.due.clear();
    }
}

fn next_beat(at: Instant, every: Duration, now: Instant) -> Instant {
    let missed = (now - at).as_nanos() / every.as_nanos().max(1);
    let beats = u32::try_from(missed).unwrap_or(u32::MAX - 1) + 1;
    at + every.saturating_mul(beats)
}
