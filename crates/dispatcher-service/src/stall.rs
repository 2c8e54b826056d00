//! A driver that comes round no more ends the process: better dead than alive, ready and deaf.
//!
//! One thread, apart from the one that everything else runs on. It asks the driver for a sign of life and counts the asks that
//! were not answered, not the time: a process that was stopped, or a machine that slept, gets its time again. Where it
//! stands: beside the runtime, for as long as the driver runs.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// The process's exit code when the driver is stuck; a promise, with those of the command line.
pub const STALLED: u8 = 3;

/// How many times a driver is asked within the limit.
const ASKS: u32 = 4;

/// How often the driver has come round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beat(Arc<AtomicU64>);

impl Beat {
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn seen(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Ends the watch when it is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    _end: Sender<()>,
}

/// Watches until it is told to end. `ask` wakes the driver and must not wait; `stalled` is called at most once.
pub(crate) fn watch(
    limit: Duration,
    beat: Beat,
    ask: impl Fn() + Send + 'static,
    stalled: impl FnOnce() + Send + 'static,
) -> io::Result<Watch> {
    let (end, ended) = channel();
    thread::Builder::new().name("stall-watch".to_owned()).spawn(move || {
        let (mut last, mut unanswered) = (beat.seen(), 0);
        while matches!(ended.recv_timeout(limit / ASKS), Err(RecvTimeoutError::Timeout)) {
            let seen = beat.seen();
            unanswered = if seen == last { unanswered + 1 } else { 0 };
            last = seen;
            // The first silence may be that of a driver with nothing to do: it is asked only now.
            if unanswered > ASKS {
                return stalled();
            }
            ask();
        }
    })?;
    Ok(Watch { _end: end })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(40);
    const LONG: Duration = Duration::from_secs(10);

    #[test]
    fn a_driver_that_answers_is_left_alone_and_one_that_stops_to_is_reported_once() {
        let (beat, (told, tells)) = (Beat::default(), channel());
        let (asks, answers) = channel();
        let watch =
            watch(LIMIT, beat.clone(), move || asks.send(()).unwrap_or(()), move || told.send(()).unwrap())
                .unwrap();
        for _ in 0..20 {
            answers.recv_timeout(LONG).unwrap();
            assert!(tells.try_recv().is_err());
            beat.count();
        }
        // Nobody answers any more.
        tells.recv_timeout(LONG).unwrap();
        assert!(tells.recv_timeout(LONG).is_err(), "it has said so and is gone");
        drop(watch);
    }

    #[test]
    fn the_end_of_the_service_ends_the_watch() {
        let (told, tells) = channel::<()>();
        let watch = watch(LONG, Beat::default(), || {}, move || told.send(()).unwrap()).unwrap();
        drop(watch);
        assert_eq!(tells.recv_timeout(LONG), Err(RecvTimeoutError::Disconnected));
    }
}
