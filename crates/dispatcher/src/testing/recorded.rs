//! One message that an outbox keeps, and whether it is what a test expects.

use std::fmt;
use std::time::Duration;

use dispatcher_protocol::{Decoded, OnDuplicate, TaskMessage, decode, from_json, same_json};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::CHANNEL;
use crate::definition::Arguments;
use crate::publish::Outgoing;
use crate::submission::Submission;

/// A task that was published.
#[derive(Clone)]
pub struct Recorded {
    channel: String,
    text: String,
    task: String,
    uuid: String,
    args: String,
    kwargs: String,
    timeout: Option<Duration>,
    delay: Option<Duration>,
    on_duplicate: OnDuplicate,
    /// What an expectation says of its own and not by its task.
    given: Given,
}

#[derive(Clone, Copy, Default)]
struct Given {
    channel: bool,
    uuid: bool,
    options: bool,
}

impl Recorded {
    pub(super) fn read(message: &Outgoing) -> Self {
        let Ok(Decoded::Task(task)) = decode(message.text.clone()) else {
            panic!("a submission is a task message");
        };
        Self::of(&message.channel, &task)
    }

    fn of(channel: &str, task: &TaskMessage) -> Self {
        Self {
            channel: channel.to_owned(),
            text: task.body().to_owned(),
            task: task.task().to_owned(),
            uuid: task.uuid().unwrap_or_default().to_owned(),
            args: task.args().unwrap_or("[]").to_owned(),
            kwargs: task.kwargs().unwrap_or("{}").to_owned(),
            timeout: task.timeout(),
            delay: task.delay(),
            on_duplicate: task.on_duplicate(),
            given: Given::default(),
        }
    }

    #[track_caller]
    pub(super) fn expected(submission: Submission) -> Self {
        let given = Given {
            channel: submission.names_channel(),
            uuid: submission.names_uuid(),
            options: submission.has_options(),
        };
        match submission.prepare(Some(CHANNEL)) {
            Ok(published) => Self { given, ..Self::read(&published.outgoing()) },
            Err(error) => panic!("the expectation itself cannot be published: {error}"),
        }
    }

    pub(super) fn is_as(&self, wanted: &Self) -> bool {
        let options = |one: &Self| (one.timeout, one.delay, one.on_duplicate);
        self.task == wanted.task
            && same_json(&self.args, &wanted.args)
            && same_json(&self.kwargs, &wanted.kwargs)
            && (!wanted.given.channel || self.channel == wanted.channel)
            && (!wanted.given.uuid || self.uuid == wanted.uuid)
            && (!wanted.given.options || options(self) == options(wanted))
    }

    pub(super) fn arguments(&self) -> Arguments {
        Arguments { args: Some(self.args.clone()), kwargs: Some(self.kwargs.clone()) }
    }

    /// The name of the task.
    pub fn task(&self) -> &str {
        &self.task
    }

    /// The channel that it went to.
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// Its name in logs and control commands.
    pub fn uuid(&self) -> &str {
        &self.uuid
    }

    /// The arguments by position, as a tuple or whatever else they fit: `message.args::<(u64, String)>()`.
    ///
    /// # Panics
    /// They do not fit.
    #[track_caller]
    pub fn args<T: DeserializeOwned>(&self) -> T {
        match from_json(&self.args) {
            Ok(value) => value,
            Err(error) => panic!("the arguments {} do not fit: {}{}", self.args, error.path(), error),
        }
    }

    /// The arguments by keyword.
    ///
    /// # Panics
    /// One of them is nothing that JSON has, such as NaN.
    #[track_caller]
    pub fn kwargs(&self) -> Map<String, Value> {
        match from_json(&self.kwargs) {
            Ok(value) => value,
            Err(error) => panic!("the arguments {} do not fit: {}{}", self.kwargs, error.path(), error),
        }
    }

    /// How long it may run.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// How long it waits before it may begin.
    pub fn delay(&self) -> Option<Duration> {
        self.delay
    }

    /// What becomes of it beside an equal one.
    pub fn on_duplicate(&self) -> OnDuplicate {
        self.on_duplicate
    }

    /// The message as JSON.
    pub fn message(&self) -> &str {
        &self.text
    }
}

/// With its arguments: this is for people who read a test's complaint.
impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "to {:?}: {}", self.channel, self.text)
    }
}

impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recorded({self})")
    }
}

/// What was published, for a complaint.
pub(super) fn listed(all: &[Recorded]) -> String {
    if all.is_empty() {
        return "nothing was published".to_owned();
    }
    let lines: Vec<_> = all.iter().map(|message| format!("\n  {message}")).collect();
    format!("this was published:{}", lines.concat())
}
