//! Rules about `pools`: their names, what leads to them, and each of them as if it were the only one.
//!
//! A complaint about a pool names the place in the pool where that says something, else the place that it inherits.

use super::Rules;
use crate::config::pools;
use crate::config::tree::{Entry, Node, join};
use crate::config::{Complaint, Position};

/// The longest name of a pool: it is a label of metrics.
const MAX_NAME: usize = 63;
/// More pools are a mistake.
const MOST_POOLS: usize = 64;
/// What a message may start is the same for every pool.
const FOR_ALL: &[&str] = &["task_policy", "task_prefixes", "allow_eval"];

impl Rules<'_> {
    pub(super) fn pools(&mut self) {
        let root = self.root;
        let entries = pools::entries(root);
        if entries.len() > MOST_POOLS {
            self.error("pools", format!("has {} pools; {MOST_POOLS} at most", entries.len()), "");
        }
        for entry in entries {
            self.name(entry);
            self.for_all(entry);
            self.alone(entry);
        }
        for key in ["tasks", "queues"] {
            self.patterns(key, entries);
        }
    }

    fn name(&mut self, pool: &Entry) {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if pool.key.is_empty() || pool.key.len() > MAX_NAME || !pool.key.chars().all(plain) {
            let what = format!("a pool's name is made of letters, digits, - and _, {MAX_NAME} at most");
            self.complaints.push(Complaint::error(&join("pools", &pool.key), pool.at, what));
        }
    }

    fn for_all(&mut self, pool: &Entry) {
        let worker = pool.value.entry("worker").map_or(&[][..], |worker| worker.value.entries());
        for entry in worker.iter().filter(|entry| FOR_ALL.contains(&entry.key.as_str())) {
            let path = join(&join(&join("pools", &pool.key), "worker"), &entry.key);
            let what = "is one for the whole service: a message is looked at before it has a pool";
            let complaint = Complaint::error(&path, entry.at, what);
            self.complaints.push(complaint.hint(format!("write it at worker.{}", entry.key)));
        }
    }

    /// What is wrong with the file as it would be with this pool alone, and was not said of the file itself.
    fn alone(&mut self, pool: &Entry) {
        let base = join("pools", &pool.key);
        if !self.sound(&base) {
            return;
        }
        let root = pools::alone(self.root, pool);
        let mut found = Vec::new();
        let mut rules = Rules { root: &root, complaints: &mut found };
        rules.pool();
        rules.preload();
        rules.worker();
        rules.isolation();
        for complaint in found {
            match placed(&base, pool, &complaint) {
                Some((path, position)) => self.complaints.push(Complaint { path, position, ..complaint }),
                None if self.complaints.contains(&complaint) => {}
                None => {
                    let what = format!("{} (for the pool {})", complaint.what, pool.key);
                    self.complaints.push(Complaint { what, ..complaint });
                }
            }
        }
    }

    /// What leads to a pool has to lead to one.
    fn patterns(&mut self, key: &str, entries: &[Entry]) {
        let mut seen: Vec<(&str, &str)> = Vec::new();
        for pool in entries {
            let path = join(&join("pools", &pool.key), key);
            let items = pool.value.entry(key).map_or(&[][..], |list| list.value.items());
            for (index, item) in items.iter().enumerate() {
                let Some(text) = item.as_text() else { continue };
                let what = if text.trim_end_matches('*').is_empty() {
                    "leads everything here; the first pool gets what no other claims".to_owned()
                } else if text.strip_suffix('*').unwrap_or(text).contains('*') {
                    "has a * that is not at its end".to_owned()
                } else if let Some((other, _)) = seen.iter().find(|(_, known)| *known == text) {
                    format!("{text:?} leads to the pool {other} already")
                } else {
                    seen.push((&pool.key, text));
                    continue;
                };
                self.complaints.push(Complaint::error(&format!("{path}[{index}]"), item.at, what));
            }
        }
    }
}

/// Where a pool itself says what the complaint is about.
fn placed(base: &str, pool: &Entry, complaint: &Complaint) -> Option<(String, Option<Position>)> {
    let keys: Vec<&str> = complaint.path.split('.').collect();
    let inner = match keys.as_slice() {
        ["worker", ..] => keys,
        [.., last] => vec![*last],
        [] => return None,
    };
    let node: &Node = pool.value.find(&inner)?;
    Some((inner.iter().fold(base.to_owned(), |path, key| join(&path, key)), node.at))
}
