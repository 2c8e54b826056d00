//! `status`: every question that changes nothing, in one answer.

use serde_json::Value;

use super::{COMMANDS, Context, Reply};

/// The commands that are asked, in the order of the answer.
const PARTS: [&str; 7] = ["running", "aio_tasks", "workers", "producers", "metrics", "main", "chunks"];

pub(super) fn status(context: &mut Context<'_>, data: &Reply) -> Reply {
    let parts = PARTS.iter().filter_map(|part| COMMANDS.iter().find(|(name, _)| name == part));
    parts.map(|(name, answer)| ((*name).to_owned(), Value::Object(answer(context, data)))).collect()
}
