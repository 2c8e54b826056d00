//! Each rule about imports, broken on purpose.

use super::*;

fn found(path: &str, text: &str) -> Vec<String> {
    let mut complaints = check(&[File { path: path.into(), text: text.to_owned() }]);
    complaints.retain(|complaint| !complaint.what.contains("has no module"));
    complaints.into_iter().map(|complaint| format!("{}: {}", complaint.line, complaint.what)).collect()
}

#[test]
fn the_engine_may_depend_on_the_protocol_and_not_on_tokio() {
    let manifest = "[dependencies]\ndispatcher-protocol.workspace = true\ntokio = \"1\"\n[dev-dependencies]\nproptest = \"1\"\n";
    let found = found("crates/dispatcher-engine/Cargo.toml", manifest);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("3: dispatcher-engine must not depend on tokio"));
}

#[test]
fn a_broker_may_depend_on_what_it_likes_but_on_no_crate_of_ours() {
    let manifest = "[dependencies]\ntokio.workspace = true\ndispatcher-engine.workspace = true\n";
    assert!(found("crates/dispatcher-broker/Cargo.toml", manifest)[0].starts_with("3: "));
}

#[test]
fn a_dependency_under_another_name_or_for_one_target_is_seen() {
    let manifest =
        "[target.'cfg(unix)'.dependencies]\nbrain = { package = \"dispatcher-engine\", path = \"..\" }\n";
    assert!(found("crates/dispatcher-cli/Cargo.toml", manifest)[0].contains("depend on dispatcher-engine"));
}

#[test]
fn a_crate_without_a_row_is_named() {
    assert!(found("crates/dispatcher-extra/Cargo.toml", "")[0].contains("has no row"));
}

#[test]
fn a_module_may_use_its_row_and_nothing_else() {
    let queue = "crates/dispatcher-engine/src/queue.rs";
    assert!(found(queue, "use crate::task::Task;\n// see crate::pool\n").is_empty());
    let wrong = found(
        queue,
        "use crate::task::Task;\nuse crate::{\n    pool::{Pool, Turn},\n    task::Source,\n};\n",
    );
    assert_eq!(wrong.len(), 1);
    assert!(wrong[0].starts_with("2: queue must not use pool"));
    assert!(found(queue, "fn a(b: crate::pool::Pool) {}\n")[0].starts_with("1: "));
    assert!(found(queue, "fn a(b: super::pool::Pool) {}\n")[0].starts_with("1: "));
    assert!(found(queue, "use crate::Engine;\n")[0].contains("must not use lib"));
}

#[test]
fn what_tests_use_is_not_looked_at() {
    let text = "//! Head.\n\n#[cfg(test)]\nmod tests {\n    use crate::pool::Pool;\n}\n";
    assert!(found("crates/dispatcher-engine/src/queue.rs", text).is_empty());
}

#[test]
fn stages_do_not_know_each_other() {
    let delay = "crates/dispatcher-engine/src/stage/delay.rs";
    assert!(found(delay, "use super::{Stage, Verdict};\nuse crate::task::Task;\n").is_empty());
    assert!(found(delay, "use super::admission::Admission;\n")[0].contains("each is a step of its own"));
    assert!(
        found(delay, "use crate::stage::admission::Admission;\n")[0].contains("each is a step of its own")
    );
    assert!(found(delay, "use super::super::pool::Pool;\n")[0].contains("must not use pool"));
}

#[test]
fn a_control_command_sees_its_context_only() {
    let command = "crates/dispatcher-service/src/control/workers.rs";
    assert!(found(command, "use super::{Context, Reply, filter};\n").is_empty());
    assert!(found(command, "use crate::driver::Driver;\n")[0].contains("must not use driver"));
}

#[test]
fn a_module_without_a_row_and_a_row_without_a_module_are_named() {
    assert!(found("crates/dispatcher-engine/src/novel.rs", "")[0].contains("has no row"));
    assert!(check(&[]).iter().any(|complaint| complaint.what == "dispatcher-engine has no module queue"));
}
