//! One policy for every reconnect: at once, then 50 ms doubling to 1 s, each a random share of it.
//!
//! Knows no clock and never sleeps. The randomness (full jitter) keeps many services from coming back in step after
//! an outage; the low cap keeps the gap short once the bus is up again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(50);
const CAP: Duration = Duration::from_secs(1);

/// How long to wait before the next attempt.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    /// The upper end of the next wait; none while the next attempt is the first.
    ceiling: Option<Duration>,
}

impl Backoff {
    /// The next attempt is the first.
    pub fn new() -> Self {
        Self::default()
    }

    /// The wait before the next attempt.
    pub fn next_delay(&mut self) -> Duration {
        let Some(ceiling) = self.ceiling else {
            self.ceiling = Some(FIRST);
            return Duration::ZERO;
        };
        self.ceiling = Some((ceiling * 2).min(CAP));
        ceiling.mul_f64(fastrand::f64())
    }

    /// A session worked: the next attempt is the first again.
    pub fn reset(&mut self) {
        self.ceiling = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_attempt_comes_at_once_and_again_after_a_reset() {
        let mut backoff = Backoff::new();
        assert_eq!(backoff.next_delay(), Duration::ZERO);
        backoff.next_delay();
        backoff.reset();
        assert_eq!(backoff.next_delay(), Duration::ZERO);
    }

    #[test]
    fn waits_double_up_to_a_second_and_are_spread_over_their_range() {
        let mut longest = [Duration::ZERO; 10];
        let mut shortest = [CAP; 10];
        for _ in 0..500 {
            let mut backoff = Backoff::new();
            backoff.next_delay();
            for (long, short) in longest.iter_mut().zip(&mut shortest) {
                let delay = backoff.next_delay();
                *long = delay.max(*long);
                *short = delay.min(*short);
            }
        }
        for (step, (long, short)) in longest.iter().zip(&shortest).enumerate() {
            let ceiling = (FIRST * 2u32.pow(step as u32)).min(CAP);
            assert!(*long <= ceiling && *long > ceiling / 2, "step {step}: {long:?}");
            assert!(*short < ceiling / 4, "step {step}: {short:?}");
        }
    }
}
