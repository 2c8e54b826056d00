//! When workers are let go: because fewer are enough, or because they are old; and what is left of them.

mod script;

use std::time::Duration;

use dispatcher_engine::{Config, Effect, Event, Exit, PoolConfig, StopReason, WorkerId, WorkerState};
use script::{Script, workers};

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A pool that looks every second and lets a worker go after ten.
fn shrinking(min: usize, max: usize, reserve: usize) -> Config {
    let pool = PoolConfig {
        min_workers: min,
        max_workers: max,
        scaledown_wait: seconds(10),
        scaledown_interval: seconds(1),
        scaledown_reserve: reserve,
        ..PoolConfig::default()
    };
    Config { pools: vec![pool], ..workers(min, max) }
}

fn lasting(min: usize, max: usize, lifetime: u64) -> Config {
    let pool = PoolConfig {
        min_workers: min,
        max_workers: max,
        max_lifetime: Some(seconds(lifetime)),
        ..PoolConfig::default()
    };
    Config { pools: vec![pool], ..workers(min, max) }
}

/// Idle workers may take half a minute to leave.
fn patient(mut config: Config) -> Config {
    config.pools[0].stop_grace = seconds(30);
    config
}

/// Fills so many workers and ends their tasks, all but those of the first `busy` workers.
fn burst(config: Config, tasks: usize, busy: usize) -> Script {
    let mut script = Script::new(config);
    for number in 0..tasks {
        script.submit(&format!("t{number}"), "");
    }
    script.all_ready(0);
    for worker in busy..tasks {
        script.done(worker as u32);
    }
    script
}

fn told_to_leave(script: &Script) -> Vec<u32> {
    let leaves =
        |effect: &Effect| if let Effect::StopWorker { worker } = effect { Some(worker.0) } else { None };
    script.asked.iter().filter_map(leaves).collect()
}

#[test]
fn workers_above_the_minimum_leave_once_fewer_have_been_enough_for_the_wait() {
    let mut script = burst(shrinking(1, 3, 0), 3, 0);
    script.after(seconds(9));
    assert!(told_to_leave(&script).is_empty());
    script.after(seconds(3));
    assert_eq!(told_to_leave(&script), [0, 1], "those that have been idle longest");
    assert!(script.said(|event| matches!(event, Event::WorkerStopping { why: StopReason::Demand, .. })));
    assert_eq!(script.engine.pool_view().workers, 1);
}

#[test]
fn busy_workers_stay() {
    let mut script = burst(shrinking(1, 3, 0), 3, 3);
    script.after(seconds(60));
    assert!(told_to_leave(&script).is_empty());
    script.done(1);
    script.after(seconds(12));
    assert_eq!(told_to_leave(&script), [1]);
}

#[test]
fn the_minimum_stays_however_long_nothing_happens() {
    let mut script = Script::new(shrinking(2, 4, 0));
    script.after(seconds(1000));
    assert!(told_to_leave(&script).is_empty());
}

#[test]
fn a_pool_at_its_minimum_needs_no_wakeups() {
    let mut script = burst(shrinking(1, 2, 0), 2, 0);
    script.after(seconds(30));
    for worker in told_to_leave(&script) {
        script.exits(worker, Exit::Code(0));
    }
    script.after(seconds(60));
    assert_eq!(script.engine.next_wakeup(), None);
}

#[test]
fn the_reserve_stays_beside_the_workers_that_are_needed() {
    let mut script = burst(shrinking(1, 4, 2), 4, 1);
    script.after(seconds(60));
    assert_eq!(told_to_leave(&script).len(), 1, "one is needed, two are in reserve");
}

#[test]
fn demand_in_between_makes_the_wait_begin_anew() {
    let mut script = burst(shrinking(1, 2, 0), 2, 0);
    script.after(seconds(8));
    script.submit("a", "");
    script.submit("b", "");
    script.done(0);
    script.done(1);
    script.after(seconds(9));
    assert!(told_to_leave(&script).is_empty());
    script.after(seconds(3));
    assert_eq!(told_to_leave(&script).len(), 1);
}

