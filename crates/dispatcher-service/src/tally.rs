//! Counts of what seldom happens, taken from the engine's events: starts and ends of workers, steps of the ladder.
//!
//! What happens with every task is counted by the engine itself. Every label is here from the start with 0, so that a
//! first occurrence is an increase.

use std::sync::atomic::{AtomicU64, Ordering};

use dispatcher_engine::{CancelReason, Event, Exit, Rung, SpawnReason, StopReason};

/// A count that several threads add to.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Counts so many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// How many there have been.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Lines of the service's own log that are not there, or not whole. Whoever writes the log counts.
#[derive(Debug, Default)]
pub struct LogTally {
    /// Too many of one kind in a short time; a line says how many.
    pub suppressed: Count,
    /// The reader did not keep up; a line says how many.
    pub dropped: Count,
    /// They could not be written: a full disk, say, or no reader any more.
    pub failed: Count,
    /// Written, without the end of a long text.
    pub cut: Count,
}

/// Counts by one label.
#[derive(Debug)]
pub(crate) struct ByLabel(Vec<(&'static str, u64)>);

impl ByLabel {
    fn new(labels: &[&'static str]) -> Self {
        Self(labels.iter().map(|label| (*label, 0)).collect())
    }

    fn add(&mut self, label: &'static str) {
        match self.0.iter_mut().find(|(known, _)| *known == label) {
            Some((_, count)) => *count += 1,
            None => self.0.push((label, 1)),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().copied()
    }
}

/// What has been counted since the start.
#[derive(Debug)]
pub(crate) struct Tally {
    /// By what they were for.
    pub(crate) worker_starts: ByLabel,
    /// Those that were told to leave, by what for.
    pub(crate) worker_stops: ByLabel,
    /// By how they came.
    pub(crate) worker_ends: ByLabel,
    /// By step and reason.
    pub(crate) ladder: Vec<(&'static str, ByLabel)>,
}

impl Default for Tally {
    fn default() -> Self {
        let reasons = || ByLabel::new(&["control", "timeout", "shutdown"]);
        Self {
            worker_starts: ByLabel::new(&["minimum", "demand"]),
            worker_stops: ByLabel::new(&StopReason::ALL.map(StopReason::label)),
            worker_ends: ByLabel::new(&[&["expected"], &Exit::LABELS[..]].concat()),
            ladder: ["cancel", "terminate", "kill"].map(|step| (step, reasons())).into(),
        }
    }
}

impl Tally {
    /// Counts an event, if it is one that is counted here.
    pub(crate) fn count(&mut self, event: &Event) {
        match event {
            Event::WorkerSpawned { why, .. } => self.worker_starts.add(match why {
                SpawnReason::Minimum => "minimum",
                SpawnReason::Demand => "demand",
            }),
            Event::WorkerStopping { why, .. } => self.worker_stops.add(why.label()),
            // However it was asked to: what it leaves behind is worth a look.
            Event::WorkerGone { exit: Exit::GivenUp, .. } => self.worker_ends.add(Exit::GivenUp.label()),
            Event::WorkerGone { expected: true, .. } => self.worker_ends.add("expected"),
            Event::WorkerGone { exit, .. } => self.worker_ends.add(exit.label()),
            Event::Ladder { rung, why, .. } => {
                let reason = match why {
                    CancelReason::Control => "control",
                    CancelReason::Timeout => "timeout",
                    CancelReason::Shutdown => "shutdown",
                };
                let step = match rung {
                    Rung::Cancel => 0,
                    Rung::Terminate => 1,
                    Rung::Kill => 2,
                };
                self.ladder[step].1.add(reason);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use dispatcher_engine::WorkerId;

    use super::*;

    #[test]
    fn events_are_counted_under_their_labels_and_the_others_stay_at_0() {
        let mut tally = Tally::default();
        let worker = WorkerId(0);
        tally.count(&Event::WorkerGone { worker, exit: Exit::Signal(9), expected: false });
        tally.count(&Event::WorkerGone { worker, exit: Exit::Signal(9), expected: true });
        let why = CancelReason::Timeout;
        tally.count(&Event::Ladder { task: None, worker, rung: Rung::Kill, why });
        tally.count(&Event::StrayResult { worker });
        let ends: Vec<_> = tally.worker_ends.iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(ends, [("expected", 1), ("signal", 1)]);
        let steps =
            tally.ladder.iter().flat_map(|(step, by)| by.iter().map(|(why, count)| (*step, why, count)));
        let steps: Vec<_> = steps.filter(|(.., count)| *count > 0).collect();
        assert_eq!(steps, [("kill", "timeout", 1)]);
        assert_eq!(tally.worker_starts.iter().count(), 2);
    }
}
