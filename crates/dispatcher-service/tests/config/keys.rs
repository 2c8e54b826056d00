//! What a configuration file may say, what it means, and what is said about its mistakes.

use std::time::Duration;

use dispatcher_service::config::{BrokerKind, Schedule, StartMethod, TaskPolicy, When};
use serde_json::json;

use crate::{good, refused, warnings};

const PG: &str = "brokers: {pg_notify: {config: {conninfo: 'dbname=x'}, channels: [c]}}\n";

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn the_shortest_file_has_every_default() {
    let config = good("version: 2");
    let pool = &config.pools[0].size;
    assert_eq!((pool.min_workers, pool.scaledown_reserve), (1, 0));
    assert!(pool.max_workers >= 1);
    assert_eq!((pool.scaledown_wait, pool.scaledown_interval), (seconds(15), seconds(15)));
    assert_eq!((pool.worker_stop_wait, pool.worker_removal_wait), (seconds(30), seconds(30)));
    assert_eq!((pool.worker_max_lifetime, pool.results_read_timeout), (Some(seconds(4 * 3600)), None));
    assert_eq!(
        (config.shutdown_grace, config.cancel_grace, config.terminate_grace),
        (seconds(30), seconds(5), seconds(3))
    );
    assert_eq!(config.chunk_message_timeout, seconds(1800));
    assert_eq!(config.pools[0].worker.start_method, StartMethod::ForkServer);
    assert_eq!(config.policy.task_policy, TaskPolicy::Registered);
    assert!(!config.policy.allow_eval && !config.control_producer && config.metrics.is_none());
    assert!(config.brokers.is_empty() && config.warnings.is_empty());
}

#[test]
fn the_name_of_the_service_is_a_new_uuid_each_time() {
    let (one, two) = (good("version: 2").node_id, good("version: 2").node_id);
    assert_ne!(one, two);
    assert_eq!((one.len(), &one[14..15]), (36, "4"));
    assert!(matches!(&one[19..20], "8" | "9" | "a" | "b"));
}

#[test]
fn the_most_workers_are_never_fewer_than_the_least() {
    assert!(good("version: 2\nservice: {pool_kwargs: {min_workers: 500}}").pools[0].size.max_workers >= 500);
    let text = "version: 2\nservice: {pool_kwargs: {min_workers: 4, max_workers: 2}}";
    assert_eq!(good(text).pools[0].size.max_workers, 4);
    assert_eq!(
        warnings(text),
        [
            "2:54: warning: service.pool_kwargs.max_workers: is below min_workers; 4 workers will run (raise one or lower the other)"
        ]
    );
}

#[test]
fn every_key_of_the_pool_is_read() {
    let config = good(
        "version: 2\nservice:\n  pool_kwargs: {min_workers: 0, max_workers: 3, scaledown_wait: 1.5, scaledown_interval: 2,
      scaledown_reserve: 1, worker_stop_wait: 4, worker_removal_wait: 0, worker_max_lifetime_seconds: null, results_read_timeout: 7}",
    );
    let pool = config.pools[0].size.clone();
    assert_eq!((pool.min_workers, pool.max_workers, pool.scaledown_reserve), (0, 3, 1));
    assert_eq!(pool.scaledown_wait, Duration::from_millis(1500));
    assert_eq!(
        (pool.scaledown_interval, pool.worker_stop_wait, pool.worker_removal_wait),
        (seconds(2), seconds(4), Duration::ZERO)
    );
    assert_eq!((pool.worker_max_lifetime, pool.results_read_timeout), (None, Some(seconds(7))));
}

#[test]
fn every_other_key_of_the_service_is_read() {
    let config = good(
        "version: 2\nservice:\n  main_kwargs: {node_id: node-a, chunk_message_timeout_seconds: 60}\n  process_manager_cls: ForkServerManager
  process_manager_kwargs: {preload_modules: [a.b]}\n  metrics_kwargs: {port: 8015}\n  shutdown_grace: 0\n  cancel_grace: 1\n  terminate_grace: 2.5",
    );
    assert_eq!((config.node_id.as_str(), config.chunk_message_timeout), ("node-a", seconds(60)));
    assert_eq!(config.pools[0].worker.preload_modules, ["a.b"]);
    let metrics = config.metrics.expect("a metrics server was asked for");
    assert_eq!((metrics.host.as_str(), metrics.port), ("localhost", 8015));
    assert_eq!((config.shutdown_grace, config.cancel_grace), (Duration::ZERO, seconds(1)));
    assert_eq!(config.terminate_grace, Duration::from_millis(2500));
}

