//! Several pools in one service: `pools` of the file, and what the file would be if one of them were the only one.
//!
//! A pool inherits everything from `service` and `worker` and says what is different for it. So each pool is checked and
//! built by the code that checks and builds a file with one.

use super::Worker;
use super::tree::{Data, Entry, Node};

/// The name of the pool of a file without `pools`.
pub const DEFAULT_POOL: &str = "default";

/// Workers of one kind, and which tasks they are for.
#[derive(Debug, Clone)]
pub struct Pool {
    /// In logs, metrics and control.
    pub name: String,
    /// How many workers, and how their number changes.
    pub size: super::Size,
    /// The program that runs tasks.
    pub worker: Worker,
    /// Tasks that run here: whole names, or with a `*` at their end what names begin with.
    pub tasks: Vec<String>,
    /// Channels whose tasks run here, written in the same way.
    pub queues: Vec<String>,
}

/// The pools that the file names.
pub(super) fn entries(root: &Node) -> &[Entry] {
    root.find(&["pools"]).map_or(&[], Node::entries)
}

/// Where a key of a pool stands in a file with one pool; none for those that only a pool has.
pub(super) fn place(key: &str) -> Option<&'static [&'static str]> {
    match key {
        "worker" => Some(&["worker"]),
        "tasks" | "queues" => None,
        "process_manager_cls" => Some(&["service"]),
        "preload_modules" => Some(&["service", "process_manager_kwargs"]),
        _ => Some(&["service", "pool_kwargs"]),
    }
}

/// The file as it would be with this pool alone.
pub(super) fn alone(root: &Node, pool: &Entry) -> Node {
    let mut file = root.clone();
    file.take("pools");
    for entry in pool.value.entries() {
        let Some(place) = place(&entry.key) else { continue };
        let Some(above) = place.iter().try_fold(&mut file, |node, key| node.map_under(key)) else { continue };
        if entry.key == "worker" {
            entry.value.entries().iter().for_each(|entry| lay_over(above, entry));
        } else {
            lay_over(above, entry);
        }
    }
    file
}

/// Puts a value in the place of the one before it; of two maps, each key by itself.
fn lay_over(map: &mut Node, entry: &Entry) {
    if matches!(entry.value.data, Data::Map(_))
        && let Some(below) = map.map_under(&entry.key)
    {
        return entry.value.entries().iter().for_each(|entry| lay_over(below, entry));
    }
    map.take(&entry.key);
    if let Data::Map(entries) = &mut map.data {
        entries.push(entry.clone());
    }
}
