//! Timeouts, cancels and the ladder that ends every task.

mod script;

use std::time::Duration;

use dispatcher_engine::{CancelReason, Effect, Event, Exit, Rung, Settled, WorkerId};
use dispatcher_protocol::Outcome;
use script::{Script, workers};

const WORKER: WorkerId = WorkerId(0);

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
    script.cancel_uuid("a");
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
fn a_second_cancel_reaches_a_task_that_swallowed_the_first_and_the_ladder_goes_on() {
    let mut script = Script::new(workers(1, 1));
    script.submit("a", "");
    script.cancel_uuid("a");
    script.after_ms(3000);
    script.cancel_uuid("a");
    assert_eq!(script.count(|effect| matches!(effect, Effect::Cancel { .. })), 2);
    script.after_ms(2000);
    assert!(script.asked_for(|effect| matches!(effect, Effect::Terminate { .. })));
}

#[test]
fn a_cancelled_task_is_not_cancelled_again_by_its_timeout() {
    let mut script = Script::new(workers(1, 1));
    script.submit("a", r#", "timeout": 1"#);
    script.cancel_uuid("a");
    script.after_ms(1500);
    assert_eq!(script.count(|effect| matches!(effect, Effect::Cancel { .. })), 1);
    script.done_as(0, Outcome::Cancelled);
    assert!(
        script.said(|event| matches!(event, Event::Finished { cancelled: Some(CancelReason::Control), .. }))
    );
}

#[test]
fn a_cancelled_task_that_ends_well_is_finished_and_not_cancelled() {
    let mut script = Script::new(workers(1, 1));
    script.submit("a", "");
    script.cancel_uuid("a");
    script.done(0);
    assert_eq!((script.engine.counters().finished, script.engine.counters().canceled), (1, 0));
    script.after(Duration::from_secs(60));
    assert!(!script.asked_for(|effect| matches!(effect, Effect::Terminate { .. })));
}

#[test]
fn every_step_of_the_ladder_is_told_with_its_reason() {
    let mut script = Script::new(workers(1, 1));
    script.submit("a", r#", "timeout": 1"#);
    script.after(Duration::from_secs(1 + 5 + 3));
    let steps: Vec<_> = script
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Ladder { task: Some(task), rung, why: CancelReason::Timeout, .. } => {
                Some((&*task.uuid, *rung))
            }
            _ => None,
        })
        .collect();
    assert_eq!(steps, [("a", Rung::Cancel), ("a", Rung::Terminate), ("a", Rung::Kill)]);
}

#[test]
fn a_process_that_survives_sigkill_is_killed_again() {
    let mut script = Script::new(workers(1, 1));
    script.submit("a", "");
    script.cancel_uuid("a");
    script.after(Duration::from_secs(5 + 3 + 2));
    assert_eq!(script.count(|effect| matches!(effect, Effect::Kill { .. })), 3);
}

#[test]
fn a_worker_that_dies_of_the_ladder_is_replaced_and_its_task_is_not_tried_again() {
    let mut script = Script::new(workers(1, 1));
    let handle = script.submit("a", "");
    script.cancel_uuid("a");
    script.after(Duration::from_secs(8));
    script.exits(0, Exit::Signal(9));
    assert_eq!(script.settled, [(handle, Settled::Acknowledged)]);
    assert_eq!(script.alive, [WorkerId(1)]);
    assert!(script.said(|event| matches!(event, Event::WorkerGone { expected: true, .. })));
}

#[test]
fn a_task_is_kept_away_from_a_worker_with_a_cancelled_one() {
    let mut script = Script::cold(workers(1, 1));
    script.ready_with(0, 2, 0);
    script.submit("a", "");
    script.cancel_uuid("a");
    script.submit("b", "");
    assert_eq!(script.has(0), ["a"]);
    script.done_as(0, Outcome::Cancelled);
    assert_eq!(script.has(0), ["b"]);
}

#[test]
fn each_task_of_a_worker_with_several_slots_has_its_own_grace() {
    let mut script = Script::cold(workers(1, 1));
    script.ready_with(0, 2, 0);
    script.submit("a", r#", "timeout": 1"#);
    script.submit("b", r#", "timeout": 4"#);
    script.after_ms(4500);
    script.done_as(0, Outcome::Cancelled);
    script.after_ms(4400);
    assert!(!script.asked_for(|effect| matches!(effect, Effect::Terminate { .. })));
    script.after_ms(100);
    assert!(script.asked_for(|effect| matches!(effect, Effect::Terminate { worker: WORKER })));
}

#[test]
fn a_task_whose_time_ran_out_before_it_began_is_ready_again() {
    let mut script = Script::cold(workers(1, 1));
    script.ready(0, 8);
    script.submit("warm", "");
    script.done(0);
    script.submit("slow", r#", "timeout": 0.001"#);
    script.submit("next", "");
    script.after_ms(1);
    assert!(script.asked_for(|effect| matches!(effect, Effect::Cancel { .. })));
    // The worker had not begun either: it was stopped, say, just then.
    script.take_back_all(0);
    assert_eq!(script.has(0), ["slow"]);
    assert!(script.settled.len() == 1, "only the first has ended");
}
