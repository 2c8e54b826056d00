//! A worker program: build it, name it in `worker.command`, and the service runs these tasks.
//!
//! ```sh
//! cargo build --example worker
//! target/debug/examples/worker              # says how to configure it
//! target/debug/examples/worker --list-tasks
//! ```
//!
//! The tasks are the ones that the transcripts of the worker protocol ask for (`tests/workers/test_transcripts.py`).

#![expect(
    clippy::unused_async,
    reason = "a task that is async runs beside others on one thread, whether it awaits or not"
)]
#![expect(clippy::needless_pass_by_value, reason = "a task owns its arguments")]

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use dispatcher::TaskContext;
use dispatcher::context::Progress;
use serde_json::{Map, Value};

const LOOK: Duration = Duration::from_millis(2);

/// Gives back what it got.
#[dispatcher::task(name = "demo.give")]
async fn give(value: Option<Value>) -> Value {
    value.unwrap_or(Value::Null)
}

/// Fails with this text.
#[dispatcher::task(name = "demo.fail")]
async fn fail(text: String) -> Result<(), String> {
    Err(text)
}

/// Panics with this text.
#[dispatcher::task(name = "demo.panic")]
async fn panics(text: String) {
    panic!("{text}");
}

/// Makes the first file, and waits for the second one.
#[dispatcher::task(name = "demo.wait")]
async fn wait(here: String, go: String) -> String {
    say(&here);
    while !Path::new(&go).exists() {
        tokio::time::sleep(LOOK).await;
    }
    "waited".to_owned()
}

/// The same on a thread of its own; gives way when it is cancelled.
#[dispatcher::task(name = "demo.block")]
fn block(ctx: TaskContext, here: String, go: String) -> Result<String, String> {
    say(&here);
    while !Path::new(&go).exists() {
        if ctx.is_cancelled() {
            return Err("gave way".to_owned());
        }
        thread::sleep(LOOK);
    }
    Ok("waited".to_owned())
}

/// Never looks whether it should end.
#[dispatcher::task(name = "demo.deaf")]
fn deaf(here: String) {
    say(&here);
    loop {
        thread::sleep(LOOK);
    }
}

/// The same where every async task is.
#[dispatcher::task(name = "demo.spin")]
async fn spin(here: String) {
    say(&here);
    loop {
        std::hint::spin_loop();
    }
}

/// Ends its process.
#[dispatcher::task(name = "demo.crash")]
async fn crash() {
    std::process::abort();
}

/// Asks its service something, and gives back the answer.
#[dispatcher::task(name = "demo.ask")]
async fn ask(ctx: TaskContext, command: String, data: Option<Map<String, Value>>) -> Result<Value, String> {
    ctx.control(&command, data.unwrap_or_default()).await.map(Value::Object)
}

/// Says how far it has come, and waits for a file.
#[dispatcher::task(name = "demo.tell")]
async fn tell(ctx: TaskContext, percent: f64, text: String, data: Option<Value>, go: String) {
    ctx.progress(Progress { percent: Some(percent), text: Some(text), data });
    while !Path::new(&go).exists() {
        tokio::time::sleep(LOOK).await;
    }
}

/// Who runs it.
#[dispatcher::task(name = "demo.who")]
async fn who(ctx: TaskContext) -> (String, String, u32, u32) {
    (ctx.uuid().to_owned(), ctx.queue().to_owned(), ctx.worker_id(), ctx.attempt())
}

/// Appends a line to a file, whole.
#[dispatcher::task(name = "demo.note")]
async fn note(path: String, line: String) -> Result<(), String> {
    use std::io::Write;
    let file = fs::OpenOptions::new().create(true).append(true).open(path);
    file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()))
        .map_err(|error| error.to_string())
}

/// Whoever waits for the file sees it.
fn say(path: &str) {
    // A test that looks for it says what is missing.
    let _ = fs::write(path, "here");
}

fn main() {
    dispatcher::worker::main()
}
