//! Timetables that need a wall clock or chance: cron patterns and jitter.
//!
//! Where it stands: made by `setup`, asked by the engine.

use std::time::{Duration, Instant};

use dispatcher_engine::{Look, Timetable};
use jiff::Timestamp;

use crate::config::Cron;

/// The wall clock is looked at no more rarely than this: it may be set, and the machine may sleep, while the engine's
/// clock knows nothing of it.
const CLOCK_LOOK: Duration = Duration::from_secs(60);

/// Due when its pattern says so.
#[derive(Debug)]
pub(crate) struct AtTimes {
    cron: Cron,
    next: Option<Timestamp>,
    clock: fn() -> Timestamp,
}

impl AtTimes {
    pub(crate) fn new(cron: Cron) -> Self {
        Self::with_clock(cron, Timestamp::now)
    }

    fn with_clock(cron: Cron, clock: fn() -> Timestamp) -> Self {
        let next = cron.after(clock());
        Self { cron, next, clock }
    }
}

impl Timetable for AtTimes {
    fn look(&mut self, now: Instant) -> Look {
        let wall = (self.clock)();
        let due = self.next.is_some_and(|next| next <= wall);
        if due {
            self.next = self.cron.after(wall);
        }
        let wait = self.next.map(|next| Duration::try_from(next.duration_since(wall)).unwrap_or_default());
        Look { due, again: wait.map(|wait| now + wait.min(CLOCK_LOOK)) }
    }
}

/// Due somewhat later than another timetable: by chance, at most by the jitter.
#[derive(Debug)]
pub(crate) struct Jittered {
    inner: Box<dyn Timetable>,
    jitter: Duration,
    /// When the inner one is asked again.
    inner_again: Option<Instant>,
    /// When the run is due that the inner one has announced.
    due_at: Option<Instant>,
}

impl Jittered {
    pub(crate) fn new(inner: Box<dyn Timetable>, jitter: Duration) -> Self {
        Self { inner, jitter, inner_again: None, due_at: None }
    }
}

impl Timetable for Jittered {
    fn look(&mut self, now: Instant) -> Look {
        let due = self.due_at.is_some_and(|at| at <= now);
        if due {
            self.due_at = None;
        }
        if self.inner_again.is_none_or(|at| at <= now) {
            let look = self.inner.look(now);
            self.inner_again = look.again;
            if look.due {
                // A jitter longer than the interval: the run before is still to come, and one of them is enough.
                self.due_at.get_or_insert(now + self.jitter.mul_f64(fastrand::f64()));
            }
        }
        Look { due, again: self.inner_again.into_iter().chain(self.due_at).min() }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use dispatcher_engine::Every;

    use super::*;

    thread_local! {
        static WALL: Cell<Timestamp> = const { Cell::new(Timestamp::UNIX_EPOCH) };
    }

    fn set_wall(text: &str) {
        WALL.set(text.parse().unwrap());
    }

    fn hourly() -> AtTimes {
        AtTimes::with_clock(Cron::parse("0 * * * *", "UTC").unwrap(), || WALL.get())
    }

    #[test]
    fn a_cron_task_is_due_when_the_wall_clock_says_so() {
        let now = Instant::now();
        set_wall("2026-11-24T09:59:30Z");
        let mut table = hourly();
        let again = Some(now + Duration::from_secs(30));
        assert_eq!(table.look(now), Look { due: false, again });
        set_wall("2026-11-24T10:00:00Z");
        let look = table.look(now + Duration::from_secs(30));
        assert!(look.due);
        assert_eq!(look.again, Some(now + Duration::from_secs(30) + CLOCK_LOOK));
    }

    #[test]
    fn a_machine_that_slept_through_several_times_runs_the_task_once() {
        let now = Instant::now();
        set_wall("2026-11-24T09:30:00Z");
        let mut table = hourly();
        assert!(!table.look(now).due);
        set_wall("2026-11-24T15:30:00Z");
        assert!(table.look(now + CLOCK_LOOK).due);
        assert!(!table.look(now + CLOCK_LOOK * 2).due);
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_run_a_task_again() {
        let now = Instant::now();
        set_wall("2026-11-24T09:59:59Z");
        let mut table = hourly();
        set_wall("2026-11-24T10:00:01Z");
        assert!(table.look(now).due);
        set_wall("2026-11-24T09:00:00Z");
        assert!(!table.look(now).due);
        set_wall("2026-11-24T10:00:00Z");
        assert!(!table.look(now).due);
        set_wall("2026-11-24T11:00:00Z");
        assert!(table.look(now).due);
    }

    #[test]
    fn jitter_moves_each_run_and_loses_none() {
        let (interval, jitter) = (Duration::from_secs(10), Duration::from_secs(3));
        let mut table = Jittered::new(Box::new(Every::new(interval)), jitter);
        let start = Instant::now();
        let (mut now, mut runs) = (start, Vec::new());
        while now < start + interval * 101 {
            let look = table.look(now);
            if look.due {
                runs.push(now - start);
            }
            now = look.again.unwrap();
        }
        assert_eq!(runs.len(), 100);
        let late = |(number, at): (usize, &Duration)| at.saturating_sub(interval * (number as u32 + 1));
        assert!(runs.iter().enumerate().map(late).all(|late| late <= jitter));
        assert!(runs.iter().enumerate().map(late).any(|late| late > jitter / 4));
    }
}
