//! Waiting for a time or a twin, and what never gets that far.

mod script;

use std::time::Duration;

use dispatcher_engine::{Config, DropReason, Effect, Event, Schedule, TaskPolicy};
use dispatcher_protocol::{Decoded, Outcome, TaskMessage, decode};
use script::{Script, workers};

#[test]
fn a_delayed_task_starts_on_time_and_not_before() {
    let mut script = Script::new(workers(1, 1));
    script.submit("a", r#", "delay": 3600"#);
    script.after(Duration::from_secs(3599));
    assert!(script.has(0).is_empty());
    script.after(Duration::from_secs(1));
    assert_eq!(script.has(0), ["a"]);
}

#[test]
fn delayed_tasks_start_in_order_of_their_times() {
    let mut script = Script::new(workers(3, 3));
    script.submit("late", r#", "delay": 3"#);
    script.submit("early", r#", "delay": 1"#);
    script.after(Duration::from_secs(2));
    assert_eq!(script.has(0), ["early"]);
}

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
fn queue_one_waits_behind_a_twin_that_is_ready_as_behind_one_that_runs() {
    let mut script = Script::new(workers(1, 1));
    script.publish(r#"{"task": "other.fn", "uuid": "x"}"#);
    for uuid in ["a", "b", "c"] {
        script.submit(uuid, r#", "on_duplicate": "queue_one""#);
    }
    assert_eq!((script.engine.queued_count(), script.engine.held_count("blocked")), (1, 1));
    assert_eq!(script.engine.counters().discarded, 1);
}

#[test]
fn cancelling_the_running_twin_lets_the_next_one_pass() {
    let mut script = Script::new(workers(2, 2));
    script.submit("a", r#", "on_duplicate": "serial""#);
    script.submit("b", r#", "on_duplicate": "serial""#);
    script.exits(0, dispatcher_engine::Exit::Signal(9));
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
fn every_refusal_is_one_event_one_count_and_one_settle() {
    let mut script =
        Script::new(Config { policy: TaskPolicy::Registered, allow_eval: false, ..workers(1, 1) });
    let bad = [
        ("{", "bad_json"),
        ("[1]", "not_an_object"),
        ("{}", "no_task"),
        (r#"{"task": 5}"#, "bad_task"),
        (r#"{"task": "a.b", "args": "x"}"#, "bad_args"),
        (r#"{"task": "a.b", "kwargs": []}"#, "bad_kwargs"),
        (r#"{"task": "a.b", "timeout": NaN}"#, "bad_timeout"),
        (r#"{"task": "a.b", "timeout": -1}"#, "bad_timeout"),
        (r#"{"task": "a.b", "delay": "soon"}"#, "bad_delay"),
        (r#"{"task": "record"}"#, "bad_name"),
        (r#"{"task": "os.__name__"}"#, "policy"),
        (r#"{"task": "lambda: 1"}"#, "lambda"),
        ("lambda: 1", "lambda"),
        ("xxx", "bad_name"),
    ];
    for (payload, reason) in bad {
        script.forget();
        let before = script.engine.counters().refused.get(reason).copied().unwrap_or(0);
        let handle = script.publish(payload);
        assert!(
            script.said(|event| matches!(event, Event::Refused { reason: why, .. } if *why == reason)),
            "{payload}"
        );
        assert_eq!(script.events.len(), 1, "{payload}");
        assert_eq!(script.engine.counters().refused[reason], before + 1, "{payload}");
        assert_eq!(script.settled.iter().filter(|(settled, _)| *settled == handle).count(), 1, "{payload}");
    }
    assert_eq!(script.submit("next", ""), bad.len() as u64 + 1);
    assert_eq!(script.has(0), ["next"]);
}

#[test]
fn a_prefix_policy_lets_only_names_under_its_prefixes_pass() {
    let policy = TaskPolicy::Prefix(vec!["mod.".to_owned()]);
    let mut script = Script::new(Config { policy, ..workers(1, 1) });
    script.publish(r#"{"task": "os.mkdir", "args": ["x"]}"#);
    assert_eq!(script.engine.counters().refused["policy"], 1);
    script.submit("a", "");
    assert_eq!(script.has(0), ["a"]);
}

#[test]
fn a_message_without_a_uuid_gets_a_number_of_ours() {
    let mut script = Script::new(workers(1, 1));
    script.publish(r#"{"task": "a.b"}"#);
    script.publish("a.b");
    assert_eq!(script.has(0), ["internal-0"]);
    script.done(0);
    assert_eq!(script.has(0), ["internal-1"]);
}

#[test]
fn a_control_request_is_set_aside_and_counted() {
    let mut script = Script::new(workers(1, 1));
    script.publish(r#"{"control": "alive", "reply_to": "r"}"#);
    assert!(
        script.asked_for(
            |effect| matches!(effect, Effect::Control { request, .. } if request.command == "alive")
        )
    );
    assert_eq!((script.engine.counters().received, script.engine.counters().control), (1, 1));
}

#[test]
fn a_message_in_pieces_runs_once_whatever_their_order() {
    let mut script = Script::new(workers(1, 1));
    let message = format!(r#"{{"task": "a.b", "uuid": "big", "args": ["{}"]}}"#, "x".repeat(5000));
    let mut pieces = dispatcher_protocol::split(&message, 1000, "m1");
    pieces.reverse();
    for piece in pieces.iter().chain(&pieces[..1]) {
        script.publish(piece);
    }
    assert_eq!(script.has(0), ["big"]);
    script.done(0);
    assert!(script.has(0).is_empty());
}

fn message(body: &str) -> TaskMessage {
    match decode(body.to_owned()) {
        Ok(Decoded::Task(message)) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_schedule_starts_its_task_at_every_beat() {
    let schedule = Schedule { message: message(r#"{"task": "a.b"}"#), every: Duration::from_secs(10) };
    let mut script = Script::new(Config { schedules: vec![schedule], ..workers(1, 1) });
    script.after(Duration::from_secs(9));
    assert!(script.has(0).is_empty());
    script.after(Duration::from_secs(1));
    assert_eq!(script.done(0), "sch-0");
    script.after(Duration::from_secs(10));
    assert_eq!(script.done(0), "sch-1");
}

#[test]
fn beats_that_were_missed_are_one_run_and_not_many() {
    let schedule = Schedule { message: message(r#"{"task": "a.b"}"#), every: Duration::from_secs(1) };
    let mut script = Script::new(Config { schedules: vec![schedule], ..workers(1, 1) });
    script.now += Duration::from_secs(1000);
    script.handle(dispatcher_engine::Input::Tick);
    assert_eq!(script.engine.scheduled_count(), 1);
    script.after(Duration::from_secs(1));
    assert_eq!(script.engine.scheduled_count(), 2);
}

#[test]
fn on_start_tasks_run_once_and_no_policy_applies_to_their_names() {
    let on_start = vec![message(r#"{"task": "os.__name__.x"}"#)];
    let mut script = Script::cold(Config { on_start, policy: TaskPolicy::Registered, ..workers(1, 1) });
    script.all_ready(0);
    assert_eq!(script.done(0), "on-start-0");
    assert!(script.asked_for(|effect| matches!(effect, Effect::Run { task, .. } if task.trusted)));
}
