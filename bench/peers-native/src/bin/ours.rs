//! This project's own crate: a publisher over `pg_notify`, and a worker program for a service that bench/native.py starts.
//!
//! Its tasks have the names of those in `bench/app/bench_tasks.py`, so whoever publishes may be of either language. Where it
//! stands: a program of the benchmark.
#![expect(clippy::unused_async, reason = "an async task has no thread to itself, whether it awaits or not")]

use std::env;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

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

/// Counts itself, then keeps its slot until the file is there.
#[dispatcher::task(name = "bench_tasks.hold")]
async fn hold(path: String) -> io::Result<()> {
    peers_native::count()?;
    while !Path::new(&path).exists() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

struct Ours;

impl System for Ours {
    type Publisher = Line;

    async fn setup(_url: &str) -> Result<(), Error> {
        Ok(())
    }

    async fn work(_url: &str, _concurrency: usize) -> Result<(), Error> {
        Err("a worker of ours is started by its service".into())
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

fn main() -> Result<ExitCode, Error> {
    if env::args().nth(1).as_deref() == Some("work") {
        return Ok(dispatcher::worker::Builder::new().run());
    }
    tokio::runtime::Runtime::new()?.block_on(peers_native::main::<Ours>())?;
    Ok(ExitCode::SUCCESS)
}
