//! Waiting for a twin.

mod script;

use dispatcher_engine::{DropReason, Event, Exit, Filter};
use dispatcher_protocol::Outcome;
use script::{Script, workers};

const SERIAL: &str = r#", "on_duplicate": "serial""#;
const DISCARD: &str = r#", "on_duplicate": "discard""#;
const QUEUE_ONE: &str = r#", "on_duplicate": "queue_one""#;

#[test]
fn a_serial_task_waits_for_its_twin_and_they_run_one_at_a_time() {
    let mut script = Script::new(workers(3, 3));
    for uuid in ["a", "b", "c"] {
        script.submit(uuid, r#", "args": [1], "on_duplicate": "serial""#);
    }
    assert_eq!(script.has(0), ["a"]);
    assert_eq!(script.engine.held_count("blocked"), 2);
    script.done(0);
    assert_eq!(script.has(1), ["b"]);
    assert_eq!(script.engine.held_count("blocked"), 1);
    script.done(1);
    assert_eq!(script.has(2), ["c"]);
}

#[test]
fn serial_tasks_of_other_work_run_beside_each_other() {
    let mut script = Script::new(workers(2, 2));
    script.submit("a", r#", "args": [1], "on_duplicate": "serial""#);
    script.submit("b", r#", "args": [2], "on_duplicate": "serial""#);
    assert_eq!(script.engine.running_count(), 2);
}

#[test]
fn a_serial_task_waits_for_a_parallel_twin_too() {
    let mut script = Script::new(workers(2, 2));
    script.submit("a", "");
    script.submit("b", r#", "on_duplicate": "serial""#);
    assert_eq!(script.engine.held_count("blocked"), 1);
    script.done_as(0, Outcome::Failure);
    assert_eq!(script.engine.held_count("blocked"), 0);
}

#[test]
fn a_discarded_duplicate_is_dropped_and_settled() {
    let mut script = Script::new(workers(2, 2));
    script.submit("a", r#", "on_duplicate": "discard""#);
    let handle = script.submit("b", r#", "on_duplicate": "discard""#);
    assert!(script.settled.iter().any(|(settled, _)| *settled == handle));
    assert!(script.said(|event| matches!(event, Event::Dropped { why: DropReason::Duplicate, .. })));
    script.done(0);
    script.submit("c", r#", "on_duplicate": "discard""#);
    assert_eq!(script.has(1), ["c"]);
}

#[test]
fn queue_one_lets_one_wait_behind_the_running_one_and_drops_the_rest() {
    let mut script = Script::new(workers(2, 2));
    for uuid in ["a", "b", "c"] {
        script.submit(uuid, r#", "on_duplicate": "queue_one""#);
    }
    assert_eq!(script.engine.held_count("blocked"), 1);
    assert_eq!(script.engine.counters().discarded, 1);
    script.done(0);
    assert_eq!(script.has(1), ["b"]);
}

#[test]
fn an_unknown_duplicate_rule_runs_the_task_and_is_said() {
    let mut script = Script::new(workers(1, 1));
    script.submit("a", r#", "on_duplicate": "bind""#);
    assert_eq!(script.has(0), ["a"]);
    assert!(script.said(|event| matches!(event, Event::UnknownDuplicateRule(_))));
}

#[test]
fn parallel_tasks_run_beside_each_other() {
    let mut script = Script::new(workers(2, 2));
    script.submit("a", "");
    script.submit("b", "");
    assert_eq!(script.engine.running_count(), 2);
}

#[test]
fn discard_looks_at_twins_that_are_ready_or_blocked_too() {
    let mut script = Script::new(workers(1, 1));
    script.publish(r#"{"task": "other.fn", "uuid": "busy"}"#);
    script.submit("ready", "");
    script.submit("x", DISCARD);
    script.submit("blocked", SERIAL);
    script.submit("y", DISCARD);
    assert_eq!(script.engine.counters().discarded, 2);
    assert_eq!((script.engine.queued_count(), script.engine.held_count("blocked")), (1, 1));
}

#[test]
fn queue_one_lets_one_wait_behind_one_that_is_ready() {
    let mut script = Script::new(workers(1, 1));
    script.publish(r#"{"task": "other.fn", "uuid": "busy"}"#);
    for uuid in ["a", "b", "c"] {
        script.submit(uuid, QUEUE_ONE);
    }
    assert_eq!((script.engine.queued_count(), script.engine.held_count("blocked")), (1, 1));
    assert_eq!(script.engine.counters().discarded, 1);
}

#[test]
fn queue_one_takes_another_once_the_waiting_one_runs() {
    let mut script = Script::new(workers(2, 2));
    script.submit("a", QUEUE_ONE);
    script.submit("b", QUEUE_ONE);
    script.done(0);
    script.submit("c", QUEUE_ONE);
    assert_eq!(script.has(1), ["b"]);
    assert_eq!(script.engine.held_count("blocked"), 1);
}

#[test]
fn the_death_of_the_running_twin_lets_the_next_one_pass() {
    let mut script = Script::new(workers(2, 2));
    script.submit("a", SERIAL);
    script.submit("b", SERIAL);
    script.exits(0, Exit::Signal(9));
    assert_eq!(script.has(1), ["b"]);
}

#[test]
fn a_twin_that_is_cancelled_while_it_is_ready_lets_the_next_one_pass() {
    let mut script = Script::new(workers(1, 1));
    script.publish(r#"{"task": "other.fn", "uuid": "busy"}"#);
    script.submit("ready", SERIAL);
    script.submit("blocked", SERIAL);
    script.cancel(&Filter { uuid: Some("ready".to_owned()), ..Filter::default() });
    assert_eq!((script.engine.queued_count(), script.engine.held_count("blocked")), (1, 0));
}

#[test]
fn work_that_was_cancelled_wherever_it_waited_is_forgotten() {
    let mut script = Script::new(workers(1, 1));
    script.publish(r#"{"task": "other.fn", "uuid": "busy"}"#);
    for uuid in ["a", "b", "c"] {
        script.submit(uuid, SERIAL);
    }
    script.cancel(&Filter { task: Some("mod.fn".to_owned()), ..Filter::default() });
    script.submit("d", DISCARD);
    assert_eq!(script.engine.counters().discarded, 0);
    assert_eq!(script.engine.queued_count(), 1);
}

#[test]
fn arguments_are_compared_as_python_would() {
    let mut script = Script::new(workers(1, 1));
    script.submit("a", r#", "args": [1], "kwargs": {"a": 1, "b": 2}"#);
    script.submit("b", r#", "kwargs": {"b": 2.0, "a": true}, "args": [1.0], "on_duplicate": "discard""#);
    assert_eq!(script.engine.counters().discarded, 1);
    script.submit("c", r#", "args": ["1"], "kwargs": {"a": 1, "b": 2}, "on_duplicate": "discard""#);
    assert_eq!(script.engine.queued_count(), 1);
}