#[test]
fn the_three_process_managers_of_dispatcherd_are_known() {
    let method = |name: &str| {
        good(&format!("version: 2\nservice: {{process_manager_cls: {name}}}")).pools[0].worker.start_method
    };
    assert_eq!(method("ForkServerManager"), StartMethod::ForkServer);
    assert_eq!(method("ProcessManager"), StartMethod::ForkServer);
    assert_eq!(method("SpawnServerManager"), StartMethod::Spawn);
    let text = "version: 2\nservice: {process_manager_cls: SpawnManager}";
    assert!(
        refused(text)
            .contains("\"SpawnManager\" is not one of ForkServerManager, ProcessManager, SpawnServerManager")
    );
}

#[test]
fn only_the_fork_server_preloads_modules() {
    let text = "version: 2\nservice: {process_manager_cls: ProcessManager, process_manager_kwargs: {preload_modules: [a]}}";
    assert!(refused(text).contains("ProcessManager preloads nothing"));
}

#[test]
fn a_connection_may_be_keywords_or_one_conninfo() {
    let text = "version: 2\nbrokers: {pg_notify: {config: {host: db, port: 5432, dbname: x, password: s3cret, autocommit: true}, channels: []}}";
    let config = good(text);
    let keywords: Vec<&str> = config.brokers[0].connection.iter().map(|(keyword, _)| keyword).collect();
    assert_eq!(keywords, ["host", "port", "dbname", "password"]);
    let config = good(&format!("version: 2\n{PG}"));
    assert_eq!(
        config.brokers[0].connection.iter().map(|(keyword, _)| keyword).collect::<Vec<_>>(),
        ["conninfo"]
    );
}

#[test]
fn empty_certificate_settings_as_seen_in_the_wild_are_accepted() {
    good(
        "version: 2\nbrokers: {pg_notify: {config: {conninfo: 'host=db dbname=x sslcert= sslkey= sslrootcert='}, channels: [c]}}",
    );
}

#[test]
fn every_key_of_pg_notify_is_read() {
    let config = good(
        "version: 2\nbrokers:\n  pg_notify:\n    config: {conninfo: dbname=x}\n    channels: [a, b]\n    default_publish_channel: b
    sync_connection_factory: m.f\n    async_connection_factory: m.g\n    max_connection_idle_seconds: 20\n    max_self_check_message_age_seconds: 4",
    );
    let broker = &config.brokers[0];
    assert_eq!((broker.name.as_str(), broker.kind), ("pg_notify", BrokerKind::PgNotify));
    assert_eq!((broker.channels.len(), broker.default_publish_channel.as_deref()), (2, Some("b")));
    assert_eq!(
        (broker.max_connection_idle, broker.max_self_check_message_age),
        (Some(seconds(20)), Some(seconds(4)))
    );
    let check = broker.options().self_check.expect("a self check");
    assert_eq!((check.after_idle, check.max_age), (seconds(20), seconds(4)));
}

#[test]
fn the_only_channel_and_the_only_broker_are_the_default() {
    let config = good(&format!("version: 2\n{PG}"));
    assert_eq!(config.brokers[0].default_publish_channel.as_deref(), Some("c"));
    assert_eq!(config.brokers[0].max_connection_idle, Some(seconds(10)));
    assert_eq!(config.publish.default_broker.as_deref(), Some("pg_notify"));
    assert_eq!(config.publish.default_control_broker.as_deref(), Some("pg_notify"));
}