#[test]
fn an_old_idle_worker_is_replaced_in_the_same_turn() {
    let mut script = Script::new(lasting(1, 1, 100));
    script.after(seconds(99));
    assert!(told_to_leave(&script).is_empty());
    script.after(seconds(1));
    assert_eq!(told_to_leave(&script), [0]);
    assert_eq!(script.engine.retired_count(), 1);
    script.exits(0, Exit::Code(0));
    assert_eq!(script.alive, [WorkerId(1)]);
}

#[test]
fn an_old_busy_worker_ends_its_task_while_its_successor_takes_the_next_one() {
    let mut script = Script::new(lasting(1, 1, 100));
    script.submit("long", "");
    script.after(seconds(100));
    assert_eq!(told_to_leave(&script), [0]);
    assert_eq!(script.alive, [WorkerId(0), WorkerId(1)]);
    script.ready(1, 0);
    script.submit("next", "");
    assert_eq!((script.has(0), script.has(1)), (vec!["long"], vec!["next"]));
    script.after(seconds(1000));
    assert!(!script.asked_for(|effect| matches!(effect, Effect::Terminate { .. } | Effect::Cancel { .. })));
    script.done(0);
    script.exits(0, Exit::Code(0));
    assert_eq!(script.engine.counters().finished, 1);
}

#[test]
fn workers_on_their_way_out_with_a_task_are_never_more_than_the_maximum() {
    let mut script = Script::new(lasting(2, 2, 10));
    for round in 0..5_u32 {
        script.submit(&format!("a{round}"), "");
        script.submit(&format!("b{round}"), "");
        script.after(seconds(10));
        script.all_ready(0);
    }
    assert_eq!(script.alive.len(), 4);
}

#[test]
fn a_lifetime_of_none_is_for_ever() {
    let mut script = Script::new(workers(1, 1));
    script.after(seconds(1_000_000));
    assert!(told_to_leave(&script).is_empty());
}

#[test]
fn a_retired_worker_that_stays_idle_is_signalled_after_the_stop_grace() {
    let mut script = Script::new(patient(lasting(1, 1, 100)));
    script.after(seconds(129));
    assert!(!script.asked_for(|effect| matches!(effect, Effect::Terminate { .. })));
    script.after(seconds(1));
    assert!(script.asked_for(|effect| matches!(effect, Effect::Terminate { worker: WorkerId(0) })));
}

#[test]
fn a_worker_that_says_itself_that_it_leaves_has_less_time() {
    let mut script = Script::new(patient(workers(1, 1)));
    script.leaves(0);
    script.after(seconds(3));
    assert!(script.asked_for(|effect| matches!(effect, Effect::Terminate { worker: WorkerId(0) })));
}

#[test]
fn a_stop_does_not_wait_longer_for_workers_that_were_leaving_before() {
    let mut script = Script::new(patient(lasting(1, 1, 100)));
    script.after(seconds(101));
    script.handle(dispatcher_engine::Input::Stop);
    script.after(seconds(3));
    assert!(script.asked_for(|effect| matches!(effect, Effect::Terminate { worker: WorkerId(0) })));
}

#[test]
fn the_record_of_an_ended_worker_is_shown_for_a_while() {
    let pool = PoolConfig { record_kept: seconds(30), ..PoolConfig::default() };
    let mut script = Script::new(Config { pools: vec![pool], ..workers(1, 1) });
    script.exits(0, Exit::Signal(9));
    let state = |script: &Script| {
        script.engine.workers(script.now).iter().find(|view| view.id == WorkerId(0)).map(|view| view.state)
    };
    assert_eq!(state(&script), Some(WorkerState::Error));
    script.after(seconds(29));
    assert_eq!(state(&script), Some(WorkerState::Error));
    script.after(seconds(1));
    assert_eq!(state(&script), None);
    assert!(script.asked_for(|effect| matches!(effect, Effect::Forget { worker: WorkerId(0) })));
}

#[test]
fn a_worker_that_was_let_go_is_shown_as_retired() {
    let pool =
        PoolConfig { record_kept: seconds(30), max_lifetime: Some(seconds(5)), ..PoolConfig::default() };
    let mut script = Script::new(Config { pools: vec![pool], ..workers(1, 1) });
    script.after(seconds(5));
    script.exits(0, Exit::Code(0));
    let view = script.engine.workers(script.now);
    assert_eq!(view[0].state, WorkerState::Retired);
    assert_eq!((view[0].current.clone(), view[0].finished), (None, 0));
}
