//! Coming to an end.

mod script;

use std::time::Duration;

use dispatcher_engine::{Config, DropReason, Effect, Event, Exit, Input, Settled, WorkerId};
use dispatcher_protocol::Outcome;
use script::{Script, workers};

#[test]
fn an_idle_service_stops_when_its_workers_have_left() {
    let mut script = Script::new(workers(2, 2));
    script.handle(Input::Stop);
    let told = script.asked.iter().filter(|effect| matches!(effect, Effect::StopWorker { .. })).count();
    assert_eq!(told, 2);
    script.exits(0, Exit::Code(0));
    assert!(!script.finished);
    script.exits(1, Exit::Code(0));
    assert!(script.finished);
    assert!(script.alive.is_empty(), "nobody is replaced during a stop");
}

#[test]
fn running_tasks_may_finish_within_the_grace() {
    let mut script = Script::new(workers(1, 1));
    script.submit("a", "");
    script.handle(Input::Stop);
    script.after(Duration::from_secs(29));
    assert!(!script.asked_for(|effect| matches!(effect, Effect::Cancel { .. })));
    script.done(0);
    assert!(script.asked_for(|effect| matches!(effect, Effect::StopWorker { worker: WorkerId(0) })));
    script.exits(0, Exit::Code(0));
    assert!(script.finished);
}

#[test]
fn when_the_grace_is_over_running_tasks_are_cancelled() {
    let mut script = Script::new(workers(1, 1));
    script.submit("a", "");
    script.handle(Input::Stop);
    script.after(Duration::from_secs(30));
    assert!(script.asked_for(|effect| matches!(effect, Effect::Cancel { .. })));
    script.done_as(0, Outcome::Cancelled);
    script.exits(0, Exit::Code(0));
    assert!(script.finished);
}

#[test]
fn without_a_grace_running_tasks_are_cancelled_at_once() {
    let mut script = Script::new(Config { shutdown_grace: Duration::ZERO, ..workers(1, 1) });
    script.submit("a", "");
    script.handle(Input::Stop);
    assert!(script.asked_for(|effect| matches!(effect, Effect::Cancel { .. })));
}

#[test]
fn a_second_signal_does_not_wait_for_the_grace() {
    let mut script = Script::new(workers(1, 1));
    script.submit("a", "");
    script.handle(Input::Stop);
    script.handle(Input::Hurry);
    assert!(script.asked_for(|effect| matches!(effect, Effect::Cancel { .. })));
}

#[test]
fn what_waits_is_abandoned_by_name_and_released() {
    let mut script = Script::new(workers(1, 1));
    script.submit("running", "");
    script.submit("queued", "");
    script.submit("delayed", r#", "delay": 5"#);
    script.submit("blocked", r#", "on_duplicate": "serial""#);
    script.handle(Input::Stop);
    let mut names: Vec<_> = script
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Dropped { task, why: DropReason::Shutdown } => Some(task.uuid.to_string()),
            _ => None,
        })
        .collect();
    names.sort();
    assert_eq!(names, ["blocked", "delayed", "queued"]);
    assert!(script.settled.iter().all(|(_, outcome)| *outcome == Settled::Released));
    script.done(0);
    script.exits(0, Exit::Code(0));
    assert_eq!(script.settled.len(), 4);
    assert!(script.finished);
}

#[test]
fn what_comes_after_the_stop_is_released_unread() {
    let mut script = Script::new(workers(1, 1));
    script.handle(Input::Stop);
    let handle = script.submit("late", "");
    assert_eq!(script.settled, [(handle, Settled::Released)]);
}

#[test]
fn a_worker_that_does_not_leave_is_ended() {
    let mut script = Script::new(workers(1, 1));
    script.handle(Input::Stop);
    script.after(Duration::from_secs(3));
    assert!(script.asked_for(|effect| matches!(effect, Effect::Terminate { .. })));
    script.after(Duration::from_secs(3));
    assert!(script.asked_for(|effect| matches!(effect, Effect::Kill { .. })));
}

#[test]
fn a_worker_that_was_still_starting_does_not_hold_up_the_stop() {
    let mut script = Script::cold(workers(1, 1));
    script.handle(Input::Stop);
    assert!(script.asked_for(|effect| matches!(effect, Effect::StopWorker { .. })));
    script.exits(0, Exit::StartFailed("stopped".to_owned()));
    assert!(script.finished);
    assert!(!script.said(|event| matches!(event, Event::StartFailed { .. })));
}

