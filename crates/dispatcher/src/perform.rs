//! One run of one task, whoever asked for it: a worker program, a service in the same process, a test.
//!
//! A panic is a failure of that run. Knows nothing of wires and slots.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::context::TaskContext;
use crate::definition::{Arguments, Body, Definition, Failure, OnCancel, Outcome};

/// Runs a task to its end.
pub async fn perform(task: &Definition, context: TaskContext, arguments: Arguments) -> Outcome {
    match task.body {
        Body::Async(start) => {
            let token = context.cancellation().clone();
            let run = async move { start(context, arguments).await };
            let run = AssertUnwindSafe(run).catch_unwind();
            if task.on_cancel == OnCancel::Cooperate {
                return run.await.unwrap_or_else(|panic| Err(panicked(&*panic)));
            }
            if token.is_cancelled() {
                return Err(Failure::Cancelled);
            }
            // The run first: most are over before there is anything to wait for.
            tokio::select! {
                biased;
                outcome = run => outcome.unwrap_or_else(|panic| Err(panicked(&*panic))),
                () = token.cancelled() => Err(Failure::Cancelled),
            }
        }
        Body::Blocking(call) => {
            let (end, ended) = oneshot::channel();
            let runtime = Handle::current();
            #[cfg(feature = "testing")]
            let stand_in = crate::publish::stand_in();
            // A thread of its own, and none of the runtime's: one that never comes back would keep the runtime from ending.
            let thread = thread::Builder::new().name(task.name.to_owned()).spawn(move || {
                let _within = runtime.enter();
                // What it publishes in a test belongs to the test.
                #[cfg(feature = "testing")]
                let _publisher = stand_in.map(crate::publish::enter);
                let outcome = catch_unwind(AssertUnwindSafe(|| call(context, arguments)));
                // Whoever has given it up waits for nothing.
                let _ = end.send(outcome.unwrap_or_else(|panic| Err(panicked(&*panic))));
            });
            match thread {
                Ok(_) => ended.await.unwrap_or(Err(Failure::Cancelled)),
                Err(error) => Err(no_thread(&error)),
            }
        }
    }
}

fn no_thread(error: &io::Error) -> Failure {
    let message = format!("there is no thread for it: {error}; fewer slots need fewer threads");
    Failure::Failed { kind: "ThreadError".to_owned(), message }
}

fn panicked(panic: &(dyn Any + Send)) -> Failure {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    Failure::Failed { kind: "panic".to_owned(), message: text.unwrap_or_else(|| "it panicked".to_owned()) }
}
