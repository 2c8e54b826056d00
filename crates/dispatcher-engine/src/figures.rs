//! How long tasks wait and run, and how they end, by name. Counts and sums of a fixed size: recording allocates only
//! when a name is new, and the number of names is bounded.
//!
//! Knows tasks by their names alone. Filled by `completion.rs`, read from outside.

use std::collections::HashMap;
use std::time::Duration;

use dispatcher_protocol::is_lambda;
use foldhash::fast::FixedState;

/// Names that are counted apart. Names come from messages, so there must be an end to them.
const MAX_NAMES: usize = 1000;

/// The longest name that is counted apart, in bytes.
const MAX_NAME: usize = 200;

/// Stands for every name beyond the bounds, and for names that no worker has confirmed.
const OTHER: &str = "other";

/// Stands for every text that begins with `lambda`.
const LAMBDA: &str = "lambda";

/// The name that may be shown of a task: of code, in which arguments stand, only that it is some.
pub(crate) fn shown(task: &str) -> &str {
    if is_lambda(task) { LAMBDA } else { task }
}

/// Counts by duration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// How many were longer than the bound before, and no longer than this one; the last has no bound.
    buckets: [u64; Self::BOUNDS.len() + 1],
    sum: Duration,
}

impl Histogram {
    /// The upper bounds of all buckets but the last, rising: from a task that is over at once to one of hours.
    pub const BOUNDS: [Duration; 13] = [
        Duration::from_millis(1),
        Duration::from_millis(5),
        Duration::from_millis(10),
        Duration::from_millis(50),
        Duration::from_millis(100),
        Duration::from_millis(500),
        Duration::from_secs(1),
        Duration::from_secs(5),
        Duration::from_secs(10),
        Duration::from_secs(60),
        Duration::from_secs(300),
        Duration::from_secs(1800),
        Duration::from_secs(7200),
    ];

    /// Counts one.
    pub(crate) fn record(&mut self, took: Duration) {
        // From the shortest: most tasks are short.
        let place = Self::BOUNDS.iter().position(|bound| took <= *bound).unwrap_or(Self::BOUNDS.len());
        self.buckets[place] += 1;
        self.sum = self.sum.saturating_add(took);
    }

    /// Each bound with how many were no longer than that.
    pub fn upto(&self) -> impl Iterator<Item = (Duration, u64)> {
        Self::BOUNDS.into_iter().zip(self.buckets).scan(0, |sum, (bound, count)| {
            *sum += count;
            Some((bound, *sum))
        })
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// How long all of them took together.
    pub fn sum(&self) -> Duration {
        self.sum
    }
}

/// How a task that was given to a worker ended, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It returned.
    Success,
    /// It raised.
    Failure,
    /// It was cancelled, by a control request or by the end of the service.
    Cancelled,
    /// It ran longer than it may.
    TimedOut,
    /// Its worker would not run it.
    Refused,
    /// Its worker died under it.
    Lost,
}

impl Ending {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Success, Self::Failure, Self::Cancelled, Self::TimedOut, Self::Refused, Self::Lost];

    /// A short name that never changes.
    pub fn label(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
            Self::Refused => "refused",
            Self::Lost => "lost",
        }
    }

    /// A worker has found the task that the name stands for, so it is more than a text in somebody's message.
    fn confirms_the_name(self) -> bool {
        matches!(self, Self::Success | Self::Failure | Self::Cancelled | Self::TimedOut)
    }
}

/// The tasks of one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskFigures {
    ended: [u64; Ending::ALL.len()],
    /// How long they had their worker.
    pub ran: Histogram,
}

impl TaskFigures {
    /// How many ended in this way.
    pub fn ended(&self, how: Ending) -> u64 {
        self.ended[how as usize]
    }
}

