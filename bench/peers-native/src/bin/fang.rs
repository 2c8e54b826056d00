//! `fang`, its asynchronous half, with a poll of five milliseconds: it is not told of new tasks.
//!
//! It claims a task by two statements that belong to no transaction, so several workers may run the same one: the benchmark
//! counts that. It has no call for many tasks. Its own migrations need libpq, so the table is made here. Where it stands: a
//! program of the benchmark.

use std::time::Duration;

use async_trait::async_trait;
use fang::{AsyncQueue, AsyncQueueable, AsyncRunnable, AsyncWorkerPool, FangError, SleepParams};
use peers_native::{Error, Publish, System};
use serde::{Deserialize, Serialize};
use sqlx::{Connection, Executor, PgConnection};

const POLL: Duration = Duration::from_millis(5);

const TABLE: &str = "
    CREATE TYPE fang_task_state AS ENUM ('new', 'in_progress', 'failed', 'finished', 'retried');
    CREATE TABLE fang_tasks (
        id uuid PRIMARY KEY,
        metadata jsonb NOT NULL,
        error_message text,
        state fang_task_state NOT NULL DEFAULT 'new',
        task_type text NOT NULL DEFAULT 'common',
        uniq_hash text,
        retries integer NOT NULL DEFAULT 0,
        scheduled_at timestamptz NOT NULL DEFAULT now(),
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX ON fang_tasks (state);
    CREATE INDEX ON fang_tasks (task_type);
    CREATE INDEX ON fang_tasks (scheduled_at);
    CREATE INDEX ON fang_tasks (uniq_hash);
";

fn failure(error: impl std::fmt::Display) -> FangError {
    FangError { description: error.to_string() }
}

#[derive(Deserialize, Serialize)]
struct Noop {
    number: u64,
}

#[async_trait]
#[typetag::serde]
impl AsyncRunnable for Noop {
    async fn run(&self, _queue: &dyn AsyncQueueable) -> Result<(), FangError> {
        peers_native::count().map_err(failure)
    }
}

#[derive(Deserialize, Serialize)]
struct Stamp {
    sent: f64,
}

#[async_trait]
#[typetag::serde]
impl AsyncRunnable for Stamp {
    async fn run(&self, _queue: &dyn AsyncQueueable) -> Result<(), FangError> {
        peers_native::stamp(self.sent).map_err(failure)
    }
}

async fn queue(url: &str, connections: u32) -> Result<AsyncQueue, Error> {
    let mut queue = AsyncQueue::builder().uri(url).max_pool_size(connections).build();
    queue.connect().await?;
    Ok(queue)
}

struct Fang;

impl System for Fang {
    type Publisher = Publisher;

    async fn setup(url: &str) -> Result<(), Error> {
        PgConnection::connect(url).await?.execute(TABLE).await?;
        Ok(())
    }

    async fn work(url: &str, concurrency: usize) -> Result<(), Error> {
        let concurrency = u32::try_from(concurrency)?;
        let sleep = SleepParams {
            sleep_period: POLL,
            min_sleep_period: POLL,
            max_sleep_period: POLL,
            sleep_step: Duration::ZERO,
        };
        let mut pool: AsyncWorkerPool<AsyncQueue> = AsyncWorkerPool::builder()
            .queue(queue(url, concurrency).await?)
            .sleep_params(sleep)
            .number_of_workers(concurrency)
            .build();
        pool.start().await;
        std::future::pending().await
    }

    async fn publisher(url: &str) -> Result<Publisher, Error> {
        Ok(Publisher(queue(url, 1).await?))
    }
}

struct Publisher(AsyncQueue);

impl Publish for Publisher {
    async fn one(&mut self, number: u64) -> Result<(), Error> {
        self.0.insert_task(&Noop { number }).await?;
        Ok(())
    }

    async fn stamp(&mut self, sent: f64) -> Result<(), Error> {
        self.0.insert_task(&Stamp { sent }).await?;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    peers_native::main::<Fang>().await
}
