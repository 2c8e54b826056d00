//! How often something may happen: so many at once, so many a second after that.
//!
//! Knows neither what happens nor what becomes of what it refuses. Where it stands: before control requests here, and
//! before the lines of the log.

use std::time::{Duration, Instant};

/// A bucket of permits that fills by the clock.
#[derive(Clone, Debug)]
pub struct Rate {
    /// The time that one permit takes to grow.
    interval: Duration,
    /// How far ahead of the clock permits may be taken.
    ahead: Duration,
    /// When the bucket is, or was, full again; none before the first permit.
    full: Option<Instant>,
}

impl Rate {
    /// `at_once` permits to begin with, `a_second` more each second. Both count as 1 at least.
    pub fn new(at_once: u32, a_second: u32) -> Self {
        let interval = Duration::from_secs(1) / a_second.max(1);
        Self { interval, ahead: interval * (at_once.max(1) - 1), full: None }
    }

    /// Takes a permit; false when there is none. `now` must not go back.
    pub fn admit(&mut self, now: Instant) -> bool {
        let full = self.full.map_or(now, |full| full.max(now));
        let admitted = full <= now + self.ahead;
        if admitted {
            self.full = Some(full + self.interval);
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(rate: &mut Rate, tries: usize, now: Instant) -> usize {
        (0..tries).filter(|_| rate.admit(now)).count()
    }

    #[test]
    fn so_many_are_admitted_at_once_and_so_many_a_second_after_that() {
        let (mut rate, start) = (Rate::new(100, 10), Instant::now());
        assert_eq!(admitted(&mut rate, 1000, start), 100);
        assert_eq!(admitted(&mut rate, 1000, start + Duration::from_millis(99)), 0);
        assert_eq!(admitted(&mut rate, 1000, start + Duration::from_secs(1)), 10);
        assert_eq!(admitted(&mut rate, 1000, start + Duration::from_secs(3600)), 100);
    }

    #[test]
    fn whoever_keeps_to_the_rate_is_never_refused() {
        let (mut rate, start) = (Rate::new(1, 50), Instant::now());
        for number in 0..1000 {
            assert!(rate.admit(start + Duration::from_millis(20) * number), "{number}");
        }
    }
}
