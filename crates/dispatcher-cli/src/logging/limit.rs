//! Lines of one kind: a hundred at once and ten a second are written, the others are counted, and the count is written
//! within a second.
//!
//! A kind is the place in the code that a line comes from, whatever task or worker it is about. Never holds more than one
//! line of each kind. Where it stands: before the formatter, which asks; the writing thread takes the counts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dispatcher_service::{LogTally, Rate};
use tracing::callsite::Identifier;
use tracing::{Level, Metadata};

/// Lines of one kind that are written at once, and each second after that.
fn limits(level: Level) -> (u32, u32) {
    match level {
        // Each tells of a task or a worker that is lost, so a whole pool's are listed.
        Level::ERROR => (1000, 10),
        Level::WARN | Level::INFO => (100, 10),
        // Each start and end of a task is one, and somebody follows them.
        _ => (1000, 100),
    }
}

/// How long a count is kept before it is written.
const KEPT: Duration = Duration::from_secs(1);

/// What was not written of one kind.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) level: Level,
    pub(super) target: &'static str,
    pub(super) count: u64,
    /// The first of them.
    pub(super) like: String,
}

/// Decides which lines are written.
#[derive(Debug)]
pub(super) struct Limiter {
    kinds: Mutex<HashMap<Identifier, Kind>>,
    tally: Arc<LogTally>,
}

#[derive(Debug)]
struct Kind {
    rate: Rate,
    unsaid: Option<(Instant, Summary)>,
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Write,
    /// It is counted.
    Leave,
    /// As above; it is the first since the last summary, so somebody has to come for the next.
    LeaveAndCall,
}

impl Limiter {
    pub(super) fn new(tally: Arc<LogTally>) -> Self {
        Self { kinds: Mutex::default(), tally }
    }

    /// Whether a line of this kind is written now; `text` is asked for when it is the first that is not.
    pub(super) fn judge(
        &self,
        kind: &'static Metadata<'static>,
        now: Instant,
        text: impl FnOnce() -> String,
    ) -> Verdict {
        let level = *kind.level();
        let mut kinds = self.kinds();
        let new = || {
            let (at_once, a_second) = limits(level);
            Kind { rate: Rate::new(at_once, a_second), unsaid: None }
        };
        let known = kinds.entry(kind.callsite()).or_insert_with(new);
        if known.rate.admit(now) {
            return Verdict::Write;
        }
        self.tally.suppressed.add(1);
        if let Some((_, summary)) = &mut known.unsaid {
            summary.count += 1;
            return Verdict::Leave;
        }
        let summary = Summary { level, target: kind.target(), count: 1, like: text() };
        known.unsaid = Some((now + KEPT, summary));
        Verdict::LeaveAndCall
    }

    /// When a count is to be written; none while nothing is left out.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.kinds().values().filter_map(|kind| kind.unsaid.as_ref()).map(|(due, _)| *due).min()
    }

    /// The counts that are to be written by then.
    pub(super) fn take_due(&self, now: Instant) -> Vec<Summary> {
        self.take(|due| due <= now)
    }

    /// Every count: nothing more will be asked.
    pub(super) fn take_all(&self) -> Vec<Summary> {
        self.take(|_| true)
    }

    fn take(&self, wanted: impl Fn(Instant) -> bool) -> Vec<Summary> {
        let mut kinds = self.kinds();
        let unsaid = kinds.values_mut().filter_map(|kind| kind.unsaid.take_if(|(due, _)| wanted(*due)));
        unsaid.map(|(_, summary)| summary).collect()
    }

    fn kinds(&self) -> MutexGuard<'_, HashMap<Identifier, Kind>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::shared::Shared;
    use super::super::writer::background;
    use super::super::{Format, format::Line};
    use super::*;
    use tracing::{debug, error, info, warn};
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::{fmt, registry};

    impl Shared {
        fn count(&self, what: &str) -> usize {
            String::from_utf8_lossy(&self.0.lock().unwrap()).matches(what).count()
        }
    }

    /// Logs as the service does, and gives what was written by the end, and before it.
    fn logged(events: impl FnOnce(&Shared)) -> (String, Arc<LogTally>) {
        let (out, tally) = (Shared::default(), Arc::new(LogTally::default()));
        let limiter = Arc::new(Limiter::new(Arc::clone(&tally)));
        let (lines, bell, flush) =
            background(out.clone(), Format::Text, Arc::clone(&limiter), Arc::clone(&tally));
        let line = Line { format: Format::Text, tally: Arc::clone(&tally), limit: Some((limiter, bell)) };
        let layer = fmt::layer().log_internal_errors(false).event_format(line).with_writer(lines);
        tracing::subscriber::with_default(registry().with(layer), || events(&out));
        drop(flush);
        let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        (text, tally)
    }

    #[test]
    fn ten_times_too_many_lines_of_one_kind_are_counted_and_other_kinds_are_whole() {
        let (text, tally) = logged(|_| {
            for number in 0..1000 {
                warn!(target: "flooding", "task {number} failed");
                if number % 100 == 0 {
                    info!(target: "calm", "still here");
                }
            }
        });
        let written = text.matches(" WARNING flooding: task ").count();
        assert!((100..=150).contains(&written), "{written}");
        assert_eq!(text.matches("still here").count(), 10);
        let left_out = 1000 - written as u64;
        assert_eq!(tally.suppressed.get(), left_out);
        let summaries: u64 = text
            .lines()
            .filter_map(|line| line.split(" suppressed=").nth(1))
            .map(|count| count.parse::<u64>().unwrap())
            .sum();
        assert_eq!(summaries, left_out, "{text}");
        assert!(text.contains("WARNING flooding: "), "{text}");
        assert!(text.contains("more lines like this one were left out: task 1"), "{text}");
    }

    #[test]
    fn a_summary_comes_by_itself() {
        let (_, tally) = logged(|out| {
            for number in 0..200 {
                info!("line {number}");
            }
            let began = Instant::now();
            while out.count("suppressed=") == 0 {
                assert!(began.elapsed() < Duration::from_secs(20), "no summary");
                std::thread::yield_now();
            }
        });
        assert!(tally.suppressed.get() > 0);
    }

    #[test]
    fn a_pool_of_errors_is_listed_and_so_are_the_steps_of_as_many_tasks() {
        let (text, tally) = logged(|_| {
            (0..1000).for_each(|number| error!("lost {number}"));
            (0..1000).for_each(|number| debug!("seen {number}"));
            (0..10_000).for_each(|number| debug!("flood {number}"));
        });
        assert_eq!(text.matches(": lost ").count(), 1000);
        assert_eq!(text.matches(": seen ").count(), 1000);
        assert!(text.matches(": flood ").count() < 3000);
        assert!(tally.suppressed.get() > 7000);
    }

    #[test]
    fn a_long_line_is_cut_to_what_a_pipe_takes_in_one_piece() {
        let long = "x".repeat(100_000);
        let (text, tally) = logged(|_| warn!(task = long, channel = ?long, "message refused: {long}"));
        assert!(text.len() < 4096, "{} bytes", text.len());
        assert_eq!(text.matches(" bytes in all)").count(), 3);
        assert_eq!(tally.cut.get(), 1);
    }
}
