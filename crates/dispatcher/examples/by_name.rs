//! Starts a task of any language by its name, with the configuration file that services read, and prints the message:
//!
//! `DISPATCHER_CONFIG_FILE=dispatcher.yml cargo run -p dispatcher --example by_name --features config -- app.tasks.report '[2026]'`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next().ok_or("the first argument is the name of the task")?;
    let args: Vec<Value> = arguments.next().map_or(Ok(Vec::new()), |json| serde_json::from_str(&json))?;
    // Without dispatcher::setup(...), the environment names the configuration file, as for Python.
    let submission = args.into_iter().fold(dispatcher::submit(task), dispatcher::Submission::arg);
    println!("{}", submission.await?.message());
    Ok(())
}
