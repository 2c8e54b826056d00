//! Puts pieces together: any order, any senders, bounded in memory and time.
//!
//! The work for a piece does not grow with what is pending. Never looks at a clock, and at the text only once,
//! when it is whole.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ChunkPart;
use crate::json::{self, Kind, Limits};
use crate::message::MAX_MESSAGE;

/// The most that unfinished messages may take together, in bytes; the oldest is given up for a new piece.
const MAX_PENDING_BYTES: usize = 64 * 1024 * 1024;

/// The most messages that may be unfinished at once.
const MAX_PENDING_MESSAGES: usize = 10_000;

/// The most pieces of one message: no message within its limit needs more for a broker that carries 256 bytes.
const MAX_PIECES: usize = 8192;

/// What a piece is counted for beside its text, and a message beside its pieces, in bytes: their place in the
/// tables. Without it, empty pieces would be free.
const PIECE_COST: usize = 64;
const MESSAGE_COST: usize = 256;

/// What a piece came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Assembled {
    /// More pieces are awaited; or the piece came before, or belongs to a message that was refused already.
    Waiting,
    /// The message is whole, and a JSON object.
    Complete(String),
    /// The message cannot be put together, for this reason. Pieces that are still to come are dropped.
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
    parts: BTreeMap<u32, Box<str>>,
    /// How many of the parts have an index below the total.
    inside: u32,
    /// The length of the parts, in bytes.
    length: usize,
    /// Its place in the order of arrival.
    arrival: u64,
    /// It is only remembered so that its other pieces do not begin it anew.
    refused: bool,
}

impl Partial {
    /// The pieces that are here: index, length in characters.
    pub fn pieces(&self) -> Vec<(u32, usize)> {
        self.parts.iter().map(|(index, part)| (*index, part.chars().count())).collect()
    }

    /// How many pieces are here.
    pub fn count(&self) -> usize {
        self.parts.len()
    }

    fn cost(&self, id: &str) -> usize {
        MESSAGE_COST + id.len() + self.length + self.parts.len() * PIECE_COST
    }
}

/// All messages of which pieces are missing.
#[derive(Debug)]
pub struct Assembler {
    patience: Duration,
    partials: HashMap<Arc<str>, Partial>,
    /// The same messages by their arrival.
    order: BTreeMap<u64, Arc<str>>,
    arrivals: u64,
    /// What all of them cost.
    cost: usize,
    stats: ChunkStats,
}

impl Assembler {
    /// `patience`: how long the first piece waits for the last (dispatcherd's default is 30 minutes). Zero is for
    /// ever, as for dispatcherd; the bounds on memory hold all the same.
    pub fn new(patience: Duration) -> Self {
        Self {
            patience,
            partials: HashMap::new(),
            order: BTreeMap::new(),
            arrivals: 0,
            cost: 0,
            stats: ChunkStats::default(),
        }
    }

    /// Takes a piece in. `now` must not go back.
    pub fn add(&mut self, part: ChunkPart, now: Instant) -> Assembled {
        self.stats.received += 1;
        let ChunkPart { message_id: id, index, total, payload } = part;
        self.make_room(&id, PIECE_COST + payload.len());
        let before = self.partials.get(&*id).map_or(0, |partial| partial.cost(&id));
        let Some(partial) = self.entry(&id, total, now) else { return Assembled::Waiting };
        if partial.total != total {
            return self.refuse(&id, before, "its pieces disagree about how many there are");
        }
        if total as usize > MAX_PIECES || partial.parts.len() >= MAX_PIECES {
            return self.refuse(&id, before, "it has more than 8,192 pieces");
        }
        if partial.parts.contains_key(&index) {
            return Assembled::Waiting;
        }
        partial.length += payload.len();
        if partial.length > MAX_MESSAGE {
            return self.refuse(&id, before, "it is longer than 8 MiB");
        }
        partial.parts.insert(index, payload.into_boxed_str());
        // A piece beyond the total is kept like any other, but can never make the message whole.
        partial.inside += u32::from(index < total);
        let (after, inside) = (partial.cost(&id), partial.inside);
        self.cost = self.cost - before + after;
        if inside == total { self.complete(&id) } else { Assembled::Waiting }
    }

