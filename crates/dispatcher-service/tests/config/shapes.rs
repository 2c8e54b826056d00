//! Traps of files seen in the wild, old samples, and what YAML allows.

use std::fmt::Write;

use dispatcher_service::config::{Source, load, schema};
use serde_json::{Value, json};

use crate::{good, read, refused, warnings};

/// The value of an ignored key, as a worker would see it.
fn value(yaml: &str) -> Value {
    good(&format!("version: 2\nx: {yaml}\n")).raw["x"].clone()
}

#[test]
fn worker_numbers_under_service_have_no_effect_and_are_told_their_place() {
    let text = "version: 2\nservice:\n  min_workers: 3\n  max_workers: 9";
    assert_eq!(good(text).pools[0].size.min_workers, 1);
    assert_eq!(
        warnings(text),
        [
            "3:3: warning: service.min_workers: there is no key \"min_workers\"; it has no effect (it belongs at service.pool_kwargs.min_workers)",
            "4:3: warning: service.max_workers: there is no key \"max_workers\"; it has no effect (it belongs at service.pool_kwargs.max_workers)",
        ]
    );
}

#[test]
fn sections_that_dispatcherd_ignores_are_warnings() {
    let text =
        "version: 2\nlogging: {x: 1}\nservice: {task_settings: {y: 2}}\npublish: {z: 1}\nworker: {w: 1}";
    assert_eq!(warnings(text).len(), 4);
    assert!(warnings(text).iter().all(|warning| warning.contains("it has no effect")));
}

#[test]
fn unknown_keys_that_dispatcherd_refuses_are_errors() {
    for (text, path) in [
        ("service: {pool_kwargs: {zzz: 1}}", "service.pool_kwargs.zzz"),
        ("service: {main_kwargs: {zzz: 1}}", "service.main_kwargs.zzz"),
        ("service: {metrics_kwargs: {zzz: 1}}", "service.metrics_kwargs.zzz"),
        ("service: {process_manager_kwargs: {zzz: 1}}", "service.process_manager_kwargs.zzz"),
        ("brokers: {socket: {socket_path: /s, zzz: 1}}", "brokers.socket.zzz"),
        ("producers: {ControlProducer: {zzz: 1}}", "producers.ControlProducer.zzz"),
        ("producers: {ScheduledProducer: {zzz: 1}}", "producers.ScheduledProducer.zzz"),
        ("producers: {NoSuchProducer: {}}", "producers.NoSuchProducer"),
    ] {
        let wrong = refused(&format!("version: 2\n{text}"));
        assert!(wrong.contains(&format!("error: {path}: there is no")), "{wrong}");
    }
}

#[test]
fn a_misspelt_key_is_told_the_nearest_one() {
    assert!(
        refused("version: 2\nservice: {pool_kwargs: {min_worker: 1}}").contains("did you mean min_workers?")
    );
    assert!(warnings("version: 2\nservice: {pool_kwarg: {}}")[0].contains("did you mean pool_kwargs?"));
    assert!(warnings("version: 2\nbroker: {}")[0].contains("did you mean brokers?"));
    assert!(warnings("version: 2\nPool_Kwargs: {}")[0].contains("did you mean service.pool_kwargs?"));
    assert!(warnings("version: 2\ntask_policy: any")[0].contains("it belongs at worker.task_policy"));
}

#[test]
fn connection_settings_beside_config_are_told_their_place() {
    let wrong = refused("version: 2\nbrokers: {pg_notify: {dbname: x, config: {conninfo: ''}}}");
    assert!(wrong.contains("it belongs at brokers.pg_notify.config.dbname"));
}

#[test]
fn the_sample_of_the_first_readme_is_accepted_with_warnings() {
    let text = "producers:\n  brokers:\n    pg_notify:\n      conninfo: dbname=postgres user=postgres\n      channels:\n      - test_channel\npool: {max_workers: 4}";
    let config = good(text);
    assert_eq!(config.pools[0].size.max_workers, 4);
    assert_eq!(config.brokers[0].channels, ["test_channel"]);
    assert_eq!(config.brokers[0].connection.iter().map(|(key, _)| key).collect::<Vec<_>>(), ["conninfo"]);
    let paths: Vec<&str> = config.warnings.iter().map(|warning| warning.path.as_str()).collect();
    assert_eq!(paths, ["version", "producers.brokers", "brokers.pg_notify.conninfo", "pool"]);
    let wanted = json!({"pg_notify": {"channels": ["test_channel"], "config": {"conninfo": "dbname=postgres user=postgres"}}});
    assert_eq!(config.raw["brokers"], wanted);
    assert_eq!(config.raw["version"], 2);
}

