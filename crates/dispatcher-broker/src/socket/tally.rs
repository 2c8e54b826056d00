//! What clients of the socket were refused: counted always, said in the log once a second for each reason.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::warn;

/// Lines of one reason in the log are at least this far apart.
const QUIET: Duration = Duration::from_secs(1);

/// Why a client lost its connection, or never had one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    TooManyClients,
    AcceptFailed,
    LineTooLong,
    NotUtf8,
    IdleInLine,
    SlowReader,
}

/// All of them: the name in the counts, and the sentence in the log.
const ALL: [(Refusal, &str, &str); 6] = [
    (Refusal::TooManyClients, "too_many_clients", "a client was turned away: too many are connected"),
    (Refusal::AcceptFailed, "accept_failed", "a client could not be let in"),
    (Refusal::LineTooLong, "line_too_long", "a client sent a line that is too long and was cut off"),
    (Refusal::NotUtf8, "not_utf8", "a client sent bytes that are no UTF-8 and was cut off"),
    (Refusal::IdleInLine, "idle_in_line", "a client stopped in the middle of a line and was cut off"),
    (Refusal::SlowReader, "slow_reader", "a client does not read its replies and was cut off"),
];

/// The counts of one socket.
#[derive(Debug)]
pub(super) struct Tally {
    path: PathBuf,
    entries: Mutex<[Entry; ALL.len()]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    count: u64,
    /// Since the last line in the log.
    unsaid: u64,
    said: Option<Instant>,
}

impl Tally {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, entries: Mutex::default() }
    }

    /// Counts one, and says it unless that was just done; `detail` never holds what the client sent.
    pub(super) fn note(&self, refusal: Refusal, detail: &str) {
        let now = Instant::now();
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = &mut entries[refusal as usize];
        entry.count += 1;
        if entry.said.is_some_and(|said| now - said < QUIET) {
            entry.unsaid += 1;
            return;
        }
        entry.said = Some(now);
        let more = std::mem::take(&mut entry.unsaid);
        let path = self.path.display();
        let (_, _, what) = ALL[refusal as usize];
        warn!(target: "dispatcher.broker", broker = "socket", %path, detail, unsaid_before = more, "{what}");
    }

    /// How often each has happened.
    pub(super) fn counts(&self) -> Vec<(&'static str, u64)> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        ALL.iter().zip(entries.iter()).map(|((_, name, _), entry)| (*name, entry.count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_count() {
        let tally = Tally::new(PathBuf::from("/s"));
        for (place, (refusal, ..)) in ALL.iter().enumerate() {
            assert_eq!(*refusal as usize, place);
            (0..=place).for_each(|_| tally.note(*refusal, ""));
        }
        let counts: Vec<u64> = tally.counts().into_iter().map(|(_, count)| count).collect();
        assert_eq!(counts, [1, 2, 3, 4, 5, 6]);
    }
}
