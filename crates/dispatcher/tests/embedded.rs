//! A service inside an application: tasks run here, end as they should, and the service ends as it is asked to.
#![expect(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    clippy::unused_async,
    reason = "tasks are as applications write them, and what goes wrong here fails a test"
)]

#[path = "embedded/rig.rs"]
mod rig;

use std::sync::atomic::Ordering;
use std::time::Duration;

use dispatcher::context::Progress;
use dispatcher::service::ServiceError;
use dispatcher::{Registry, Service, TaskContext};
use rig::{Rig, seen};
use serde_json::json;

#[dispatcher::task(name = "t.add")]
async fn add(a: u64, b: u64) {
    seen().note(format!("{}", a + b));
}

#[dispatcher::task(name = "t.fails")]
async fn fails() -> Result<(), std::num::ParseIntError> {
    "no number".parse::<u64>().map(drop)
}

#[dispatcher::task(name = "t.panics")]
async fn panics() {
    panic!("on purpose");
}

#[dispatcher::task(name = "t.sleeps")]
async fn sleeps(mark: String) {
    let dropped = rig::WhenDropped(format!("{mark} dropped"));
    seen().note(format!("{mark} began"));
    tokio::time::sleep(Duration::from_secs(600)).await;
    drop(dropped);
}

#[dispatcher::task(name = "t.cooperates", cancel = "cooperate")]
async fn cooperates(ctx: TaskContext, mark: String) {
    seen().note(format!("{mark} began"));
    ctx.cancellation().cancelled().await;
    seen().note(format!("{mark} gave way"));
}

#[dispatcher::task(name = "t.stubborn", cancel = "cooperate")]
async fn stubborn(mark: String) {
    let _dropped = rig::WhenDropped(format!("{mark} dropped"));
    seen().note(format!("{mark} began"));
    std::future::pending::<()>().await;
}

#[dispatcher::task(name = "t.blocks")]
fn blocks(ctx: TaskContext, mark: String) {
    seen().note(format!("{mark} began"));
    while !ctx.is_cancelled() {
        std::thread::sleep(Duration::from_millis(2));
    }
    seen().note(format!("{mark} gave way"));
}

