//! Bounds: how many, how much, how often.

use dispatcher_service::config::Concurrency;

use crate::{good, refused, warnings};

#[test]
fn the_queue_has_a_bound_by_default_and_may_have_another() {
    let config = good("version: 2");
    assert_eq!((config.queue_limit, config.queue_bytes), (1_000_000, 256 << 20));
    let config = good("version: 2\nservice: {queue_limit: 5, queue_bytes: 64 KiB}");
    assert_eq!((config.queue_limit, config.queue_bytes), (5, 64 << 10));
    assert!(refused("version: 2\nservice: {queue_limit: 0}").contains("has to be from 1"));
    assert!(
        refused("version: 2\nservice: {queue_bytes: much}").contains("as 1048576, 512KiB, 300MiB or 2GiB")
    );
}

#[test]
fn workers_are_replaced_by_no_limit_unless_one_is_set() {
    let worker = good("version: 2").pools[0].worker.clone();
    assert_eq!((worker.max_tasks, worker.max_rss, worker.max_start_failures), (None, None, None));
    let worker = good("version: 2\nworker: {max_tasks: 100, max_rss: 512MiB, max_start_failures: 7}").pools
        [0]
    .worker
    .clone();
    assert_eq!((worker.max_tasks, worker.max_rss), (Some(100), Some(512 << 20)));
    assert_eq!(worker.max_start_failures, Some(7));
    assert!(refused("version: 2\nworker: {max_tasks: 0}").contains("has to be from 1"));
}

#[test]
fn a_worker_has_one_slot_unless_it_may_run_several_tasks_at_once() {
    let worker = |text: &str| {
        let worker = good(&format!("version: 2\nworker: {{{text}}}")).pools[0].worker.clone();
        (worker.concurrency, worker.slots.unwrap_or_default())
    };
    assert_eq!(worker(""), (Concurrency::Process, 1));
    assert_eq!(worker("slots: 1"), (Concurrency::Process, 1));
    assert_eq!(worker("concurrency: async"), (Concurrency::Async, 10));
    assert_eq!(worker("concurrency: threads, slots: 4"), (Concurrency::Threads, 4));
    let wrong = refused("version: 2\nworker: {slots: 4}");
    assert!(wrong.contains("error: worker.slots: a worker runs one task at a time"), "{wrong}");
    assert!(wrong.contains("async or threads"), "{wrong}");
    let wrong = refused("version: 2\nworker: {concurrency: fibres, slots: 1001}");
    assert!(wrong.contains("worker.concurrency") && wrong.contains("worker.slots"), "{wrong}");
    assert_eq!(warnings("version: 2\nworker: {concurrency: async, slots: 1}").len(), 1);
}
