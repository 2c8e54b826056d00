//! The publisher of this process: what `setup` was given, unless a test stands in its place.

use std::sync::{PoisonError, RwLock};

use super::Publisher;
use crate::error::Error;
#[cfg(not(feature = "config"))]
use crate::error::Kind;

static PUBLISHER: RwLock<Option<Publisher>> = RwLock::new(None);

/// Sets the publisher of this process: what `greet::delay(...).await` publishes on. The last call counts.
///
/// Without it, and with the feature `config`, the file that `DISPATCHER_CONFIG_FILE` or `DISPATCHERD_CONFIG_FILE` names
/// is read at the first publish, as Python does.
///
/// ```
/// # fn main() -> Result<(), dispatcher::Error> {
/// use dispatcher::Publisher;
///
/// dispatcher::setup(Publisher::postgres("dbname=shop")?.channel("test_channel"));
/// # Ok(()) }
/// ```
pub fn setup(publisher: Publisher) {
    *PUBLISHER.write().unwrap_or_else(PoisonError::into_inner) = Some(publisher);
}

/// The publisher for whoever names none.
pub(crate) fn current() -> Result<Publisher, Error> {
    #[cfg(feature = "testing")]
    if let Some(publisher) = stand_in() {
        return Ok(publisher);
    }
    if let Some(publisher) = &*PUBLISHER.read().unwrap_or_else(PoisonError::into_inner) {
        return Ok(publisher.clone());
    }
    from_environment()
}

#[cfg(feature = "config")]
fn from_environment() -> Result<Publisher, Error> {
    let publisher = Publisher::from_env()?;
    setup(publisher.clone());
    Ok(publisher)
}

#[cfg(not(feature = "config"))]
fn from_environment() -> Result<Publisher, Error> {
    Err(Kind::NotSetUp.into())
}

#[cfg(feature = "testing")]
pub(crate) use stand_in::{Entered, enter, get as stand_in, scope};

/// Publishers of tests, which run at the same time in one process: for a thread, or for a future.
#[cfg(feature = "testing")]
mod stand_in {
    use std::cell::RefCell;
    use std::future::Future;

    use super::Publisher;

    thread_local! {
        static OF_THREAD: RefCell<Vec<Publisher>> = const { RefCell::new(Vec::new()) };
    }

    tokio::task_local! {
        static OF_FUTURE: Publisher;
    }

    /// The one that counts here.
    pub(crate) fn get() -> Option<Publisher> {
        let of_future = OF_FUTURE.try_with(Clone::clone).ok();
        of_future.or_else(|| OF_THREAD.with(|stack| stack.borrow().last().cloned()))
    }

    /// The publisher of everything in this future, whatever thread it is on.
    pub(crate) fn scope<F: Future>(publisher: Publisher, future: F) -> impl Future<Output = F::Output> {
        OF_FUTURE.scope(publisher, future)
    }

    /// The publisher of this thread until the guard is dropped.
    pub(crate) fn enter(publisher: Publisher) -> Entered {
        OF_THREAD.with(|stack| stack.borrow_mut().push(publisher));
        Entered { of_this_thread: std::marker::PhantomData }
    }

    /// Ends what `enter` began.
    #[derive(Debug)]
    pub(crate) struct Entered {
        /// Not to be sent to another thread.
        of_this_thread: std::marker::PhantomData<*const ()>,
    }

    impl Drop for Entered {
        fn drop(&mut self) {
            OF_THREAD.with(|stack| stack.borrow_mut().pop());
        }
    }
}