    /// A piece came that cannot even be read.
    pub fn note_unreadable(&mut self) {
        self.stats.received += 1;
        self.stats.refused += 1;
    }

    /// The message of this id, begun if it is new; none when it has been refused.
    fn entry(&mut self, id: &str, total: u32, now: Instant) -> Option<&mut Partial> {
        if !self.partials.contains_key(id) {
            let id: Arc<str> = id.into();
            self.arrivals += 1;
            self.order.insert(self.arrivals, Arc::clone(&id));
            let new = Partial {
                since: now,
                total,
                parts: BTreeMap::new(),
                inside: 0,
                length: 0,
                arrival: self.arrivals,
                refused: false,
            };
            self.partials.insert(id, new);
        }
        self.partials.get_mut(id).filter(|partial| !partial.refused)
    }

    fn complete(&mut self, id: &str) -> Assembled {
        let Some(partial) = self.forget(id) else { return Assembled::Waiting };
        let mut message = String::with_capacity(partial.length);
        message.extend(partial.parts.range(..partial.total).map(|(_, part)| &**part));
        // A bare name never needs pieces: text that is no object is damage, and must not run as a name.
        if matches!(json::check(&message, Limits::LENGTH_ONLY), Ok(Some(Kind::Object))) {
            self.stats.completed += 1;
            Assembled::Complete(message)
        } else {
            self.stats.refused += 1;
            Assembled::Refused("its pieces do not make up a JSON object")
        }
    }

    /// Gives a message up, but remembers its id for as long as the message itself would have been waited for.
    fn refuse(&mut self, id: &str, before: usize, why: &'static str) -> Assembled {
        self.stats.refused += 1;
        if let Some(partial) = self.partials.get_mut(id) {
            partial.refused = true;
            partial.parts = BTreeMap::new();
            partial.length = 0;
            self.cost = self.cost - before + partial.cost(id);
        }
        Assembled::Refused(why)
    }

    fn forget(&mut self, id: &str) -> Option<Partial> {
        let partial = self.partials.remove(id)?;
        self.order.remove(&partial.arrival);
        self.cost -= partial.cost(id);
        Some(partial)
    }

    /// Gives up the oldest messages until a piece fits.
    fn make_room(&mut self, id: &str, piece: usize) {
        let (new, cost) =
            if self.partials.contains_key(id) { (0, piece) } else { (1, piece + MESSAGE_COST + id.len()) };
        while self.cost + cost > MAX_PENDING_BYTES || self.partials.len() + new > MAX_PENDING_MESSAGES {
            let Some((_, oldest)) = self.order.first_key_value() else { return };
            let oldest = Arc::clone(oldest);
            self.expire_one(&oldest);
        }
    }

    /// Whether something was lost by it.
    fn expire_one(&mut self, id: &str) -> bool {
        let lost = self.forget(id).is_some_and(|partial| !partial.refused);
        self.stats.expired += u64::from(lost);
        lost
    }

    /// Gives up messages whose pieces did not come in time; returns their ids.
    pub fn expire(&mut self, now: Instant) -> Vec<String> {
        let mut given_up = Vec::new();
        while self.next_expiry().is_some_and(|due| due <= now) {
            let Some((_, oldest)) = self.order.first_key_value() else { break };
            let oldest = Arc::clone(oldest);
            if self.expire_one(&oldest) {
                given_up.push(oldest.to_string());
            }
        }
        given_up
    }

    /// When [`Assembler::expire`] has something to do.
    pub fn next_expiry(&self) -> Option<Instant> {
        let (_, oldest) = self.order.first_key_value()?;
        let since = self.partials.get(oldest)?.since;
        if self.patience.is_zero() { None } else { since.checked_add(self.patience) }
    }

    /// Counters since the start.
    pub fn stats(&self) -> ChunkStats {
        self.stats
    }

    /// What is unfinished.
    pub fn partials(&self) -> impl Iterator<Item = (&str, &Partial)> {
        self.partials.iter().filter(|(_, partial)| !partial.refused).map(|(id, partial)| (&**id, partial))
    }
}
