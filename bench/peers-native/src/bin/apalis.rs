//! `apalis-postgres`, set up for throughput: large batches, tasks of their own for jobs, and LISTEN.
//!
//! A finished job stays in its table. Where it stands: a program of the benchmark.

use std::ops::Range;

use apalis::prelude::*;
use apalis_postgres::{Config, PgPool, PostgresStorage};
use peers_native::{Error, Publish, System};
use serde::{Deserialize, Serialize};

/// Jobs that a worker takes at once.
const BATCH: usize = 500;

/// A no-op, or a latency task if it says when it was sent.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Job {
    number: u64,
    sent: Option<f64>,
}

async fn perform(job: Job) -> Result<(), BoxDynError> {
    match job.sent {
        Some(sent) => peers_native::stamp(sent)?,
        None => peers_native::count()?,
    }
    Ok(())
}

struct Apalis;

impl System for Apalis {
    type Publisher = Publisher;

    async fn setup(url: &str) -> Result<(), Error> {
        PostgresStorage::setup(&PgPool::connect(url).await?).await?;
        Ok(())
    }

    async fn work(url: &str, concurrency: usize) -> Result<(), Error> {
        let pool = PgPool::connect(url).await?;
        let config = Config::default().queue("bench").batch_size(BATCH);
        let backend = PostgresStorage::<Job>::new(&pool).with_config(config).with_pubsub();
        let name = format!("bench-{}", std::process::id());
        WorkerBuilder::new(name.as_str())
            .backend(backend)
            .concurrency(concurrency)
            .parallelize(tokio::spawn)
            .build(perform)
            .run()
            .await?;
        Ok(())
    }

    async fn publisher(url: &str) -> Result<Publisher, Error> {
        let config = Config::default().queue("bench");
        Ok(Publisher(PostgresStorage::new(&PgPool::connect(url).await?).with_config(config)))
    }
}

struct Publisher(PostgresStorage<Job>);

impl Publish for Publisher {
    async fn one(&mut self, number: u64) -> Result<(), Error> {
        self.0.push(Job { number, sent: None }).await?;
        Ok(())
    }

    async fn many(&mut self, numbers: Range<u64>) -> Result<(), Error> {
        self.0.push_bulk(numbers.map(|number| Job { number, sent: None }).collect()).await?;
        Ok(())
    }

    async fn stamp(&mut self, sent: f64) -> Result<(), Error> {
        self.0.push(Job { number: 0, sent: Some(sent) }).await?;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    peers_native::main::<Apalis>().await
}
