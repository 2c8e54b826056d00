//! How many tasks a second a service inside an application runs: no Postgres, no processes.
//!
//! Each task is a message text as any publisher writes it; the service decodes it, passes it through its engine, runs the
//! registered async function with its argument, and settles it. The writing of the texts is in the figure too. Prints one JSON
//! object.
//!
//!     cargo run --release --example embedded_speed -- [TASKS] [SLOTS] [THREADS]

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dispatcher::Service;
use serde_json::{Map, json};
use tokio::runtime::Builder;

/// The sum of all arguments: each task has its own, so none was left out, or run twice.
static SUM: AtomicU64 = AtomicU64::new(0);

#[dispatcher::task(name = "bench.noop")]
#[expect(clippy::unused_async, reason = "a task that has nothing to wait for")]
async fn noop(number: u64) {
    SUM.fetch_add(number, Ordering::Relaxed);
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| arguments.next().map_or(Ok(default), |text| text.parse::<u32>());
    let (tasks, slots, threads) = (number(1_000_000)?, number(10)?, number(1)?);
    let runtime = match threads {
        1 => Builder::new_current_thread().enable_all().build(),
        more => Builder::new_multi_thread().worker_threads(more as usize).enable_all().build(),
    }?;
    let seconds = runtime.block_on(async {
        let measured = tokio::spawn(measure(tasks.into(), u16::try_from(slots)?));
        Ok::<_, Box<dyn Error>>(measured.await?.map_err(|error| error.to_string())?)
    })?;
    let tasks = u64::from(tasks);
    if SUM.load(Ordering::Relaxed) != tasks * tasks.saturating_sub(1) / 2 {
        return Err("not every task has run exactly once".into());
    }
    let figure = json!({
        "tasks": tasks,
        "slots": slots,
        "threads": threads,
        "seconds": seconds,
        "tasks_a_second": (tasks as f64 / seconds).round(),
    });
    #[expect(clippy::print_stdout, reason = "the figure is what this is for")]
    {
        println!("{figure}");
    }
    Ok(())
}

/// How long so many tasks take, from the first one's text to the last one's end.
async fn measure(tasks: u64, slots: u16) -> Result<f64, Box<dyn Error + Send + Sync>> {
    let mut service = Service::builder().slots(slots).start()?;
    service.ready().await?;
    let began = Instant::now();
    for number in 0..tasks {
        let text = format!(
            r#"{{"uuid": "6f2b3c5e-1d4a-4f7b-9c8d-{number:012x}", "time_pub": 1795485554.14, "task": "bench.noop", "args": [{number}]}}"#
        );
        service.deliver(text).await?;
    }
    while service.control("main", Map::new()).await?["pool"]["finished_count"] != tasks {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let seconds = began.elapsed().as_secs_f64();
    service.stop().await?;
    Ok(seconds)
}
