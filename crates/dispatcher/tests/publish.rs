//! What is published, where it goes, and what is refused before it goes anywhere.

#![expect(clippy::unused_async, reason = "what a task does is not the point here")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use dispatcher::testing::{Outbox, run, run_cancelled};
use dispatcher::{Error, Failure, OnDuplicate, Publisher, Registry, TaskContext, submit, submit_many, task};
use dispatcher_broker::{Broker, Delivery, FromBroker, MemoryHub, Sink};
use tokio::sync::mpsc;

#[task(queue = "greetings", timeout = "5s")]
async fn greet(name: String, times: Option<u32>) -> String {
    name.repeat(times.unwrap_or(1) as usize)
}

#[task]
fn fails() -> Result<(), String> {
    Err("on purpose".to_owned())
}

#[task(cancel = "cooperate")]
async fn patient(ctx: TaskContext) -> &'static str {
    ctx.cancellation().cancelled().await;
    ctx.progress(dispatcher::context::Progress { percent: Some(50.0), ..Default::default() });
    "gave way"
}

/// Follows one task with another.
#[task]
async fn first() -> Result<(), Error> {
    greet::delay("second".to_owned(), None).await.map(drop)
}

/// The same from a task that blocks.
#[task]
fn first_blocking() -> Result<(), Error> {
    let publishing = greet::delay("third".to_owned(), None).into_future();
    tokio::runtime::Handle::current().block_on(publishing).map(drop)
}

async fn refused(publishing: impl IntoFuture<Output = Result<dispatcher::Published, Error>>) -> Error {
    publishing.await.unwrap_err()
}

