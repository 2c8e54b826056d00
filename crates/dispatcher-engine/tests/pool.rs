//! Workers and their tasks: who gets what, and what a death leaves behind.

mod script;

use std::time::Duration;

use dispatcher_engine::{Event, Exit, Input, Settled, WorkerId, WorkerState};
use dispatcher_protocol::Outcome;
use script::{Script, workers};

#[test]
fn a_task_goes_to_a_free_worker_at_once_and_is_settled_once() {
    let mut script = Script::new(workers(1, 1));
    let handle = script.submit("a", "");
    assert_eq!(script.has(0), ["a"]);
    assert!(script.settled.is_empty());
    script.done(0);
    assert_eq!(script.settled, [(handle, Settled::Acknowledged)]);
}

#[test]
fn tasks_wait_their_turn_in_order() {
    let mut script = Script::new(workers(1, 1));
    for uuid in ["a", "b", "c"] {
        script.submit(uuid, "");
    }
    let order = [script.done(0), script.done(0), script.done(0)];
    assert_eq!(order, ["a", "b", "c"]);
}

#[test]
fn the_worker_that_was_idle_longest_is_next() {
    let mut script = Script::new(workers(2, 2));
    script.submit("a", "");
    script.done(0);
    script.submit("b", "");
    assert_eq!(script.has(1), ["b"]);
}

#[test]
fn a_dead_worker_is_replaced_in_the_same_turn_and_its_task_is_lost_with_the_reason() {
    let mut script = Script::new(workers(1, 1));
    let handle = script.submit("a", "");
    script.exits(0, Exit::Signal(9));
    assert_eq!(script.alive, [WorkerId(1)]);
    assert_eq!(script.settled, [(handle, Settled::Lost)]);
    assert!(script.said(|event| matches!(event, Event::Lost { exit: Exit::Signal(9), .. })));
    assert_eq!(script.engine.counters().canceled, 1);
}

#[test]
fn a_result_of_a_task_that_the_worker_does_not_have_changes_nothing() {
    let mut script = Script::new(workers(1, 1));
    script.submit("a", "");
    let stray = script::done("b", Outcome::Success);
    script.handle(Input::TaskDone { worker: WorkerId(0), done: stray });
    assert!(script.said(|event| matches!(event, Event::StrayResult { .. })));
    assert_eq!(script.engine.running_count(), 1);
}

#[test]
fn a_worker_that_leaves_after_its_task_is_replaced() {
    let mut script = Script::new(workers(1, 1));
    script.submit("a", "");
    let mut done = script::done("a", Outcome::Success);
    done.is_stopping = true;
    script.handle(Input::TaskDone { worker: WorkerId(0), done });
    script.submit("b", "");
    assert_eq!(script.engine.queued_count(), 1);
    script.exits(0, Exit::Code(0));
    script.ready(1, 0);
    assert_eq!(script.has(1), ["b"]);
    assert_eq!(script.engine.counters().workers_lost, 0);
}

#[test]
fn several_slots_are_filled_and_each_task_ends_by_itself() {
    let mut script = Script::cold(workers(1, 1));
    script.handle(Input::WorkerReady { worker: WorkerId(0), slots: 3, ahead: 0, tasks: Vec::new() });
    for uuid in ["a", "b", "c", "d"] {
        script.submit(uuid, "");
    }
    assert_eq!(script.has(0), ["a", "b", "c"]);
    let second = script::done("b", Outcome::Success);
    script.handle(Input::TaskDone { worker: WorkerId(0), done: second });
    assert_eq!(script.engine.running_count(), 3);
}

#[test]
fn an_engine_with_nothing_to_do_never_wants_to_be_woken() {
    let mut script = Script::new(workers(1, 1));
    script.submit("a", "");
    script.done(0);
    script.after(Duration::from_secs(1));
    assert_eq!(script.engine.next_wakeup(), None);
}

#[test]
fn tasks_are_spread_over_workers_with_several_slots() {
    let mut script = Script::cold(workers(2, 2));
    for worker in 0..2 {
        script.ready_with(worker, 4, 0);
    }
    for uuid in ["a", "b", "c", "d"] {
        script.submit(uuid, "");
    }
    assert_eq!((script.has(0).len(), script.has(1).len()), (2, 2));
}

#[test]
fn a_failure_is_finished_too_and_says_why() {
    let mut script = Script::new(workers(1, 1));
    let handle = script.submit("a", "");
    script.done_as(0, Outcome::Failure);
    assert_eq!(script.settled, [(handle, Settled::Acknowledged)]);
    assert!(script.said(|event| matches!(event, Event::Finished { outcome: Outcome::Failure, .. })));
    assert_eq!(script.engine.counters().finished, 1);
}

#[test]
fn a_worker_that_says_that_it_leaves_gets_no_more_tasks_and_gives_back_what_it_has_not_begun() {
    let mut script = Script::new(workers(1, 1));
    script.submit("a", "");
    // It had made up its mind before the task reached it.
    script.leaves(0);
    assert_eq!(script.engine.workers(script.now)[0].state, WorkerState::Stopping);
    assert_eq!((script.engine.running_count(), script.engine.queued_count()), (0, 1));
    script.exits(0, Exit::Code(0));
    script.ready(1, 0);
    assert_eq!(script.has(1), ["a"]);
    assert!(script.said(|event| matches!(event, Event::WorkerGone { expected: true, .. })));
}

#[test]
fn a_task_given_to_an_idle_worker_that_was_just_killed_runs_elsewhere() {
    let mut script = Script::new(workers(2, 2));
    script.submit("a", "");
    script.leaves(0);
    script.exits(0, Exit::Signal(9));
    assert_eq!(script.has(1), ["a"]);
    assert_eq!(script.engine.counters().canceled, 0);
    assert!(script.said(|event| matches!(event, Event::WorkerGone { expected: false, .. })));
}

#[test]
fn what_a_worker_says_after_its_end_changes_nothing() {
    let mut script = Script::new(workers(1, 1));
    script.submit("a", "");
    script.exits(0, Exit::Signal(9));
    script.forget();
    let worker = WorkerId(0);
    script.handle(Input::TaskDone { worker, done: script::done("a", Outcome::Success) });
    script.handle(Input::WorkerReady { worker, slots: 1, ahead: 0, tasks: Vec::new() });
    script.handle(Input::TakenBack { worker, seqs: vec![1] });
    script.handle(Input::WorkerExited { worker, exit: Exit::Code(0) });
    assert!(script.asked.is_empty() && script.events.is_empty());
}

#[test]
fn ordinary_steps_are_told_only_to_those_who_want_to_know() {
    for verbose in [false, true] {
        let mut script = Script::new(workers(1, 1));
        script.engine.set_verbose(verbose);
        script.forget();
        script.submit("a", "");
        script.submit("b", r#", "delay": 1"#);
        script.done(0);
        script.after(Duration::from_secs(1));
        script.done(0);
        assert_eq!(script.events.is_empty(), !verbose);
    }
}