#[test]
fn what_stands_in_the_right_place_wins_over_the_old_one() {
    let text = "version: 2\nproducers: {brokers: {socket: {socket_path: /old}}}\nbrokers: {socket: {socket_path: /new}}\npool: {max_workers: 2}\nservice: {pool_kwargs: {max_workers: 7}}";
    let config = good(text);
    assert_eq!(config.brokers[0].socket_path.as_deref(), Some(std::path::Path::new("/new")));
    assert_eq!((config.pools[0].size.max_workers, config.warnings.len()), (7, 4));
}

#[test]
fn a_pool_at_the_top_of_another_file_has_no_effect_as_ever() {
    assert_eq!(good("version: 2\npool: {min_workers: 4}").pools[0].size.min_workers, 1);
}

#[test]
fn another_version_is_refused_in_the_words_that_scripts_look_for() {
    for text in ["brokers: {}", "version: 1", "version: '2'", "version:"] {
        assert!(
            refused(text).contains("Current config version is 2, config version must match this"),
            "{text}"
        );
    }
}

#[test]
fn sections_may_be_empty() {
    good("version: 2\nbrokers:\nproducers:\nservice:\npublish:\nworker:");
    good("version: 2\nservice: {pool_kwargs: , main_kwargs: , metrics_kwargs: }");
}

#[test]
fn a_value_of_the_wrong_kind_is_told_what_it_has_to_be() {
    for (text, wanted) in [
        ("service: {pool_kwargs: {min_workers: two}}", "is text, but has to be a whole number"),
        ("service: {pool_kwargs: {min_workers: -1}}", "is -1, but has to be from 0 to 10000"),
        ("service: {pool_kwargs: {max_workers: 0}}", "is 0, but has to be from 1 to 10000"),
        (
            "service: {pool_kwargs: {min_workers: 1.5}}",
            "is a number with a fraction, but has to be a whole number",
        ),
        ("service: {pool_kwargs: []}", "is a list, but has to be a map"),
        ("service: {shutdown_grace: null}", "is empty, but has to be a number of seconds"),
        ("service: {cancel_grace: 1e10}", "has to be 0 or more seconds"),
        ("service: {metrics_kwargs: {port: 70000}}", "is 70000, but has to be from 0 to 65535"),
        ("worker: {allow_eval: 1}", "is a whole number, but has to be true or false"),
        ("brokers: [pg_notify]", "is a list, but has to be a map"),
        (
            "brokers: {pg_notify: {config: dbname=x}}",
            "has to be a map of connection settings, or of one conninfo",
        ),
    ] {
        let wrong = refused(&format!("version: 2\n{text}"));
        assert!(wrong.contains(wanted), "{text}: {wrong}");
    }
    assert!(refused("- 1").contains("is a list, but has to be a map of version"));
    assert!(refused("just text").contains("is text"));
}

#[test]
fn text_that_is_not_yaml_is_told_where() {
    assert!(refused("version: 2\nbrokers: {a: [}").starts_with("2:"));
    assert!(refused("").contains("empty; the least is `version: 2`"));
    assert!(refused("# nothing\n").contains("empty"));
    assert!(refused("version: 2\n---\nversion: 2").contains("a second document begins here"));
    assert!(refused("version: 2\nx: !!python/object:os.system 1").contains("is not known here"));
    assert!(refused("version: 2\nx: !mine 1").contains("is not known here"));
    assert!(refused("version: 2\nx: !!python/tuple [1]").contains("is not known here"));
    assert!(refused("version: 2\nx: !!int five").contains("is marked !!int and is none"));
}

#[test]
fn words_mean_what_python_reads_in_them() {
    assert_eq!(value("[yes, No, on, OFF, ~, null, '']"), json!([true, false, true, false, null, null, ""]));
    assert_eq!(value("[0x1f, 0755, 0b11, 1_000, 1:30, -7, +3]"), json!([31, 493, 3, 1000, 90, -7, 3]));
    assert_eq!(value("[1.5, .5, 1., 1e3, -2.5e-1]"), json!([1.5, 0.5, 1.0, 1000.0, -0.25]));
    assert_eq!(
        value("['yes', \"1\", 2024-01-01, 1.2.3, 08, 0o17, y, 1-2, e5, 127.0.0.1]"),
        json!(["yes", "1", "2024-01-01", "1.2.3", "08", "0o17", "y", "1-2", "e5", "127.0.0.1"])
    );
    assert_eq!(value("[!!str 5, !!int '5', ! 7]"), json!(["5", 5, "7"]));
    assert_eq!(value("{1: a, true: b, ~: c}"), json!({"1": "a", "true": "b", "null": "c"}));
    assert_eq!(value("|\n  two\n  lines"), json!("two\nlines\n"));
    assert!(refused("version: 2\nx: .inf").contains("not finite"));
    assert!(refused("version: 2\nx: 99999999999999999999999").contains("beyond 64 bits"));
}

