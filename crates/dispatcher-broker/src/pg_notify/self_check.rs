//! A message to ourselves proves that the line delivers.
//!
//! A connection can look well and be deaf: behind a pooler, behind a proxy that lost the way back, with a server
//! that was stopped. The message goes over a channel of a random name that nobody else listens on, so it is never
//! anybody's task.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::{SelfCheck, SelfCheckStats};

/// Names the private channel of one session.
pub(super) fn private_channel() -> String {
    format!("dispatcher_self_check_{:032x}", fastrand::u128(..))
}

/// What the service shows about the checks of all sessions of a broker.
#[derive(Debug, Default)]
pub(super) struct Record(Mutex<SelfCheckStats>);

impl Record {
    pub(super) fn new(enabled: bool) -> Self {
        Self(Mutex::new(SelfCheckStats { enabled, ..SelfCheckStats::default() }))
    }

    pub(super) fn stats(&self) -> SelfCheckStats {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn failure(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).failure_count += 1;
    }

    fn success(&self, took: Duration) {
        let mut stats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stats.success_count += 1;
        stats.total += took;
        stats.max = stats.max.max(took);
    }
}

/// The check of one session. Time is an argument.
#[derive(Debug)]
pub(super) struct Checker {
    options: Option<SelfCheck>,
    /// When a message last came, of whatever kind.
    heard_at: Instant,
    /// The check under way: when it was sent.
    sent_at: Option<Instant>,
    /// Distinguishes its message from one of an earlier check.
    number: u64,
}

/// What the time that has come is for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing yet: look again later.
    Nothing,
    /// Send this to the private channel.
    Send(u64),
    /// The line is deaf.
    Deaf {
        /// Since when nothing has come.
        silent: Duration,
    },
}

impl Checker {
    pub(super) fn new(options: Option<SelfCheck>, now: Instant) -> Self {
        Self { options, heard_at: now, sent_at: None, number: 0 }
    }

    /// A message came: whatever it is, it came over this line.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard_at = now;
    }

    /// A message came on the private channel.
    pub(super) fn answered(&mut self, payload: &str, now: Instant, record: &Record) {
        self.heard_at = now;
        if payload.parse() == Ok(self.number)
            && let Some(sent_at) = self.sent_at.take()
        {
            record.success(now - sent_at);
        }
    }

    /// When to ask [`Checker::due`]; none when checks are off.
    pub(super) fn wakeup(&self) -> Option<Instant> {
        let options = self.options?;
        Some(match self.sent_at {
            Some(sent_at) => sent_at.max(self.heard_at) + options.max_age,
            None => self.heard_at + options.after_idle,
        })
    }

    /// What is to be done at this time.
    pub(super) fn due(&mut self, now: Instant) -> Due {
        if self.wakeup().is_none_or(|wakeup| now < wakeup) {
            return Due::Nothing;
        }
        if self.sent_at.is_some() {
            return Due::Deaf { silent: now - self.heard_at };
        }
        self.number += 1;
        self.sent_at = Some(now);
        Due::Send(self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: SelfCheck =
        SelfCheck { after_idle: Duration::from_secs(10), max_age: Duration::from_secs(2) };

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn idle_line_is_checked_and_its_answer_is_counted() {
        let (start, record) = (Instant::now(), Record::new(true));
        let mut checker = Checker::new(Some(OPTIONS), start);
        checker.heard(start + seconds(5));
        assert_eq!(checker.due(start + seconds(14)), Due::Nothing);
        assert_eq!(checker.due(start + seconds(15)), Due::Send(1));
        checker.answered("0", start + seconds(16), &record);
        assert_eq!(record.stats().success_count, 0);
        checker.answered("1", start + seconds(16), &record);
        assert_eq!(record.stats().average(), Some(seconds(1)));
        assert_eq!(checker.wakeup(), Some(start + seconds(26)));
    }

    #[test]
    fn line_that_brings_nothing_after_a_check_is_deaf() {
        let start = Instant::now();
        let mut checker = Checker::new(Some(OPTIONS), start);
        checker.due(start + seconds(10));
        assert_eq!(checker.due(start + seconds(11)), Due::Nothing);
        assert_eq!(checker.due(start + seconds(12)), Due::Deaf { silent: seconds(12) });
    }

    #[test]
    fn other_messages_prove_the_line_while_an_answer_is_under_way() {
        let start = Instant::now();
        let mut checker = Checker::new(Some(OPTIONS), start);
        checker.due(start + seconds(10));
        checker.heard(start + seconds(11));
        assert_eq!(checker.due(start + seconds(12)), Due::Nothing);
        assert_eq!(checker.due(start + seconds(13)), Due::Deaf { silent: seconds(2) });
    }

    #[test]
    fn no_options_no_check() {
        let mut checker = Checker::new(None, Instant::now());
        assert_eq!(checker.wakeup(), None);
        assert_eq!(checker.due(Instant::now() + seconds(1000)), Due::Nothing);
    }
}
