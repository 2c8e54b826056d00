//! How many workers there are.

mod script;

use std::time::Duration;

use dispatcher_engine::{Config, Effect, Event, Exit, PoolConfig, SpawnReason, WorkerId};
use script::{Script, workers};

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
fn the_waits_after_failed_starts_end_at_half_a_minute() {
    let mut script = Script::cold(workers(1, 1));
    for worker in 0..12 {
        script.exits(worker, Exit::StartFailed("no".to_owned()));
        script.after(Duration::from_secs(30));
        assert_eq!(script.alive, [WorkerId(worker + 1)]);
    }
}

#[test]
fn workers_that_fail_together_count_once_and_one_is_tried_before_the_others() {
    let mut script = Script::cold(workers(4, 4));
    for worker in 0..4 {
        script.exits(worker, Exit::Code(1));
    }
    script.after_ms(99);
    assert!(script.alive.is_empty());
    script.after_ms(1);
    assert_eq!(script.alive, [WorkerId(4)]);
    script.ready(4, 0);
    script.after_ms(999);
    assert_eq!(script.alive, [WorkerId(4)], "one that dies at once would be no proof");
    script.after_ms(1);
    assert_eq!(script.alive.len(), 4);
}

#[test]
fn a_task_that_ends_in_the_worker_that_was_tried_is_proof_enough() {
    let mut script = Script::cold(workers(4, 4));
    script.exits(0, Exit::Code(1));
    for worker in 1..4 {
        script.exits(worker, Exit::Code(1));
    }
    script.after_ms(100);
    script.ready(4, 0);
    script.submit("a", "");
    script.done(4);
    assert_eq!(script.alive.len(), 4);
    assert_eq!(script.engine.start_failures(), 0);
}

#[test]
fn a_worker_whose_end_is_seen_before_its_exit_has_failed_to_start_all_the_same() {
    let mut script = Script::cold(workers(1, 1));
    script.leaves(0);
    script.exits(0, Exit::Code(1));
    assert!(script.alive.is_empty(), "the next one waits");
    script.after_ms(100);
    script.ready(1, 0);
    script.leaves(1);
    script.exits(1, Exit::Code(0));
    assert!(script.alive.is_empty() && script.engine.start_failures() == 2);
}

#[test]
fn older_workers_that_go_on_do_not_shorten_the_waits_of_failed_starts() {
    let mut script = Script::new(workers(1, 2));
    script.submit("long", "");
    script.submit("waits", "");
    script.after_ms(1);
    let mut waits = Vec::new();
    for worker in 1..5 {
        let before = script.now;
        script.exits(worker, Exit::StartFailed("no more processes".to_owned()));
        script.done(0);
        script.submit("next", "");
        while script.alive.len() < 2 {
            script.after_ms(10);
        }
        waits.push((script.now - before).as_millis());
    }
    assert_eq!(waits, [100, 200, 400, 800]);
}

#[test]
fn a_machine_that_has_none_left_of_something_is_asked_again_each_second() {
    let mut script = Script::cold(workers(1, 1));
    let mut waits = Vec::new();
    for worker in 0..7 {
        let before = script.now;
        script.exits(worker, Exit::Shortage("no more processes".to_owned()));
        while script.alive.is_empty() {
            script.after_ms(10);
        }
        waits.push((script.now - before).as_millis());
    }
    assert_eq!(waits, [100, 200, 400, 800, 1000, 1000, 1000]);
}

#[test]
fn after_so_many_failed_starts_the_engine_gives_up_if_it_is_told_to_and_no_worker_is_left() {
    let mut config = workers(2, 2);
    config.pools[0].max_start_failures = Some(3);
    let mut script = Script::cold(config);
    let gave_up = |script: &Script| script.asked_for(|effect| matches!(effect, Effect::GiveUp { .. }));
    script.exits(0, Exit::StartFailed("no".to_owned()));
    script.exits(1, Exit::StartFailed("no".to_owned()));
    for worker in 2..4 {
        assert!(!gave_up(&script));
        script.after(Duration::from_secs(1));
        script.exits(worker, Exit::Code(3));
    }
    assert!(gave_up(&script));
    assert_eq!(script.engine.start_failures(), 3);
}

