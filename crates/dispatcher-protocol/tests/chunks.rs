//! Long messages in pieces: what is cut is put together, whatever the order, and within bounds.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use dispatcher_protocol::{Assembled, Assembler, ChunkPart, ChunkStats, Decoded, MAX_MESSAGE, decode, split};
use proptest::prelude::*;

const ID: &str = "0123456789abcdef0123456789abcdef";
const MINUTE: Duration = Duration::from_secs(60);

fn part(message_id: &str, index: u32, total: u32, payload: &str) -> ChunkPart {
    ChunkPart { message_id: message_id.to_owned(), index, total, payload: payload.to_owned() }
}

fn parts(envelopes: &[String]) -> Vec<ChunkPart> {
    let read = |envelope: &String| match decode(envelope.clone()) {
        Ok(Decoded::Chunk(part)) => part,
        other => panic!("{envelope} is read as {other:?}"),
    };
    envelopes.iter().map(read).collect()
}

fn lengths(message: &str, limit: usize) -> Vec<usize> {
    split(message, limit, ID).iter().map(String::len).collect()
}

/// An assembler, and its clock.
struct Desk {
    assembler: Assembler,
    now: Instant,
}

impl Desk {
    fn new(patience: Duration) -> Self {
        Self { assembler: Assembler::new(patience), now: Instant::now() }
    }

    fn add(&mut self, id: &str, index: u32, total: u32, payload: &str) -> Assembled {
        self.assembler.add(part(id, index, total, payload), self.now)
    }

    fn pending(&self) -> usize {
        self.assembler.partials().count()
    }

    fn stats(&self) -> (u64, u64, u64, u64) {
        let ChunkStats { received, completed, refused, expired } = self.assembler.stats();
        (received, completed, refused, expired)
    }
}

fn complete(text: &str) -> Assembled {
    Assembled::Complete(text.to_owned())
}

/// Sizes captured from dispatcherd 2026.5.27 (uuid and time of the same length filled in).
#[test]
fn messages_are_cut_where_dispatcherd_cuts_them() {
    let task = format!(
        r#"{{"task": "tasks.basic.record", "time_pub": {}, "uuid": "{}", "args": ["{}"]}}"#,
        "1".repeat(18),
        "u".repeat(36),
        r#"x\"\u00fc"#.repeat(3000)
    );
    assert_eq!(lengths(&task, 8000), [7992, 7991, 7992, 7992, 4726]);
    let reply = format!(
        r#"{{"queued-1": {{"task": "tasks.basic.record", "args": ["q"], "uuid": "{}", "filler": "{}", "channel": "test_channel"}}, "node_id": "node-a"}}"#,
        "u".repeat(36),
        "f".repeat(9000)
    );
    assert_eq!(lengths(&reply, 8000), [7994, 1423]);
    let pieces = parts(&split(&reply, 8000, ID));
    assert_eq!(pieces[0].payload.matches('f').count(), 7748 + 1, "one more in the word filler");
}

#[test]
fn an_envelope_has_its_keys_in_order_and_no_blanks() {
    let envelopes = split(&"x".repeat(300), 200, "m\"1");
    let head = r#"{"__dispatcherd_chunk__":"v1","message_id":"m\"1","index":1,"total":3,"payload":"x"#;
    assert!(envelopes[1].starts_with(head), "{}", envelopes[1]);
}

#[test]
fn a_limit_without_room_for_an_envelope_still_cuts() {
    let envelopes = split("🔥🔥🔥", 1, ID);
    assert_eq!(parts(&envelopes).iter().map(|part| &*part.payload).collect::<Vec<_>>(), ["🔥"; 3]);
}

#[test]
fn pieces_may_come_in_any_order_and_twice() {
    let mut desk = Desk::new(MINUTE);
    assert_eq!(desk.add("m", 2, 3, "}"), Assembled::Waiting);
    assert_eq!(desk.add("m", 0, 3, "{\"a"), Assembled::Waiting);
    assert_eq!(desk.add("m", 0, 3, "something else"), Assembled::Waiting);
    assert_eq!(desk.add("m", 1, 3, "\":1"), complete("{\"a\":1}"));
    assert_eq!((desk.stats(), desk.pending()), ((4, 1, 0, 0), 0));
}

#[test]
fn pieces_of_two_messages_may_be_mixed() {
    let mut desk = Desk::new(MINUTE);
    desk.add("m", 0, 2, "{\"m\":");
    desk.add("n", 0, 2, "{\"n\":");
    assert_eq!(desk.pending(), 2);
    assert_eq!(desk.add("n", 1, 2, "1}"), complete("{\"n\":1}"));
    assert_eq!(desk.add("m", 1, 2, "2}"), complete("{\"m\":2}"));
}

