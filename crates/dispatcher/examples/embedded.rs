//! An application with a service inside it: its tasks run here, on its own tokio runtime. Needs nothing but itself.
//!
//!     cargo run -p dispatcher --example embedded

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::time::Duration;

use dispatcher::context::Progress;
use dispatcher::{OnDuplicate, Service, TaskContext};
use serde_json::{Value, json};

/// A task is a function with an attribute; its arguments travel as JSON.
#[dispatcher::task(timeout = "5s")]
#[expect(clippy::unused_async, reason = "there is nothing to wait for")]
async fn greet(ctx: TaskContext, name: String) {
    println!("  hello {name} (task {}, worker {})", ctx.uuid(), ctx.worker_id());
}

/// One that takes a while says how far it has come.
#[dispatcher::task]
async fn render(ctx: TaskContext, pages: u32) {
    for page in 1..=pages {
        tokio::time::sleep(Duration::from_millis(20)).await;
        ctx.progress(Progress { percent: Some(f64::from(page * 100 / pages)), ..Progress::default() });
    }
    println!("  rendered {pages} pages");
}

/// One that is not async has a thread of its own.
#[dispatcher::task]
#[expect(clippy::needless_pass_by_value, reason = "what has come as JSON belongs to the task")]
fn digest(text: String) {
    let sum = text.bytes().fold(0_u32, |sum, byte| sum.rotate_left(5) ^ u32::from(byte));
    println!("  digest of {} bytes: {sum:08x}", text.len());
}

/// One that would take for ever is dropped where it awaits when its time is over.
#[dispatcher::task(timeout = "0.1s")]
async fn wait_for_godot() {
    std::future::pending::<()>().await;
}

#[dispatcher::task]
async fn fail() -> Result<(), std::num::ParseIntError> {
    tokio::task::yield_now().await;
    "seventeen".parse::<u32>().map(drop)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Every #[task] of the program is known. Brokers come from here or from a configuration file, as for `dispatcher serve`;
    // without one only this process can publish.
    let mut service = Service::builder().slots(4).start()?;
    service.ready().await?;
    println!("the service is ready");

    let publisher = service.publisher();
    greet::submit("world".to_owned()).on(&publisher).await?;
    render::submit(5).on(&publisher).await?;
    digest::submit("so much text".repeat(1000)).on(&publisher).await?;
    fail::submit().uuid("number").on(&publisher).await?;
    let godot = wait_for_godot::submit().on(&publisher).await?;
    for _ in 0..3 {
        // Two of them are dropped: an equal one is here.
        render::submit(3).on_duplicate(OnDuplicate::Discard).on(&publisher).await?;
    }

    // Control requests are answered as `dispatcher ctl` would show them.
    let ended = wait_for_the_end(&service, godot.uuid()).await?;
    println!("godot: {}", ended["outcome"]);
    println!("number: {}", wait_for_the_end(&service, "number").await?["error"]["message"]);
    let main = service.control("main", serde_json::Map::new()).await?;
    println!("discarded as duplicates: {}", main["pool"]["discarded_count"]);

    // Running tasks may finish.
    service.stop().await?;
    println!("stopped");
    Ok(())
}

/// Asks until this task has ended, and how.
async fn wait_for_the_end(
    service: &dispatcher::service::Running,
    uuid: &str,
) -> Result<Value, Box<dyn Error>> {
    for _ in 0..500 {
        let Value::Object(wanted) = json!({"uuid": uuid}) else { break };
        if let Some(end) = service.control("ended", wanted).await?.remove("ended-0") {
            return Ok(end);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(format!("task {uuid} has not ended").into())
}
