//! Random histories: whatever happens, in whatever order, what must never be never is.
//!
//! `actors.rs` names what takes part, `world.rs` plays brokers, tenders and workers (honest, slow and hostile ones)
//! against an engine; `check.rs` states the invariants and looks at them after every single step.

mod actors;
mod asked;
mod check;
mod world;

use std::time::Duration;

use dispatcher_engine::{Config, PoolConfig, Quota, Route, RouteBy, TaskPolicy};
use proptest::prelude::*;

use actors::{Rule, Step, Work};
use world::World;

/// One or two pools, small, so that everything collides.
fn config() -> impl Strategy<Value = Config> {
    let ms = |choices: Vec<u64>| prop::sample::select(choices).prop_map(Duration::from_millis);
    let size = (0_usize..3, 1_usize..4, 0_u16..4, 0_usize..2);
    let lifetime = prop::option::of(ms(vec![1, 20, 150]));
    let limits = (lifetime, prop::option::of(1_u64..6), prop::option::of(0_u64..3));
    let pool = (size, ms(vec![0, 10, 100]), ms(vec![1, 20]), limits, ms(vec![0, 30])).prop_map(
        |((min, max, ahead, reserve), wait, interval, limits, record_kept)| PoolConfig {
            name: "pool".to_owned(),
            min_workers: min.min(max),
            max_workers: max,
            max_ahead: ahead,
            scaledown_wait: wait,
            scaledown_interval: interval,
            scaledown_reserve: reserve,
            max_lifetime: limits.0,
            max_tasks: limits.1,
            max_resident: limits.2,
            max_start_failures: None,
            record_kept,
            stop_grace: Duration::from_millis(20),
        },
    );
    // Large enough for most histories, or so small that its bounds are met all the time.
    let quota = prop::sample::select(vec![
        Quota::default(),
        Quota { tasks: 6, delayed: 2, blocked: 2, ..Quota::default() },
    ]);
    let grace = prop::sample::select(vec![0, 50, 500]);
    (prop::collection::vec(pool, 1..3), grace, quota).prop_map(|(pools, grace, quota)| Config {
        quota,
        pools,
        routes: vec![Route { by: RouteBy::Task, pattern: "other.*".to_owned(), pool: 1 }],
        policy: TaskPolicy::Any,
        cancel_grace: Duration::from_millis(40),
        terminate_grace: Duration::from_millis(30),
        shutdown_grace: Duration::from_millis(grace),
        verbose: true,
        ..Config::default()
    })
}

fn step() -> impl Strategy<Value = Step> {
    let rule = prop::sample::select(vec![Rule::Parallel, Rule::Discard, Rule::Serial, Rule::QueueOne]);
    let ms = |choices: Vec<u64>| prop::sample::select(choices).prop_map(Duration::from_millis);
    let deliver =
        (0_u8..4, rule, ms(vec![0, 0, 0, 3, 25]), ms(vec![0, 0, 2, 30]), prop::bool::weighted(0.05))
            .prop_map(|(kind, rule, delay, timeout, old_uuid)| {
                Step::Deliver(Work { kind, rule, delay, timeout, old_uuid })
            });
    let worker = 0_usize..8;
    prop_oneof![
        10 => deliver,
        5 => (worker.clone(), 1_u16..3, 0_u16..6, any::<bool>()).prop_map(|(w, slots, ahead, knows)| {
            Step::Ready { w, slots, ahead, knows }
        }),
        8 => worker.clone().prop_map(Step::Claim),
        10 => (worker.clone(), any::<u8>(), prop::bool::weighted(0.1)).prop_map(|(w, how, leaves)| Step::Finish {
            w,
            how,
            leaves,
        }),
        5 => worker.clone().prop_map(Step::TakeTickets),
        5 => worker.clone().prop_map(Step::Answer),
        2 => (worker.clone(), any::<bool>(), any::<u8>()).prop_map(|(w, announced, how)| Step::Exit { w, announced, how }),
        1 => worker.clone().prop_map(Step::SaysItLeaves),
        4 => (worker.clone(), any::<u8>()).prop_map(|(w, which)| Step::Hostile { w, which }),
        2 => any::<u8>().prop_map(Step::Cancel),
        1 => any::<u8>().prop_map(Step::OtherPayload),
        10 => ms(vec![0, 1, 2, 3, 7, 30, 200]).prop_map(Step::Wait),
        1 => Just(Step::Wait(Duration::from_secs(11))),
        1 => prop::sample::select(vec![Step::Quiet, Step::Pause]),
        2 => Just(Step::Resume),
        1 => (worker.clone(), 0_usize..3, 1_usize..5).prop_map(|(pool, min, max)| Step::Scale { pool, min, max }),
        2 => worker.clone().prop_map(Step::Recycle),
        2 => (worker, 0_u64..4).prop_map(|(w, resident)| Step::Memory { w, resident }),
        1 => prop::sample::select(vec![Step::Stop, Step::Hurry]),
    ]
}

/// As many as `PROPTEST_CASES` says, or what a test run has time for.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_must_never_be_never_is(config in config(), steps in prop::collection::vec(step(), 1..120), ending in any::<bool>()) {
        let mut world = World::new(config);
        world.check();
        // In half of the histories nobody ends the service before the end.
        let lives_on = |step: &Step| !ending || !matches!(step, Step::Stop | Step::Hurry);
        for step in steps.into_iter().filter(lives_on) {
            world.take(step);
            world.check();
        }
        world.end();
    }
}

/// The engine does not take the word of a worker about a task that it does not have, so neither must the world.
#[test]
fn a_worker_that_says_it_leaves_after_a_task_that_is_over_stays() {
    let pool = PoolConfig { min_workers: 1, max_workers: 1, ..PoolConfig::default() };
    let config = Config { pools: vec![pool], policy: TaskPolicy::Any, verbose: true, ..Config::default() };
    let work = Work {
        kind: 0,
        rule: Rule::Parallel,
        delay: Duration::ZERO,
        timeout: Duration::ZERO,
        old_uuid: false,
    };
    let mut world = World::new(config);
    for step in [
        Step::Ready { w: 0, slots: 1, ahead: 0, knows: false },
        Step::Deliver(work.clone()),
        Step::Claim(0),
        // A lie: the task is not over.
        Step::Hostile { w: 0, which: 0 },
        Step::Deliver(work),
        Step::Finish { w: 0, how: 0, leaves: true },
    ] {
        world.take(step);
        world.check();
    }
}
