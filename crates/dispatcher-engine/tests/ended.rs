//! How tasks ended is kept, and said in words.

mod script;

use std::time::Duration;

use dispatcher_engine::{Ending, Event, Exit, Filter};
use dispatcher_protocol::{Outcome, TaskError};
use script::{Script, done, workers};

/// The uuid, the end and the words of what ended, the last one first.
fn record(script: &Script) -> Vec<(String, Ending, String)> {
    let last = script.engine.counters().last.newest_first();
    last.into_iter().map(|ended| (ended.uuid.clone(), ended.how, ended.why.clone())).collect()
}

#[test]
fn each_end_is_kept_with_its_reason() {
    let mut script = Script::new(workers(2, 2));
    script.submit("good", "");
    script.after_ms(5);
    script.done(0);
    script.submit("dies", "");
    script.after_ms(1);
    script.exits(1, Exit::Signal(11));
    script.ready(2, 0);
    script.submit("slow", r#", "timeout": 1"#);
    script.after_ms(1000);
    script.done_as(0, Outcome::Cancelled);
    assert_eq!(
        record(&script),
        [
            ("slow".to_owned(), Ending::TimedOut, "timed out".to_owned()),
            ("dies".to_owned(), Ending::Lost, "lost; its worker killed by SIGSEGV".to_owned()),
            ("good".to_owned(), Ending::Success, String::new()),
        ]
    );
    let last = script.engine.counters().last.newest_first();
    assert_eq!((last[0].ran, &*last[0].task), (Duration::from_secs(1), "mod.fn"));
    assert_eq!(script.engine.counters().lost["signal"], 1);
}

#[test]
fn what_it_raised_is_kept_and_who_cancelled_it() {
    let mut script = Script::new(workers(1, 1));
    script.submit("bad", "");
    let kind = "ValueError".to_owned();
    let error = TaskError { kind, message: "no".to_owned(), trace: vec!["a.py:1 in f".to_owned()] };
    let failed = dispatcher_protocol::Done { error: Some(error.clone()), ..done("bad", Outcome::Failure) };
    script.given.clear();
    script
        .handle(dispatcher_engine::Input::TaskDone { worker: dispatcher_engine::WorkerId(0), done: failed });
    script.after_ms(1);
    script.submit("busy", "");
    script.submit("waits", "");
    script.cancel_uuid("waits");
    script.after_ms(1);
    script.cancel(&Filter::default());
    script.done_as(0, Outcome::Cancelled);
    let ends = record(&script);
    assert_eq!(ends[0], ("busy".to_owned(), Ending::Cancelled, "cancelled by control".to_owned()));
    assert_eq!(ends[1].2, "cancelled by control while it waited");
    let last = script.engine.counters().last.newest_first();
    assert_eq!((last[1].worker, last[2].error.as_ref()), (None, Some(&error)));
}

#[test]
fn a_task_that_is_lost_for_the_sake_of_its_neighbour_says_so() {
    let mut script = Script::cold(workers(1, 1));
    script.ready_with(0, 2, 0);
    script.submit("stubborn", "");
    script.submit("innocent", "");
    script.cancel_uuid("stubborn");
    script.after(Duration::from_secs(5));
    script.exits(0, Exit::Signal(15));
    let why = "lost; its worker killed by SIGTERM, for the sake of mod.fn (uuid=stubborn)";
    let ends = record(&script);
    assert!(ends.contains(&("innocent".to_owned(), Ending::Lost, why.to_owned())), "{ends:?}");
    let neighbour = |event: &Event| matches!(event, Event::Lost { neighbour: Some(_), .. });
    assert!(script.said(neighbour));
    assert_eq!(script.engine.counters().lost["neighbour"], 1);
}

#[test]
fn a_flood_of_successes_leaves_the_others_there_and_memory_is_bounded() {
    let mut script = Script::new(workers(1, 1));
    script.submit("bad", "");
    script.done_as(0, Outcome::Failure);
    script.publish(r#"{"task": "lambda: secret", "uuid": "code"}"#);
    script.done_as(0, Outcome::Refused);
    for number in 0..10_000 {
        script.submit(&format!("t{number}"), "");
        script.done(0);
    }
    let ends = record(&script);
    assert_eq!(ends.len(), 1002);
    assert!(ends.iter().any(|(uuid, ..)| uuid == "bad") && ends.iter().any(|(uuid, ..)| uuid == "t9999"));
    let last = script.engine.counters().last.newest_first();
    let code = last.iter().find(|ended| ended.uuid == "code").unwrap();
    assert_eq!(code.task, "lambda");
}
