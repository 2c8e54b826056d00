//! The command as a user meets it: the real binary, its words and its exit codes. No database is needed.

mod help;
mod isolation;
mod place;

use std::fs;
use std::process::Command;

use insta::assert_snapshot;
use place::{BINARY, Place, shown};

const GOOD: &str = "\
version: 2
service:
  pool_kwargs: {min_workers: 1, max_workers: 4}
  main_kwargs: {node_id: node-a}
  process_manager_kwargs: {preload_modules: [app.prefork]}
brokers:
  pg_notify:
    config: {conninfo: dbname=dispatch_db user=dispatch password=dispatching host=127.0.0.1 port=1 connect_timeout=2}
    channels: [test_channel, test_channel2]
    default_publish_channel: test_channel
producers:
  ScheduledProducer:
    task_schedule:
      app.beat: {schedule: 30}
  OnStartProducer:
    task_list: {app.first: {}}
  ControlProducer:
";

#[test]
fn a_file_with_many_mistakes_is_told_all_of_them() {
    let place = Place::with(
        "bad.yml",
        "version: 3
logging: {}
service:
  min_workers: 2
  pool_kwargs: {min_worker: 1, max_workers: two}
  shutdown_grace: -1
brokers:
  pg_notify:
    conninfo: dbname=x password=s3cret
    chanels: [c]
    channels: [ok, '']
  redis: {}
producers:
  ScheduledProducer: {task_schedule: {app.beat: {schedule: never}}}
  Cron: {}
worker: {task_policy: al}
publish: {default_broker: rabbit}
",
    );
    assert_snapshot!(place.run(&["check", "bad.yml"]), @r#"
    exit code 2
    --- stderr
    bad.yml:1:10: error: version: Current config version is 2, config version must match this
      hint: write `version: 2`
    bad.yml:2:1: warning: logging: there is no key "logging"; it has no effect
      hint: there are version, service, brokers, producers, publish, worker, pools
    bad.yml:4:3: warning: service.min_workers: there is no key "min_workers"; it has no effect
      hint: it belongs at service.pool_kwargs.min_workers
    bad.yml:5:17: error: service.pool_kwargs.min_worker: there is no key "min_worker"
      hint: did you mean min_workers?
    bad.yml:5:45: error: service.pool_kwargs.max_workers: is text, but has to be a whole number
    bad.yml:6:19: error: service.shutdown_grace: is -1, but has to be 0 or more seconds, and at most 1000000000
    bad.yml:9:5: warning: brokers.pg_notify.conninfo: read as if it stood in config
      hint: write `config: {conninfo: …}`
    bad.yml:10:5: error: brokers.pg_notify.chanels: there is no key "chanels"
      hint: did you mean channels?
    bad.yml:11:20: error: brokers.pg_notify.channels[1]: a channel name can not be blank
    bad.yml:12:3: error: brokers.redis: there is no broker "redis"
      hint: there are pg_notify, socket
    bad.yml:14:60: error: producers.ScheduledProducer.task_schedule["app.beat"].schedule: is text, but has to be a number of seconds
    bad.yml:15:3: error: producers.Cron: there is no producer "Cron"
      hint: there are ScheduledProducer, OnStartProducer, ControlProducer
    bad.yml:16:23: error: worker.task_policy: "al" is not one of registered, prefix, any
    bad.yml:17:27: error: publish.default_broker: "rabbit" is not one of the brokers of this file
      hint: there are pg_notify, redis
    11 errors, 3 warnings in bad.yml
    "#);
}

#[test]
fn a_good_file_is_summed_up() {
    let place = Place::with("dispatcher.yml", GOOD);
    assert_snapshot!(place.run(&["check"]), @"
    exit code 0
    dispatcher.yml is good
      service   node-a
      workers   1 to 4, forked from one Python with app.prefork loaded
      tasks     a message may name registered tasks
      broker    pg_notify: listens to test_channel, test_channel2, sends to test_channel, tested after 10 s of silence
      schedule  app.beat every 30 s
      on start  app.first
      control   commands may start tasks
      stop      tasks have 30 s to finish, then are cancelled
    for dispatcherd the same file means something else in this:
      - a message may start only tasks with @task; dispatcherd starts anything importable (worker.task_policy: any)
      - running tasks may finish after SIGTERM; dispatcherd cancels them at once (service.shutdown_grace: 0)
      - a task that ignores its cancel or timeout loses its worker to SIGTERM and SIGKILL; dispatcherd lets it run on
      - sudo and other set-user-id programs gain nothing in a task; with dispatcherd they do (worker.no_new_privs: false)
      - a silent line is tested after 10 s; dispatcherd does so after 30 (max_connection_idle_seconds: 30)
    ");
}

#[test]
fn warnings_come_before_the_summary() {
    let place = Place::with(
        "dispatcher.yml",
        "version: 2\nservice: {max_workers: 3, pool_kwargs: {max_workers: 2}}\n",
    );
    assert_snapshot!(place.run(&["check"]), @r#"
    exit code 0
    dispatcher.yml is good
      service   a random node_id
      workers   1 to 2, forked from one Python
      tasks     a message may name registered tasks
      broker    none; only tasks of this file run
      control   commands may not start tasks
      stop      tasks have 30 s to finish, then are cancelled
    for dispatcherd the same file means something else in this:
      - running tasks may finish after SIGTERM; dispatcherd cancels them at once (service.shutdown_grace: 0)
      - a task that ignores its cancel or timeout loses its worker to SIGTERM and SIGKILL; dispatcherd lets it run on
      - sudo and other set-user-id programs gain nothing in a task; with dispatcherd they do (worker.no_new_privs: false)
    --- stderr
    dispatcher.yml:2:11: warning: service.max_workers: there is no key "max_workers"; it has no effect
      hint: it belongs at service.pool_kwargs.max_workers
    "#);
}

#[test]
fn the_sample_of_the_first_readme_is_accepted() {
    let place = Place::with(
        "old.yml",
        "producers:\n  brokers:\n    pg_notify:\n      conninfo: dbname=postgres user=postgres\n      channels: [test_channel]\npool: {max_workers: 4}\n",
    );
    assert_snapshot!(place.run(&["check", "old.yml"]), @"
    exit code 0
    old.yml is good
      service   a random node_id
      workers   1 to 4, forked from one Python
      tasks     a message may name registered tasks
      broker    pg_notify: listens to test_channel, sends to test_channel, tested after 10 s of silence
      control   commands may not start tasks
      stop      tasks have 30 s to finish, then are cancelled
    for dispatcherd the same file means something else in this:
      - a message may start only tasks with @task; dispatcherd starts anything importable (worker.task_policy: any)
      - running tasks may finish after SIGTERM; dispatcherd cancels them at once (service.shutdown_grace: 0)
      - a task that ignores its cancel or timeout loses its worker to SIGTERM and SIGKILL; dispatcherd lets it run on
      - sudo and other set-user-id programs gain nothing in a task; with dispatcherd they do (worker.no_new_privs: false)
      - a silent line is tested after 10 s; dispatcherd does so after 30 (max_connection_idle_seconds: 30)
    --- stderr
    old.yml:1:1: warning: version: is missing; read as 2
      hint: write `version: 2`
    old.yml:2:3: warning: producers.brokers: brokers belong at the top of the file; read as if they stood there
      hint: move `brokers` out of `producers`
    old.yml:4:7: warning: brokers.pg_notify.conninfo: read as if it stood in config
      hint: write `config: {conninfo: …}`
    old.yml:6:1: warning: pool: read as if it stood at service.pool_kwargs
      hint: write `service: {pool_kwargs: …}`
    4 warnings in old.yml
    ");
}

#[test]
fn a_missing_file_is_named_with_what_to_do() {
    assert_snapshot!(Place::new().run(&["check"]), @"
    exit code 2
    --- stderr
    error: there is no config file dispatcher.yml
      hint: name it with --config FILE, or in DISPATCHER_CONFIG_FILE
    ");
    assert_snapshot!(Place::new().run(&["serve", "--config", "nope.yml"]), @"
    exit code 2
    --- stderr
    error: there is no config file nope.yml
      hint: name it with --config FILE, or in DISPATCHER_CONFIG_FILE
    ");
    assert_snapshot!(Place::new().run(&["ctl", "alive", "--config", "nope.yml"]), @"
    exit code 2
    --- stderr
    error: there is no config file nope.yml
      hint: name it with --config FILE, or in DISPATCHER_CONFIG_FILE
    ");
}

#[test]
fn text_that_is_not_yaml_and_another_version_are_refused() {
    assert_snapshot!(Place::with("x.yml", "version: [2").run(&["check", "x.yml"]), @"
    exit code 2
    --- stderr
    x.yml:2:1: error: not YAML: while parsing a flow sequence, expected ',' or ']'
    ");
    assert_snapshot!(Place::with("x.yml", "version: 1").run(&["check", "x.yml"]), @"
    exit code 2
    --- stderr
    x.yml:1:10: error: version: Current config version is 2, config version must match this
      hint: write `version: 2`
    ");
    assert_snapshot!(Place::new().run(&["check", "."]), @"
    exit code 2
    --- stderr
    .: error: cannot be read: Is a directory (os error 21)
    ");
}

#[test]
fn wrong_arguments_are_refused_with_the_right_ones() {
    let place = Place::with("dispatcher.yml", GOOD);
    assert_snapshot!(place.run(&["serve", "--log-level", "LOUD"]), @"
    exit code 2
    --- stderr
    error: invalid value 'LOUD' for '--log-level <LEVEL>'
      [possible values: DEBUG, INFO, WARNING, ERROR, CRITICAL]

    For more information, try '--help'.
    ");
    assert_snapshot!(place.run(&["ctl", "nope"]), @"
    exit code 2
    --- stderr
    error: unrecognized subcommand 'nope'

    Usage: dispatcher ctl [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
    assert_snapshot!(place.run(&["ctl", "alive", "--expected-replies", "x"]), @"
    exit code 2
    --- stderr
    error: invalid value 'x' for '--expected-replies <N>': invalid digit found in string

    For more information, try '--help'.
    ");
    assert_snapshot!(place.run(&["ctl", "alive", "--timeout", "-1"]), @"
    exit code 2
    --- stderr
    error: unexpected argument '-1' found

    Usage: dispatcher ctl alive [OPTIONS]

    For more information, try '--help'.
    ");
    assert_snapshot!(place.run(&["ctl", "set_log_level"]), @"
    exit code 2
    --- stderr
    error: the following required arguments were not provided:
      --level <LEVEL>

    Usage: dispatcher ctl set_log_level --level <LEVEL>

    For more information, try '--help'.
    ");
    assert_snapshot!(place.run(&["serve", "--config-fd", "77"]), @"
    exit code 2
    --- stderr
    error: descriptor 77 cannot be read: No such file or directory (os error 2)
      hint: open it for reading before the start
    ");
    assert_snapshot!(place.run(&["submit", "app.x", "--args", "[1"]), @r#"
    exit code 2
    --- stderr
    error: --args is not JSON
      hint: quote it for the shell, as in --args '[1, "two"]'
    "#);
    let refused = place.run(&["submit", "app.x", "--args", "1"]);
    assert!(
        refused.starts_with(
            "exit code 2
"
        ) && refused.contains("the service would refuse this task"),
        "{refused}"
    );
}

#[test]
fn the_environment_names_the_file_unless_the_command_does() {
    let place = Place::with("dispatcher.yml", "version: 99");
    fs::write(place.path().join("env.yml"), GOOD).unwrap();
    for variable in ["DISPATCHER_CONFIG_FILE", "DISPATCHERD_CONFIG_FILE"] {
        let checked = |arguments: &[&str]| {
            place.command(arguments).env(variable, "env.yml").output().unwrap().status.code()
        };
        assert_eq!(checked(&["check"]), Some(0));
        assert_eq!(checked(&["check", "dispatcher.yml"]), Some(2));
    }
}

#[test]
fn the_environment_names_the_policy_of_a_file_that_has_none() {
    let place = Place::with("dispatcher.yml", "version: 2");
    fs::write(place.path().join("own.yml"), "version: 2\nworker: {task_policy: registered}").unwrap();
    let checked = |file: &str, policy: &str| {
        shown(&place.command(&["check", file]).env("DISPATCHER_TASK_POLICY", policy).output().unwrap())
    };
    assert!(checked("dispatcher.yml", "any").contains("a message may name anything importable"));
    assert!(checked("dispatcher.yml", "").contains("a message may name registered tasks"));
    assert!(checked("own.yml", "any").contains("a message may name registered tasks"));
    assert!(checked("dispatcher.yml", "all").contains("DISPATCHER_TASK_POLICY is \"all\""));
}

#[test]
fn only_questions_are_asked_again_and_again() {
    let place = Place::with("dispatcher.yml", GOOD);
    assert_snapshot!(place.run(&["ctl", "cancel", "--watch"]), @"
    exit code 2
    --- stderr
    error: cancel changes something, so it is not asked again and again
      hint: leave --watch out
    ");
    assert!(place.run(&["ctl", "alive", "--watch=0.01"]).contains("from 0.1 to"));
}

#[test]
fn a_database_that_is_away_fails_with_a_hint_and_without_the_password() {
    let place = Place::with("dispatcher.yml", GOOD);
    for arguments in
        [&["ctl", "alive"][..], &["submit", "app.x"], &["serve", "--fail-fast", "--log-level", "ERROR"]]
    {
        let shown = place.run(arguments);
        assert!(shown.starts_with("exit code 1\n"), "{shown}");
        assert!(shown.contains("127.0.0.1") && !shown.contains("dispatching"), "{shown}");
    }
}

#[test]
fn the_names_of_dispatcherd_have_its_exit_code_for_a_wrong_config() {
    assert_snapshot!(Place::new().run_as("dispatcherd", &[]), @"
    exit code 1
    --- stderr
    error: there is no config file dispatcher.yml
      hint: name it with --config FILE, or in DISPATCHER_CONFIG_FILE
    ");
    assert_snapshot!(Place::with("dispatcher.yml", "brokers: {}").run_as("dispatcher-standalone", &[]), @"
    exit code 1
    --- stderr
    dispatcher.yml:1:1: error: version: Current config version is 2, config version must match this
      hint: write `version: 2`
    ");
    assert!(Place::new().run_as("dispatcherctl", &["alive"]).starts_with("exit code 1\n"));
    assert!(Place::new().run_as("dispatcherctl", &[]).starts_with("exit code 2\n"));
    assert!(Place::new().run_as("dispatcherd", &["--help"]).starts_with("exit code 0\n"));
}

#[test]
fn options_of_ctl_stand_before_or_behind_the_command() {
    for arguments in [["--config", "nope.yml", "alive"], ["alive", "--config", "nope.yml"]] {
        assert!(Place::new().run_as("dispatcherctl", &arguments).contains("nope.yml"));
    }
}

#[test]
fn the_schema_is_json_and_names_every_section() {
    let output = Place::new().command(&["schema"]).output().unwrap();
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let sections: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
    assert_eq!(sections, ["version", "service", "brokers", "producers", "publish", "worker", "pools"]);
}

#[test]
fn a_config_may_come_from_a_descriptor() {
    let place = Place::with("bad.yml", "version: 1");
    let script =
        format!("{BINARY} serve --config-fd 3 3<bad.yml; cat bad.yml | {BINARY} serve --config-fd 0");
    let shown = shown(&Command::new("sh").arg("-c").arg(script).current_dir(place.path()).output().unwrap());
    assert!(
        shown.contains("descriptor 3:1:10: error: version") && shown.contains("descriptor 0:1:10"),
        "{shown}"
    );
}

#[test]
fn a_reader_that_stops_reading_is_no_reason_to_panic() {
    let place = Place::new();
    let shown = shown(
        &Command::new("sh")
            .arg("-c")
            .arg(format!("{BINARY} schema | true; {BINARY} check 2>&1 >&-"))
            .current_dir(place.path())
            .output()
            .unwrap(),
    );
    assert!(!shown.contains("panicked"), "{shown}");
}