#[tokio::test]
async fn a_submission_becomes_the_message_that_python_would_send() {
    let outbox = Outbox::new();
    let sent = greet::submit("ü".to_owned(), None)
        .uuid("u")
        .delay(Duration::from_millis(500))
        .on_duplicate(OnDuplicate::QueueOne)
        .on(outbox.publisher())
        .await
        .unwrap();
    let (before, after) = sent.message().split_once(r#", "time_pub": "#).unwrap();
    assert_eq!(before, r#"{"timeout": 5, "task": "publish.greet""#);
    let (_, after) = after.split_once(", ").unwrap();
    assert_eq!(after, r#""uuid": "u", "args": ["\u00fc", null], "delay": 0.5, "on_duplicate": "queue_one"}"#);
    assert_eq!((sent.channel(), sent.uuid(), sent.task()), ("greetings", "u", "publish.greet"));
}

#[tokio::test]
async fn a_channel_is_that_of_the_submission_else_of_the_task_else_of_the_publisher() {
    let outbox = Outbox::new();
    let publisher = outbox.publisher().clone().channel("last");
    let own = greet::submit(String::new(), None).queue("own").on(&publisher).await.unwrap();
    let of_task = greet::submit(String::new(), None).on(&publisher).await.unwrap();
    let of_publisher = fails::submit().on(&publisher).await.unwrap();
    assert_eq!([own.channel(), of_task.channel(), of_publisher.channel()], ["own", "greetings", "last"]);
    let none = refused(fails::submit().on(&Publisher::memory())).await;
    assert!(none.is_config() && none.to_string().contains("has no channel"), "{none}");
}

#[tokio::test]
async fn what_a_service_would_refuse_is_refused_here() {
    let outbox = Outbox::new();
    let publisher = outbox.publisher();
    for (submission, told) in [
        (submit("no_module"), "is no name of a task"),
        (submit("a.b").uuid("a\nb"), "\"uuid\" must be"),
        (submit("a.b").delay(Duration::from_secs(32_000_000)), "\"delay\" must be"),
        (submit("a.b").arg("x".repeat(9 << 20)), "longer than 8 MiB"),
        (submit("a.b").kwarg("k", std::collections::BTreeMap::from([((1, 2), 3)])), "argument k cannot"),
    ] {
        let error = refused(submission.on(publisher)).await;
        assert!(error.is_message() && !error.is_retryable(), "{error}");
        assert!(error.to_string().contains(told), "{error}");
    }
    outbox.assert_empty();
}

#[tokio::test]
async fn nothing_of_a_batch_is_sent_when_one_of_it_cannot_be() {
    let outbox = Outbox::new();
    let batch = submit_many([submit("a.b"), submit("nonsense")]);
    assert!(batch.on(outbox.publisher()).await.unwrap_err().is_message());
    outbox.assert_empty();
}

#[tokio::test]
async fn an_outbox_stands_in_for_the_publisher_of_the_process() {
    let outbox = Outbox::new();
    let two = async { submit_many([greet::delay("a".to_owned(), Some(2)), fails::submit()]).await };
    outbox.scope(two).await.unwrap();
    {
        let _guard = outbox.enter();
        submit("app.tasks.report").kwarg("year", 2026).await.unwrap();
    }
    outbox.assert_published(greet::submit("a".to_owned(), Some(2)).queue("greetings"));
    outbox.assert_published(submit("app.tasks.report").kwarg("year", 2026.0));
    assert_eq!(outbox.of::<greet>()[0].args::<(String, u32)>(), ("a".to_owned(), 2));
    assert_eq!(outbox.take().len(), 3);
    outbox.assert_empty();
}

#[test]
#[should_panic(expected = "this was not published")]
fn an_expectation_that_is_not_met_says_what_was_published() {
    Outbox::new().assert_published(greet::submit("a".to_owned(), None));
}

#[tokio::test]
async fn eager_tasks_run_as_part_of_publishing_and_their_failures_are_seen() {
    let outbox = Outbox::eager(Registry::all().unwrap());
    outbox.scope(first::delay().into_future()).await.unwrap();
    outbox.assert_published(greet::submit("second".to_owned(), None));
    outbox.scope(first_blocking::delay().into_future()).await.unwrap();
    outbox.assert_published(greet::submit("third".to_owned(), None));
    let error = refused(fails::submit().on(outbox.publisher())).await;
    assert_eq!(
        error.to_string(),
        "a task that was run at once has failed: publish.fails: String: on purpose"
    );
}

#[tokio::test]
async fn a_task_is_run_here_and_now() {
    let ended = run(greet::submit("ab".to_owned(), Some(2))).await;
    assert_eq!(ended.result::<String>(), "abab");
    let ended = run_cancelled(patient::submit()).await;
    assert_eq!(ended.result::<String>(), "gave way");
    assert_eq!(ended.progress()[0].percent, Some(50.0));
    let ended = run(fails::submit()).await;
    let failed = Failure::Failed { kind: "String".to_owned(), message: "on purpose".to_owned() };
    assert_eq!(ended.outcome(), &Err(failed));
}

/// Everything that comes by these channels of the hub of this process.
async fn listen(channels: &[&str]) -> mpsc::Receiver<(u16, FromBroker)> {
    let broker = MemoryHub::shared().broker(channels);
    let (sender, mut inbox) = mpsc::channel(4096);
    tokio::spawn(async move { broker.listen(Sink::new(0, sender)).await });
    assert!(matches!(inbox.recv().await, Some((_, FromBroker::Listening))));
    inbox
}

async fn next(inbox: &mut mpsc::Receiver<(u16, FromBroker)>) -> Delivery {
    match tokio::time::timeout(Duration::from_secs(10), inbox.recv()).await.unwrap() {
        Some((_, FromBroker::Delivery(delivery))) => delivery,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_publisher_sends_one_after_another_and_long_messages_in_pieces() {
    let mut inbox = listen(&["in_order"]).await;
    let publisher = Publisher::memory().channel("in_order");
    let numbers = (0..300).map(|number| submit("a.b").arg(number));
    let sent = submit_many(numbers).on(&publisher).await.unwrap();
    for one in &sent {
        assert_eq!(next(&mut inbox).await.payload, one.message());
    }
    submit("a.b").arg("x".repeat(20_000)).on(&publisher).await.unwrap();
    for index in 0..3 {
        let piece = next(&mut inbox).await.payload;
        assert!(piece.contains(&format!(r#""index":{index},"total":3"#)), "{piece}");
    }
}

#[tokio::test]
async fn publishes_that_wait_for_each_other_go_together_and_one_that_is_refused_is_alone() {
    let mut inbox = listen(&["together"]).await;
    let publisher = Publisher::memory();
    let good = |number: u32| submit("a.b").arg(number).queue("together").on(&publisher);
    let bad = submit("a.b").queue("x".repeat(64)).on(&publisher);
    let (one, two, bad, three) = tokio::join!(good(1), good(2), bad, good(3));
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    assert!(bad.unwrap_err().is_message());
    for _ in 0..3 {
        next(&mut inbox).await;
    }
}

#[test]
fn a_publisher_outlives_the_runtime_that_it_was_first_used_on() {
    let publisher = Publisher::memory().channel("nobody");
    for _ in 0..2 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(submit("a.b").on(&publisher)).unwrap();
    }
}

#[test]
fn a_configuration_says_where_to_publish() {
    let config = |brokers| serde_json::json!({"version": 2, "brokers": brokers});
    let socket = serde_json::json!({"socket_path": "s"});
    Publisher::from_config(&config(serde_json::json!({"socket": socket}))).unwrap();
    let two = config(
        serde_json::json!({"pg_notify": {"config": {"dbname": "d"}, "channels": ["a"]}, "socket": socket}),
    );
    let error = Publisher::from_config(&two).unwrap_err();
    assert!(error.is_config() && error.to_string().contains("publish.default_broker"), "{error}");
    assert!(Publisher::postgres("nonsense=1").unwrap_err().is_config());
}