/// All tasks that were given to a worker and have ended.
#[derive(Clone, Debug)]
pub struct Figures {
    /// How long they waited from when they were due until they began.
    pub waited: Histogram,
    /// The first is for [`OTHER`].
    tasks: Vec<(Box<str>, TaskFigures)>,
    places: HashMap<Box<str>, usize, FixedState>,
}

impl Default for Figures {
    fn default() -> Self {
        let mut figures =
            Self { waited: Histogram::default(), tasks: Vec::new(), places: HashMap::default() };
        figures.add(OTHER);
        figures
    }
}

impl Figures {
    /// A task has ended.
    pub(crate) fn record(&mut self, task: &str, how: Ending, waited: Duration, ran: Duration) {
        self.waited.record(waited);
        let place = match self.places.get(task) {
            Some(place) => *place,
            None => self.place(task, how),
        };
        let (_, figures) = &mut self.tasks[place];
        figures.ended[how as usize] += 1;
        figures.ran.record(ran);
    }

    /// By name, those for `other` first.
    pub fn by_name(&self) -> impl Iterator<Item = (&str, &TaskFigures)> {
        self.tasks.iter().map(|(name, figures)| (&**name, figures))
    }

    /// Where a name is counted that is not there yet.
    fn place(&mut self, task: &str, how: Ending) -> usize {
        let name = shown(task);
        match self.places.get(name) {
            Some(place) => *place,
            None if how.confirms_the_name() && name.len() <= MAX_NAME && self.tasks.len() < MAX_NAMES => {
                self.add(name)
            }
            None => 0,
        }
    }

    fn add(&mut self, name: &str) -> usize {
        self.tasks.push((name.into(), TaskFigures::default()));
        self.places.insert(name.into(), self.tasks.len() - 1);
        self.tasks.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn histogram_counts_up_to_each_bound_the_bound_included() {
        let mut histogram = Histogram::default();
        for took in [Duration::ZERO, Duration::from_millis(5), SECOND, SECOND * 3, SECOND * 100_000] {
            histogram.record(took);
        }
        let upto: Vec<u64> = histogram.upto().map(|(_, count)| count).collect();
        assert_eq!(upto, [1, 2, 2, 2, 2, 2, 3, 4, 4, 4, 4, 4, 4]);
        assert_eq!(histogram.count(), 5);
        assert_eq!(histogram.sum(), Duration::from_millis(100_004_005));
        assert!(Histogram::BOUNDS.is_sorted());
    }

    fn names(figures: &Figures) -> Vec<&str> {
        figures.by_name().map(|(name, _)| name).collect()
    }

    #[test]
    fn names_that_no_worker_has_confirmed_are_other() {
        let mut figures = Figures::default();
        for (name, how) in [("a.b", Ending::Refused), ("c.d", Ending::Lost), ("e.f", Ending::Failure)] {
            figures.record(name, how, SECOND, SECOND);
        }
        figures.record("e.f", Ending::Lost, SECOND, SECOND);
        assert_eq!(names(&figures), ["other", "e.f"]);
        let counts: Vec<_> =
            figures.by_name().map(|(_, of)| (of.ended(Ending::Lost), of.ran.count())).collect();
        assert_eq!(counts, [(1, 2), (1, 2)]);
        assert_eq!(figures.waited.count(), 4);
    }

    #[test]
    fn names_are_bounded_in_number_and_length_and_show_no_code() {
        let mut figures = Figures::default();
        figures.record("lambda: secret('x')", Ending::Success, SECOND, SECOND);
        figures.record(&"n".repeat(MAX_NAME + 1), Ending::Success, SECOND, SECOND);
        for number in 0..100_000 {
            figures.record(&format!("flood.n{number}"), Ending::Success, SECOND, SECOND);
        }
        let names = names(&figures);
        assert_eq!(names.len(), MAX_NAMES);
        assert_eq!(names[..3], ["other", "lambda", "flood.n0"]);
        let total: u64 = figures.by_name().map(|(_, of)| of.ended(Ending::Success)).sum();
        assert_eq!(total, 100_002);
    }
}
