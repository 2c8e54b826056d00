//! Functions with `#[task]`: what they are called with, what they give back, and that they stay functions.
#![forbid(unsafe_code)]
#![expect(clippy::unused_async, reason = "what a task does is not the point here")]

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dispatcher::context::{Host, HostFuture, Progress, RunInfo};
use dispatcher::definition::OnCancel;
use dispatcher::perform::perform;
use dispatcher::{Arguments, Failure, OnDuplicate, Outcome, Registry, Task, TaskContext, task};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    id: u64,
    lines: Vec<Line>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    price: f64,
}

#[derive(Debug)]
struct OutOfStock;

impl fmt::Display for OutOfStock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is none left")
    }
}

type Fallible<T> = Result<T, OutOfStock>;

/// Says hello.
#[task(queue = "test_channel", timeout = "5s", delay = 0.5, on_duplicate = "serial")]
async fn greet(name: String, times: Option<u32>) -> String {
    format!("hello {name}").repeat(times.unwrap_or(1) as usize)
}

#[dispatcher::task(name = "shop.ship", cancel = "cooperate")]
async fn ship(ctx: &TaskContext, order: Order, ratio: f64) -> Fallible<usize> {
    assert_eq!(ctx.uuid(), "u");
    if ratio.is_nan() { Err(OutOfStock) } else { Ok(order.lines.len()) }
}

#[task]
fn blocking(ctx: TaskContext, context: u8, call: u8, value: u8) -> u8 {
    drop(ctx);
    context + call + value
}

#[task]
async fn nothing() {}

#[task]
async fn boxed() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    Err("it broke".into())
}

mod r#type {
    #[dispatcher::task]
    pub(crate) async fn r#match(mut r#in: u8) -> u8 {
        r#in += 1;
        r#in
    }
}

struct NoHost;

impl Host for NoHost {
    fn progress(&self, _uuid: &str, _progress: Progress) {}

    fn control<'a>(
        &'a self,
        _command: &'a str,
        _data: Map<String, Value>,
    ) -> HostFuture<'a, Result<Map<String, Value>, String>> {
        Box::pin(async { Err("no service".to_owned()) })
    }
}

async fn run<T: Task>(args: &str, kwargs: &str) -> Outcome {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let info = RunInfo { uuid: "u".to_owned(), ..RunInfo::default() };
    let context = TaskContext::new(info, CancellationToken::new(), Arc::new(NoHost));
    perform(&T::DEFINITION, context, Arguments { args: text(args), kwargs: text(kwargs) }).await
}

async fn fails<T: Task>(args: &str, kwargs: &str) -> String {
    match run::<T>(args, kwargs).await {
        Err(Failure::Failed { kind, message }) => format!("{kind}: {message}"),
        other => panic!("{other:?}"),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it stands for how a run ends")]
fn ok(json: &str) -> Outcome {
    Ok(Some(json.to_owned()))
}

#[tokio::test]
async fn a_task_stays_a_function() {
    assert_eq!(greet("you".to_owned(), Some(2)).await, "hello youhello you");
}

#[test]
fn the_attribute_says_what_the_task_is() {
    let task = greet::DEFINITION;
    assert_eq!(task.name, "define.greet");
    assert!(task.place.contains("define.rs:"), "{}", task.place);
    assert_eq!(task.options.queue, Some("test_channel"));
    assert_eq!(task.options.timeout, Some(Duration::from_secs(5)));
    assert_eq!(task.options.delay, Some(Duration::from_millis(500)));
    assert_eq!(task.options.on_duplicate, Some(OnDuplicate::Serial));
    assert_eq!(task.on_cancel, OnCancel::Drop);
    assert_eq!(ship::DEFINITION.on_cancel, OnCancel::Cooperate);
    assert_eq!(r#type::r#match::DEFINITION.name, "define.type.match");
}

#[test]
fn every_task_is_registered() {
    let all = Registry::all().unwrap();
    for name in ["define.greet", "shop.ship", "define.blocking", "define.nothing", "define.type.match"] {
        assert!(all.get(name).is_some(), "{name}");
    }
}

#[tokio::test]
async fn arguments_come_by_position_by_keyword_or_mixed() {
    assert_eq!(run::<greet>(r#"["a", 2]"#, "").await, ok(r#""hello ahello a""#));
    assert_eq!(run::<greet>("", r#"{"times": 1, "name": "a"}"#).await, ok(r#""hello a""#));
    assert_eq!(run::<greet>(r#"["a"]"#, r#"{"times": null}"#).await, ok(r#""hello a""#));
    assert_eq!(run::<greet>(r#"{"a": 1}"#, "").await, ok(r#""hello a""#));
    assert_eq!(run::<blocking>("[1, 2]", r#"{"value": 3}"#).await, ok("6"));
    assert_eq!(run::<r#type::r#match>("", r#"{"in": 3}"#).await, ok("4"));
    assert_eq!(run::<nothing>("[]", "{}").await, Ok(None));
}

#[tokio::test]
async fn what_does_not_fit_is_told_with_parameter_and_type_and_never_with_a_value() {
    let takes = "name: String, times: Option<u32>";
    for (args, kwargs, told) in [
        ("", "", "argument name is missing, String is expected".to_owned()),
        (
            "[1]",
            "",
            "argument name: String is expected, and it is an integer, it has to be a string".to_owned(),
        ),
        (
            r#"["SECRET", -1]"#,
            "",
            "argument times: Option<u32> is expected, and it is a number out of range, it has to be u32"
                .to_owned(),
        ),
        (
            r#"["SECRET", "SECRET"]"#,
            "",
            "argument times: Option<u32> is expected, and it is a text, it has to be u32".to_owned(),
        ),
        (r#"["SECRET", 1, 2]"#, "", format!("3 arguments by position are too many, it takes {takes}")),
        (
            r#"["SECRET"]"#,
            r#"{"name": "SECRET"}"#,
            "argument name is given twice, by position and by keyword".to_owned(),
        ),
        (r#"["SECRET"]"#, r#"{"tmies": 1}"#, format!("there is no parameter tmies, it takes {takes}")),
        (
            r#"["SECRET"]"#,
            r#"{"SE-CRET": 1}"#,
            format!("there is no parameter of that name, it takes {takes}"),
        ),
    ] {
        assert_eq!(fails::<greet>(args, kwargs).await, format!("ArgumentError: task define.greet: {told}"));
    }
    let deep = r#"[{"id": 1, "lines": [{"price": 1}, {"price": "SECRET"}]}, 1]"#;
    assert_eq!(
        fails::<ship>(deep, "").await,
        "ArgumentError: task shop.ship: argument order: Order is expected, and .lines[1].price is a text, it has to be f64"
    );
}

#[tokio::test]
async fn what_python_writes_and_json_lacks_reaches_floats() {
    let order = r#"{"id": 1, "lines": [{"price": Infinity}]}"#;
    assert_eq!(run::<ship>(&format!("[{order}, 1]"), "").await, ok("1"));
    assert_eq!(fails::<ship>(&format!("[{order}, NaN]"), "").await, "OutOfStock: there is none left");
}

#[tokio::test]
async fn an_error_is_told_with_its_type_and_text() {
    assert_eq!(fails::<boxed>("", "").await, "Box<dyn Error + Send + Sync>: it broke");
}