#[test]
fn an_id_may_be_used_again_after_its_message_is_whole() {
    let mut desk = Desk::new(MINUTE);
    for _ in 0..2 {
        desk.add("m", 0, 2, "{");
        assert_eq!(desk.add("m", 1, 2, "}"), complete("{}"));
    }
    assert_eq!(desk.stats(), (4, 2, 0, 0));
}

#[test]
fn a_message_whose_pieces_disagree_about_their_number_is_refused_with_all_its_pieces() {
    let mut desk = Desk::new(MINUTE);
    desk.add("m", 0, 2, "{");
    assert!(matches!(desk.add("m", 1, 3, "}"), Assembled::Refused(_)));
    assert_eq!(desk.add("m", 1, 2, "}"), Assembled::Waiting);
    assert_eq!(desk.add("m", 0, 2, "{"), Assembled::Waiting);
    assert_eq!((desk.stats(), desk.pending()), ((4, 0, 1, 0), 0));
}

#[test]
fn a_refused_id_is_forgotten_when_its_time_has_come() {
    let mut desk = Desk::new(MINUTE);
    desk.add("m", 0, 2, "{");
    desk.add("m", 1, 3, "}");
    desk.now += MINUTE;
    assert_eq!(desk.assembler.expire(desk.now), Vec::<String>::new());
    assert_eq!(desk.stats(), (2, 0, 1, 0));
    assert_eq!(desk.assembler.next_expiry(), None);
    desk.add("m", 0, 2, "{");
    assert_eq!(desk.add("m", 1, 2, "}"), complete("{}"));
}

#[test]
fn pieces_that_make_up_no_object_are_refused_and_never_run_as_a_name() {
    for text in ["[1,2]", "{broken", "", "tasks.basic.record", "{}{}"] {
        let mut desk = Desk::new(MINUTE);
        let (head, tail) = text.split_at(text.len() / 2);
        desk.add("m", 0, 2, head);
        assert!(matches!(desk.add("m", 1, 2, tail), Assembled::Refused(_)), "{text}");
        assert_eq!((desk.stats(), desk.pending()), ((2, 0, 1, 0), 0));
    }
}

#[test]
fn a_piece_beyond_the_total_never_completes_a_message() {
    let mut desk = Desk::new(MINUTE);
    assert_eq!(desk.add("m", 7, 1, "{}"), Assembled::Waiting);
    assert_eq!(desk.pending(), 1);
    assert_eq!(desk.add("m", 0, 1, "{}"), complete("{}"));
}

#[test]
fn a_message_is_given_up_when_its_last_piece_does_not_come_in_time() {
    let mut desk = Desk::new(MINUTE);
    desk.add("old", 0, 2, "{");
    let due = desk.now + MINUTE;
    desk.now += MINUTE / 2;
    desk.add("new", 0, 2, "{");
    assert_eq!(desk.assembler.next_expiry(), Some(due));
    assert_eq!(desk.assembler.expire(desk.now), Vec::<String>::new());
    assert_eq!(desk.assembler.expire(due), ["old"]);
    assert_eq!((desk.stats(), desk.pending()), ((2, 0, 0, 1), 1));
    desk.now = due;
    assert_eq!(desk.add("old", 1, 2, "}"), Assembled::Waiting);
    assert_eq!(desk.add("new", 1, 2, "}"), complete("{}"));
}

#[test]
fn without_patience_nothing_expires() {
    for patience in [Duration::ZERO, Duration::MAX] {
        let mut desk = Desk::new(patience);
        desk.add("m", 0, 2, "{");
        assert_eq!(desk.assembler.next_expiry(), None);
        assert_eq!(desk.assembler.expire(desk.now + 1000 * MINUTE), Vec::<String>::new());
        assert_eq!(desk.pending(), 1);
    }
}

#[test]
fn a_message_longer_than_the_limit_is_refused_with_all_its_pieces() {
    let mut desk = Desk::new(MINUTE);
    let half = "x".repeat(MAX_MESSAGE / 2);
    desk.add("m", 0, 4, &half);
    desk.add("m", 1, 4, &half);
    assert!(matches!(desk.add("m", 2, 4, "x"), Assembled::Refused(_)));
    assert_eq!(desk.add("m", 3, 4, &half), Assembled::Waiting);
    assert_eq!((desk.stats(), desk.pending()), ((4, 0, 1, 0), 0));
}

#[test]
fn a_message_of_too_many_pieces_is_refused() {
    let mut desk = Desk::new(MINUTE);
    assert!(matches!(desk.add("m", 0, 8193, "{"), Assembled::Refused(_)));
    // Pieces beyond the total are no way around it.
    let refused = (1..=8193).filter(|index| matches!(desk.add("n", *index, 1, ""), Assembled::Refused(_)));
    assert_eq!(refused.count(), 1);
}

