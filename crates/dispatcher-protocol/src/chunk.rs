//! Messages longer than their broker carries, in pieces.
//!
//! Each piece is an envelope with a slice of the JSON text; the envelopes are those of dispatcherd, byte for byte.
//! Time is an argument.

mod assembler;

pub use assembler::{Assembled, Assembler, ChunkStats, Partial};

use crate::text;

/// One piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkPart {
    /// The same for all pieces of one message.
    pub message_id: String,
    /// Which piece, from 0.
    pub index: u32,
    /// How many there are.
    pub total: u32,
    /// A slice of the message's text.
    pub payload: String,
}

/// Bytes of an envelope around its payload, for ids and counts of any size that [`split`] makes.
const ENVELOPE: usize = 150;

/// Cuts a text into envelopes of at most `limit` bytes each. `message_id` must be unique among senders.
///
/// # Panics
/// Never for limits above 200 bytes; brokers carry at least 1,024.
pub fn split(message: &str, limit: usize, message_id: &str) -> Vec<String> {
    let room = limit.saturating_sub(ENVELOPE + message_id.len()).max(12);
    let pieces = cut(message, room);
    let total = pieces.len();
    pieces
        .iter()
        .enumerate()
        .map(|(index, piece)| {
            format!(
                r#"{{"__dispatcherd_chunk__":"v1","message_id":"{message_id}","index":{index},"total":{total},"payload":{piece}}}"#
            )
        })
        .collect()
}

/// Cuts between characters so that each piece, written as a literal, has at most `room` bytes.
fn cut(message: &str, room: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut start = 0;
    let mut length = 2;
    for (at, character) in message.char_indices() {
        let width = written(character);
        if length + width > room && at > start {
            text::write(&message[start..at], &mut literal);
            pieces.push(std::mem::take(&mut literal));
            (start, length) = (at, 2);
        }
        length += width;
    }
    text::write(&message[start..], &mut literal);
    pieces.push(literal);
    pieces
}

fn written(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        ' '..='~' => 1,
        _ => 6 * character.len_utf16(),
    }
}
