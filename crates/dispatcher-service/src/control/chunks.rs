//! `chunks`: long messages of which pieces are missing, and what came of others.

use serde_json::{Value, json};

use super::{Context, Reply};

pub(super) fn chunks(context: &mut Context<'_>, _data: &Reply) -> Reply {
    let pieces = context.engine.pieces();
    let partials: Reply = pieces
        .partials()
        .map(|(id, partial)| {
            let length = |(index, length): (u32, usize)| json!({"chunk_id": index, "length": length});
            let entry = json!({
                "seconds_since_start": context.now.saturating_duration_since(partial.since).as_secs_f64(),
                "expected_total": partial.total,
                "chunks": partial.pieces().into_iter().map(length).collect::<Vec<_>>(),
            });
            (id.to_owned(), entry)
        })
        .collect();
    let counts = pieces.stats();
    let status = json!({
        "total_chunks_received": counts.received,
        "successful_assemblies": counts.completed,
        "errored_assemblies": counts.refused,
        "timed_out_assemblies": counts.expired,
        "active_messages": partials.len(),
    });
    Reply::from_iter([("status".to_owned(), status), ("partials".to_owned(), Value::Object(partials))])
}
