//! Any pieces at any times: nothing but whole objects comes out; and what is cut is put together in any order.
#![no_main]

use std::time::{Duration, Instant};

use dispatcher_protocol::{Assembled, Assembler, ChunkPart, Decoded, decode, split};
use libfuzzer_sys::fuzz_target;

type Piece<'a> = (u8, u8, u8, u8, &'a str);

fuzz_target!(|input: (Vec<Piece<'_>>, u16, u64, &str)| {
    let (pieces, limit, order, text) = input;
    strange_pieces(&pieces);
    cut_and_joined(text, usize::from(limit), order);
});

fn strange_pieces(pieces: &[Piece<'_>]) {
    let patience = Duration::from_secs(60);
    let mut assembler = Assembler::new(patience);
    let mut now = Instant::now();
    for &(id, index, total, seconds, payload) in pieces {
        now += Duration::from_secs(u64::from(seconds));
        assembler.expire(now);
        let part = ChunkPart {
            message_id: (id % 4).to_string(),
            index: u32::from(index % 8),
            total: u32::from(total % 6) + 1,
            payload: payload.to_owned(),
        };
        if let Assembled::Complete(message) = assembler.add(part, now) {
            let read = decode(message);
            assert!(!matches!(read, Err(error) if error.reason.label() == "not_an_object"));
        }
        assert!(assembler.partials().count() <= 4);
        assert!(assembler.partials().all(|(_, partial)| partial.since + patience > now));
    }
    let stats = assembler.stats();
    assert_eq!(stats.received, pieces.len() as u64);
    assert!(stats.completed + stats.refused + stats.expired <= stats.received);
}

fn cut_and_joined(text: &str, limit: usize, order: u64) {
    let message = serde_json::json!({ "task": "a.b", "args": [text] }).to_string();
    let limit = limit.max(200);
    let envelopes = split(&message, limit, "0123456789abcdef0123456789abcdef");
    assert!(envelopes.iter().all(|envelope| envelope.len() <= limit));
    if envelopes.len() == 1 {
        return assert_eq!(envelopes[0], message);
    }
    let mut parts: Vec<ChunkPart> = envelopes
        .into_iter()
        .map(|envelope| match decode(envelope) {
            Ok(Decoded::Chunk(part)) => part,
            other => panic!("{other:?}"),
        })
        .collect();
    parts.sort_by_key(|part| (u64::from(part.index) + 1).wrapping_mul(order | 1));
    let mut assembler = Assembler::new(Duration::from_secs(60));
    let last = parts.pop().expect("at least two");
    for part in parts {
        assert_eq!(assembler.add(part, Instant::now()), Assembled::Waiting);
    }
    assert_eq!(assembler.add(last, Instant::now()), Assembled::Complete(message));
}