#[test]
fn a_worker_that_dies_at_once_after_it_was_ready_is_not_forked_again_and_again() {
    let mut script = Script::cold(workers(1, 1));
    for worker in 0..20 {
        script.ready(worker, 0);
        script.exits(worker, Exit::Code(1));
        script.after(Duration::from_secs(30));
    }
    let spawned = script.asked.iter().filter(|effect| matches!(effect, Effect::Spawn { .. })).count();
    assert!(spawned <= 21 && script.said(|event| matches!(event, Event::StartFailed { .. })));
    script.ready(20, 0);
    script.exits(20, Exit::Code(1));
    assert!(script.alive.is_empty(), "the wait goes on although the worker was ready");
}

#[test]
fn a_worker_that_has_worked_is_replaced_at_once_whatever_went_before() {
    let mut script = Script::cold(workers(1, 1));
    script.exits(0, Exit::StartFailed("no".to_owned()));
    script.after_ms(100);
    script.ready(1, 0);
    script.submit("a", "");
    script.done(1);
    script.exits(1, Exit::Signal(11));
    assert_eq!(script.alive, [WorkerId(2)]);
}

#[test]
fn an_old_idle_worker_is_replaced_at_once() {
    let mut script = Script::new(workers(1, 1));
    script.after(Duration::from_secs(1));
    script.exits(0, Exit::Signal(9));
    assert_eq!(script.alive, [WorkerId(1)]);
}

#[test]
fn a_pool_without_a_minimum_starts_a_worker_when_a_task_comes() {
    let mut script = Script::cold(workers(0, 1));
    assert!(script.alive.is_empty());
    script.submit("a", "");
    assert_eq!(script.alive, [WorkerId(0)]);
    assert!(script.said(|event| matches!(event, Event::WorkerSpawned { why: SpawnReason::Demand, .. })));
}

#[test]
fn workers_that_are_starting_count_for_the_tasks_that_wait() {
    let mut script = Script::cold(workers(1, 8));
    script.submit("a", "");
    assert_eq!(script.alive.len(), 1);
    script.submit("b", "");
    assert_eq!(script.alive.len(), 2);
}

#[test]
fn tasks_handed_out_early_count_as_waiting() {
    let mut script = Script::cold(workers(1, 4));
    script.ready(0, 8);
    script.submit("warm", "");
    script.done(0);
    for uuid in ["busy", "a", "b"] {
        script.submit(uuid, "");
    }
    assert_eq!(script.alive.len(), 3);
}

#[test]
fn a_worker_on_its_way_out_keeps_its_place_until_it_is_gone() {
    let mut script = Script::new(workers(1, 1));
    script.after(Duration::from_secs(1));
    script.leaves(0);
    assert_eq!(script.alive, [WorkerId(0)]);
    assert_eq!(script.engine.pool_view().workers, 0);
    script.exits(0, Exit::Code(0));
    assert_eq!(script.alive, [WorkerId(1)]);
}

#[test]
fn every_pool_has_its_own_workers_and_numbers_go_on_over_all_pools() {
    let pool = |min| PoolConfig { min_workers: min, max_workers: 4, ..PoolConfig::default() };
    let script = Script::cold(Config { pools: vec![pool(2), pool(1)], ..workers(1, 1) });
    let spawned: Vec<_> = script
        .asked
        .iter()
        .filter_map(|effect| match effect {
            Effect::Spawn { worker, pool } => Some((worker.0, pool.0)),
            _ => None,
        })
        .collect();
    assert_eq!(spawned, [(0, 0), (1, 0), (2, 1)]);
}

#[test]
fn demand_is_told_when_it_changes() {
    let mut script = Script::cold(Config { announce_demand: true, ..workers(2, 2) });
    script.all_ready(0);
    script.submit("a", "");
    script.submit("b", "");
    script.submit("c", "");
    script.done(0);
    script.done(0);
    let told: Vec<_> = script
        .asked
        .iter()
        .filter_map(|effect| match effect {
            Effect::Demand { free } => Some(*free),
            _ => None,
        })
        .collect();
    assert_eq!(told, [0, 1, 2, 1, 0, 1]);
}
