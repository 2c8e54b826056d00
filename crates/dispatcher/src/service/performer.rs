//! The registry as what runs tasks inside a service: name to definition, message to arguments, outcome to end.
//!
//! Where it stands: between the service's lanes and `perform`.

use std::sync::Arc;

use dispatcher_service::{InsideHost, InsideTask, Performer, Run, RunEnd, Start};
use serde_json::{Map, Value};

use crate::context::{Details, Host, HostFuture, Progress, TaskContext};
use crate::definition::{Arguments, Body, Failure, Outcome};
use crate::perform::perform;
use crate::registry::Registry;

/// Runs the tasks of a registry.
pub(super) struct Registered(pub(super) Registry);

impl Performer for Registered {
    fn names(&self) -> Vec<String> {
        self.0.names().into_iter().map(str::to_owned).collect()
    }

    fn begin(&self, start: Start) -> Run {
        let Start { task, worker, cancel, host } = start;
        let Some(definition) = self.0.get(task.name()) else { return unknown(&task) };
        let blocks = matches!(definition.body, Body::Blocking(_));
        let arguments =
            Arguments { args: task.args().map(str::to_owned), kwargs: task.kwargs().map(str::to_owned) };
        let inside = Arc::new(Inside { task, worker, host });
        let context = TaskContext::of(Arc::clone(&inside) as Arc<dyn Details>, cancel, inside);
        let definition = definition.clone();
        let run = Box::pin(async move { end(perform(&definition, context, arguments).await) });
        if blocks { Run::Blocks(run) } else { Run::Awaits(run) }
    }
}

/// As a worker program says it.
fn unknown(task: &InsideTask) -> Run {
    let message = format!(
        "no task {:?} is registered in this application; the registry that the service was given names the others",
        task.name()
    );
    let end = RunEnd::Refused { kind: "UnknownTask".to_owned(), message };
    Run::Awaits(Box::pin(std::future::ready(end)))
}

fn end(outcome: Outcome) -> RunEnd {
    match outcome {
        // Whoever published it waits for no result.
        Ok(_) => RunEnd::Success,
        Err(Failure::Cancelled) => RunEnd::Cancelled,
        Err(Failure::Failed { kind, message }) => RunEnd::Failed { kind, message },
    }
}

/// One run, as its context sees it: what it is, and the service that it is in.
struct Inside {
    task: InsideTask,
    worker: u32,
    host: InsideHost,
}

impl Details for Inside {
    fn uuid(&self) -> &str {
        self.task.uuid()
    }

    fn task(&self) -> &str {
        self.task.name()
    }

    fn queue(&self) -> &str {
        self.task.channel()
    }

    fn attempt(&self) -> u32 {
        self.task.attempt()
    }

    fn worker_id(&self) -> u32 {
        self.worker
    }
}

impl Host for Inside {
    fn progress(&self, uuid: &str, progress: Progress) {
        self.host.progress(uuid, progress);
    }

    fn control<'a>(
        &'a self,
        command: &'a str,
        data: Map<String, Value>,
    ) -> HostFuture<'a, Result<Map<String, Value>, String>> {
        Box::pin(self.host.control(command, data))
    }
}
