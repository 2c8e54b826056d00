//! Several pools in one file.

use std::path::Path;
use std::time::Duration;

use dispatcher_service::config::StartMethod;

use super::{good, refused, warnings};

const TWO: &str = r"
version: 2
service:
  pool_kwargs: {max_workers: 3, worker_stop_wait: 7}
  process_manager_kwargs: {preload_modules: [app]}
worker: {max_tasks: 100, limits: {nofile: 500, core: 0}}
pools:
  python: {min_workers: 2}
  rust:
    max_workers: 1
    preload_modules: []
    worker: {command: [./work, -v], slots: 32, limits: {nofile: 900}}
    tasks: [reports.*, app.render]
    queues: [fast]
";

#[test]
fn a_file_without_pools_has_one_that_is_called_default() {
    let config = good("version: 2\nservice: {pool_kwargs: {min_workers: 3}}\nworker: {slots: 1}");
    let [pool] = config.pools.as_slice() else { panic!("{:?}", config.pools) };
    assert_eq!((pool.name.as_str(), pool.size.min_workers, pool.worker.slots), ("default", 3, Some(1)));
    assert!(pool.tasks.is_empty() && pool.queues.is_empty());
    assert_eq!(good("version: 2\npools: {}").pools.len(), 1);
    assert_eq!(good("version: 2\npools:").pools.len(), 1);
}

#[test]
fn each_pool_has_what_the_file_says_and_what_it_says_itself() {
    let config = good(TWO);
    let [python, rust] = config.pools.as_slice() else { panic!("{:?}", config.pools) };
    assert_eq!((python.name.as_str(), rust.name.as_str()), ("python", "rust"));
    assert_eq!((python.size.min_workers, python.size.max_workers), (2, 3));
    assert_eq!((rust.size.min_workers, rust.size.max_workers), (1, 1));
    assert_eq!(rust.size.worker_stop_wait, Duration::from_secs(7));
    assert_eq!((python.worker.max_tasks, rust.worker.max_tasks), (Some(100), Some(100)));
    assert_eq!(python.worker.preload_modules, ["app"]);
    assert!(rust.worker.preload_modules.is_empty() && python.worker.command.is_none());
    assert_eq!(rust.worker.command.as_deref(), Some(&["./work".to_owned(), "-v".to_owned()][..]));
    assert_eq!((python.worker.slots, rust.worker.slots), (Some(1), Some(32)));
    assert_eq!(python.worker.isolation.limits, [("core", 0), ("nofile", 500)]);
    assert_eq!(rust.worker.isolation.limits, [("core", 0), ("nofile", 900)]);
    assert_eq!(
        (rust.tasks.as_slice(), rust.queues.as_slice()),
        (&["reports.*".to_owned(), "app.render".to_owned()][..], &["fast".to_owned()][..])
    );
    assert!(config.warnings.is_empty());
}

#[test]
fn a_pool_may_take_back_what_the_file_says() {
    let text = "version: 2\nservice: {process_manager_cls: SpawnServerManager}\nworker: {command: [./work], python: /a}\n\
                pools: {rust: {}, python: {worker: {command: null, python: /b}, process_manager_cls: ForkServerManager}}";
    let config = good(text);
    let python = &config.pools[1].worker;
    assert!(config.pools[0].worker.command.is_some() && python.command.is_none());
    assert_eq!(python.python.as_deref(), Some(Path::new("/b")));
    assert_eq!(python.start_method, StartMethod::ForkServer);
}

#[test]
fn a_worker_program_that_is_told_nothing_chooses_its_slots() {
    let of = |worker: &str| good(&format!("version: 2\nworker: {worker}")).pools[0].worker.slots;
    assert_eq!(of("{command: [./work]}"), None);
    assert_eq!(of("{command: [./work], slots: 50}"), Some(50));
    assert_eq!(of("{command: [./work], concurrency: threads}"), Some(10));
    assert_eq!(of("{}"), Some(1));
}

#[test]
fn everything_that_is_wrong_with_a_pool_is_said_where_it_stands() {
    let text = r#"
version: 2
pools:
  "a b": {}
  one:
    min_worker: 1
    slots: 4
  two:
    worker: {task_policy: any, slot: 1}
    tasks: ["*", a*b, x.y, x.y]
  three:
    worker: {slots: 4}
    queues: [5]
    tasks: [x.y]
"#;
    let told = [
        r#"4:3: error: pools["a b"]: a pool's name is made of letters, digits, - and _, 63 at most"#,
        r#"6:5: error: pools.one.min_worker: there is no key of a pool "min_worker" (did you mean min_workers?)"#,
        r#"7:5: error: pools.one.slots: there is no key of a pool "slots" (it belongs at pools.one.worker.slots)"#,
        "9:14: error: pools.two.worker.task_policy: is one for the whole service: a message is looked at before it has a pool (write it at worker.task_policy)",
        r#"9:32: warning: pools.two.worker.slot: there is no key "slot"; it has no effect (did you mean slots?)"#,
        "10:13: error: pools.two.tasks[0]: leads everything here; the first pool gets what no other claims",
        "10:18: error: pools.two.tasks[1]: has a * that is not at its end",
        r#"10:28: error: pools.two.tasks[3]: "x.y" leads to the pool two already"#,
        "13:14: error: pools.three.queues[0]: is a whole number, but has to be text",
        r#"14:13: error: pools.three.tasks[0]: "x.y" leads to the pool two already"#,
    ];
    assert_eq!(refused(text), told.join("\n"));
}

#[test]
fn what_a_pool_makes_wrong_of_what_it_inherits_is_said_with_its_name() {
    let text = "version: 2\nworker: {concurrency: threads, slots: 5}\npools:\n  one: {}\n  two: {worker: {concurrency: process}}";
    let told = "2:39: error: worker.slots: a worker runs one task at a time while worker.concurrency is process (for the pool two) \
                (set concurrency to async or threads, or service.pool_kwargs.max_workers to have more workers)";
    assert_eq!(refused(text), told);
}

#[test]
fn what_the_file_itself_has_wrong_is_said_once() {
    let text = "version: 2\nservice: {pool_kwargs: {min_workers: 4, max_workers: 2}}\npools: {one: {}, two: {max_workers: 3}}";
    let lines = warnings(text);
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(
        lines[1].contains("pools.two.max_workers: is below min_workers; 4 workers will run"),
        "{lines:#?}"
    );
}
