//! What every step of a turn needs: the time, the graces, and where to put what follows from it.
//!
//! A turn is one call of `Engine::handle`. Decides nothing.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::deadline::Deadlines;
use crate::effect::Effect;
use crate::event::Event;

/// How long each step towards a worker's end lasts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Graces {
    /// After the cancel of a task, before SIGTERM.
    pub(crate) cancel: Duration,
    /// After SIGTERM, before SIGKILL.
    pub(crate) terminate: Duration,
    /// For an idle worker to leave by itself, before SIGTERM, at most; its pool may give it less.
    pub(crate) stop: Duration,
}

/// The present turn.
#[derive(Debug)]
pub(crate) struct Turn {
    /// Never goes back.
    pub(crate) now: Instant,
    pub(crate) out: VecDeque<Effect>,
    pub(crate) deadlines: Deadlines,
    pub(crate) graces: Graces,
    /// Whether ordinary events are wanted too.
    pub(crate) verbose: bool,
    stamps: u64,
}

impl Turn {
    pub(crate) fn new(now: Instant, graces: Graces, verbose: bool) -> Self {
        let (out, deadlines) = (VecDeque::new(), Deadlines::default());
        Self { now, out, deadlines, graces, verbose, stamps: 0 }
    }

    /// Asks for something to be done.
    pub(crate) fn ask(&mut self, effect: Effect) {
        self.out.push_back(effect);
    }

    /// Says that something happened.
    pub(crate) fn tell(&mut self, event: Event) {
        self.out.push_back(Effect::Event(event));
    }

    /// Says something ordinary. The event is not even made when nobody wants it.
    pub(crate) fn tell_verbose(&mut self, event: impl FnOnce() -> Event) {
        if self.verbose {
            self.tell(event());
        }
    }

    /// A number that rises with each call: the order of use of workers in all pools.
    pub(crate) fn stamp(&mut self) -> u64 {
        self.stamps += 1;
        self.stamps
    }
}
