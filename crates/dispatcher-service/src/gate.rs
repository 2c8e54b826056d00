//! Whether a control request is answered: so many a second for each way that requests come by, and no more while replies
//! pile up.
//!
//! Looks at no request. Where it stands: before every answer.

use std::collections::HashMap;
use std::fmt;
use std::time::Instant;

use dispatcher_engine::{BrokerId, WorkerId};
use serde_json::{Map, Value};

use crate::rate::Rate;

/// What may be asked at once: a minute's worth. Whoever cancels a thousand tasks one by one is no flood.
const AT_ONCE: u32 = 60;

/// The way that a request comes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Asker {
    /// All who send over this broker: nobody can say who they are.
    Broker(BrokerId),
    /// The tasks of this worker.
    Worker(WorkerId),
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Too many come by this way.
    Rate(u32),
    /// Too many replies wait to be sent.
    Replies,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate(a_second) => write!(
                f,
                "control request refused: more than {a_second} a second have come (service.control_rate)"
            ),
            Self::Replies => {
                f.write_str("control request refused: too many replies wait to be sent; ask again later")
            }
        }
    }
}

impl Refusal {
    /// What whoever asked is told.
    pub(crate) fn reply(self) -> Map<String, Value> {
        Map::from_iter([("error".to_owned(), Value::String(self.to_string()))])
    }
}

/// Counts requests.
#[derive(Debug)]
pub(crate) struct Gate {
    a_second: u32,
    rates: HashMap<Asker, Rate>,
    /// How many were refused: for the rate, and for the replies.
    pub(crate) refused: (u64, u64),
}

impl Gate {
    /// `a_second`: requests by one way that are answered each second in the long run.
    pub(crate) fn new(a_second: u32) -> Self {
        Self { a_second, rates: HashMap::new(), refused: (0, 0) }
    }

    /// A request has come.
    pub(crate) fn admit(&mut self, asker: Asker, now: Instant) -> Result<(), Refusal> {
        let at_once = self.a_second.saturating_mul(AT_ONCE);
        let rate = self.rates.entry(asker).or_insert_with(|| Rate::new(at_once, self.a_second));
        if rate.admit(now) { Ok(()) } else { Err(self.refuse(Refusal::Rate(self.a_second))) }
    }

    /// Counts a refusal.
    pub(crate) fn refuse(&mut self, why: Refusal) -> Refusal {
        match why {
            Refusal::Rate(_) => self.refused.0 += 1,
            Refusal::Replies => self.refused.1 += 1,
        }
        why
    }

    /// This worker asks nothing more.
    pub(crate) fn forget(&mut self, worker: WorkerId) {
        self.rates.remove(&Asker::Worker(worker));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_times_too_many_by_one_way_are_refused_and_another_way_is_open() {
        let (mut gate, now) = (Gate::new(50), Instant::now());
        let (flooded, other) = (Asker::Broker(BrokerId(0)), Asker::Worker(WorkerId(0)));
        let answered = (0..30_000).filter(|_| gate.admit(flooded, now).is_ok()).count();
        assert_eq!((answered, gate.refused), (3_000, (27_000, 0)));
        assert_eq!(gate.admit(other, now), Ok(()));
        assert!(gate.admit(flooded, now).is_err_and(|refusal| refusal.to_string().contains("50 a second")));
        gate.forget(WorkerId(0));
        assert_eq!(gate.rates.len(), 1);
    }
}
