//! A task with its arguments, on its way to being published: what `greet::submit(...)` gives.
//!
//! Becomes text when it is sent and not before. Knows nothing of connections: that is `publish`.

use std::borrow::Cow;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dispatcher_protocol::{Draft, DraftOptions, OnDuplicate, check_name, decode, to_json};
use serde::Serialize;

use crate::definition::Definition;
use crate::error::{Error, Kind};
use crate::publish::{self, Outgoing, Target};
use crate::uuid::uuid4;

/// One run of a task that is to be published. Nothing happens until it is awaited, or sent [`on`](Self::on) something.
///
/// ```
/// use std::time::Duration;
///
/// #[dispatcher::task(queue = "mail", timeout = "30s")]
/// async fn send(to: String, subject: Option<String>) {}
///
/// # async fn example() -> Result<(), dispatcher::Error> {
/// // By the publisher that dispatcher::setup was given:
/// send::delay("a@example.org".to_owned(), None).await?;
///
/// // With options for this one run:
/// let published = send::submit("a@example.org".to_owned(), None)
///     .queue("urgent_mail")
///     .delay(Duration::from_secs(60))
///     .uuid("welcome-17")
///     .await?;
/// assert_eq!(published.uuid(), "welcome-17");
/// # Ok(()) }
/// ```
#[must_use = "nothing is published until it is awaited, or sent `.on(...)` something"]
#[derive(Clone)]
pub struct Submission {
    task: Cow<'static, str>,
    queue: Option<Cow<'static, str>>,
    uuid: Option<String>,
    task_options: DraftOptions,
    options: DraftOptions,
    args: Entries,
    kwargs: Entries,
    /// The first argument that cannot travel.
    problem: Option<(String, dispatcher_protocol::WriteError)>,
}

/// JSON between brackets that are not there yet.
#[derive(Clone, Default)]
struct Entries {
    text: String,
    count: usize,
}

impl Entries {
    fn push(&mut self, key: Option<&str>, value: &str) {
        if self.count > 0 {
            self.text.push_str(", ");
        }
        if let Some(key) = key {
            // A text can always be written.
            self.text.push_str(&to_json(key).unwrap_or_default());
            self.text.push_str(": ");
        }
        self.text.push_str(value);
        self.count += 1;
    }
}

/// Starts a task by its name, whatever language it is written in.
///
/// ```
/// # async fn example(publisher: dispatcher::Publisher) -> Result<(), dispatcher::Error> {
/// // A Python task, `def report(year, kind="full")` in the module app.tasks:
/// dispatcher::submit("app.tasks.report").arg(2026).kwarg("kind", "short").queue("reports").on(&publisher).await?;
/// # Ok(()) }
/// ```
pub fn submit(task: impl Into<Cow<'static, str>>) -> Submission {
    Submission::new(task.into(), None, DraftOptions::default())
}

impl Submission {
    fn new(task: Cow<'static, str>, queue: Option<&'static str>, task_options: DraftOptions) -> Self {
        Self {
            task,
            queue: queue.map(Cow::Borrowed),
            uuid: None,
            task_options,
            options: DraftOptions::default(),
            args: Entries::default(),
            kwargs: Entries::default(),
            problem: None,
        }
    }

    /// A run of a task that is known here.
    pub(crate) fn of(definition: &Definition) -> Self {
        let options = &definition.options;
        let task_options = DraftOptions {
            timeout: options.timeout,
            delay: options.delay,
            on_duplicate: options.on_duplicate,
        };
        Self::new(Cow::Borrowed(definition.name), options.queue, task_options)
    }

    /// The name of the task.
    pub fn task(&self) -> &str {
        &self.task
    }

    /// Adds an argument by position.
    pub fn arg(mut self, value: impl Serialize) -> Self {
        let place = self.args.count;
        self.push(|| format!("argument {}", place + 1), None, &value);
        self
    }

    /// Adds an argument by keyword. Of equal ones the last counts, as for Python's `json`.
    pub fn kwarg(mut self, name: &str, value: impl Serialize) -> Self {
        self.push(|| format!("argument {name}"), Some(name), &value);
        self
    }

    /// Adds an argument by position; its name is for errors.
    pub(crate) fn named(mut self, name: &str, value: &impl Serialize) -> Self {
        self.push(|| format!("argument {name}"), None, value);
        self
    }

