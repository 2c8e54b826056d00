//! What every native system of the benchmark is put through, and what its tasks do.
//!
//! A program made of this is called as `setup`, `work` or `publish`. As a publisher it takes one JSON action a line on stdin and
//! gives one JSON reply a line on stdout, as `bench/app/bench_publisher.py` does for Python. A finished no-op adds one byte
//! to a file, a latency task one double: the same as in `bench/app/bench_tasks.py`. Measures nothing but when each action
//! began and ended. Where it stands: under every program here.
#![expect(async_fn_in_trait, reason = "used by the programs of this workspace only")]

use std::env;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, Write};
use std::ops::Range;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

/// Whatever went wrong; the benchmark shows its text.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

static COUNT: LazyLock<Option<File>> = LazyLock::new(|| open("BENCH_COUNT"));
static DELAYS: LazyLock<Option<File>> = LazyLock::new(|| open("BENCH_DELAYS"));

fn open(variable: &str) -> Option<File> {
    OpenOptions::new().append(true).create(true).open(env::var_os(variable)?).ok()
}

fn add(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    // One system call: the file is open for appending, so nothing of others can get between.
    file.write_all(bytes)
}

/// The body of the no-op: it counts itself.
pub fn count() -> io::Result<()> {
    add(COUNT.as_ref().ok_or(io::ErrorKind::NotFound)?, b".")
}

/// The body of the latency task: it notes how long ago it was published.
pub fn stamp(sent: f64) -> io::Result<()> {
    add(DELAYS.as_ref().ok_or(io::ErrorKind::NotFound)?, &(now() - sent).to_le_bytes())
}

/// Seconds since the epoch.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// One system.
pub trait System {
    /// Its way in.
    type Publisher: Publish;

    /// Brings the database at `url` into the shape that the system needs.
    async fn setup(url: &str) -> Result<(), Error>;

    /// Works until the process is ended, at most `concurrency` tasks at a time.
    async fn work(url: &str, concurrency: usize) -> Result<(), Error>;

    /// One connection, as an application has it.
    async fn publisher(url: &str) -> Result<Self::Publisher, Error>;
}

/// Publishes no-ops and latency tasks.
pub trait Publish {
    /// One no-op by one call.
    async fn one(&mut self, number: u64) -> Result<(), Error>;

    /// Many no-ops by one call. The default is for systems without such a call.
    async fn many(&mut self, _numbers: Range<u64>) -> Result<(), Error> {
        Err("it has no call for many".into())
    }

    /// One latency task.
    async fn stamp(&mut self, sent: f64) -> Result<(), Error>;
}

/// The whole of a program: `setup`, `work` or `publish`, on the database that `BENCH_URL` names.
pub async fn main<S: System>() -> Result<(), Error> {
    let url = env::var("BENCH_URL")?;
    match env::args().nth(1).as_deref() {
        Some("setup") => S::setup(&url).await,
        Some("work") => S::work(&url, env::var("BENCH_CONCURRENCY")?.parse()?).await,
        Some("publish") => serve(S::publisher(&url).await?).await,
        other => Err(format!("{other:?} is none of setup, work, publish").into()),
    }
}

async fn serve(mut publisher: impl Publish) -> Result<(), Error> {
    say(&json!({}))?;
    for line in io::stdin().lock().lines() {
        let action: Value = serde_json::from_str(&line?)?;
        let began = now();
        let outcome = act(&mut publisher, &action).await;
        let mut reply = json!({"began": began, "ended": now()});
        if let Err(error) = outcome {
            reply["error"] = error.to_string().into();
        }
        say(&reply)?;
    }
    Ok(())
}

async fn act(publisher: &mut impl Publish, action: &Value) -> Result<(), Error> {
    let number = |key: &str| action[key].as_u64().ok_or_else(|| format!("the action has no number {key}"));
    let count = number("count")?;
    match action["action"].as_str() {
        Some("burst") => {
            for each in 0..count {
                publisher.one(each).await?;
            }
        }
        Some("batches") => {
            let size = number("size")?;
            let mut first = 0;
            while first < count {
                let next = count.min(first + size);
                publisher.many(first..next).await?;
                first = next;
            }
        }
        Some("paced") => {
            let gap = Duration::from_secs_f64(1.0 / action["rate"].as_f64().ok_or("the action has no rate")?);
            let mut due = Instant::now();
            for _ in 0..count {
                sleep_until(due).await;
                publisher.stamp(now()).await?;
                due += gap;
            }
        }
        other => return Err(format!("{other:?} is no action").into()),
    }
    Ok(())
}

fn say(reply: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{reply}")?;
    out.flush()
}
