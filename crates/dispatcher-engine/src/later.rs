//! Control requests that wait for their time.
//!
//! Such a request has no reply, as for dispatcherd: whoever asked has long stopped listening.

use std::time::Instant;

use dispatcher_protocol::ControlRequest;

use crate::task::Source;
use crate::timers::Timers;

/// The most that wait; whoever sends more has made a mistake.
const MOST: usize = 1000;

/// Those that wait.
#[derive(Debug, Default)]
pub(crate) struct Later(Timers<(ControlRequest, Source)>);

impl Later {
    /// Keeps a request; gives its source back when there are too many.
    pub(crate) fn keep(
        &mut self,
        request: ControlRequest,
        source: Source,
        now: Instant,
    ) -> Result<(), Source> {
        if self.0.len() >= MOST {
            return Err(source);
        }
        self.0.add(now + request.delay, (ControlRequest { reply_to: None, ..request }, source));
        Ok(())
    }

    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(ControlRequest, Source)> {
        self.0.pop_due(now)
    }

    pub(crate) fn next_wakeup(&self) -> Option<Instant> {
        self.0.next()
    }
}