    fn push(&mut self, place: impl Fn() -> String, key: Option<&str>, value: &impl Serialize) {
        match to_json(value) {
            Ok(text) if key.is_some() => self.kwargs.push(key, &text),
            Ok(text) => self.args.push(None, &text),
            Err(why) => drop(self.problem.get_or_insert_with(|| (place(), why))),
        }
    }

    /// The channel to publish to, instead of the task's.
    pub fn queue(mut self, channel: impl Into<Cow<'static, str>>) -> Self {
        self.queue = Some(channel.into());
        self
    }

    /// How long it waits in the service before it may begin, at most a year.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.options.delay = Some(delay);
        self
    }

    /// How long it may run from its start, at most a year.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// What becomes of it while an equal task waits or runs.
    pub fn on_duplicate(mut self, rule: OnDuplicate) -> Self {
        self.options.on_duplicate = Some(rule);
        self
    }

    /// Its name in logs and control commands; a random one by default. At most 255 bytes.
    pub fn uuid(mut self, uuid: impl Into<String>) -> Self {
        self.uuid = Some(uuid.into());
        self
    }

    #[cfg(feature = "testing")]
    pub(crate) fn names_channel(&self) -> bool {
        self.queue.is_some()
    }

    #[cfg(feature = "testing")]
    pub(crate) fn names_uuid(&self) -> bool {
        self.uuid.is_some()
    }

    #[cfg(feature = "testing")]
    pub(crate) fn has_options(&self) -> bool {
        self.options != DraftOptions::default()
    }

    /// Publishes it on a [`Publisher`](crate::Publisher), or on a connection or transaction of the application: see
    /// [`Target`].
    ///
    /// # Errors
    /// [`Error`] says whether it is the message, the configuration or the line.
    pub async fn on(self, target: impl Target) -> Result<Published, Error> {
        let published = self.prepare(target.channel())?;
        target.send(vec![published.outgoing()]).await?;
        Ok(published)
    }

    /// The message that it becomes at this moment, without publishing it. `channel` is where it goes when neither it
    /// nor its task says.
    ///
    /// # Errors
    /// Arguments, name or options that cannot be published.
    pub fn prepare(self, channel: Option<&str>) -> Result<Published, Error> {
        let task = self.task.into_owned();
        if let Some((place, why)) = self.problem {
            return Err(Kind::Argument { task, place, why }.into());
        }
        if let Err(why) = check_name(&task) {
            return Err(Kind::Name { task, why }.into());
        }
        let Some(channel) = self.queue.as_deref().or(channel) else {
            return Err(Kind::NoChannel { task }.into());
        };
        let uuid = self.uuid.map_or_else(uuid4, Ok)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let text = Draft {
            task: &task,
            time_pub: now.as_secs_f64(),
            uuid: &uuid,
            args: &format!("[{}]", self.args.text),
            kwargs: &format!("{{{}}}", self.kwargs.text),
            task_options: self.task_options,
            options: self.options,
        }
        .write();
        // What a service would refuse is told to the one who can put it right.
        match decode(text.clone()) {
            Ok(_) => Ok(Published { channel: channel.to_owned(), task, uuid, text }),
            Err(why) => Err(Kind::Message { task, why }.into()),
        }
    }
}

impl IntoFuture for Submission {
    type Output = Result<Published, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// Publishes it by the publisher of this process: see [`setup`](crate::setup).
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.on(&publish::current()?).await })
    }
}

/// Shows no arguments, as they may be secret.
impl fmt::Debug for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submission")
            .field("task", &self.task)
            .field("queue", &self.queue)
            .field("uuid", &self.uuid)
            .finish_non_exhaustive()
    }
}

/// What was published. Nobody confirms that a service heard it.
#[derive(Clone, PartialEq, Eq)]
pub struct Published {
    task: String,
    channel: String,
    uuid: String,
    text: String,
}

impl Published {
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

    /// The message as JSON. It holds the arguments: keep it out of logs.
    pub fn message(&self) -> &str {
        &self.text
    }

    pub(crate) fn outgoing(&self) -> Outgoing {
        Outgoing { channel: self.channel.clone(), text: self.text.clone() }
    }
}

/// Shows no arguments, as they may be secret.
impl fmt::Debug for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Published")
            .field("task", &self.task)
            .field("channel", &self.channel)
            .field("uuid", &self.uuid)
            .finish_non_exhaustive()
    }
}