#[test]
fn the_oldest_message_is_given_up_for_one_more_than_may_be_pending() {
    let mut desk = Desk::new(MINUTE);
    for id in 0..10_001 {
        desk.add(&id.to_string(), 0, 2, "{");
    }
    assert_eq!((desk.pending(), desk.stats().3), (10_000, 1));
    assert_eq!(desk.add("1", 1, 2, "}"), complete("{}"));
    assert_eq!(desk.add("0", 1, 2, "}"), Assembled::Waiting);
}

#[test]
fn the_oldest_messages_are_given_up_for_more_bytes_than_may_be_pending() {
    let mut desk = Desk::new(MINUTE);
    let half = "x".repeat(MAX_MESSAGE / 2);
    // New messages and further pieces of old ones count alike.
    for index in 0..2 {
        for id in 0..100 {
            desk.add(&id.to_string(), index, 3, &half);
        }
    }
    let held: usize =
        desk.assembler.partials().flat_map(|(_, partial)| partial.pieces()).map(|piece| piece.1).sum();
    assert!((60 * 1024 * 1024..=64 * 1024 * 1024).contains(&held), "{held} bytes held");
    assert!(desk.stats().3 > 0);
}

#[test]
fn empty_pieces_are_not_free() {
    let mut desk = Desk::new(MINUTE);
    for id in 0..200 {
        for index in 0..8000 {
            desk.add(&id.to_string(), index, 8192, "");
        }
    }
    let held: usize = desk.assembler.partials().map(|(_, partial)| partial.pieces().len()).sum();
    assert!(held <= 1024 * 1024, "{held} pieces held");
}

#[test]
fn what_is_unfinished_can_be_looked_at() {
    let mut desk = Desk::new(MINUTE);
    desk.add("m", 2, 3, "äöü");
    desk.add("m", 0, 3, "{");
    let seen: Vec<_> = desk.assembler.partials().map(|(id, p)| (id, p.since, p.total, p.pieces())).collect();
    assert_eq!(seen, [("m", desk.now, 3, vec![(0, 1), (2, 3)])]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_cut_is_put_together_in_any_order(
        text in "\\PC{0,400}|[\"\\\\\u{0}-\u{1f}\u{7f}a🔥]{0,300}",
        limit in 150_usize..400,
        order in any::<u64>(),
    ) {
        let message = serde_json::json!({"task": "a.b", "args": [text]}).to_string();
        let envelopes = split(&message, limit, ID);
        prop_assert!(envelopes.iter().all(|envelope| envelope.len() <= limit));
        if envelopes.len() == 1 {
            prop_assert_eq!(&envelopes[0], &message);
            return Ok(());
        }
        prop_assert!(envelopes.iter().all(|envelope| envelope.is_ascii()));
        let mut pieces = parts(&envelopes);
        pieces.sort_by_key(|part| (u64::from(part.index) + 1).wrapping_mul(order | 1));
        let mut assembler = Assembler::new(MINUTE);
        let last = pieces.pop().unwrap();
        for part in pieces {
            prop_assert_eq!(assembler.add(part, Instant::now()), Assembled::Waiting);
        }
        prop_assert_eq!(assembler.add(last, Instant::now()), Assembled::Complete(message));
    }

    /// Against the plainest assembler there is.
    #[test]
    fn any_sequence_of_pieces_does_what_a_plain_model_does(
        pieces in prop::collection::vec((0..3_u8, 0..4_u32, 1..4_u32, 0..40_u64), 1..60),
    ) {
        let mut desk = Desk::new(MINUTE);
        // Per id: when it began, its total (0 when refused) and its pieces.
        let mut model: BTreeMap<u8, (Instant, u32, Vec<u32>)> = BTreeMap::new();
        for (id, index, total, seconds) in pieces {
            desk.now += Duration::from_secs(seconds);
            let now = desk.now;
            desk.assembler.expire(now);
            model.retain(|_, (since, ..)| *since + MINUTE > now);
            let got = desk.add(&id.to_string(), index, total, if index == 0 { "{}" } else { " " });
            let (_, known, held) = model.entry(id).or_insert((now, total, Vec::new()));
            let expected = if *known == 0 || (*known == total && held.contains(&index)) {
                Assembled::Waiting
            } else if *known != total {
                *known = 0;
                prop_assert!(matches!(got, Assembled::Refused(_)));
                continue;
            } else {
                held.push(index);
                if (0..total).all(|index| held.contains(&index)) {
                    model.remove(&id);
                    Assembled::Complete(format!("{{}}{}", " ".repeat(total as usize - 1)))
                } else {
                    Assembled::Waiting
                }
            };
            prop_assert_eq!(got, expected);
            prop_assert_eq!(desk.pending(), model.values().filter(|(_, total, _)| *total > 0).count());
        }
    }
}
