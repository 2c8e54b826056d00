//! Testing an application without a service: keep what is published, run tasks here and now. Feature `testing`.
//!
//! Tests run side by side in one process, so nothing here is global: an [`Outbox`] counts for a future or for a thread.

mod run;
mod recorded;

pub use recorded::Recorded;
pub use run::{Ended, run, run_cancelled};

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use dispatcher_broker::BoxFuture;

use crate::definition::Task;
use crate::error::{Error, Kind};
use crate::publish::{self, Outgoing, Outlet, Publisher};
use crate::registry::Registry;
use crate::submission::Submission;

/// Keeps what is published, and sends nothing.
///
/// ```
/// use dispatcher::testing::Outbox;
///
/// #[dispatcher::task(queue = "mail")]
/// async fn welcome(user: u64) {}
///
/// async fn sign_up(user: u64) -> Result<(), dispatcher::Error> {
///     welcome::delay(user).await?;
///     Ok(())
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let outbox = Outbox::new();
/// outbox.scope(sign_up(17)).await.unwrap();
///
/// outbox.assert_published(welcome::submit(17));
/// assert_eq!(outbox.of::<welcome>()[0].channel(), "mail");
/// # });
/// ```
#[derive(Clone)]
pub struct Outbox {
    shelf: Arc<Shelf>,
    publisher: Publisher,
}

/// What was published, and the tasks that run at once.
struct Shelf {
    recorded: Mutex<Vec<Recorded>>,
    eager: Option<Registry>,
}

/// The channel of messages that name none: a test does not have to say where they go.
const CHANNEL: &str = "default";

impl Outbox {
    /// One that only keeps.
    pub fn new() -> Self {
        Self::with(None)
    }

    /// One that also runs each task of this program at once, as part of publishing it; a task that it does not know is
    /// only kept. A task that fails makes its publish fail, so that no test overlooks it. Delays and timeouts count for
    /// nothing.
    ///
    /// ```
    /// use dispatcher::testing::Outbox;
    /// use std::sync::atomic::{AtomicU64, Ordering};
    ///
    /// static SUM: AtomicU64 = AtomicU64::new(0);
    ///
    /// #[dispatcher::task]
    /// fn add(number: u64) {
    ///     SUM.fetch_add(number, Ordering::Relaxed);
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let outbox = Outbox::eager(dispatcher::Registry::new().with::<add>());
    /// add::submit(17).on(outbox.publisher()).await.unwrap();
    /// assert_eq!(SUM.load(Ordering::Relaxed), 17);
    /// # });
    /// ```
    pub fn eager(tasks: Registry) -> Self {
        Self::with(Some(tasks))
    }

    fn with(eager: Option<Registry>) -> Self {
        let shelf = Arc::new(Shelf { recorded: Mutex::default(), eager });
        let outlet: Arc<dyn Outlet> = Arc::<Shelf>::clone(&shelf);
        Self { shelf, publisher: Publisher::through(outlet).channel(CHANNEL) }
    }

    /// What to publish on, for code that takes a publisher.
    pub fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    /// Runs a future; what it publishes without naming a publisher is kept here, whatever threads it runs on. What it
    /// spawns is not part of it.
    pub fn scope<F: Future>(&self, future: F) -> impl Future<Output = F::Output> {
        publish::scope(self.publisher.clone(), future)
    }

    /// Keeps what this thread publishes without naming a publisher, until the guard is dropped. Enough for
    /// `#[tokio::test]`, whose runtime has one thread.
    pub fn enter(&self) -> Guard {
        Guard { entered: publish::enter(self.publisher.clone()) }
    }

    /// Everything that was published, in order.
    pub fn published(&self) -> Vec<Recorded> {
        self.shelf.recorded.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was published of one task, in order.
    pub fn of<T: Task>(&self) -> Vec<Recorded> {
        let mut all = self.published();
        all.retain(|message| message.task() == T::DEFINITION.name);
        all
    }

    /// Forgets what was published, and gives it.
    pub fn take(&self) -> Vec<Recorded> {
        std::mem::take(&mut *self.shelf.recorded.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// That such a task was published: the same task with equal arguments, as a service compares them. A channel, a
    /// delay, a timeout, a duplicate rule or a uuid counts when the expectation gives one.
    ///
    /// # Panics
    /// It was not, with what was.
    #[track_caller]
    pub fn assert_published(&self, expected: Submission) {
        let all = self.published();
        let wanted = Recorded::expected(expected);
        assert!(
            all.iter().any(|message| message.is_as(&wanted)),
            "this was not published:\n  {wanted}\n{}",
            recorded::listed(&all)
        );
    }

    /// That nothing was published.
    ///
    /// # Panics
    /// Something was, with what.
    #[track_caller]
    pub fn assert_empty(&self) {
        let all = self.published();
        assert!(all.is_empty(), "{}", recorded::listed(&all));
    }
}

impl Default for Outbox {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("published", &self.published().len()).finish_non_exhaustive()
    }
}

/// While it lives, its thread publishes into an [`Outbox`].
#[derive(Debug)]
#[must_use = "it ends at once when it is not kept: `let _guard = outbox.enter();`"]
pub struct Guard {
    #[expect(dead_code, reason = "its end is what counts")]
    entered: publish::Entered,
}

impl Outlet for Shelf {
    fn send(&self, messages: Vec<Outgoing>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            for message in messages {
                let recorded = Recorded::read(&message);
                self.recorded.lock().unwrap_or_else(PoisonError::into_inner).push(recorded.clone());
                let known = self.eager.as_ref().and_then(|tasks| tasks.get(recorded.task()));
                let Some(definition) = known else { continue };
                let ended = run::run_recorded(definition, &recorded).await;
                ended.outcome().clone().map_err(|failure| {
                    Error::from(Kind::Eager(format!("{}: {}", recorded.task(), run::told(&failure))))
                })?;
            }
            Ok(())
        })
    }
}
