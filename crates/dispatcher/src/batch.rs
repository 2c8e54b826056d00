//! Many tasks in one go: one round trip on one channel, all or none.

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use crate::error::Error;
use crate::publish::{self, Target};
use crate::submission::{Published, Submission};

/// Tasks that are to be published together. Nothing happens until it is awaited, or sent [`on`](Self::on) something.
#[must_use = "nothing is published until it is awaited, or sent `.on(...)` something"]
#[derive(Clone, Debug)]
pub struct Batch {
    submissions: Vec<Submission>,
}

/// Publishes many tasks in one round trip for each channel among them, in order; on one channel all of them or none.
///
/// On a connection or transaction of the application it is one round trip whatever the channels, all or none.
///
/// ```
/// #[dispatcher::task(queue = "thumbnails")]
/// async fn resize(image: u64) {}
///
/// # async fn example(publisher: dispatcher::Publisher) -> Result<(), dispatcher::Error> {
/// let published = dispatcher::submit_many((1..=1000).map(resize::submit)).on(&publisher).await?;
/// assert_eq!(published.len(), 1000);
/// # Ok(()) }
/// ```
pub fn submit_many(submissions: impl IntoIterator<Item = Submission>) -> Batch {
    Batch { submissions: submissions.into_iter().collect() }
}

impl Batch {
    /// Publishes them on a [`Publisher`](crate::Publisher), or on a connection or transaction of the application.
    ///
    /// # Errors
    /// One message that cannot be published, and then none is; or the line.
    pub async fn on(self, target: impl Target) -> Result<Vec<Published>, Error> {
        let published = self
            .submissions
            .into_iter()
            .map(|submission| submission.prepare(target.channel()))
            .collect::<Result<Vec<_>, _>>()?;
        if !published.is_empty() {
            target.send(published.iter().map(Published::outgoing).collect()).await?;
        }
        Ok(published)
    }
}

impl IntoFuture for Batch {
    type Output = Result<Vec<Published>, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// Publishes them by the publisher of this process: see [`setup`](crate::setup).
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.on(&publish::current()?).await })
    }
}
