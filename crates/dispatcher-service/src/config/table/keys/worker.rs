//! The entries of the table under `worker`. Where it stands: read through `keys`.

use super::super::{Section, Shape};
use super::{MAYBE_TEXT, TEXTS, key, section};

pub(super) static WORKER: Section = section(
    "key",
    &[
        key("worker_cls", MAYBE_TEXT, "null", "Dotted name of a worker class; absent: the usual one."),
        key(
            "worker_kwargs",
            Shape::Optional(&Shape::Map),
            "{}",
            "Keyword arguments of that class; idle_timeout (seconds, 0: off) is one.",
        ),
        key(
            "python",
            MAYBE_TEXT,
            "null",
            "Own. The Python interpreter of the workers; absent: the one the service was installed with, else python3.",
        ),
        key(
            "command",
            Shape::Optional(&TEXTS),
            "null",
            "Own. A worker program and its arguments, instead of Python.",
        ),
        key(
            "task_policy",
            Shape::Word(&["registered", "prefix", "any"]),
            r#""registered""#,
            "Own. Which tasks a message may name: those registered with @task, those whose name has one of task_prefixes, or any that can be imported (as dispatcherd allows).",
        ),
        key("task_prefixes", TEXTS, "[]", "Own. For the policy prefix: what a task's name must begin with."),
        key(
            "max_tasks",
            Shape::Optional(&Shape::Count { least: 1, most: u64::MAX >> 11 }),
            "null",
            "Own. Tasks after which a worker is replaced; null: no limit.",
        ),
        key(
            "max_rss",
            Shape::Optional(&Shape::Bytes),
            "null",
            "Own. Resident memory above which a worker is replaced, after the task that it is running, as 512MiB; null: no limit.",
        ),
        key("allow_eval", Shape::Flag, "false", "Own. Whether text that begins with lambda is run."),
    ],
);
