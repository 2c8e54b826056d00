//! Control requests that wait for their time.
//!
//! Such a request has no reply, as for dispatcherd: whoever asked has long stopped listening.

use std::collections::BTreeMap;
use std::time::Instant;

use dispatcher_protocol::ControlRequest;

use crate::task::Source;

/// The most that wait; whoever sends more has made a mistake.
const MOST: usize = 1000;

/// Sorted by due time, then by arrival.
#[derive(Debug, Default)]
pub(crate) struct Later {
    waiting: BTreeMap<(Instant, u64), (ControlRequest, Source)>,
    arrivals: u64,
}

impl Later {
    /// Keeps a request; gives it back when there are too many.
    pub(crate) fn keep(
        &mut self,
        request: ControlRequest,
        source: Source,
        now: Instant,
    ) -> Result<(), Source> {
        if self.waiting.len() >= MOST {
            return Err(source);
        }
        self.arrivals += 1;
        let due = now + request.delay;
        self.waiting.insert((due, self.arrivals), (ControlRequest { reply_to: None, ..request }, source));
        Ok(())
    }

    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(ControlRequest, Source)> {
        let first = self.waiting.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    pub(crate) fn next_wakeup(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|((due, _), _)| *due)
    }
}
