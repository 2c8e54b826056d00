//! What happens when more comes than may be here.

mod script;

use std::sync::Arc;

use dispatcher_engine::{BrokerId, Config, DropReason, Event, Input, Quota, Settled, Source, TASK_OVERHEAD};
use script::{Script, workers};

fn with(quota: Quota) -> Script {
    Script::new(Config { quota, ..workers(1, 1) })
}

fn full(script: &Script) -> Vec<&'static str> {
    let reasons = script.events.iter().filter_map(|event| match event {
        Event::Dropped { why: DropReason::Full(bound), .. } => Some(*bound),
        _ => None,
    });
    reasons.collect()
}

#[test]
fn more_tasks_than_may_be_here_are_dropped_counted_and_said_and_room_is_used_again() {
    let mut script = with(Quota { tasks: 10, ..Quota::default() });
    for _ in 0..100 {
        script.submit("", "");
    }
    assert_eq!(script.engine.held().0, 10);
    assert_eq!(full(&script), ["queue_full"; 90]);
    assert_eq!(script.engine.counters().refused["queue_full"], 90);
    assert!(script.settled.contains(&(100, Settled::Released)), "another service may have room");
    script.done(0);
    script.submit("again", "");
    assert_eq!((script.engine.held().0, full(&script).len()), (10, 90));
}

#[test]
fn long_messages_are_bounded_by_their_bytes() {
    let mut script = with(Quota { bytes: 100_000, ..Quota::default() });
    let long = format!(r#", "args": ["{}"]"#, "x".repeat(9_000));
    for _ in 0..100 {
        script.submit("", &long);
    }
    let (tasks, bytes) = script.engine.held();
    assert_eq!(tasks, 10);
    assert!(bytes <= 100_000 && bytes > 9 * (9_000 + TASK_OVERHEAD));
    assert_eq!(full(&script), ["queue_bytes_full"; 90]);
}

#[test]
fn too_many_delayed_and_too_many_blocked_tasks_are_dropped_and_others_run() {
    let mut script = with(Quota { delayed: 5, blocked: 5, ..Quota::default() });
    for _ in 0..50 {
        script.submit("", r#", "delay": 60"#);
        script.publish(r#"{"task": "mod.serial", "on_duplicate": "serial"}"#);
    }
    assert_eq!((script.engine.held_count("delayed"), script.engine.held_count("blocked")), (5, 5));
    let refused = &script.engine.counters().refused;
    assert_eq!((refused["delayed_full"], refused["blocked_full"]), (45, 44));
    script.done(0);
    script.submit("honest", "");
    script.done(0);
    assert_eq!(script.has(0), ["honest"]);
}

#[test]
fn one_channel_cannot_take_the_room_of_another() {
    let mut script = with(Quota { tasks: 100, ..Quota::default() });
    let mut send = |channel: &str| {
        let source = Source { broker: Some(BrokerId(0)), channel: Arc::from(channel), handle: 7 };
        script.handle(Input::Delivery { source, payload: r#"{"task": "mod.fn"}"#.to_owned() });
    };
    send("quiet");
    for _ in 0..1000 {
        send("loud");
    }
    for _ in 0..8 {
        send("quiet");
    }
    assert_eq!(script.engine.held().0, 98, "90 for all; the rest is for the quiet one");
    let refused = &script.engine.counters().refused;
    assert_eq!(refused.get("channel_full"), Some(&911));
    assert_eq!(refused.get("queue_full"), None);
}

#[test]
fn the_tasks_of_the_configuration_always_have_room() {
    let mut script = with(Quota { tasks: 1, ..Quota::default() });
    script.submit("a", "");
    let source = Source { broker: None, channel: Arc::from(""), handle: 0 };
    let Ok(dispatcher_protocol::Decoded::Task(message)) =
        dispatcher_protocol::decode(r#"{"task": "mod.own"}"#.to_owned())
    else {
        panic!("it is a task");
    };
    script.handle(Input::Submit { source, message, trusted: true });
    assert_eq!((script.engine.held().0, full(&script).len()), (2, 0));
}
