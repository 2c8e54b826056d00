//! This project's own crate: a publisher over `pg_notify`.
//!
//! Its tasks have the names of those in `bench/app/bench_tasks.py`, whose workers run them. Where it stands: a program of the
//! benchmark.
#![expect(clippy::unused_async, reason = "an async task has no thread to itself, whether it awaits or not")]

use std::env;
use std::io;
use std::ops::Range;

use dispatcher::Publisher;
use peers_native::{Error, Publish, System};

#[dispatcher::task(name = "bench_tasks.noop")]
async fn noop(_number: u64) -> io::Result<()> {
    peers_native::count()
}

#[dispatcher::task(name = "bench_tasks.stamp")]
async fn stamp(sent: f64) -> io::Result<()> {
    peers_native::stamp(sent)
}

struct Ours;

impl System for Ours {
    type Publisher = Line;

    async fn setup(_url: &str) -> Result<(), Error> {
        Ok(())
    }

    async fn work(_url: &str, _concurrency: usize) -> Result<(), Error> {
        Err("its tasks are run by a service".into())
    }

    async fn publisher(url: &str) -> Result<Line, Error> {
        Ok(Line(Publisher::postgres(url)?.channel(env::var("BENCH_CHANNEL")?)))
    }
}

struct Line(Publisher);

impl Publish for Line {
    async fn one(&mut self, number: u64) -> Result<(), Error> {
        noop::submit(number).on(&self.0).await?;
        Ok(())
    }

    async fn many(&mut self, numbers: Range<u64>) -> Result<(), Error> {
        dispatcher::submit_many(numbers.map(noop::submit)).on(&self.0).await?;
        Ok(())
    }

    async fn stamp(&mut self, sent: f64) -> Result<(), Error> {
        stamp::submit(sent).on(&self.0).await?;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    peers_native::main::<Ours>().await
}
