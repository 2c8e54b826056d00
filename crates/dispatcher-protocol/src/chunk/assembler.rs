//! Puts pieces together: any order, any senders, bounded in memory and time.
//!
//! Work per piece does not grow with what is pending: expiry is a queue in order of arrival.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::ChunkPart;
use crate::message::MAX_MESSAGE;

/// The most bytes that unfinished messages may hold together; the oldest is given up for a new one.
const MAX_PENDING_BYTES: usize = 64 * 1024 * 1024;

/// The most messages that may be unfinished at once.
const MAX_PENDING_MESSAGES: usize = 10_000;

/// The most pieces of one message: no piece is empty, and none needs to be smaller than this makes them.
const MAX_PIECES: u32 = 8192;

/// What a piece came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Assembled {
    /// More pieces are awaited.
    Waiting,
    /// The message is whole.
    Complete(String),
    /// The piece contradicts what came before, or the message is too long; all of it is forgotten.
    Refused(&'static str),
}

/// Counters for the `chunks` command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChunkStats {
    /// Pieces received.
    pub received: u64,
    /// Messages put together.
    pub completed: u64,
    /// Messages given up because a piece made no sense.
    pub refused: u64,
    /// Messages given up because pieces did not come in time, or room was needed.
    pub expired: u64,
}

/// A message of which pieces are missing.
#[derive(Debug)]
pub struct Partial {
    /// When its first piece came.
    pub since: Instant,
    /// How many pieces it has.
    pub total: u32,
    parts: HashMap<u32, String>,
    bytes: usize,
}

impl Partial {
    /// The pieces that are here: index, length in characters.
    pub fn pieces(&self) -> Vec<(u32, usize)> {
        let mut pieces: Vec<_> =
            self.parts.iter().map(|(index, part)| (*index, part.chars().count())).collect();
        pieces.sort_unstable();
        pieces
    }
}

/// All messages of which pieces are missing.
#[derive(Debug)]
pub struct Assembler {
    patience: Duration,
    partials: HashMap<String, Partial>,
    /// In order of first arrival; an id that is no longer pending, or is so anew, is skipped.
    order: VecDeque<(Instant, String)>,
    bytes: usize,
    stats: ChunkStats,
}

impl Assembler {
    /// `patience`: how long the first piece waits for the last (dispatcherd's default is 30 minutes).
    pub fn new(patience: Duration) -> Self {
        Self {
            patience,
            partials: HashMap::new(),
            order: VecDeque::new(),
            bytes: 0,
            stats: ChunkStats::default(),
        }
    }

    /// Takes a piece in.
    pub fn add(&mut self, part: ChunkPart, now: Instant) -> Assembled {
        self.stats.received += 1;
        if part.total > MAX_PIECES {
            return self.refuse(&part.message_id, "it says that it has more than 8,192 pieces");
        }
        if !self.partials.contains_key(&part.message_id) {
            self.make_room(part.payload.len());
            self.order.push_back((now, part.message_id.clone()));
            let new = Partial { since: now, total: part.total, parts: HashMap::new(), bytes: 0 };
            self.partials.insert(part.message_id.clone(), new);
        }
        let Some(partial) = self.partials.get_mut(&part.message_id) else { return Assembled::Waiting };
        if partial.total != part.total {
            return self.refuse(&part.message_id, "its pieces disagree about how many there are");
        }
        if partial.parts.contains_key(&part.index) {
            return Assembled::Waiting;
        }
        partial.bytes += part.payload.len();
        self.bytes += part.payload.len();
        if partial.bytes > MAX_MESSAGE {
            return self.refuse(&part.message_id, "it is longer than 1 MiB");
        }
        partial.parts.insert(part.index, part.payload);
        if partial.parts.len() < partial.total as usize {
            return Assembled::Waiting;
        }
        self.complete(&part.message_id)
    }

    fn complete(&mut self, id: &str) -> Assembled {
        let Some(mut partial) = self.forget(id) else { return Assembled::Waiting };
        self.stats.completed += 1;
        let mut message = String::with_capacity(partial.bytes);
        for index in 0..partial.total {
            message.push_str(&partial.parts.remove(&index).unwrap_or_default());
        }
        Assembled::Complete(message)
    }

    fn refuse(&mut self, id: &str, why: &'static str) -> Assembled {
        self.stats.refused += 1;
        self.forget(id);
        Assembled::Refused(why)
    }

    fn forget(&mut self, id: &str) -> Option<Partial> {
        let partial = self.partials.remove(id)?;
        self.bytes -= partial.bytes;
        Some(partial)
    }

    /// Gives up the oldest until a new piece fits.
    fn make_room(&mut self, incoming: usize) {
        while self.bytes + incoming > MAX_PENDING_BYTES || self.partials.len() >= MAX_PENDING_MESSAGES {
            let Some((since, id)) = self.order.pop_front() else { return };
            self.expire_one(since, &id);
        }
    }

    fn expire_one(&mut self, since: Instant, id: &str) -> bool {
        let pending = self.partials.get(id).is_some_and(|partial| partial.since == since);
        if pending {
            self.forget(id);
            self.stats.expired += 1;
        }
        pending
    }

    /// Gives up messages whose pieces did not come in time; returns their ids.
    pub fn expire(&mut self, now: Instant) -> Vec<String> {
        let mut given_up = Vec::new();
        while self.order.front().is_some_and(|(since, _)| *since + self.patience <= now) {
            if let Some((since, id)) = self.order.pop_front()
                && self.expire_one(since, &id)
            {
                given_up.push(id);
            }
        }
        given_up
    }

    /// When [`Assembler::expire`] has something to do.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.order.front().map(|(since, _)| *since + self.patience)
    }

    /// Counters since the start.
    pub fn stats(&self) -> ChunkStats {
        self.stats
    }

    /// What is unfinished.
    pub fn partials(&self) -> impl Iterator<Item = (&str, &Partial)> {
        self.partials.iter().map(|(id, partial)| (id.as_str(), partial))
    }
}