#[test]
fn several_brokers_have_a_default_only_if_one_is_named() {
    let two =
        "version: 2\nbrokers: {pg_notify: {config: {conninfo: dbname=x}}, socket: {socket_path: /tmp/s}}";
    assert_eq!(good(two).publish.default_broker, None);
    let config =
        good(&format!("{two}\npublish: {{default_broker: pg_notify, default_control_broker: socket}}"));
    assert_eq!(config.publish.default_broker.as_deref(), Some("pg_notify"));
    assert_eq!(config.publish.default_control_broker.as_deref(), Some("socket"));
    let wrong = refused(&format!("{two}\npublish: {{default_broker: redis}}"));
    assert!(wrong.contains("publish.default_broker: \"redis\" is not one of the brokers of this file (there are pg_notify, socket)"));
}

#[test]
fn no_idle_time_turns_the_self_check_off() {
    let config = good(
        "version: 2\nbrokers: {pg_notify: {config: {conninfo: dbname=x}, max_connection_idle_seconds: null}}",
    );
    assert_eq!(
        (config.brokers[0].max_connection_idle, config.brokers[0].max_self_check_message_age),
        (None, None)
    );
    assert!(config.brokers[0].options().self_check.is_none());
}

#[test]
fn a_self_check_needs_an_age_below_its_idle_time() {
    let pg = |more: &str| {
        refused(&format!("version: 2\nbrokers: {{pg_notify: {{config: {{conninfo: dbname=x}}, {more}}}}}"))
    };
    let none = pg("max_connection_idle_seconds: 5, max_self_check_message_age_seconds: null");
    assert!(
        none.contains("max_self_check_message_age_seconds must be specified if health checks are enabled")
    );
    assert!(
        pg("max_connection_idle_seconds: 1")
            .contains("max_self_check_message_age_seconds (2) is more than max_connection_idle_seconds (1)")
    );
}

#[test]
fn a_connection_setting_that_libpq_would_refuse_is_named() {
    let wrong = refused("version: 2\nbrokers: {pg_notify: {config: {hots: db}, channels: [c]}}");
    assert!(wrong.contains("brokers.pg_notify.config") && wrong.contains("hots"), "{wrong}");
}

#[test]
fn pg_notify_without_config_is_refused() {
    assert!(refused("version: 2\nbrokers: {pg_notify: {channels: [c]}}").contains("has no config"));
    assert!(
        refused("version: 2\nbrokers: {pg_notify: {config: {}, channels: [c]}}").contains("has no config")
    );
    assert!(refused("version: 2\nbrokers: {pg_notify: }").contains("has no config"));
}

#[test]
fn channel_names_are_checked_each() {
    let wrong = refused(&format!(
        "version: 2\nbrokers:\n  pg_notify:\n    config: {{conninfo: dbname=x}}\n    channels:\n    - ok\n    - ''\n    - {}\n    - 7",
        "c".repeat(64)
    ));
    assert!(wrong.contains("7:7: error: brokers.pg_notify.channels[1]: a channel name can not be blank"));
    assert!(wrong.contains("8:7: error: brokers.pg_notify.channels[2]: Channel name is too long chars=64"));
    assert!(wrong.contains("9:7: error: brokers.pg_notify.channels[3]: is a whole number"));
    assert_eq!(wrong.lines().count(), 3);
}

#[test]
fn a_channel_that_stands_twice_is_a_warning() {
    let text = "version: 2\nbrokers: {pg_notify: {config: {conninfo: dbname=x}, channels: [a, b, a]}}";
    assert_eq!(warnings(text), ["2:70: warning: brokers.pg_notify.channels[2]: stands in the list already"]);
}

#[test]
fn a_socket_needs_a_path_that_fits() {
    assert!(refused("version: 2\nbrokers: {socket: {}}").contains("socket_path is missing"));
    let long = format!("version: 2\nbrokers: {{socket: {{socket_path: /{}}}}}", "x".repeat(107));
    assert!(refused(&long).contains("is 108 bytes long"));
    let config = good("version: 2\nbrokers: {socket: {socket_path: /run/d.sock}}");
    assert_eq!(config.brokers[0].kind, BrokerKind::Socket);
    assert_eq!(config.brokers[0].socket_path.as_deref(), Some(std::path::Path::new("/run/d.sock")));
}

