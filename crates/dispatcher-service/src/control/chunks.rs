//! `chunks`: long messages of which pieces are missing, and what came of others.

use serde_json::{Value, json};

use super::entries::Entries;
use super::{Context, Reply};

/// How long the entry of a message is, and each piece in it, in bytes.
const MESSAGE: usize = 100;
const PIECE: usize = 32;

pub(super) fn chunks(context: &mut Context<'_>, _data: &Reply) -> Reply {
    let pieces = context.engine.pieces();
    let mut entries = Entries::new();
    let mut active = 0;
    for (id, partial) in pieces.partials() {
        active += 1;
        let long = MESSAGE + id.len() + PIECE * partial.count();
        if !entries.has_room(long) {
            entries.leave_out(1);
            continue;
        }
        let length = |(index, length): (u32, usize)| json!({"chunk_id": index, "length": length});
        let entry = json!({
            "seconds_since_start": context.now.saturating_duration_since(partial.since).as_secs_f64(),
            "expected_total": partial.total,
            "chunks": partial.pieces().into_iter().map(length).collect::<Vec<_>>(),
        });
        entries.put(id.to_owned(), long, entry);
    }
    let counts = pieces.stats();
    let status = json!({
        "total_chunks_received": counts.received,
        "successful_assemblies": counts.completed,
        "errored_assemblies": counts.refused,
        "timed_out_assemblies": counts.expired,
        "active_messages": active,
    });
    Reply::from_iter([
        ("status".to_owned(), status),
        ("partials".to_owned(), Value::Object(entries.finish())),
    ])
}
