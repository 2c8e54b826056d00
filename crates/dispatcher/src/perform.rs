//! One run of one task, whoever asked for it: a worker program, a service in the same process, a test.
//!
//! A panic is a failure of that run. Knows nothing of wires and slots.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt;

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
            tokio::select! {
                biased;
                () = token.cancelled() => Err(Failure::Cancelled),
                outcome = run => outcome.unwrap_or_else(|panic| Err(panicked(&*panic))),
            }
        }
        Body::Blocking(call) => {
            let run = tokio::task::spawn_blocking(move || {
                catch_unwind(AssertUnwindSafe(|| call(context, arguments)))
                    .unwrap_or_else(|panic| Err(panicked(&*panic)))
            });
            run.await.unwrap_or(Err(Failure::Cancelled))
        }
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Failure {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    Failure::Failed { kind: "panic".to_owned(), message: text.unwrap_or_else(|| "it panicked".to_owned()) }
}
