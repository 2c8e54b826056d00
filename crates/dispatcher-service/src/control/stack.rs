//! `stack`: what running tasks are doing, as their workers say.
//!
//! Workers are asked one by one and answer within a tenth of a second, so the reply is made in two steps: what is known
//! of the tasks at once, then a stack for each worker. Never shows arguments.

use std::collections::VecDeque;

use dispatcher_engine::{RunningTask, WorkerId};
use serde_json::{Value, json};

use super::{Answer, Context, Reply, error, filter};

/// The name that requests use.
pub(super) const NAME: &str = "stack";

/// How long all stacks of one reply may be together, in bytes, and one of them at least.
const ROOM: usize = 512 * 1024;
const LEAST: usize = 1024;

/// Of how many tasks that were ended by force the stack is kept, and how long one is at most, in bytes.
const KEPT: usize = 32;
const KEPT_ROOM: usize = 4096;

/// What the last tasks that were ended by force were doing, by their uuids; the oldest first.
#[derive(Debug, Default)]
pub(crate) struct LastStacks(VecDeque<(Box<str>, Value)>);

impl LastStacks {
    /// A task is about to be ended. Of two stacks the later one counts.
    pub(crate) fn keep(&mut self, uuid: &str, lines: &[String]) {
        self.0.retain(|(kept, _)| **kept != *uuid);
        self.0.push_back((uuid.into(), short(lines, KEPT_ROOM)));
        if self.0.len() > KEPT {
            self.0.pop_front();
        }
    }

    pub(super) fn of(&self, uuid: &str) -> Option<&Value> {
        self.0.iter().find(|(kept, _)| **kept == *uuid).map(|(_, stack)| stack)
    }
}

/// A reply that is being made.
#[derive(Debug)]
pub(crate) struct Stacks {
    reply: Reply,
    /// The workers that have not answered.
    open: Vec<WorkerId>,
    /// How long each stack may be, in bytes.
    room: usize,
}

/// The stack of each running task that fits.
pub(super) fn stack(context: &mut Context<'_>, data: &Reply, has_room: bool) -> Answer {
    if !has_room {
        return Answer::Now(error("too many questions for stacks are open; ask again"));
    }
    let filter = filter::read(data);
    let running = context.engine.running(|_, task| filter.fits(task));
    let mut stacks = Stacks { reply: Reply::new(), open: Vec::new(), room: ROOM };
    for tasks in running.chunk_by(|one, next| one.worker == next.worker) {
        let worker = tasks[0].worker;
        let Some(handle) = context.workers.get(&worker) else { continue };
        handle.look();
        stacks.open.push(worker);
        stacks.reply.insert(name(worker), entry(tasks, handle.pid, context.now));
    }
    if stacks.open.is_empty() {
        return Answer::Now(Reply::new());
    }
    stacks.room = (ROOM / stacks.open.len()).max(LEAST);
    Answer::Later(stacks)
}

fn name(worker: WorkerId) -> String {
    format!("worker-{}", worker.0)
}

/// A worker with what it runs, the task that began first in front.
fn entry(tasks: &[RunningTask], pid: Option<i32>, now: std::time::Instant) -> Value {
    let one = |running: &RunningTask| {
        json!({
            "uuid": &*running.task.uuid,
            "task": running.task.message.task(),
            "running_for": now.saturating_duration_since(running.since).as_secs_f64(),
        })
    };
    let mut entry = one(&tasks[0]);
    entry["pid"] = json!(pid);
    if tasks.len() > 1 {
        // They share a process, and so its stack.
        entry["others"] = tasks[1..].iter().map(one).collect();
    }
    entry
}

impl Stacks {
    /// A worker has answered.
    pub(crate) fn put(&mut self, worker: WorkerId, stack: &Result<Vec<String>, String>) {
        let Some(at) = self.open.iter().position(|open| *open == worker) else { return };
        self.open.swap_remove(at);
        let Some(Value::Object(entry)) = self.reply.get_mut(&name(worker)) else { return };
        match stack {
            Ok(lines) => entry.insert("stack".to_owned(), short(lines, self.room)),
            Err(why) => entry.insert("error".to_owned(), why.as_str().into()),
        };
    }

    /// Nothing more is waited for.
    pub(crate) fn give_up(&mut self) {
        for worker in self.open.clone() {
            self.put(worker, &Err("nothing was heard of it".to_owned()));
        }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.open.is_empty()
    }

    pub(crate) fn into_reply(self) -> Reply {
        self.reply
    }
}

/// As many lines as there is room for.
fn short(lines: &[String], room: usize) -> Value {
    let mut left = room;
    let fits = |line: &&String| {
        let fits = line.len() <= left;
        left = left.saturating_sub(line.len());
        fits
    };
    let mut shown: Vec<&str> = lines.iter().take_while(fits).map(String::as_str).collect();
    let note = format!("... {} more lines", lines.len() - shown.len());
    if shown.len() < lines.len() {
        shown.push(&note);
    }
    json!(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_waits_for_every_worker_and_says_who_gave_nothing() {
        let asked = [WorkerId(1), WorkerId(2), WorkerId(3)];
        let entries = asked.map(|worker| (name(worker), json!({"uuid": "u"})));
        let mut stacks = Stacks { reply: Reply::from_iter(entries), open: asked.to_vec(), room: 1024 };
        stacks.put(WorkerId(2), &Ok(vec!["here".to_owned(), "x".repeat(2000), "there".to_owned()]));
        stacks.put(WorkerId(2), &Err("too late".to_owned()));
        stacks.put(WorkerId(9), &Err("not asked".to_owned()));
        stacks.put(WorkerId(3), &Err("it is gone".to_owned()));
        assert!(!stacks.is_complete());
        stacks.give_up();
        assert!(stacks.is_complete());
        let expected = json!({
            "worker-1": {"uuid": "u", "error": "nothing was heard of it"},
            "worker-2": {"uuid": "u", "stack": ["here", "... 2 more lines"]},
            "worker-3": {"uuid": "u", "error": "it is gone"},
        });
        assert_eq!(Value::Object(stacks.into_reply()), expected);
    }

    #[test]
    fn the_last_stacks_are_kept_by_task_the_later_one_of_two() {
        let mut last = LastStacks::default();
        for number in 0..KEPT * 10 {
            last.keep(&number.to_string(), &["old".to_owned()]);
            last.keep(&number.to_string(), &["new".to_owned()]);
        }
        assert_eq!(last.0.len(), KEPT);
        assert_eq!(last.of(&(KEPT * 10 - 1).to_string()), Some(&json!(["new"])));
        assert_eq!(last.of("0"), None);
    }
}
