//! Which way imports run: between the crates, and between the modules of the engine and of the service.
//!
//! The tables are the architecture in a form that can fail. A row that has no module any more is a complaint too.

use std::path::Path;

use crate::Complaint;
use crate::tidy::{File, without_tests};

/// What a crate may depend on (tests and benches apart).
struct CrateRow {
    name: &'static str,
    /// Crates of this workspace.
    own: &'static [&'static str],
    /// Other crates; `None` leaves them free.
    others: Option<&'static [&'static str]>,
    why: &'static str,
}

const CRATES: &[CrateRow] = &[
    CrateRow {
        name: "dispatcher-protocol",
        own: &[],
        others: Some(&["serde", "serde_json", "thiserror"]),
        why: "it turns bytes into types and knows nothing else",
    },
    CrateRow {
        name: "dispatcher-engine",
        own: &["dispatcher-protocol"],
        others: Some(&["foldhash"]),
        why: "it decides without I/O, clock, runtime or log",
    },
    CrateRow { name: "dispatcher-broker", own: &[], others: None, why: "a payload is opaque text to it" },
    CrateRow { name: "dispatcher-web", own: &[], others: None, why: "it asks, and knows nobody who answers" },
    CrateRow {
        name: "dispatcher-service",
        own: &["dispatcher-broker", "dispatcher-engine", "dispatcher-protocol", "dispatcher-web"],
        others: None,
        why: "it is the driver around the engine",
    },
    CrateRow {
        name: "dispatcher-cli",
        own: &["dispatcher-broker", "dispatcher-protocol", "dispatcher-service"],
        others: None,
        why: "a command reaches the engine through the service only",
    },
    CrateRow {
        name: "dispatcher",
        own: &["dispatcher-broker", "dispatcher-macros", "dispatcher-protocol", "dispatcher-service"],
        others: None,
        why: "applications define, publish and run tasks with it; the service only by its feature",
    },
    CrateRow {
        name: "dispatcher-macros",
        own: &[],
        others: Some(&["proc-macro2", "quote", "strsim", "syn"]),
        why: "it writes code against the crate dispatcher, which depends on it",
    },
    CrateRow {
        name: "fuzz",
        own: &["dispatcher-protocol"],
        others: None,
        why: "what reads the bytes of strangers is in the protocol",
    },
    CrateRow {
        name: "peers-native",
        own: &["dispatcher"],
        others: None,
        why: "what is measured is what applications use",
    },
    CrateRow { name: "xtask", own: &[], others: Some(&[]), why: "the checks build in a moment, anywhere" },
];

/// What a module may name by `crate::`. A name that ends in `/` is for the files below a module.
struct ModuleRow {
    krate: &'static str,
    module: &'static str,
    may: &'static [&'static str],
    why: &'static str,
}

