//! The tasks of the black-box suite as a worker program, for those of its files that ask nothing of a language:
//! `tools/conformance.py --worker rust`.
//!
//! Each has the name and the arguments of its Python twin, and reports in the same file. Written without the attribute,
//! as the suite calls some of them with arguments of any kind.

#![expect(
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    reason = "what runs a task has one signature"
)]

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::process::parent_id;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dispatcher::definition::{Body, OnCancel, Run, TaskOptions};
use dispatcher::worker::Builder;
use dispatcher::{Arguments, Definition, Failure, Outcome, Registry, TaskContext};
use serde_json::{Map, Value, json};

const LOOK: Duration = Duration::from_millis(10);
const LIMIT: f64 = 60.0;

/// Appends one JSON line to the report, in one write.
fn emit(event: &str, fields: Value) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let mut line = json!({"event": event, "pid": std::process::id(), "ppid": parent_id(), "t": now});
    if let (Value::Object(line), Value::Object(fields)) = (&mut line, fields) {
        line.extend(fields);
    }
    let report = OpenOptions::new().create(true).append(true).open(report());
    let _ = report.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
}

fn report() -> PathBuf {
    std::env::var_os("CONF_OUT").map(PathBuf::from).unwrap_or_default()
}

/// The suite lets a task go on by making a file.
fn gate_is_open(tag: &Value) -> bool {
    let name = format!("gate-{}", tag.as_str().unwrap_or_default());
    report().parent().is_some_and(|folder| folder.join(name).exists())
}

/// Positional arguments and keyword arguments. What strict JSON has not is none of the suite's business here.
fn read(arguments: &Arguments) -> (Vec<Value>, Map<String, Value>) {
    let args = arguments.args.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let kwargs = arguments.kwargs.as_deref().and_then(|text| serde_json::from_str(text).ok());
    (args.unwrap_or_default(), kwargs.unwrap_or_default())
}

/// The argument at this place or of this name.
fn argument(arguments: &Arguments, place: usize, name: &str) -> Value {
    let (args, kwargs) = read(arguments);
    args.get(place).or_else(|| kwargs.get(name)).cloned().unwrap_or(Value::Null)
}

fn record(_: TaskContext, arguments: Arguments) -> Run {
    Box::pin(async move {
        let (args, kwargs) = read(&arguments);
        emit("record", json!({"args": args, "kwargs": kwargs}));
        Ok(None)
    })
}

fn append_order(_: TaskContext, arguments: Arguments) -> Run {
    Box::pin(async move {
        emit("order", json!({"n": argument(&arguments, 0, "n")}));
        Ok(None)
    })
}

