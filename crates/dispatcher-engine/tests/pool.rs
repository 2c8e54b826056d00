//! Workers and their tasks: who gets what, and what a death leaves behind.

mod script;

use std::time::Duration;

use dispatcher_engine::{Effect, Event, Exit, Settled, WorkerId};
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
fn workers_are_added_while_tasks_wait_and_never_beyond_the_maximum() {
    let mut script = Script::new(workers(1, 3));
    for number in 0..9 {
        script.submit(&format!("t{number}"), "");
    }
    assert_eq!(script.alive.len(), 3);
}

#[test]
fn a_new_worker_gets_the_waiting_task_when_it_is_ready() {
    let mut script = Script::new(workers(1, 2));
    script.submit("a", "");
    script.submit("b", "");
    script.ready(1, 0);
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
    let stray = script::done("b", dispatcher_protocol::Outcome::Success);
    script.handle(dispatcher_engine::Input::TaskDone { worker: WorkerId(0), done: stray });
    assert!(script.said(|event| matches!(event, Event::StrayResult { .. })));
    assert_eq!(script.engine.running_count(), 1);
}

#[test]
fn starts_that_fail_are_tried_again_later_and_later() {
    let mut script = Script::cold(workers(1, 1));
    let mut waits = Vec::new();
    for worker in 0..5 {
        script.exits(worker, Exit::Code(1));
        let before = script.now;
        while script.alive.is_empty() {
            script.after_ms(10);
        }
        waits.push((script.now - before).as_millis());
    }
    assert_eq!(waits, [100, 200, 400, 800, 1600]);
}

#[test]
fn a_start_that_works_ends_the_waiting() {
    let mut script = Script::cold(workers(1, 1));
    script.exits(0, Exit::StartFailed("no".to_owned()));
    script.after_ms(100);
    script.ready(1, 0);
    script.exits(1, Exit::Signal(11));
    assert_eq!(script.alive, [WorkerId(2)]);
}

#[test]
fn a_worker_that_leaves_after_its_task_is_replaced() {
    let mut script = Script::new(workers(1, 1));
    script.submit("a", "");
    let mut done = script::done("a", dispatcher_protocol::Outcome::Success);
    done.is_stopping = true;
    script.handle(dispatcher_engine::Input::TaskDone { worker: WorkerId(0), done });
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
    script.handle(dispatcher_engine::Input::WorkerReady { worker: WorkerId(0), slots: 3, ahead: 0 });
    for uuid in ["a", "b", "c", "d"] {
        script.submit(uuid, "");
    }
    assert_eq!(script.has(0), ["a", "b", "c"]);
    let second = script::done("b", dispatcher_protocol::Outcome::Success);
    script.handle(dispatcher_engine::Input::TaskDone { worker: WorkerId(0), done: second });
    assert_eq!(script.engine.running_count(), 3);
}

/// Makes the worker known as quick and busy: it has ended a task at once and has begun another.
fn quick(script: &mut Script) {
    script.submit("warm", "");
    script.done(0);
    script.submit("busy", "");
}

#[test]
fn a_busy_worker_whose_tasks_are_short_is_handed_the_next_ones_early() {
    let mut script = Script::cold(workers(1, 1));
    script.ready(0, 8);
    quick(&mut script);
    script.submit("a", "");
    script.submit("b", "");
    assert_eq!(script.has(0), ["busy", "a", "b"]);
    assert_eq!(script.engine.running_count(), 1);
    assert_eq!(script.engine.queued_count(), 2);
}

#[test]
fn a_worker_is_never_handed_more_than_it_said_or_the_pool_allows() {
    for (says, holds) in [(3, 3), (100, 8)] {
        let mut script = Script::cold(workers(1, 1));
        script.ready(0, says);
        quick(&mut script);
        for number in 0..40 {
            script.submit(&format!("t{number}"), "");
        }
        let held = script.has(0).len() - 1;
        assert!(held > 0 && held <= holds, "{held} of at most {holds}");
        // With many ready at once it is filled up.
        script.done(0);
        while script.has(0).len() > 1 + holds / 2 {
            script.done(0);
        }
        assert!(script.has(0).len() <= 1 + holds);
    }
}

#[test]
fn nothing_is_handed_early_to_a_worker_whose_tasks_are_long() {
    let mut script = Script::cold(workers(1, 1));
    script.ready(0, 8);
    script.submit("long", "");
    script.after_ms(10);
    script.done(0);
    script.submit("busy", "");
    script.submit("a", "");
    assert_eq!(script.has(0), ["busy"]);
}

#[test]
fn no_task_waits_behind_a_long_one_longer_than_the_patience() {
    let mut script = Script::cold(workers(2, 2));
    script.ready(0, 8);
    script.ready(1, 8);
    // Both are quick; then worker 0 begins a long task with others behind it.
    script.submit("w0", "");
    script.submit("w1", "");
    script.done(0);
    script.done(1);
    script.submit("long", "");
    script.submit("other", "");
    for uuid in ["a", "b", "c", "d"] {
        script.submit(uuid, "");
    }
    let behind: Vec<_> = script.has(0)[1..].iter().map(ToString::to_string).collect();
    assert!(!behind.is_empty());
    script.after_ms(2);
    assert!(script.asked_for(|effect| matches!(effect, Effect::TakeBack { worker: WorkerId(0) })));
    script.take_back(0);
    script.take_back(1);
    // Worker 1 gets on with all of them, in their order.
    let mut ran = Vec::new();
    while !script.has(1).is_empty() {
        ran.push(script.done(1));
    }
    assert_eq!(ran, ["other", "a", "b", "c", "d"]);
    assert_eq!(script.has(0), ["long"]);
}

#[test]
fn a_task_that_counted_as_begun_and_was_taken_back_runs_again() {
    let mut script = Script::cold(workers(1, 1));
    script.ready(0, 8);
    quick(&mut script);
    script.submit("a", "");
    script.after_ms(2);
    // The worker ends its task just when the service takes the next one's ticket.
    let seqs: Vec<u64> = script.given[&WorkerId(0)].iter().skip(1).map(|(seq, _)| *seq).collect();
    script.given.get_mut(&WorkerId(0)).unwrap().truncate(1);
    script.done(0);
    assert_eq!(script.engine.running_count(), 1);
    script.handle(dispatcher_engine::Input::TakenBack { worker: WorkerId(0), seqs });
    assert_eq!(script.has(0), ["a"]);
    script.done(0);
    assert_eq!(script.settled.len(), 3);
}

#[test]
fn what_a_dead_worker_had_not_begun_is_ready_again_before_all_others() {
    let mut script = Script::cold(workers(1, 1));
    script.ready(0, 2);
    quick(&mut script);
    for uuid in ["a", "b", "c"] {
        script.submit(uuid, "");
    }
    assert_eq!(script.has(0), ["busy", "a", "b"]);
    script.exits(0, Exit::Signal(11));
    script.ready(1, 0);
    assert_eq!([script.done(1), script.done(1), script.done(1)], ["a", "b", "c"]);
    assert_eq!(script.engine.counters().canceled, 1);
}

#[test]
fn an_engine_with_nothing_to_do_never_wants_to_be_woken() {
    let mut script = Script::new(workers(1, 1));
    script.submit("a", "");
    script.done(0);
    script.after(Duration::from_secs(1));
    assert_eq!(script.engine.next_wakeup(), None);
}