const fn engine(module: &'static str, may: &'static [&'static str], why: &'static str) -> ModuleRow {
    ModuleRow { krate: "dispatcher-engine", module, may, why }
}

const fn service(module: &'static str, may: &'static [&'static str], why: &'static str) -> ModuleRow {
    ModuleRow { krate: "dispatcher-service", module, may, why }
}

/// The modules. `lib` uses all and stands for what the crate shows outside.
const MODULES: &[ModuleRow] = &[
    engine(
        "engine",
        &[
            "completion",
            "config",
            "effect",
            "event",
            "input",
            "intake",
            "later",
            "pool",
            "figures",
            "load",
            "routes",
            "schedule",
            "shutdown",
            "stage",
            "task",
        ],
        "it is the order of the steps, so it knows them all",
    ),
    engine("task", &[], "everything is said in its words"),
    engine("config", &["schedule"], "numbers and names, and a timetable"),
    engine("input", &["task"], "what comes in knows no step"),
    engine("event", &["input", "task"], "what happened knows no step"),
    engine("effect", &["event", "task"], "what goes out knows no step"),
    engine("intake", &["config", "event", "task"], "step 1 knows no later step"),
    engine("later", &["task", "timers"], "it keeps control requests, and knows no step"),
    engine("schedule", &["config"], "step 1b makes messages, not tasks"),
    engine("stage", &["event", "task"], "a stage knows neither queue nor workers"),
    engine("routes", &["config", "queue", "task"], "step 3 knows pools by number"),
    engine("queue", &["task"], "a queue is a queue"),
    engine("load", &["config", "task"], "it counts what is here, and drops nothing"),
    engine("ended", &["figures", "task"], "it remembers, and knows no step"),
    engine(
        "pool",
        &["config", "effect", "event", "input", "queue", "task", "timers"],
        "workers know no stage",
    ),
    engine("timers", &[], "a set of times is a set of times"),
    engine(
        "completion",
        &["effect", "ended", "engine", "event", "figures", "input", "pool", "shutdown", "task"],
        "a part of Engine: step 5",
    ),
    engine("figures", &[], "it counts durations and names"),
    engine("shutdown", &["effect", "engine", "event", "pool", "task"], "a part of Engine: the end"),
    engine("find", &["engine", "event", "input", "pool", "task"], "a part of Engine: looks everywhere"),
    engine("view", &["completion", "engine", "pool", "task"], "a part of Engine: looks and changes nothing"),
    service(
        "run",
        &[
            "config",
            "control",
            "driver",
            "embedding",
            "events",
            "gate",
            "inbox",
            "listen",
            "manager",
            "reply",
            "setup",
            "signals",
            "stall",
            "tally",
            "web",
            "worker",
        ],
        "the only place that builds, spawns and joins",
    ),
    service(
        "setup",
        &["config", "embedding", "lib", "run", "timetable", "worker"],
        "turns the config into parts, before anything runs",
    ),
    service(
        "embedding",
        &["config", "inbox", "lib", "run", "worker"],
        "it describes a service and sends to it",
    ),
    service("timetable", &["config"], "it says when, and starts nothing"),
    service(
        "driver",
        &["control", "events", "gate", "health", "inbox", "manager", "reply", "stall", "web", "worker"],
        "it reads no config",
    ),
    service("control", &["driver", "gate", "tally", "web", "worker"], "its context is a view of the driver"),
    service("control/", &[], "a command sees its context and nothing else"),
    service("events", &[], "it writes lines"),
    service("tally", &[], "it counts what it is told"),
    service("rate", &[], "it counts by the clock it is shown"),
    service("gate", &["rate"], "it knows who asks, and not what"),
    service("health", &["control"], "it looks and judges"),
    service("manager", &["control", "health"], "it looks and tells"),
    service("stall", &[], "it watches a number rise"),
    service("metrics", &["control", "health"], "it looks and writes text"),
    service("web", &["config", "control", "health", "inbox", "metrics"], "it sees what a command sees"),
    service("inbox", &[], "what is sent to the driver knows no sender"),
    service("listen", &["inbox"], "it can only send"),
    service("reply", &[], "it can only publish"),
    service("signals", &["inbox"], "it can only send"),
    service("worker", &["inbox"], "a tender can only send"),
    service("config", &[], "it is read before anything exists"),
];

/// Modules whose files may not name each other: each is a step of its own.
const STRANGERS: &[(&str, &str)] = &[("dispatcher-engine", "stage")];

/// Every import that runs the wrong way.
pub(crate) fn check(files: &[File]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in files {
        if file.path.file_name().is_some_and(|name| name == "Cargo.toml") {
            dependencies(file, &mut complaints);
        }
        if let Some((krate, module)) = module_of(&file.path) {
            uses(file, krate, &module, &mut complaints);
        }
    }
    complaints.extend(rows_without_module(files));
    complaints
}

/// Compares a manifest with its row.
fn dependencies(file: &File, complaints: &mut Vec<Complaint>) {
    let Some(name) = file.path.parent().and_then(Path::file_name).and_then(|name| name.to_str()) else {
        return;
    };
    let Some(row) = CRATES.iter().find(|row| row.name == name) else {
        let what = format!("crate {name} has no row in xtask/src/imports.rs");
        return complaints.push(Complaint::new(&file.path, 1, what));
    };
    let mut counts = false;
    for (index, line) in file.text.lines().enumerate() {
        let line = line.trim();
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            counts = section.ends_with("dependencies") && !section.ends_with("dev-dependencies");
        } else if counts && let Some(dependency) = dependency_of(line) {
            let own = dependency.starts_with("dispatcher");
            let allowed = if own { row.own } else { row.others.unwrap_or(&[]) };
            if !allowed.contains(&dependency) && (own || row.others.is_some()) {
                let what = format!("{name} must not depend on {dependency}: {}", row.why);
                complaints.push(Complaint::new(&file.path, index + 1, what));
            }
        }
    }
}

/// The crate that a line of a manifest brings in, under its true name.
fn dependency_of(line: &str) -> Option<&str> {
    let (name, rest) = line.split_once('=').filter(|_| !line.starts_with('#'))?;
    let renamed = rest.split_once("package").and_then(|(_, after)| after.split('"').nth(1));
    Some(renamed.unwrap_or_else(|| name.trim().split('.').next().unwrap_or(name).trim_matches('"')))
}

/// The crate and module of a source file that has rows: `pool/worker` for `…/src/pool/worker.rs`.
fn module_of(path: &Path) -> Option<(&'static str, String)> {
    let krate = MODULES.iter().map(|row| row.krate).find(|krate| path.starts_with(source(krate)))?;
    let inner = path.strip_prefix(source(krate)).ok()?;
    let module = inner.to_str()?.strip_suffix(".rs")?.to_owned();
    (module != "lib" && module != "tests" && !module.ends_with("/tests")).then_some((krate, module))
}

fn source(krate: &str) -> String {
    format!("crates/{krate}/src")
}

/// Compares what a file names with its row.
fn uses(file: &File, krate: &str, module: &str, complaints: &mut Vec<Complaint>) {
    let top = module.split('/').next().unwrap_or(module);
    let below = format!("{top}/");
    let of = |name: &str| MODULES.iter().find(|row| row.krate == krate && row.module == name);
    let row = if module == top { of(top) } else { of(&below).or_else(|| of(top)) };
    let Some(row) = row else {
        let what = format!("module {module} of {krate} has no row in xtask/src/imports.rs");
        return complaints.push(Complaint::new(&file.path, 1, what));
    };
    let own = module.rsplit('/').next().unwrap_or(module);
    for (line, path) in named(&file.text, module) {
        let target = path.first().map_or("lib", String::as_str);
        let target = if target.starts_with(char::is_uppercase) || target == "*" { "lib" } else { target };
        if target != top && !row.may.contains(&target) {
            let what = format!("{module} must not use {target}: {}", row.why);
            complaints.push(Complaint::new(&file.path, line, what));
        }
        let stranger = path.get(1).is_some_and(|inner| inner != own && inner.starts_with(char::is_lowercase));
        if target == top && module != top && stranger && STRANGERS.contains(&(krate, top)) {
            let what = format!("{module} must not use {}: each is a step of its own", path.join("/"));
            complaints.push(Complaint::new(&file.path, line, what));
        }
    }
}

/// Every path of this crate that the code names, from the crate's root, with its line.
fn named(text: &str, module: &str) -> Vec<(usize, Vec<String>)> {
    let code: Vec<&str> =
        without_tests(text).lines().map(|line| line.split("//").next().unwrap_or(line)).collect();
    let code = code.join("\n");
    let mut found: Vec<(usize, Vec<String>)> =
        starts(&code, "crate::").into_iter().flat_map(|at| paths(&code, at)).collect();
    let place: Vec<&str> = module.split('/').collect();
    for mut at in starts(&code, SUPER) {
        let mut above = place.len() - 1;
        while let Some(rest) = code[at..].strip_prefix(SUPER) {
            above = above.saturating_sub(1);
            at = code.len() - rest.len();
        }
        let from = place[..above].iter().map(|name| (*name).to_owned());
        found.extend(
            paths(&code, at).into_iter().map(|(line, path)| (line, from.clone().chain(path).collect())),
        );
    }
    found
}

const SUPER: &str = "super::";

/// Where the text after each `prefix` begins.
fn starts(code: &str, prefix: &str) -> Vec<usize> {
    let whole =
        |at: usize| !code[..at].ends_with(|before: char| before.is_alphanumeric() || "_:$".contains(before));
    code.match_indices(prefix).filter(|(at, _)| whole(*at)).map(|(at, _)| at + prefix.len()).collect()
}

/// The paths that begin here: one, or each of a `{…}` group; two names of each are enough.
fn paths(code: &str, at: usize) -> Vec<(usize, Vec<String>)> {
    let line = code[..at].matches('\n').count() + 1;
    let rest = &code[at..];
    let Some(group) = rest.strip_prefix('{') else { return vec![(line, two_names(rest))] };
    let (mut depth, mut begin, mut found) = (0, 0, Vec::new());
    for (place, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                let part = group[begin..place].trim();
                if !part.is_empty() {
                    found.push((line, two_names(part)));
                }
                begin = place + 1;
                if character == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    found
}

fn two_names(path: &str) -> Vec<String> {
    let end = path.find(|c: char| !(c.is_alphanumeric() || "_:*".contains(c))).unwrap_or(path.len());
    path[..end].split("::").take(2).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Rows that speak of nothing.
fn rows_without_module(files: &[File]) -> Vec<Complaint> {
    let stale = MODULES.iter().filter(|row| {
        let place = format!("{}/{}", source(row.krate), row.module);
        let file = format!("{place}.rs");
        !files.iter().any(|found| {
            let path = found.path.to_string_lossy();
            path == file || (place.ends_with('/') && path.starts_with(&place))
        })
    });
    let here = Path::new("xtask/src/imports.rs");
    stale.map(|row| Complaint::new(here, 1, format!("{} has no module {}", row.krate, row.module))).collect()
}

#[cfg(test)]
mod tests;
