//! Tasks looked up and cancelled wherever they are, and what replies show.

mod script;

use std::time::Duration;

use dispatcher_engine::{Effect, Filter, Input, WorkerId, WorkerState};
use dispatcher_protocol::Outcome;
use script::{Script, workers};

const WORKER: WorkerId = WorkerId(0);

/// One task of each kind.
fn one_everywhere() -> Script {
    let mut script = Script::new(workers(1, 1));
    script.submit("running", "");
    script.submit("queued", "");
    script.submit("delayed", r#", "delay": 60"#);
    script.submit("blocked", r#", "on_duplicate": "serial""#);
    script
}

#[test]
fn cancelling_without_a_filter_reaches_every_task_wherever_it_is() {
    let mut script = Script::new(workers(1, 1));
    script.submit("running", "");
    script.submit("queued", "");
    script.submit("delayed", r#", "delay": 60"#);
    script.submit("blocked", r#", "on_duplicate": "serial""#);
    let found = script.engine.cancel(&Filter::default(), script.now);
    script.collect();
    let places: Vec<_> = found.iter().map(|found| found.place.to_string()).collect();
    assert_eq!(places, ["worker-0", "blocked-0", "queued-0", "delayed-0"]);
    script.done_as(0, Outcome::Cancelled);
    assert_eq!(script.settled.len(), 4);
    assert!(script.engine.find(&Filter::default()).is_empty());
}

#[test]
fn a_cancelled_task_that_was_handed_out_early_never_runs() {
    let mut script = Script::cold(workers(1, 1));
    script.ready(0, 8);
    script.submit("warm", "");
    script.done(0);
    script.submit("busy", "");
    script.submit("a", "");
    script.submit("b", "");
    script.cancel_uuid("a");
    assert!(script.asked_for(|effect| matches!(effect, Effect::TakeBack { .. })));
    script.take_back(0);
    script.done(0);
    assert_eq!(script.has(0), ["b"]);
    script.done(0);
    assert_eq!(script.settled.len(), 4);
    assert_eq!(script.engine.counters().cancelled_waiting, 1);
}

#[test]
fn a_cancelled_task_that_the_worker_had_just_begun_is_cancelled_there() {
    let mut script = Script::cold(workers(1, 1));
    script.ready(0, 8);
    script.submit("warm", "");
    script.done(0);
    script.submit("busy", "");
    script.submit("a", "");
    script.cancel_uuid("a");
    script.forget();
    // The worker was faster: its ticket was gone.
    script.handle(Input::TakenBack { worker: WORKER, seqs: Vec::new() });
    script.done(0);
    let cancel = |effect: &Effect| matches!(effect, Effect::Cancel { uuid, .. } if &**uuid == "a");
    assert!(script.asked_for(cancel));
    script.done_as(0, Outcome::Cancelled);
    assert_eq!(script.settled.len(), 3);
}

#[test]
fn every_task_is_found_under_the_name_of_its_place() {
    let script = one_everywhere();
    let found = script.engine.find(&Filter::default());
    let places: Vec<_> =
        found.iter().map(|found| (found.place.to_string(), found.task.uuid.to_string())).collect();
    let expected =
        [("worker-0", "running"), ("blocked-0", "blocked"), ("queued-0", "queued"), ("delayed-0", "delayed")];
    assert_eq!(places, expected.map(|(place, uuid)| (place.to_owned(), uuid.to_owned())));
}

#[test]
fn tasks_handed_out_early_are_shown_as_queued_before_the_others() {
    let mut script = Script::cold(workers(1, 1));
    script.ready(0, 1);
    script.submit("warm", "");
    script.done(0);
    for uuid in ["busy", "a", "b"] {
        script.submit(uuid, "");
    }
    let found = script.engine.find(&Filter::default());
    let places: Vec<_> = found.iter().map(|found| format!("{} {}", found.place, found.task.uuid)).collect();
    assert_eq!(places, ["worker-0 busy", "queued-0 a", "queued-1 b"]);
}

#[test]
fn every_part_of_a_filter_must_fit_and_a_number_keeps_its_place() {
    let mut script = Script::new(workers(1, 1));
    script.publish(r#"{"task": "a.busy", "uuid": "x"}"#);
    script.publish(r#"{"task": "a.one", "uuid": "1", "args": [1]}"#);
    script.publish(r#"{"task": "a.two", "uuid": "2", "args": [1], "kwargs": {"k": 2, "j": 1}}"#);
    let find = |filter: Filter| {
        let found = script.engine.find(&filter);
        found.iter().map(|found| found.place.to_string()).collect::<Vec<_>>()
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(find(Filter { args: text("[1.0]"), ..Filter::default() }), ["queued-0", "queued-1"]);
    assert_eq!(find(Filter { kwargs: text(r#"{"j": 1, "k": 2}"#), ..Filter::default() }), ["queued-1"]);
    assert_eq!(find(Filter { task: text("a.two"), uuid: text("2"), ..Filter::default() }), ["queued-1"]);
    assert!(find(Filter { task: text("a.two"), uuid: text("1"), ..Filter::default() }).is_empty());
}

#[test]
fn cancelling_all_queued_tasks_of_a_name_leaves_none_behind() {
    let mut script = Script::new(workers(1, 1));
    script.publish(r#"{"task": "a.busy", "uuid": "x"}"#);
    for number in 0..5 {
        script.submit(&format!("t{number}"), "");
    }
    let found = script.cancel(&Filter { task: Some("mod.fn".to_owned()), ..Filter::default() });
    assert_eq!(found, 5);
    assert_eq!(script.engine.queued_count(), 0);
    let counters = script.engine.counters();
    assert_eq!((counters.cancelled_waiting, counters.canceled), (5, 0));
}

#[test]
fn workers_are_shown_with_the_one_used_last_at_the_end() {
    let mut script = Script::new(workers(3, 3));
    script.submit("a", "");
    script.submit("b", "");
    script.done(1);
    script.done(0);
    let order: Vec<_> = script.engine.workers(script.now).iter().map(|view| view.id.0).collect();
    assert_eq!(order, [2, 1, 0]);
}

#[test]
fn a_worker_is_shown_with_its_state_its_task_and_its_age() {
    let mut script = Script::cold(workers(1, 1));
    let state = |script: &Script| script.engine.workers(script.now)[0].state;
    assert_eq!(state(&script), WorkerState::Initialized);
    script.handle(Input::WorkerStarted { worker: WORKER });
    assert_eq!(state(&script), WorkerState::Starting);
    script.ready(0, 0);
    script.submit("a", "");
    script.after(Duration::from_secs(2));
    let view = script.engine.workers(script.now).remove(0);
    assert_eq!(view.current, Some(("mod.fn".to_owned(), "a".to_owned())));
    assert_eq!((view.state, view.finished, view.cancelling), (WorkerState::Ready, 0, false));
    assert_eq!(view.age, Duration::from_secs(2));
    script.cancel_uuid("a");
    assert!(script.engine.workers(script.now)[0].cancelling);
    script.done(0);
    let view = script.engine.workers(script.now).remove(0);
    assert_eq!((view.current, view.finished, view.cancelling), (None, 1, false));
}

#[test]
fn the_counts_of_the_pool_are_those_of_what_can_be_seen() {
    let script = one_everywhere();
    let view = script.engine.pool_view();
    assert_eq!((view.next_worker, view.workers, view.running, view.active), (1, 1, 1, 2));
}

#[test]
fn usage_says_how_long_ago_each_level_of_demand_was_released() {
    let mut script = Script::new(workers(1, 1));
    for uuid in ["a", "b", "c", "d", "e"] {
        script.submit(uuid, "");
    }
    for _ in 0..5 {
        script.done(0);
        script.after(Duration::from_secs(1));
    }
    let usage = script.engine.usage(script.now);
    // Levels 4 and 5 are more than two above the one worker that there can be.
    let seconds = |count| Duration::from_secs(count);
    assert_eq!(usage, [(1, seconds(1)), (2, seconds(2)), (3, seconds(3))]);
}

#[test]
fn a_control_request_of_a_task_is_counted_with_the_others() {
    let mut script = Script::new(workers(1, 1));
    script.publish(r#"{"control": "alive"}"#);
    script.engine.count_control();
    assert_eq!((script.engine.counters().control, script.engine.counters().received), (2, 1));
}
