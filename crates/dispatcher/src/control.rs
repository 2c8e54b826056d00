//! Questions and commands to running services, and their replies: what `dispatcher ctl` does, for applications.
//!
//! Waits no longer than it is told. The services' side is not here.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use dispatcher_broker::ask;
use dispatcher_protocol::{Assembled, Assembler, Decoded, decode, to_ascii_json, to_json};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::error::{Error, Kind};
use crate::publish::{Outgoing, PATIENCE, Publisher, Source, Target, pieces};
use crate::uuid::uuid4;

/// What one service said.
pub type Reply = Map<String, Value>;

/// Asks the services that listen on one channel.
///
/// ```no_run
/// # async fn example(publisher: dispatcher::Publisher) -> Result<(), dispatcher::Error> {
/// let control = publisher.control()?;
/// if control.alive().await?.is_empty() {
///     println!("no service listens");
/// }
/// for reply in control.running().with("task", "shop.orders.ship").await? {
///     println!("{reply:?}");
/// }
/// control.cancel("7d512345-12e4-4c00-9999-123456789012").await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Control {
    source: Source,
    channel: Arc<str>,
}

impl Control {
    pub(crate) fn new(source: Source, channel: Arc<str>) -> Self {
        Self { source, channel }
    }

    /// Any command, by its name: those that `dispatcher ctl --help` lists.
    pub fn call(&self, command: impl Into<String>) -> Question {
        Question {
            control: self.clone(),
            command: command.into(),
            data: Map::new(),
            problem: None,
            replies: 1,
            time: Duration::from_secs(1),
        }
    }

    /// Who is there. A service that does not answer is busy dying, or gone.
    pub fn alive(&self) -> Question {
        self.call("alive")
    }

    /// What runs now; narrowed by `.with("task", ...)` or `.with("uuid", ...)`.
    pub fn running(&self) -> Question {
        self.call("running")
    }

    /// Cancels the task of this uuid, wherever it waits or runs.
    pub fn cancel(&self, uuid: impl Into<String>) -> Question {
        self.call("cancel").with("uuid", uuid.into())
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").field("channel", &self.channel).finish_non_exhaustive()
    }
}

/// A command that is about to be sent. Nothing happens until it is awaited, or [`sent`](Self::send).
#[must_use = "nothing is asked until it is awaited"]
#[derive(Clone, Debug)]
pub struct Question {
    control: Control,
    command: String,
    data: Map<String, Value>,
    problem: Option<(String, dispatcher_protocol::WriteError)>,
    replies: usize,
    time: Duration,
}

impl Question {
    /// Adds to what the command is told, such as `("uuid", "...")`.
    pub fn with(mut self, key: &str, value: impl Serialize) -> Self {
        let json = to_json(&value).map(|text| serde_json::from_str(&text).unwrap_or(Value::Null));
        match json {
            Ok(value) => drop(self.data.insert(key.to_owned(), value)),
            Err(why) => drop(self.problem.get_or_insert_with(|| (format!("data {key}"), why))),
        }
        self
    }

    /// How many services are expected to answer; 1 by default. As soon as they have, it is over.
    pub fn replies(mut self, expected: usize) -> Self {
        self.replies = expected;
        self
    }

    /// How long replies may take once the question is out; one second by default.
    pub fn within(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// Sends it and waits for nothing.
    ///
    /// # Errors
    /// It could not be sent.
    pub async fn send(self) -> Result<(), Error> {
        let text = self.text(None)?;
        let publisher = Publisher::over(self.control.source);
        let channel = self.control.channel.to_string();
        (&publisher).send(vec![Outgoing { channel, text }]).await
    }

    /// The request as JSON, as the clients of dispatcherd write it.
    fn text(&self, reply_to: Option<&str>) -> Result<String, Error> {
        if let Some((place, why)) = &self.problem {
            let task = format!("control {}", self.command);
            return Err(Kind::Argument { task, place: place.clone(), why: why.clone() }.into());
        }
        let mut message = json!({"control": self.command});
        if let Some(reply_to) = reply_to {
            message["reply_to"] = json!(reply_to);
        }
        if !self.data.is_empty() {
            message["control_data"] = Value::Object(self.data.clone());
        }
        Ok(to_ascii_json(&message))
    }

    async fn ask(self) -> Result<Vec<Reply>, Error> {
        let reply_to = format!("reply_to_{}", uuid4()?.replace('-', "_"));
        let text = self.text(Some(&reply_to))?;
        let broker = self.control.source.broker(&[reply_to])?;
        let payloads = pieces(text, broker.max_payload())?;
        let mut inbox = ask(broker, &self.control.channel, &payloads, Instant::now() + PATIENCE).await?;
        let deadline = Instant::now() + self.time;
        let mut chunks = Assembler::new(self.time + PATIENCE);
        let mut replies = Vec::new();
        while replies.len() < self.replies {
            match inbox.next(deadline).await? {
                Some(payload) => replies.extend(reply(payload, &mut chunks)),
                None => break,
            }
        }
        Ok(replies)
    }
}

impl IntoFuture for Question {
    type Output = Result<Vec<Reply>, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// Asks, and gives what came in time: fewer replies than expected, none at all too, are no error.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.ask())
    }
}

/// A whole reply; none for a piece that others are missing for, and for what is no reply.
fn reply(payload: String, chunks: &mut Assembler) -> Option<Reply> {
    let text = match decode(payload.clone()) {
        Ok(Decoded::Chunk(part)) => match chunks.add(part, std::time::Instant::now()) {
            Assembled::Complete(text) => text,
            Assembled::Waiting | Assembled::Refused(_) => return None,
        },
        _ => payload,
    };
    match serde_json::from_str(&text) {
        Ok(Value::Object(reply)) => Some(reply),
        _ => None,
    }
}