#[test]
fn anchors_aliases_and_merged_keys_unfold() {
    let config = good(
        "# comment\n---\nversion: 2\na: &a {x: 1, y: 2}\nb: *a\nc: {<<: *a, y: 3}\nd: {<<: [*a, {z: 4}]}\n",
    );
    assert_eq!(config.raw["b"], json!({"x": 1, "y": 2}));
    assert_eq!(config.raw["c"], json!({"x": 1, "y": 3}));
    assert_eq!(config.raw["d"], json!({"x": 1, "y": 2, "z": 4}));
}

#[test]
fn the_last_of_equal_keys_counts_with_a_warning() {
    let text = "version: 2\nservice:\n  shutdown_grace: 1\n  shutdown_grace: 2";
    assert_eq!(good(text).shutdown_grace.as_secs(), 2);
    assert_eq!(
        warnings(text),
        ["4:3: warning: service.shutdown_grace: the key stands twice; this one counts"]
    );
}

#[test]
fn texts_that_unfold_without_bound_are_refused() {
    let mut bomb = String::from("version: 2\na0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..20 {
        let alias = format!("*a{}", level - 1);
        writeln!(bomb, "a{level}: &a{level} [{}]", [alias.as_str(); 9].join(", ")).unwrap();
    }
    assert!(refused(&bomb).contains("too large once its aliases are unfolded"));
    assert!(refused(&format!("version: 2\nx: {}", "[".repeat(100))).contains("nested deeper than 64"));
    refused(&format!("version: 2\nx: {}", "[".repeat(100_000)));
    assert!(refused("version: 2\nx: &x [*x]").contains("inside its own anchor"));
    assert!(refused(&format!("version: 2\nx: {}", "x".repeat(1 << 20))).contains("bytes long"));
    let keys = (0..5000).map(|number| format!("k{number}: 1")).collect::<Vec<_>>().join("\n");
    assert!(refused(&format!("version: 2\n{keys}")).contains("more than 4096 keys"));
}

#[test]
fn json_is_read_too_with_pairs_of_surrogates() {
    let config = good(
        r#"{"version": 2, "service": {"main_kwargs": {"node_id": "n\/1"}}, "note": "\ud83d\ude00", "t":	1e2}"#,
    );
    assert_eq!((config.node_id.as_str(), &config.raw["note"]), ("n/1", &json!("😀")));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let complain = |path: std::path::PathBuf| load(Source::File(path)).unwrap_err().to_string();
    let gone = complain(dir.path().join("gone.yml"));
    assert!(gone.contains("gone.yml: error: cannot be read: No such file"), "{gone}");
    assert!(complain(dir.path().to_owned()).contains("cannot be read"));
    let binary = dir.path().join("binary.yml");
    std::fs::write(&binary, b"version: \xff").unwrap();
    assert!(complain(binary).contains("not UTF-8"));
    let huge = dir.path().join("huge.yml");
    std::fs::write(&huge, vec![b' '; (1 << 20) + 1]).unwrap();
    assert!(complain(huge).contains("longer than 1048576 bytes"));
}

/// Every `(path, schema)` of the schema, depth first.
fn walk<'a>(path: String, schema: &'a Value, found: &mut Vec<(String, &'a Value)>) {
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        walk(format!("{path}/{name}"), inner, found);
    }
    found.push((path, schema));
}

#[test]
fn the_schema_describes_every_key_and_each_default_is_accepted() {
    let schema = schema();
    let mut keys = Vec::new();
    walk(String::new(), &schema, &mut keys);
    assert!(keys.len() > 50);
    for (path, key) in keys.iter().filter(|(path, _)| !path.is_empty()) {
        assert!(key["description"].as_str().is_some_and(|text| text.ends_with('.')), "{path}");
    }
    for (path, key) in
        keys.iter().filter(|(path, key)| path.starts_with("/service/") && key.get("default").is_some())
    {
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let inner = parts.iter().rev().fold(key["default"].clone(), |value, name| json!({*name: value}));
        let mut file = inner;
        file["version"] = json!(2);
        assert!(read(&file.to_string()).is_ok(), "{path}");
    }
}

#[test]
fn the_schema_is_strict_where_the_check_is() {
    let schema = schema();
    assert_eq!(schema["additionalProperties"], true);
    assert_eq!(schema["properties"]["service"]["additionalProperties"], true);
    assert_eq!(schema["properties"]["service"]["properties"]["pool_kwargs"]["additionalProperties"], false);
    assert_eq!(schema["properties"]["brokers"]["additionalProperties"], false);
    assert_eq!(schema["required"], json!(["version"]));
}
