//! The entries of a reply that could be endless: as many as fit, and a note that says how many are left out.
//!
//! Looks at no task. Where it stands: under the commands that list things.

use serde_json::{Value, json};

use super::Reply;

/// How long all entries of one list may be together, in bytes of JSON, roughly. Making so much takes a few milliseconds,
/// during which nothing else goes on.
const ROOM: usize = 512 * 1024;

/// What an entry is counted for beside its own length: its name, quotes and commas.
const ENTRY: usize = 32;

/// The entry that says how many are left out.
const TRUNCATED: &str = "truncated";

/// A list that is being made.
pub(super) struct Entries {
    shown: Reply,
    room: usize,
    left_out: usize,
    /// The last name, and how many more entries have had it.
    last: String,
    same: usize,
}

impl Entries {
    pub(super) fn new() -> Self {
        Self { shown: Reply::new(), room: ROOM, left_out: 0, last: String::new(), same: 0 }
    }

    /// Whether an entry of this length, in bytes, would fit.
    pub(super) fn has_room(&self, length: usize) -> bool {
        length + ENTRY <= self.room
    }

    /// Puts an entry in. One of the same name as the one before it (a worker may run several tasks) gets a number too.
    pub(super) fn put(&mut self, name: String, length: usize, entry: Value) {
        self.room = self.room.saturating_sub(length + ENTRY);
        if self.last != name {
            self.last.clone_from(&name);
            self.same = 0;
            self.shown.insert(name, entry);
            return;
        }
        self.same += 1;
        self.shown.insert(format!("{name}-{}", self.same), entry);
    }

    /// Leaves so many out.
    pub(super) fn leave_out(&mut self, count: usize) {
        self.left_out += count;
    }

    pub(super) fn len(&self) -> usize {
        self.shown.len()
    }

    /// The list, with a note if something is left out.
    pub(super) fn finish(mut self) -> Reply {
        if self.left_out > 0 {
            let note = json!({
                "shown": self.shown.len(),
                "left_out": self.left_out,
                "note": "too many for one reply; ask for less, say by uuid or task",
            });
            self.shown.insert(TRUNCATED.to_owned(), note);
        }
        self.shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_shown_and_the_rest_is_counted() {
        let mut entries = Entries::new();
        let long = ROOM / 10;
        for number in 0..100 {
            if entries.has_room(long) {
                entries.put(format!("queued-{number}"), long, Value::Null);
            } else {
                entries.leave_out(1);
            }
        }
        assert_eq!(entries.len(), 9);
        let reply = entries.finish();
        assert_eq!((reply.len(), &reply[TRUNCATED]["left_out"]), (10, &json!(91)));
        assert_eq!(Entries::new().finish(), Reply::new());
    }

    #[test]
    fn entries_of_one_name_do_not_take_each_others_place() {
        let mut entries = Entries::new();
        for name in ["worker-0", "worker-0", "worker-0", "worker-1"] {
            entries.put(name.to_owned(), 1, Value::Null);
        }
        let reply = entries.finish();
        assert_eq!(reply.keys().collect::<Vec<_>>(), ["worker-0", "worker-0-1", "worker-0-2", "worker-1"]);
    }
}
