//! Workers that are replaced for what they have done or taken, or because somebody asks; other numbers of workers.

mod script;

use dispatcher_engine::{Config, Effect, Event, Exit, Input, PoolConfig, PoolId, StopReason, WorkerId};
use script::{Script, workers};

fn with(change: impl FnOnce(&mut PoolConfig)) -> Config {
    let mut config = workers(1, 2);
    change(&mut config.pools[0]);
    config
}

fn told(script: &Script) -> Vec<u32> {
    let told = script.asked.iter().filter_map(|effect| match effect {
        Effect::StopWorker { worker } => Some(worker.0),
        _ => None,
    });
    told.collect()
}

fn reasons(script: &Script) -> Vec<(u32, StopReason, bool)> {
    let reasons = script.events.iter().filter_map(|event| match event {
        Event::WorkerStopping { worker, why, busy } => Some((worker.0, *why, *busy)),
        _ => None,
    });
    reasons.collect()
}

#[test]
fn a_worker_leaves_after_as_many_tasks_as_it_may_run_and_is_given_no_more() {
    let mut script = Script::cold(with(|pool| (pool.max_workers, pool.max_tasks) = (1, Some(3))));
    script.ready(0, 8);
    for number in 0..5 {
        script.submit(&format!("t{number}"), "");
    }
    let mut run = Vec::new();
    while !script.has(0).is_empty() {
        run.push(script.done(0));
    }
    assert_eq!(run, ["t0", "t1", "t2"]);
    assert_eq!(reasons(&script), [(0, StopReason::Tasks, false)]);
    script.exits(0, Exit::Code(0));
    script.ready(1, 8);
    assert_eq!(script.has(1)[0], "t3");
    assert_eq!((script.engine.retired_count(), script.engine.counters().workers_lost), (1, 0));
}

#[test]
fn slots_are_not_filled_beyond_the_tasks_that_a_worker_may_run() {
    let mut script = Script::cold(with(|pool| (pool.max_workers, pool.max_tasks) = (1, Some(3))));
    script.ready_with(0, 8, 0);
    for number in 0..5 {
        script.submit(&format!("t{number}"), "");
    }
    assert_eq!(script.has(0), ["t0", "t1", "t2"]);
}

#[test]
fn a_worker_that_holds_too_much_memory_leaves_after_its_task() {
    let mut script = Script::new(with(|pool| pool.max_resident = Some(1000)));
    script.submit("a", "");
    let worker = WorkerId(0);
    script.handle(Input::WorkerMemory { worker, resident: 1000 });
    assert_eq!(reasons(&script), []);
    script.handle(Input::WorkerMemory { worker, resident: 1001 });
    assert_eq!(reasons(&script), [(0, StopReason::Memory, true)]);
    assert!(!script.asked_for(|effect| matches!(effect, Effect::Cancel { .. } | Effect::Terminate { .. })));
    assert_eq!(script.alive.len(), 2, "its successor starts at once");
}

#[test]
fn without_a_limit_memory_is_no_matter() {
    let mut script = Script::new(workers(1, 1));
    script.handle(Input::WorkerMemory { worker: WorkerId(0), resident: u64::MAX });
    assert_eq!(reasons(&script), []);
}

#[test]
fn all_workers_are_replaced_one_after_the_other() {
    let mut script = Script::new(workers(3, 3));
    script.handle(Input::Recycle { worker: None, pool: None });
    assert_eq!((told(&script), script.engine.renewing_count()), (vec![0], 2));
    script.exits(0, Exit::Code(0));
    assert_eq!(told(&script), [0], "the next one stays until the successor is ready");
    script.ready(3, 0);
    assert_eq!(told(&script), [0, 1]);
    script.exits(1, Exit::Code(0));
    script.ready(4, 0);
    script.exits(2, Exit::Code(0));
    script.ready(5, 0);
    assert_eq!(told(&script), [0, 1, 2], "new ones are not replaced again");
    assert_eq!((script.engine.retired_count(), script.engine.renewing_count()), (3, 0));
}

#[test]
fn a_busy_worker_ends_its_task_beside_its_successor_and_does_not_hold_the_others_up() {
    let mut script = Script::new(workers(2, 2));
    script.submit("long", "");
    let busy = u32::from(script.has(0).is_empty());
    script.handle(Input::Recycle { worker: None, pool: None });
    for _ in 0..4 {
        for worker in script.alive.clone() {
            if told(&script).contains(&worker.0) && worker.0 != busy {
                script.exits(worker.0, Exit::Code(0));
            } else {
                script.ready(worker.0, 0);
            }
        }
    }
    let mut told = told(&script);
    told.sort_unstable();
    assert_eq!(told, [0, 1]);
    assert_eq!(script.has(busy), ["long"]);
    assert_eq!(script.alive.len(), 3);
}

#[test]
fn when_successors_cannot_be_started_the_others_stay() {
    let mut script = Script::new(workers(3, 3));
    script.handle(Input::Recycle { worker: None, pool: None });
    script.exits(0, Exit::Code(0));
    script.exits(3, Exit::StartFailed("no".to_owned()));
    script.after_ms(10_000);
    assert_eq!(told(&script), [0]);
    assert_eq!(script.engine.renewing_count(), 2);
}

#[test]
fn one_worker_can_be_replaced_by_its_number() {
    let mut script = Script::new(workers(3, 3));
    script.handle(Input::Recycle { worker: Some(WorkerId(2)), pool: None });
    assert_eq!(told(&script), [2]);
    script.handle(Input::Recycle { worker: Some(WorkerId(77)), pool: None });
    assert_eq!(script.engine.renewing_count(), 0);
}

#[test]
fn a_larger_minimum_starts_workers_and_a_smaller_maximum_lets_idle_ones_go_first() {
    let mut script = Script::new(workers(2, 2));
    let pool = PoolId(0);
    script.handle(Input::Scale { pool, min: Some(4), max: Some(4) });
    assert_eq!(script.alive.len(), 4);
    script.all_ready(0);
    script.submit("a", "");
    let busy = (0..4).find(|worker| !script.has(*worker).is_empty()).unwrap();
    script.handle(Input::Scale { pool, min: Some(1), max: Some(1) });
    assert_eq!(told(&script).len(), 3);
    assert!(!told(&script).contains(&busy), "the one with a task stays");
    assert!(reasons(&script).iter().all(|(_, why, busy)| *why == StopReason::Scale && !busy));
    assert_eq!(script.engine.worker_limits(), (1, 1));
    assert_eq!(script.engine.retired_count(), 0);
}

#[test]
fn a_maximum_below_the_minimum_is_the_minimum_and_a_pool_that_is_not_there_has_none() {
    let mut script = Script::new(workers(2, 4));
    script.handle(Input::Scale { pool: PoolId(0), min: None, max: Some(1) });
    assert_eq!(script.engine.worker_limits(), (2, 2));
    script.handle(Input::Scale { pool: PoolId(9), min: Some(5), max: None });
    assert_eq!(script.engine.worker_limits(), (2, 2));
}
