//! Which pool runs a task.

mod script;

use std::sync::Arc;
use std::time::Duration;

use dispatcher_engine::{
    BrokerId, Config, Event, Exit, Filter, Input, PoolConfig, PoolId, Route, RouteBy, Source, WorkerId,
};

use script::{Script, workers};

fn pools(names: &[&str]) -> Vec<PoolConfig> {
    names.iter().map(|name| PoolConfig { name: (*name).to_owned(), ..PoolConfig::default() }).collect()
}

fn by(by: RouteBy, pattern: &str, pool: usize) -> Route {
    Route { by, pattern: pattern.to_owned(), pool }
}

/// Two pools of one worker each, `python` and `rust`, of which nobody is ready.
fn two(routes: Vec<Route>) -> Script {
    Script::cold(Config { pools: pools(&["python", "rust"]), routes, ..workers(1, 1) })
}

fn task(script: &mut Script, name: &str) {
    script.publish(&format!(r#"{{"task": "{name}", "uuid": "{name}"}}"#));
}

#[test]
fn a_rule_leads_tasks_to_their_pool_by_name_and_by_what_it_begins_with() {
    let mut script = two(vec![
        by(RouteBy::Task, "native.*", 1),
        by(RouteBy::Task, "exact.one", 1),
        by(RouteBy::Task, "far.off", 7),
    ]);
    script.all_ready(0);
    task(&mut script, "native.one");
    assert_eq!(script.has(1), ["native.one"]);
    script.done(1);
    task(&mut script, "exact.one");
    assert_eq!(script.has(1), ["exact.one"]);
    // Not the whole name, and a pool that is not there.
    task(&mut script, "exact.one.more");
    task(&mut script, "far.off");
    assert_eq!(script.has(0), ["exact.one.more"]);
    assert_eq!(script.engine.queued_count(), 1);
}

#[test]
fn a_rule_may_look_at_the_channel() {
    let mut script = two(vec![by(RouteBy::Queue, "fast", 1)]);
    script.all_ready(0);
    let source = Source { broker: Some(BrokerId(0)), channel: Arc::from("fast"), handle: 1 };
    script.handle(Input::Delivery { source, payload: r#"{"task": "a.b", "uuid": "u"}"#.to_owned() });
    assert_eq!(script.has(1), ["u"]);
}

#[test]
fn a_task_goes_to_the_pool_whose_workers_know_it_and_else_to_the_first() {
    let mut script = two(Vec::new());
    script.ready_knowing(0, &["app.both", "app.python"]);
    script.ready_knowing(1, &["app.both", "app.rust"]);
    task(&mut script, "app.rust");
    task(&mut script, "app.both");
    assert_eq!((script.has(0), script.has(1)), (vec!["app.both"], vec!["app.rust"]));
    script.done(0);
    task(&mut script, "app.imported.later");
    assert_eq!(script.has(0), ["app.imported.later"]);
}

#[test]
fn a_rule_goes_before_what_workers_know() {
    let mut script = two(vec![by(RouteBy::Task, "app.*", 1)]);
    script.ready_knowing(0, &["app.one"]);
    script.ready_knowing(1, &[]);
    task(&mut script, "app.one");
    assert_eq!(script.has(1), ["app.one"]);
}

#[test]
fn tasks_that_no_rule_names_wait_until_every_pool_has_been_heard() {
    let mut script = two(vec![by(RouteBy::Task, "app.ruled", 0)]);
    task(&mut script, "app.rust");
    script.ready_knowing(0, &[]);
    task(&mut script, "app.ruled");
    // A rule needs nobody's word.
    assert_eq!(script.has(0), ["app.ruled"]);
    assert_eq!(script.engine.queued_count(), 1);
    assert_eq!(
        script.engine.find(&Filter { task: Some("app.rust".to_owned()), ..Filter::default() }).len(),
        1
    );
    script.ready_knowing(1, &["app.rust"]);
    assert_eq!(script.has(1), ["app.rust"]);
}

#[test]
fn a_pool_that_never_says_anything_is_waited_for_ten_seconds() {
    let mut script = two(Vec::new());
    script.ready_knowing(0, &[]);
    task(&mut script, "app.rust");
    script.after(Duration::from_secs(9));
    assert!(script.has(0).is_empty());
    script.after(Duration::from_secs(1));
    assert_eq!(script.has(0), ["app.rust"]);
    assert!(script.said(|event| matches!(event, Event::PoolSilent { pool: PoolId(1), .. })));
    assert!(!script.said(|event| matches!(event, Event::PoolSilent { pool: PoolId(0), .. })));
    // Better late than never.
    script.ready_knowing(1, &["app.rust"]);
    task(&mut script, "app.rust");
    assert_eq!(script.has(1), ["app.rust"]);
}

#[test]
fn what_waits_for_its_pool_can_be_cancelled_and_is_abandoned_by_a_stop() {
    let mut script = two(Vec::new());
    task(&mut script, "app.one");
    task(&mut script, "app.two");
    let filter = Filter { task: Some("app.one".to_owned()), ..Filter::default() };
    assert_eq!(script.engine.cancel(&filter, script.now).len(), 1);
    script.collect();
    assert_eq!(script.engine.queued_count(), 1);
    script.handle(Input::Stop);
    assert_eq!((script.engine.queued_count(), script.settled.len()), (0, 2));
}

#[test]
fn a_pool_without_a_minimum_gets_a_worker_that_says_what_it_knows() {
    let mut empty = pools(&["python", "rust"]);
    empty[1].min_workers = 0;
    let mut script = Script::cold(Config { pools: empty, ..workers(1, 1) });
    assert_eq!(script.alive.len(), 2);
    script.ready_knowing(0, &[]);
    script.ready_knowing(1, &["app.rust"]);
    script.handle(Input::WorkerExited { worker: WorkerId(1), exit: Exit::Code(0) });
    // What it said is kept; a task brings the next one.
    script.after(Duration::from_secs(2));
    let before = script.alive.len();
    task(&mut script, "app.rust");
    assert_eq!(script.alive.len(), before + 1);
}

#[test]
fn one_pool_takes_everything_and_waits_for_nobody() {
    let mut script = Script::cold(workers(1, 1));
    task(&mut script, "app.any");
    script.ready_knowing(0, &["app.other"]);
    assert_eq!(script.has(0), ["app.any"]);
}
