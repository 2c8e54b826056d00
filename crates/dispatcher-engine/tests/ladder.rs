//! Timeouts, cancels and the ladder that ends every task.

mod script;

use std::time::Duration;

use dispatcher_engine::{CancelReason, Effect, Event, Exit, Filter, WorkerId};
use dispatcher_protocol::Outcome;
use script::{Script, workers};

const WORKER: WorkerId = WorkerId(0);

fn by_uuid(uuid: &str) -> Filter {
    Filter { uuid: Some(uuid.to_owned()), ..Filter::default() }
}

#[test]
fn a_task_out_of_time_is_cancelled_and_its_worker_goes_on() {
    let mut script = Script::new(workers(1, 1));
    script.submit("a", r#", "timeout": 1.5"#);
    script.after_ms(1499);
    assert!(!script.asked_for(|effect| matches!(effect, Effect::Cancel { .. })));
    script.after_ms(1);
    assert!(script.asked_for(|effect| matches!(effect, Effect::Cancel { worker: WORKER, .. })));
    script.done_as(0, Outcome::Cancelled);
    script.submit("b", "");
    assert_eq!(script.has(0), ["b"]);
    script.after(Duration::from_secs(60));
    assert!(!script.asked_for(|effect| matches!(effect, Effect::Terminate { .. })));
    assert_eq!(script.engine.counters().canceled, 1);
}

#[test]
fn a_task_that_ends_in_time_is_left_alone() {
    let mut script = Script::new(workers(1, 1));
    script.submit("a", r#", "timeout": 1"#);
    script.done(0);
    script.submit("b", "");
    script.after(Duration::from_secs(5));
    assert!(!script.asked_for(|effect| matches!(effect, Effect::Cancel { .. })));
    assert_eq!(script.engine.next_wakeup(), None);
}

#[test]
fn a_timeout_runs_from_the_start_of_the_task_and_not_while_it_waits() {
    let mut script = Script::new(workers(1, 1));
    script.submit("first", "");
    script.submit("a", r#", "timeout": 1"#);
    script.after(Duration::from_secs(10));
    script.done(0);
    script.after_ms(999);
    assert!(!script.asked_for(|effect| matches!(effect, Effect::Cancel { .. })));
    script.after_ms(1);
    assert!(script.asked_for(|effect| matches!(effect, Effect::Cancel { .. })));
}

#[test]
fn a_cancel_that_is_ignored_goes_on_to_sigterm_and_sigkill_and_the_slot_comes_back() {
    let mut script = Script::new(workers(1, 1));
    script.submit("a", "");
    script.engine.cancel(&by_uuid("a"), script.now);
    script.collect();
    script.after_ms(4999);
    assert!(!script.asked_for(|effect| matches!(effect, Effect::Terminate { .. })));
    script.after_ms(1);
    assert!(script.asked_for(|effect| matches!(effect, Effect::Terminate { worker: WORKER })));
    script.after_ms(2999);
    assert!(!script.asked_for(|effect| matches!(effect, Effect::Kill { .. })));
    script.after_ms(1);
    assert!(script.asked_for(|effect| matches!(effect, Effect::Kill { worker: WORKER })));
    script.exits(0, Exit::Signal(9));
    let why = |event: &Event| matches!(event, Event::Lost { cancelled: Some(CancelReason::Control), .. });
    assert!(script.said(why));
    script.submit("b", "");
    script.ready(1, 0);
    assert_eq!(script.has(1), ["b"]);
}

#[test]
fn a_second_cancel_of_the_same_task_changes_nothing() {
    let mut script = Script::new(workers(1, 1));
    script.submit("a", "");
    for _ in 0..3 {
        script.engine.cancel(&by_uuid("a"), script.now);
    }
    script.collect();
    let cancels = script.asked.iter().filter(|effect| matches!(effect, Effect::Cancel { .. })).count();
    assert_eq!(cancels, 1);
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
    script.engine.cancel(&by_uuid("a"), script.now);
    script.collect();
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
    script.engine.cancel(&by_uuid("a"), script.now);
    script.collect();
    script.forget();
    // The worker was faster: its ticket was gone.
    script.handle(dispatcher_engine::Input::TakenBack { worker: WORKER, seqs: Vec::new() });
    script.done(0);
    let cancel = |effect: &Effect| matches!(effect, Effect::Cancel { uuid, .. } if &**uuid == "a");
    assert!(script.asked_for(cancel));
    script.done_as(0, Outcome::Cancelled);
    assert_eq!(script.settled.len(), 3);
}
