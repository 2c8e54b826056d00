//! What a message becomes, and what never gets any further.

mod script;

use std::sync::Arc;

use dispatcher_engine::{BrokerId, Config, Effect, Event, Input, Settled, Source, TaskPolicy, WorkerId};
use dispatcher_protocol::TaskMessage;
use script::{Script, workers};

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
fn a_delayed_control_request_is_carried_out_later_and_has_no_reply() {
    let mut script = Script::new(workers(1, 1));
    script.publish(r#"{"control": "cancel", "delay": 2.5, "reply_to": "r"}"#);
    script.after_ms(2499);
    assert!(!script.asked_for(|effect| matches!(effect, Effect::Control { .. })));
    script.after_ms(1);
    let carried_out =
        |effect: &Effect| matches!(effect, Effect::Control { request, .. } if request.reply_to.is_none());
    assert!(script.asked_for(carried_out));
    assert_eq!(script.engine.counters().control, 1);
}

#[test]
fn delayed_control_requests_have_a_bound() {
    let mut script = Script::new(workers(1, 1));
    for _ in 0..10_000 {
        script.publish(r#"{"control": "alive", "delay": 60}"#);
    }
    assert_eq!(script.engine.counters().refused["control_delays"], 9_000);
    assert_eq!(script.settled.len(), 10_000);
}

#[test]
fn a_piece_that_cannot_be_read_is_counted() {
    let mut script = Script::new(workers(1, 1));
    script.publish(
        r#"{"__dispatcherd_chunk__": "v1", "message_id": 5, "index": 0, "total": 1, "payload": "{}"}"#,
    );
    assert_eq!(script.engine.pieces().stats().refused, 1);
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

#[test]
fn a_message_without_a_uuid_gets_its_number_among_all_messages() {
    let mut script = Script::new(workers(1, 1));
    script.publish(r#"{"control": "alive"}"#);
    script.publish(r#"{"task": "a.b"}"#);
    script.publish("a.b");
    assert_eq!(script.has(0), ["internal-1"]);
    script.done(0);
    assert_eq!(script.has(0), ["internal-2"]);
}

#[test]
fn only_what_could_be_read_counts_as_received() {
    let mut script = Script::new(workers(1, 1));
    for payload in ["[1]", "a.b", r#"{"control": "alive"}"#, r#"{"task": "a.b", "args": 5}"#] {
        script.publish(payload);
    }
    assert_eq!(script.engine.counters().received, 2);
}

#[test]
fn a_lambda_runs_only_where_both_switches_are_on() {
    for (policy, allow_eval, runs) in [
        (TaskPolicy::Any, true, true),
        (TaskPolicy::Any, false, false),
        (TaskPolicy::Registered, true, false),
    ] {
        let mut script = Script::new(Config { policy, allow_eval, ..workers(1, 1) });
        script.publish("lambda: 1");
        assert_eq!(script.engine.running_count() == 1, runs);
    }
}

#[test]
fn a_task_of_a_control_request_passes_the_same_gate() {
    let mut script = Script::new(Config { policy: TaskPolicy::Registered, ..workers(2, 2) });
    for trusted in [false, true] {
        let source = Source { broker: None, channel: Arc::from(""), handle: 0 };
        let message = TaskMessage::from_name("os.__name__").expect("a name");
        script.handle(Input::Submit { source, message, trusted });
    }
    assert_eq!(script.engine.counters().refused["policy"], 1);
    assert_eq!(script.engine.running_count(), 1);
}

#[test]
fn a_refusal_shows_neither_the_arguments_nor_the_payload() {
    let mut script = Script::new(Config { policy: TaskPolicy::Registered, ..workers(1, 1) });
    for payload in
        [r#"{"task": "a", "args": ["secret"]}"#, r#"{"task": "a.b", "delay": "secret"}"#, r#"{"secret": 1"#]
    {
        script.publish(payload);
    }
    assert_eq!(script.events.iter().filter(|event| matches!(event, Event::Refused { .. })).count(), 3);
    assert!(script.events.iter().all(|event| !format!("{event:?}").contains("secret")));
}

#[test]
fn pieces_that_never_become_a_message_are_given_up_in_time() {
    let mut script = Script::new(workers(1, 1));
    let pieces = dispatcher_protocol::split(&"x".repeat(5000), 1000, "m1");
    let handle = script.publish(&pieces[0]);
    assert_eq!(script.settled, [(handle, Settled::Acknowledged)]);
    script.after_ms(30 * 60 * 1000);
    assert!(script.said(|event| matches!(event, Event::ChunkExpired { message_id } if message_id == "m1")));
    assert_eq!(script.engine.next_wakeup(), None);
}

#[test]
fn a_task_goes_out_with_its_channel_and_its_ticket() {
    let mut script = Script::new(workers(1, 1));
    script.submit("a", "");
    let fits = |effect: &Effect| {
        matches!(effect, Effect::Run { worker: WorkerId(0), seq: 1, task } if &*task.source.channel == "chan"
            && task.source.broker == Some(BrokerId(0)) && task.attempt == 1 && !task.trusted)
    };
    assert!(script.asked_for(fits));
}