#[test]
fn tasks_handed_out_early_are_taken_back_and_abandoned() {
    let mut script = Script::cold(workers(1, 1));
    script.ready(0, 8);
    script.submit("warm", "");
    script.done(0);
    script.submit("busy", "");
    script.submit("a", "");
    script.handle(Input::Stop);
    script.take_back(0);
    script.done(0);
    script.exits(0, Exit::Code(0));
    assert!(script.finished);
    assert_eq!(script.settled.len(), 3);
    assert_eq!(script.engine.counters().abandoned, 1);
}

#[test]
fn a_task_cut_off_by_the_stop_is_lost_to_its_broker_and_one_that_ends_is_not() {
    for (outcome, settled) in [(Outcome::Cancelled, Settled::Lost), (Outcome::Success, Settled::Acknowledged)]
    {
        let mut script = Script::new(workers(1, 1));
        let handle = script.submit("a", "");
        script.handle(Input::Hurry);
        script.done_as(0, outcome);
        assert_eq!(script.settled, [(handle, settled)]);
    }
}

#[test]
fn what_turns_out_to_have_begun_after_the_grace_is_cancelled_too() {
    let mut script = Script::cold(Config { shutdown_grace: Duration::ZERO, ..workers(1, 1) });
    script.ready(0, 8);
    script.submit("warm", "");
    script.done(0);
    script.submit("busy", "");
    script.submit("a", "");
    script.handle(Input::Stop);
    // The worker was faster than the take-back.
    script.handle(Input::TakenBack { worker: WorkerId(0), seqs: Vec::new() });
    script.done(0);
    assert!(script.asked_for(|effect| matches!(effect, Effect::Cancel { uuid, .. } if &**uuid == "a")));
}

#[test]
fn a_worker_that_dies_during_the_stop_is_not_replaced_and_does_not_hold_it_up() {
    let mut script = Script::new(workers(2, 2));
    script.submit("a", "");
    script.submit("b", "");
    script.handle(Input::Stop);
    script.exits(0, Exit::Signal(11));
    script.done(1);
    script.exits(1, Exit::Code(0));
    assert!(script.finished && script.alive.is_empty());
}

#[test]
fn a_starting_worker_that_says_ready_after_the_stop_gets_nothing_and_is_ended() {
    let mut script = Script::cold(workers(1, 1));
    script.handle(Input::Stop);
    script.ready(0, 0);
    script.after(Duration::from_secs(3 + 3));
    assert!(script.asked_for(|effect| matches!(effect, Effect::Kill { .. })));
}

#[test]
fn a_hurry_without_a_stop_is_both() {
    let mut script = Script::new(workers(1, 1));
    script.submit("a", "");
    script.submit("b", "");
    script.handle(Input::Hurry);
    assert!(script.asked_for(|effect| matches!(effect, Effect::Cancel { .. })));
    assert_eq!(script.engine.counters().abandoned, 1);
}

#[test]
fn the_beginning_of_the_stop_says_how_much_is_running_and_names_what_is_abandoned() {
    let mut script = Script::new(workers(1, 1));
    script.submit("a", "");
    script.publish(r#"{"task": "mod.other"}"#);
    script.publish(r#"{"task": "lambda: secret"}"#);
    script.submit("b", "");
    script.submit("c", "");
    script.handle(Input::Stop);
    let stopping = script.events.iter().find_map(|event| match event {
        Event::Stopping { running, abandoned } => Some((*running, abandoned.clone())),
        _ => None,
    });
    let abandoned = [("mod.fn", 2), ("lambda", 1), ("mod.other", 1)];
    let abandoned = abandoned.map(|(name, count)| (name.into(), count)).to_vec();
    assert_eq!(stopping, Some((1, abandoned)));
}

#[test]
fn the_stop_says_again_and_again_what_still_runs_and_how_long_it_may() {
    let mut script = Script::new(workers(1, 1));
    script.submit("a", "");
    script.handle(Input::Stop);
    script.after(Duration::from_secs(12));
    let news: Vec<_> = script
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Draining { running, left } => Some((running[0].clone(), left.as_secs())),
            _ => None,
        })
        .collect();
    assert_eq!(news, [(("mod.fn".into(), 1), 25), (("mod.fn".into(), 1), 20)]);
    script.done(0);
    script.forget();
    script.after(Duration::from_secs(2));
    assert!(!script.said(|event| matches!(event, Event::Draining { .. })));
}