#[test]
fn the_testing_brokers_of_dispatcherd_hear_nothing() {
    for name in ["noop", "memory", "error_only"] {
        let config = good(&format!("version: 2\nbrokers: {{dispatcherd.testing.brokers.{name}: {{}}}}"));
        assert_eq!(config.brokers[0].kind, BrokerKind::Noop);
    }
}

#[test]
fn other_brokers_are_refused_by_name() {
    let wrong = refused("version: 2\nbrokers: {pg_notif: {}}");
    assert_eq!(
        wrong,
        "2:11: error: brokers.pg_notif: there is no broker \"pg_notif\" (did you mean pg_notify?)"
    );
    let python = refused("version: 2\nbrokers: {my.redis: {}}");
    assert!(python.contains("a broker written in Python is not run by this service"));
}

#[test]
fn schedules_keep_their_message_keys() {
    let config = good(
        "version: 2\nproducers:\n  ScheduledProducer:\n    task_schedule:\n      lib.beat: {schedule: 0.5, args: [1], on_duplicate: discard}\n      'lambda: 1': {schedule: '3'}",
    );
    assert_eq!(config.schedules.len(), 2);
    let beat = &config.schedules[0];
    assert_eq!((beat.task.as_str(), interval(beat)), ("lib.beat", Some(Duration::from_millis(500))));
    assert_eq!(beat.payload(), r#"{"args":[1],"on_duplicate":"discard","task":"lib.beat"}"#);
    let second = &config.schedules[1];
    assert_eq!((second.task.as_str(), interval(second)), ("lambda: 1", Some(seconds(3))));
}

fn interval(schedule: &Schedule) -> Option<Duration> {
    if let When::Every(every) = schedule.when { Some(every) } else { None }
}

#[test]
fn a_cron_pattern_its_time_zone_and_the_jitter_are_no_part_of_the_message() {
    let config = good(
        "version: 2\nproducers:\n  ScheduledProducer:\n    task_schedule:\n      lib.night: {cron: '0 3 * * *', timezone: Europe/Berlin, jitter: 30, args: [1]}",
    );
    let night = &config.schedules[0];
    assert!(matches!(&night.when, When::At(cron) if cron.to_string() == "0 3 * * * (Europe/Berlin)"));
    assert_eq!(night.jitter, seconds(30));
    assert_eq!(night.payload(), r#"{"args":[1],"task":"lib.night"}"#);
}

#[test]
fn a_schedule_needs_a_period_and_a_message_that_could_be_sent() {
    let one = |entry: &str| {
        refused(&format!("version: 2\nproducers: {{ScheduledProducer: {{task_schedule: {{a.b: {entry}}}}}}}"))
    };
    assert!(one("{}").contains("task_schedule[\"a.b\"]: schedule is missing"));
    assert!(one("{schedule: 1, cron: '* * * * *'}").contains("both schedule and cron"));
    assert!(one("{schedule: 1, timezone: UTC}").contains("only with cron"));
    assert!(one("{cron: '61 * * * *'}").contains("no cron pattern"));
    assert!(one("{cron: '* * * * *', timezone: Moon/Base}").contains("no time zone"));
    assert!(one("{schedule: 0}").contains("has to be more than 0 seconds"));
    assert!(one("{schedule: soon}").contains("has to be a number of seconds"));
    assert!(one("{schedule: 1, kwargs: [1]}").contains("kwargs"));
    assert!(one("{schedule: 1, timeout: -1}").contains("timeout"));
}

#[test]
fn start_up_tasks_and_control_are_read() {
    let config = good(
        "version: 2\nproducers:\n  OnStartProducer: {task_list: {lib.one: {}, lib.two: {args: [1]}}}\n  ControlProducer:",
    );
    assert_eq!(config.on_start[0].payload(), r#"{"task":"lib.one"}"#);
    assert_eq!(config.on_start[1].payload(), r#"{"args":[1],"task":"lib.two"}"#);
    assert!(config.control_producer);
    assert!(good("version: 2\nproducers: {ControlProducer: {}}").control_producer);
}

#[test]
fn worker_keys_are_read() {
    let config = good(
        "version: 2\nworker: {worker_cls: app.W, worker_kwargs: {idle_timeout: 5, other: [1]}, python: /opt/py, task_policy: prefix, task_prefixes: [app.]}",
    );
    let worker = config.pools[0].worker.clone();
    assert_eq!((worker.worker_cls.as_deref(), worker.idle_timeout), (Some("app.W"), Some(seconds(5))));
    assert_eq!(json!(worker.worker_kwargs), json!({"idle_timeout": 5, "other": [1]}));
    assert_eq!(
        (config.policy.task_policy, config.policy.task_prefixes),
        (TaskPolicy::Prefix, vec!["app.".to_owned()])
    );
    assert_eq!(worker.python.as_deref(), Some(std::path::Path::new("/opt/py")));
    let config = good(
        "version: 2\nworker: {command: [./w, -x], task_policy: any, allow_eval: true, worker_kwargs: {idle_timeout: 0}}",
    );
    assert_eq!(config.pools[0].worker.command, Some(vec!["./w".to_owned(), "-x".to_owned()]));
    assert!(config.policy.allow_eval && config.pools[0].worker.idle_timeout.is_none());
}

#[test]
fn a_policy_that_could_run_nothing_is_refused() {
    assert!(refused("version: 2\nworker: {task_policy: prefix}").contains("would refuse every task"));
    assert!(refused("version: 2\nworker: {command: []}").contains("is an empty list"));
    assert!(refused("version: 2\nworker: {worker_kwargs: {idle_timeout: -1}}").contains("0 or more"));
    assert_eq!(warnings("version: 2\nworker: {task_prefixes: [a]}").len(), 1);
}

#[test]
fn workers_receive_the_whole_file() {
    let text = format!("version: 2\n{PG}logging: {{level: 1}}\nservice: {{task_settings: {{}}}}");
    let raw = good(&text).raw;
    assert_eq!(raw["logging"], json!({"level": 1}));
    assert_eq!(raw["brokers"]["pg_notify"]["channels"], json!(["c"]));
}

#[test]
fn every_mistake_is_named_at_once_in_the_order_of_the_file() {
    let text = "version: 3\nservice:\n  pool_kwargs: {min_worker: 1, max_workers: two}\n  shutdown_grace: -1\nbrokers:\n  pg_notify: {chanels: [c]}\n  redis: {}\nproducers: {Cron: {}}\nworker: {task_policy: al}";
    let wrong = refused(text);
    let places: Vec<&str> = wrong.lines().map(|line| line.split(": ").nth(2).unwrap_or(line)).collect();
    assert_eq!(
        places,
        [
            "version",
            "service.pool_kwargs.min_worker",
            "service.pool_kwargs.max_workers",
            "service.shutdown_grace",
            "brokers.pg_notify",
            "brokers.pg_notify.chanels",
            "brokers.redis",
            "producers.Cron",
            "worker.task_policy"
        ]
    );
}

#[test]
fn no_complaint_and_no_debug_text_shows_a_password() {
    let text = "version: 2\nbrokers: {pg_notify: {config: {password: [s3cret]}, password: s3cret, channels: s3cret}}\nworker: {worker_kwargs: s3cret}";
    assert!(!refused(text).contains("s3cret"));
    for config in [
        "{conninfo: 'dbname=x password=my s3cret'}",
        "{conninfo: 'host=db s3cret'}",
        "{password: s3cret, prot: 1}",
    ] {
        let text = format!("version: 2\nbrokers: {{pg_notify: {{config: {config}, channels: [c]}}}}");
        assert!(!refused(&text).contains("s3cret"), "{config}");
    }
    let text = "version: 2\nbrokers: {pg_notify: {config: {conninfo: 'password=s3cret'}}}\nworker: {worker_kwargs: {key: s3cret}}
producers: {ScheduledProducer: {task_schedule: {a.b: {schedule: 1, args: [s3cret]}}}, OnStartProducer: {task_list: {a.b: {args: [s3cret]}}}}";
    assert!(!format!("{:?}", good(text)).contains("s3cret"));
}
