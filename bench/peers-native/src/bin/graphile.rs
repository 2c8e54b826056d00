//! `graphile_worker`, set up for throughput: a local queue, and completions in batches of a millisecond.
//!
//! Without those two it takes one job for each slot and wake-up, and a backlog drains at the pace of its poll. A job of a worker that is
//! killed runs again. Where it stands: a program of the benchmark.
#![expect(clippy::large_futures, reason = "made once, at the start")]

use std::ops::Range;
use std::time::Duration;

use graphile_worker::{
    IntoTaskHandlerResult, JobSpec, LocalQueueConfig, TaskHandler, WorkerContext, WorkerOptions, WorkerUtils,
};
use peers_native::{Error, Publish, System};
use serde::{Deserialize, Serialize};

/// Jobs that a worker holds ready.
const LOCAL_QUEUE: usize = 500;
const BATCH_DELAY: Duration = Duration::from_millis(1);

#[derive(Clone, Deserialize, Serialize)]
struct Noop {
    number: u64,
}

impl TaskHandler for Noop {
    const IDENTIFIER: &'static str = "noop";

    async fn run(self, _context: WorkerContext) -> impl IntoTaskHandlerResult {
        peers_native::count().map_err(|error| error.to_string())
    }
}

#[derive(Clone, Deserialize, Serialize)]
struct Stamp {
    sent: f64,
}

impl TaskHandler for Stamp {
    const IDENTIFIER: &'static str = "stamp";

    async fn run(self, _context: WorkerContext) -> impl IntoTaskHandlerResult {
        peers_native::stamp(self.sent).map_err(|error| error.to_string())
    }
}

struct Graphile;

fn options(url: &str) -> WorkerOptions {
    WorkerOptions::default().database_url(url).define_job::<Noop>().define_job::<Stamp>()
}

impl System for Graphile {
    type Publisher = Publisher;

    async fn setup(url: &str) -> Result<(), Error> {
        options(url).init().await?;
        Ok(())
    }

    async fn work(url: &str, concurrency: usize) -> Result<(), Error> {
        let worker = options(url)
            .concurrency(concurrency)
            .local_queue(LocalQueueConfig::default().with_size(LOCAL_QUEUE))
            .complete_job_batch_delay(BATCH_DELAY)
            .fail_job_batch_delay(BATCH_DELAY)
            .init()
            .await?;
        worker.run().await?;
        Ok(())
    }

    async fn publisher(url: &str) -> Result<Publisher, Error> {
        Ok(Publisher(options(url).init().await?.create_utils()))
    }
}

struct Publisher(WorkerUtils);

impl Publish for Publisher {
    async fn one(&mut self, number: u64) -> Result<(), Error> {
        self.0.add_job(Noop { number }, JobSpec::default()).await?;
        Ok(())
    }

    async fn many(&mut self, numbers: Range<u64>) -> Result<(), Error> {
        let spec = JobSpec::default();
        let jobs: Vec<_> = numbers.map(|number| (Noop { number }, &spec)).collect();
        self.0.add_jobs::<Noop>(&jobs).await?;
        Ok(())
    }

    async fn stamp(&mut self, sent: f64) -> Result<(), Error> {
        self.0.add_job(Stamp { sent }, JobSpec::default()).await?;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    peers_native::main::<Graphile>().await
}
