//! Tasks handed out early, and taken back.

mod script;

use dispatcher_engine::{Effect, Exit, Input, WorkerId};
use dispatcher_protocol::Outcome;
use script::{Script, workers};

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
fn a_worker_is_filled_up_to_what_it_said_and_the_pool_allows_and_no_further() {
    for (says, holds) in [(3, 3), (100, 8)] {
        let mut script = Script::cold(workers(1, 1));
        script.ready(0, says);
        quick(&mut script);
        for number in 0..40 {
            script.submit(&format!("t{number}"), "");
        }
        assert_eq!(script.has(0).len(), 1 + holds);
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
    for uuid in ["w0", "w1"] {
        script.submit(uuid, "");
    }
    script.done(0);
    script.done(1);
    for uuid in ["long", "other", "a", "b", "c", "d"] {
        script.submit(uuid, "");
    }
    assert_eq!((script.has(0), script.has(1)), (vec!["long", "a", "c"], vec!["other", "b", "d"]));
    script.after_ms(1);
    script.done(1);
    script.after_ms(1);
    assert!(script.asked_for(|effect| matches!(effect, Effect::TakeBack { worker: WorkerId(0) })));
    script.take_back(0);
    // Worker 1 gets on with all of them.
    let mut ran = Vec::new();
    while !script.has(1).is_empty() {
        ran.push(script.done(1));
    }
    ran.sort();
    assert_eq!(ran, ["a", "b", "c", "d"]);
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
    script.given.get_mut(&WorkerId(0)).expect("it was given tasks").truncate(1);
    script.done(0);
    assert_eq!(script.engine.running_count(), 1);
    script.handle(Input::TakenBack { worker: WorkerId(0), seqs });
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
fn a_full_worker_is_left_alone_until_half_is_used_up() {
    let mut script = Script::cold(workers(1, 1));
    script.ready(0, 4);
    quick(&mut script);
    for number in 0..20 {
        script.submit(&format!("t{number}"), "");
    }
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(script.has(0).len() - 1);
        script.done(0);
    }
    assert_eq!(held, [4, 3, 4, 3, 4]);
}

#[test]
fn nothing_is_handed_early_to_a_worker_whose_present_task_has_become_long() {
    let mut script = Script::cold(workers(1, 1));
    script.ready(0, 8);
    quick(&mut script);
    script.after_ms(2);
    script.submit("a", "");
    assert_eq!(script.has(0), ["busy"]);
}

#[test]
fn while_a_take_back_is_unanswered_nothing_more_is_handed_early() {
    let mut script = Script::cold(workers(1, 1));
    script.ready(0, 8);
    quick(&mut script);
    script.submit("a", "");
    script.after_ms(2);
    script.submit("b", "");
    assert_eq!(script.has(0), ["busy", "a"]);
    script.take_back(0);
    assert_eq!(script.has(0), ["busy"]);
    assert_eq!([script.done(0), script.done(0), script.done(0)], ["busy", "a", "b"]);
}

#[test]
fn tasks_that_came_back_go_first_in_their_order() {
    let mut script = Script::cold(workers(1, 1));
    script.ready(0, 2);
    quick(&mut script);
    for uuid in ["a", "b", "c", "d"] {
        script.submit(uuid, "");
    }
    script.after_ms(2);
    script.take_back(0);
    let ran: Vec<_> = (0..5).map(|_| script.done(0)).collect();
    assert_eq!(ran, ["busy", "a", "b", "c", "d"]);
}

#[test]
fn tickets_that_were_taken_stay_with_their_worker() {
    let mut script = Script::cold(workers(1, 1));
    script.ready(0, 8);
    quick(&mut script);
    script.submit("a", "");
    script.submit("b", "");
    script.after_ms(2);
    // The worker was faster with the first of the two.
    let last = script.given.get_mut(&WorkerId(0)).and_then(std::collections::VecDeque::pop_back).expect("b");
    script.handle(Input::TakenBack { worker: WorkerId(0), seqs: vec![last.0] });
    assert_eq!((script.engine.running_count(), script.engine.queued_count()), (1, 2));
    assert_eq!([script.done(0), script.done(0), script.done(0)], ["busy", "a", "b"]);
}

#[test]
fn a_cancel_of_the_running_task_frees_those_behind_it_at_once() {
    let mut script = Script::cold(workers(1, 1));
    script.ready(0, 8);
    quick(&mut script);
    script.submit("a", "");
    script.cancel_uuid("busy");
    assert!(script.asked_for(|effect| matches!(effect, Effect::TakeBack { .. })));
    script.take_back(0);
    script.done_as(0, Outcome::Cancelled);
    assert_eq!(script.has(0), ["a"]);
}