fn hold(context: TaskContext, arguments: Arguments) -> Run {
    Box::pin(async move {
        let tag = argument(&arguments, 0, "tag");
        let limit = argument(&arguments, 1, "limit").as_f64().unwrap_or(LIMIT);
        emit("start", json!({"tag": tag}));
        let end = Instant::now() + Duration::from_secs_f64(limit);
        while !gate_is_open(&tag) && Instant::now() < end {
            tokio::select! {
                () = context.cancellation().cancelled() => {
                    emit("interrupted", json!({"tag": tag, "exc": "DispatcherCancel"}));
                    return Err(Failure::Cancelled);
                }
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        emit("end", json!({"tag": tag}));
        Ok(None)
    })
}

/// Says that it was cancelled before it gives way.
fn clean_up(context: TaskContext, arguments: Arguments) -> Run {
    Box::pin(async move {
        let tag = argument(&arguments, 0, "tag");
        emit("start", json!({"tag": tag}));
        while !gate_is_open(&tag) && !context.is_cancelled() {
            tokio::time::sleep(LOOK).await;
        }
        if !context.is_cancelled() {
            return Ok(None);
        }
        emit("cleanup", json!({"tag": tag, "exc": "DispatcherCancel"}));
        Err(Failure::Cancelled)
    })
}

fn nap(_: TaskContext, arguments: Arguments) -> Run {
    Box::pin(async move {
        let tag = argument(&arguments, 1, "tag");
        emit("start", json!({"tag": tag}));
        let seconds = argument(&arguments, 0, "seconds").as_f64().unwrap_or_default();
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        emit("end", json!({"tag": tag}));
        Ok(None)
    })
}

fn fail(_: TaskContext, arguments: Arguments) -> Run {
    Box::pin(async move {
        let message = argument(&arguments, 0, "message").as_str().unwrap_or("on purpose").to_owned();
        emit("failing", json!({"message": message}));
        Err(Failure::Failed { kind: "RuntimeError".to_owned(), message })
    })
}

fn return_value(_: TaskContext, arguments: Arguments) -> Run {
    Box::pin(async move {
        let value = argument(&arguments, 0, "value");
        emit("returning", json!({"value": value}));
        Ok(Some(value.to_string()))
    })
}

/// Does not give way to its cancel, until the gate opens.
fn swallow_cancel(context: TaskContext, arguments: Arguments) -> Outcome {
    let tag = argument(&arguments, 0, "tag");
    emit("start", json!({"tag": tag}));
    let (end, mut caught) = (Instant::now() + Duration::from_secs_f64(LIMIT), 0);
    while Instant::now() < end && !gate_is_open(&tag) {
        if context.is_cancelled() && caught == 0 {
            caught = 1;
            emit("swallowed", json!({"tag": tag, "exc": "DispatcherCancel", "caught": caught}));
        }
        std::thread::sleep(LOOK);
    }
    emit("end", json!({"tag": tag, "caught": caught}));
    Ok(None)
}

/// A loop that looks at nothing.
fn chatter_forever(_: TaskContext, arguments: Arguments) -> Outcome {
    emit("start", json!({"tag": argument(&arguments, 0, "tag")}));
    loop {
        std::thread::sleep(LOOK);
    }
}

/// A task with a process of its own.
fn spawn_child(context: TaskContext, arguments: Arguments) -> Outcome {
    let tag = argument(&arguments, 0, "tag");
    let started = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn();
    let mut child = started
        .map_err(|error| Failure::Failed { kind: "io::Error".to_owned(), message: error.to_string() })?;
    emit("start", json!({"tag": tag, "child": child.id()}));
    while !gate_is_open(&tag) && !context.is_cancelled() {
        std::thread::sleep(LOOK);
    }
    let _ = child.kill();
    let _ = child.wait();
    if context.is_cancelled() { Err(Failure::Cancelled) } else { Ok(None) }
}

fn do_os_exit(_: TaskContext, arguments: Arguments) -> Outcome {
    let code = argument(&arguments, 0, "code").as_i64().unwrap_or_default();
    emit("exiting", json!({"how": "os._exit"}));
    std::process::exit(i32::try_from(code).unwrap_or(1));
}

fn die_at_once(_: TaskContext, _: Arguments) -> Outcome {
    std::process::exit(1);
}

fn do_sigkill_self(_: TaskContext, _: Arguments) -> Outcome {
    emit("exiting", json!({"how": "SIGKILL"}));
    let _ = Command::new("kill").args(["-KILL", &std::process::id().to_string()]).status();
    Ok(None)
}

fn task(name: &'static str, body: Body) -> Definition {
    Definition {
        name,
        place: file!(),
        options: TaskOptions::default(),
        on_cancel: match name {
            "tasks.basic.nap" => OnCancel::Drop,
            _ => OnCancel::Cooperate,
        },
        body,
    }
}

fn main() -> ExitCode {
    let all = [
        task("tasks.basic.record", Body::Async(record)),
        task("tasks.basic.append_order", Body::Async(append_order)),
        task("tasks.basic.hold", Body::Async(hold)),
        task("tasks.basic.hold_other", Body::Async(hold)),
        task("tasks.basic.cleanup_and_reraise", Body::Async(clean_up)),
        task("tasks.registered.serial_hold", Body::Async(hold)),
        task("tasks.basic.nap", Body::Async(nap)),
        task("tasks.basic.fail", Body::Async(fail)),
        task("tasks.basic.return_value", Body::Async(return_value)),
        task("tasks.basic.swallow_cancel", Body::Blocking(swallow_cancel)),
        task("tasks.basic.chatter_forever", Body::Blocking(chatter_forever)),
        task("tasks.basic.spawn_child", Body::Blocking(spawn_child)),
        task("tasks.basic.do_os_exit", Body::Blocking(do_os_exit)),
        task("tasks.basic.die_at_once", Body::Blocking(die_at_once)),
        task("tasks.basic.do_sigkill_self", Body::Blocking(do_sigkill_self)),
    ];
    let mut registry = Registry::new();
    for task in all {
        if let Err(twice) = registry.add(task) {
            // The suite reads standard error as the log.
            let _ = writeln!(std::io::stderr(), "{twice}");
        }
    }
    Builder::new().slots(1).registry(registry).run()
}