#[dispatcher::task(name = "t.never_gives_way")]
fn never_gives_way(mark: String) {
    seen().note(format!("{mark} began"));
    while !rig::RELEASED.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[dispatcher::task(name = "t.short")]
async fn short(mark: String) {
    seen().note(format!("{mark} began"));
    tokio::time::sleep(Duration::from_millis(150)).await;
    seen().note(format!("{mark} ended"));
}

#[dispatcher::task(name = "t.asks")]
async fn asks(ctx: TaskContext) {
    let reply = ctx.control("running", serde_json::Map::new()).await.unwrap();
    seen().note(format!("asked {}", reply.values().filter(|value| value["uuid"] == ctx.uuid()).count()));
}

#[dispatcher::task(name = "t.tells")]
async fn tells(ctx: TaskContext) {
    ctx.progress(Progress { percent: Some(40.0), text: Some("nearly half".to_owned()), data: None });
    seen().note("told".to_owned());
    ctx.cancellation().cancelled().await;
}

#[tokio::test]
async fn how_far_a_task_has_come_is_shown_while_it_runs() {
    let rig = Rig::new().await;
    rig.publish(json!({"uuid": "p1", "task": "t.tells"})).await;
    seen().wait_for("told").await;
    let running = rig.control("running", json!({"uuid": "p1"})).await;
    let shown: Vec<_> = running.values().map(|task| &task["progress"]["percent"]).collect();
    assert_eq!(shown, [&json!(40.0)]);
    rig.running.hurry().await.unwrap();
}

#[tokio::test]
async fn a_task_runs_with_its_arguments() {
    let rig = Rig::new().await;
    rig.publish(json!({"task": "t.add", "args": [20], "kwargs": {"b": 22}})).await;
    seen().wait_for("42").await;
    rig.ended(1).await;
    rig.stop().await;
}

#[tokio::test]
async fn a_publisher_of_this_process_reaches_its_service_whatever_the_queue_is_called() {
    let rig = Rig::new().await;
    let publisher = rig.running.publisher();
    add::submit(500, 1).on(&publisher).await.unwrap();
    add::submit(500, 2).queue("of_another_name").on(&publisher).await.unwrap();
    seen().wait_for("501").await;
    seen().wait_for("502").await;
    rig.stop().await;
}

#[tokio::test]
async fn a_failure_a_panic_and_an_unknown_name_end_their_run_alone() {
    let rig = Rig::new().await;
    for task in ["t.fails", "t.panics", "t.nobody_knows"] {
        rig.publish(json!({"uuid": task, "task": task})).await;
    }
    rig.ended(3).await;
    let fails = rig.end_of("t.fails").await;
    assert_eq!(fails["error"]["type"], "ParseIntError");
    let panics = rig.end_of("t.panics").await;
    assert_eq!(
        (&panics["error"]["type"], &panics["error"]["message"]),
        (&json!("panic"), &json!("on purpose"))
    );
    assert_eq!(rig.end_of("t.nobody_knows").await["outcome"], "refused");
    rig.publish(json!({"task": "t.add", "args": [1, 2]})).await;
    rig.ended(4).await;
    rig.stop().await;
}

#[tokio::test]
async fn a_cancelled_task_is_dropped_where_it_awaits_and_one_that_cooperates_ends_by_itself() {
    let rig = Rig::new().await;
    for (task, mark) in [("t.sleeps", "c1"), ("t.cooperates", "c2"), ("t.blocks", "c3")] {
        rig.publish(json!({"uuid": mark, "task": task, "args": [mark]})).await;
        seen().wait_for(&format!("{mark} began")).await;
        rig.control("cancel", json!({"uuid": mark})).await;
    }
    for end in ["c1 dropped", "c2 gave way", "c3 gave way"] {
        seen().wait_for(end).await;
    }
    rig.ended(3).await;
    assert_eq!(rig.end_of("c1").await["outcome"], "cancelled");
    rig.stop().await;
}

#[tokio::test]
async fn a_timeout_ends_async_and_blocking_tasks() {
    let rig = Rig::new().await;
    rig.publish(json!({"uuid": "o1", "task": "t.sleeps", "args": ["o1"], "timeout": 0.05})).await;
    rig.publish(json!({"uuid": "o2", "task": "t.blocks", "args": ["o2"], "timeout": 0.05})).await;
    seen().wait_for("o1 dropped").await;
    seen().wait_for("o2 gave way").await;
    rig.ended(2).await;
    assert_eq!(rig.end_of("o1").await["outcome"], "timed_out");
    rig.stop().await;
}

#[tokio::test]
async fn one_that_swallows_its_cancel_is_dropped_and_its_slot_comes_back() {
    let rig = Rig::with(|builder| builder.slots(1)).await;
    rig.publish(json!({"uuid": "s1", "task": "t.stubborn", "args": ["s1"], "timeout": 0.05})).await;
    seen().wait_for("s1 dropped").await;
    rig.publish(json!({"task": "t.add", "args": [100, 1]})).await;
    seen().wait_for("101").await;
    assert_eq!(rig.end_of("s1").await["outcome"], "timed_out");
    rig.stop().await;
}

#[tokio::test]
async fn a_thread_that_does_not_give_way_is_given_up_said_and_counted_and_its_slot_comes_back() {
    let rig = Rig::with(|builder| builder.slots(1)).await;
    rig.publish(json!({"uuid": "n1", "task": "t.never_gives_way", "args": ["n1"], "timeout": 0.05})).await;
    seen().wait_for("n1 began").await;
    rig.publish(json!({"task": "t.add", "args": [200, 1]})).await;
    seen().wait_for("201").await;
    let end = rig.end_of("n1").await;
    assert_eq!(end["outcome"], "timed_out");
    assert!(end["reason"].as_str().unwrap().contains("given up"), "{end}");
    rig::RELEASED.store(true, Ordering::Relaxed);
    rig.stop().await;
}

#[tokio::test]
async fn stop_lets_running_tasks_finish_and_takes_no_more() {
    let rig = Rig::new().await;
    rig.publish(json!({"task": "t.short", "args": ["e1"]})).await;
    seen().wait_for("e1 began").await;
    let publisher = rig.running.publisher();
    rig.stop().await;
    assert!(seen().has("e1 ended"));
    let refused = add::submit(1, 1).on(&publisher).await.unwrap_err();
    assert!(!refused.is_retryable(), "{refused}");
}

#[tokio::test]
async fn hurry_cancels_what_runs_and_grace_is_what_the_configuration_says() {
    let rig = Rig::new().await;
    rig.publish(json!({"task": "t.sleeps", "args": ["h1"]})).await;
    seen().wait_for("h1 began").await;
    rig.running.hurry().await.unwrap();
    assert!(seen().has("h1 dropped"));
    let config = json!({"version": 2, "service": {"shutdown_grace": 0.05}});
    let rig = Rig::of(Service::builder().config_value(&config)).await;
    rig.publish(json!({"task": "t.sleeps", "args": ["h2"]})).await;
    seen().wait_for("h2 began").await;
    rig.stop().await;
    assert!(seen().has("h2 dropped"));
}

#[tokio::test]
async fn dropping_a_service_ends_it_and_what_it_runs() {
    let rig = Rig::new().await;
    rig.publish(json!({"task": "t.sleeps", "args": ["d1"]})).await;
    seen().wait_for("d1 began").await;
    drop(rig);
    seen().wait_for("d1 dropped").await;
}

#[tokio::test]
async fn duplicates_are_told_as_everywhere() {
    let rig = Rig::new().await;
    for _ in 0..3 {
        rig.publish(json!({"task": "t.short", "args": ["q1"], "on_duplicate": "discard"})).await;
    }
    rig.ended(1).await;
    assert_eq!(rig.control("main", json!({})).await["pool"]["discarded_count"], 2);
    rig.stop().await;
}

#[tokio::test]
async fn a_task_may_ask_its_own_service() {
    let rig = Rig::new().await;
    rig.publish(json!({"task": "t.asks"})).await;
    seen().wait_for("asked 1").await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_on_several_threads_all_end_and_none_twice() {
    let rig = Rig::new().await;
    for number in 0..20_000 {
        rig.publish(json!({"task": "t.add", "args": [1_000_000, number]})).await;
    }
    rig.ended(20_000).await;
    let expected: Vec<_> = (0..20_000).map(|number| (1_000_000 + number).to_string()).collect();
    assert_eq!(seen().sorted("10"), expected);
    rig.stop().await;
}

#[tokio::test]
async fn two_services_in_one_process_know_nothing_of_each_other() {
    let (one, two) = (Rig::new().await, Rig::new().await);
    one.publish(json!({"task": "t.add", "args": [300, 1]})).await;
    one.ended(1).await;
    assert_eq!(two.control("main", json!({})).await["pool"]["finished_count"], 0);
    one.stop().await;
    assert_eq!(two.control("alive", json!({})).await.len(), 0);
    two.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_the_description_is_said_before_anything_runs() {
    let said = |started: Result<_, ServiceError>| started.map(drop).unwrap_err().to_string();
    let twice = Service::builder().config_file("one.yml").config_file("two.yml");
    assert!(said(twice.start()).contains("one configuration"));
    assert!(said(Service::builder().config_file("no/such/file.yml").start()).contains("no/such/file.yml"));
    let wrong = json!({"version": 2, "service": {"shutdown_grace": "soon"}});
    assert!(said(Service::builder().config_value(&wrong).start()).contains("service.shutdown_grace"));
    let dsn = "host=localhost port=nonsense";
    assert!(said(Service::builder().pg_notify(dsn, &["c"]).start()).contains("port"));
}

#[tokio::test]
async fn a_service_that_has_no_task_is_one_all_the_same_and_one_that_is_stopped_at_once_ends() {
    Service::builder().registry(Registry::new()).start().unwrap().stop().await.unwrap();
}
