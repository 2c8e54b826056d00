//! Replies: those that are there, and those that wait until workers have said what they are doing.
//!
//! A question is open until each worker that it is about has answered or ended, and no longer than [`PATIENCE`]. What is
//! said meanwhile to the same channel waits behind it, so that replies there are in the order of the requests.

use std::time::{Duration, Instant};

use dispatcher_engine::{Rung, WorkerId};
use dispatcher_protocol::write_reply;
use tokio::sync::oneshot;
use tracing::warn;

use super::Driver;
use super::effects::frame;
use crate::control::{self, Answer, Stacks};
use crate::events;
use crate::reply::Reply;
use crate::worker::Outgoing;

/// How long workers have. A tender answers in half of that, whatever its worker does, unless it is just being rid of one
/// that the kernel does not let go.
const PATIENCE: Duration = Duration::from_millis(200);

/// Where a request came from.
#[derive(Debug)]
pub(crate) enum Origin {
    /// A channel of a broker.
    Channel { broker: u16, channel: String },
    /// A task of this worker; its request has this number.
    Task { worker: WorkerId, id: u64 },
    /// Somebody in this process, who may have given up waiting.
    Here(oneshot::Sender<control::Reply>),
}

/// The open questions, the oldest first.
#[derive(Default)]
pub(crate) struct Questions(Vec<Question>);

struct Question {
    from: Origin,
    stacks: Stacks,
    /// When it is answered with what there is.
    until: Instant,
    /// What is to be said to the same channel after it.
    then: Vec<Reply>,
}

impl Questions {
    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// When the first one has waited long enough.
    pub(super) fn next_wakeup(&self) -> Option<Instant> {
        self.0.first().map(|question| question.until)
    }

    /// Takes out those that are complete.
    fn complete(&mut self) -> Vec<Question> {
        self.0.extract_if(.., |question| question.stacks.is_complete()).collect()
    }
}

impl Driver {
    /// Gives an answer to whoever asked, now or when it is complete.
    pub(super) fn give(&mut self, from: Origin, answer: Answer) {
        match answer {
            Answer::Now(reply) => self.reply(from, reply),
            Answer::Later(stacks) => {
                let until = Instant::now() + PATIENCE;
                self.questions.0.push(Question { from, stacks, until, then: Vec::new() });
            }
        }
    }

    fn reply(&mut self, from: Origin, reply: control::Reply) {
        match from {
            Origin::Here(answer) => _ = answer.send(reply),
            Origin::Task { worker, id } => {
                self.tell(worker, Outgoing::Reply(frame(|out| write_reply(out, id, &reply))));
            }
            Origin::Channel { broker, channel } => {
                let text = control::write(reply, &self.service.node_id);
                self.send(broker, Reply { channel, text: Some(text) });
            }
        }
    }

    /// Sends a reply, after those that are still to come on its channel.
    pub(super) fn send(&mut self, broker: u16, reply: Reply) {
        let same = |question: &&mut Question| matches!(&question.from, Origin::Channel { broker: at, channel } if (*at, channel) == (broker, &reply.channel));
        if let Some(open) = self.questions.0.iter_mut().rev().find(same) {
            return open.then.push(reply);
        }
        let Some(link) = self.brokers.get(usize::from(broker)) else { return };
        let is_answer = reply.text.is_some();
        if !link.replies.send(reply) && is_answer {
            warn!(target: "dispatcher.control", broker = link.broker.name(), "too many replies wait to be sent; this one is dropped");
        }
    }

    /// A worker was looked at.
    pub(super) fn seen(
        &mut self,
        worker: WorkerId,
        stack: &Result<Vec<String>, String>,
        before: Option<Rung>,
    ) {
        if let Some(rung) = before {
            let tasks = self.engine.running(|id, _| id == worker);
            events::stack(worker, rung, &tasks, stack);
            if let Ok(lines) = stack {
                for running in &tasks {
                    self.service.last_stacks.keep(&running.task.uuid, lines);
                }
            }
        }
        self.answered(worker, stack);
    }

    /// A worker is gone; nothing more can be said of it.
    pub(super) fn worker_ended(&mut self, worker: WorkerId) {
        if let Some(handle) = self.workers.get_mut(&worker) {
            handle.ended = true;
        }
        self.answered(worker, &Err("its worker has ended meanwhile".to_owned()));
    }

    fn answered(&mut self, worker: WorkerId, stack: &Result<Vec<String>, String>) {
        for question in &mut self.questions.0 {
            question.stacks.put(worker, stack);
        }
        self.close_questions();
    }

    /// Ends the wait of those that have waited long enough.
    pub(super) fn give_up_questions(&mut self, now: Instant) {
        for question in self.questions.0.iter_mut().filter(|question| question.until <= now) {
            question.stacks.give_up();
        }
        self.close_questions();
    }

    fn close_questions(&mut self) {
        for Question { from, stacks, then, .. } in self.questions.complete() {
            let broker = if let Origin::Channel { broker, .. } = &from { Some(*broker) } else { None };
            self.reply(from, stacks.into_reply());
            for (broker, reply) in broker.into_iter().cycle().zip(then) {
                self.send(broker, reply);
            }
        }
    }
}
