//! A connection of our own: one task owns it, everyone else sends.
//!
//! The task belongs to the runtime of whoever publishes first; when that runtime is gone, the next publish starts
//! another one. Sends nothing twice.

use std::sync::{Mutex, PoisonError};

use dispatcher_broker::{BoxFuture, BrokerError, Publish};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::{Outgoing, Outlet, PATIENCE, Source, pieces};
use crate::error::{Error, Kind};

/// How many publishes may wait for the line before the next one waits to wait. Each holds its messages.
const WAITING: usize = 1024;
/// The most publishes that go in one round trip.
const TOGETHER: usize = 256;

/// Messages for one channel, and who waits for them.
struct Job {
    channel: String,
    payloads: Vec<String>,
    /// Of the one who publishes, who may have given up.
    done: oneshot::Sender<Result<(), BrokerError>>,
}

/// The near end of the line.
pub(super) struct Line {
    source: Source,
    /// The way to the task that owns the connection: publishers send, that task receives. None before the first
    /// publish. Bounded, so that whoever publishes faster than the line carries has to wait. Held for no longer than
    /// it takes to look.
    door: Mutex<Option<Door>>,
}

/// The way in.
#[derive(Clone)]
struct Door {
    jobs: mpsc::Sender<Job>,
    /// The longest payload that the bus carries, in bytes.
    limit: usize,
}

impl Line {
    pub(super) fn new(source: Source) -> Self {
        Self { source, door: Mutex::new(None) }
    }

    /// The way to the task that owns the connection, started if there is none.
    fn door(&self) -> Result<Door, Error> {
        let mut door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = door.as_ref().filter(|open| !open.jobs.is_closed()) {
            return Ok(open.clone());
        }
        let outside = "publishing needs a tokio runtime; a task that is not async has one: tokio::runtime::Handle::current().block_on(...)";
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| Kind::Config(outside.to_owned()))?;
        let broker = self.source.broker(&[])?;
        let (sender, jobs) = mpsc::channel(WAITING);
        runtime.spawn(carry(broker.publisher(), jobs));
        let open = Door { jobs: sender, limit: broker.max_payload() };
        *door = Some(open.clone());
        Ok(open)
    }

    async fn publish(&self, channel: String, payloads: Vec<String>) -> Result<(), Error> {
        let (done, answer) = oneshot::channel();
        let mut job = Job { channel, payloads, done };
        // A closed door gives the job back: it was not looked at.
        while let Err(returned) = self.door()?.jobs.send(job).await {
            job = returned.0;
        }
        match answer.await {
            Ok(sent) => Ok(sent?),
            Err(_) => Err(Kind::Interrupted.into()),
        }
    }

    async fn publish_all(&self, messages: Vec<Outgoing>) -> Result<(), Error> {
        let limit = self.door()?.limit;
        for (channel, texts) in by_channel(messages) {
            let mut payloads = Vec::with_capacity(texts.len());
            for text in texts {
                payloads.extend(pieces(text, limit)?);
            }
            self.publish(channel, payloads).await?;
        }
        Ok(())
    }
}

impl Outlet for Line {
    fn send(&self, messages: Vec<Outgoing>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let late = || {
                let what = format!("the message was not taken in {} seconds", PATIENCE.as_secs());
                Err(Kind::TimedOut(what).into())
            };
            timeout(PATIENCE, self.publish_all(messages)).await.unwrap_or_else(|_| late())
        })
    }

    fn source(&self) -> Option<&Source> {
        Some(&self.source)
    }
}

/// The messages of each channel, in order; the channels in the order in which they come first.
fn by_channel(messages: Vec<Outgoing>) -> Vec<(String, Vec<String>)> {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for Outgoing { channel, text } in messages {
        match groups.iter_mut().find(|(known, _)| *known == channel) {
            Some((_, texts)) => texts.push(text),
            None => groups.push((channel, vec![text])),
        }
    }
    groups
}

/// Owns the connection, until nobody can send any more.
async fn carry(mut publisher: Box<dyn Publish>, mut jobs: mpsc::Receiver<Job>) {
    let mut waiting = Vec::with_capacity(TOGETHER);
    while jobs.recv_many(&mut waiting, TOGETHER).await > 0 {
        let mut rest = std::mem::take(&mut waiting).into_iter().peekable();
        while let Some(first) = rest.next() {
            let mut together = vec![first];
            while let Some(next) = rest.next_if(|next| next.channel == together[0].channel) {
                together.push(next);
            }
            carry_together(&mut *publisher, together).await;
        }
    }
}

/// One round trip for all; when the bus refuses one of them, a round trip for each, as the others are not at fault.
async fn carry_together(publisher: &mut dyn Publish, jobs: Vec<Job>) {
    let channel = jobs[0].channel.clone();
    let mut payloads = Vec::new();
    let mut waiting = Vec::with_capacity(jobs.len());
    for job in jobs {
        waiting.push((job.payloads.len(), job.done));
        payloads.extend(job.payloads);
    }
    let sent = publisher.publish(&channel, &payloads).await;
    let refused = sent.as_ref().is_err_and(|error| !error.is_retryable());
    for (count, done) in waiting {
        let rest = payloads.split_off(count.min(payloads.len()));
        let own = std::mem::replace(&mut payloads, rest);
        let alone = refused && !own.is_empty();
        // Who has given up hears nothing.
        let _ = done.send(if alone { publisher.publish(&channel, &own).await } else { sent.clone() });
    }
}
