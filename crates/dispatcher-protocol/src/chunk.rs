//! Messages longer than their broker carries, in pieces.
//!
//! Each piece is an envelope with a slice of the JSON text; the envelopes are those of dispatcherd, byte for byte.
//! Time is an argument. Here is the cutting; `assembler` puts together.

mod assembler;

pub use assembler::{Assembled, Assembler, ChunkStats, Partial};

use std::fmt::Write;

use crate::text;

/// One piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkPart {
    /// The same for all pieces of one message.
    pub message_id: String,
    /// Which piece, from 0.
    pub index: u32,
    /// How many there are, at least 1.
    pub total: u32,
    /// A slice of the message's text.
    pub payload: String,
}

/// The longest that one character gets when it is escaped: a pair of surrogates.
const WIDEST: usize = 12;

/// The text itself if it has at most `limit` bytes, else envelopes of at most `limit` bytes each, all ASCII.
///
/// `message_id` must differ from that of every other message on its way, whoever sends it. A limit that has no
/// room for an envelope and one character counts as the smallest that has; with an id of 32 characters and a
/// message of at most 8 MiB that is 152 bytes.
pub fn split(message: &str, limit: usize, message_id: &str) -> Vec<String> {
    if message.len() <= limit {
        return vec![message.to_owned()];
    }
    // There are never more pieces than bytes, so the numbers in the real envelopes are no wider than these.
    let around = envelope(message_id, message.len(), message.len(), "").len();
    let pieces = cut(message, limit.saturating_sub(around).max(WIDEST));
    let total = pieces.len();
    pieces.iter().enumerate().map(|(index, piece)| envelope(message_id, index, total, piece)).collect()
}

fn envelope(message_id: &str, index: usize, total: usize, piece: &str) -> String {
    let mut out = String::with_capacity(message_id.len() + piece.len() + 128);
    out.push_str(r#"{"__dispatcherd_chunk__":"v1","message_id":"#);
    text::write(message_id, &mut out);
    // Writing to a String cannot fail.
    let _ = write!(out, r#","index":{index},"total":{total},"payload":"#);
    text::write(piece, &mut out);
    out.push('}');
    out
}

/// Cuts between characters so that each piece, when it is escaped, has at most `room` bytes.
fn cut(message: &str, room: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut length) = (0, 0);
    for (at, character) in message.char_indices() {
        let width = text::width(character);
        if length + width > room {
            pieces.push(&message[start..at]);
            (start, length) = (at, 0);
        }
        length += width;
    }
    pieces.push(&message[start..]);
    pieces
}
