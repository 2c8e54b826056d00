//! The entries of the table under `worker`. Where it stands: read through `keys`.

use super::super::super::isolation::CgroupUse;
use super::super::{Section, Shape};
use super::isolation::LIMITS;
use super::{MAYBE_TEXT, TEXTS, key, section};

const ACCOUNT: Shape = Shape::Optional(&Shape::Account);

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
            "concurrency",
            Shape::Word(&["process", "async", "threads"]),
            r#""process""#,
            "Own. How one Python worker runs tasks: one at a time, several async def tasks on one event loop (plain functions beside them in threads), or several in threads.",
        ),
        key(
            "slots",
            Shape::Optional(&Shape::Count { least: 1, most: 1000 }),
            "null",
            "Own. Tasks that one worker runs at once; absent or null: 1 for process, 10 for async and threads, and what it likes for a worker.command.",
        ),
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
        key(
            "max_start_failures",
            Shape::Optional(&Shape::Count { least: 1, most: u32::MAX as u64 }),
            "null",
            "Own. Workers in a row that could not be started, with none left, after which the service ends with exit code 1; null: it goes on trying, unready.",
        ),
        key("allow_eval", Shape::Flag, "false", "Own. Whether text that begins with lambda is run."),
        key(
            "limits",
            Shape::Section(&LIMITS),
            "{}",
            "Own. Limits of each worker process, by the names of ulimit.",
        ),
        key(
            "no_new_privs",
            Shape::Flag,
            "true",
            "Own. Nothing that a task starts gains rights by its file: sudo and other set-user-id programs do not work.",
        ),
        key(
            "user",
            ACCOUNT,
            "null",
            "Own. The user that workers run as, by name or number; the service has to be started as root.",
        ),
        key("group", ACCOUNT, "null", "Own. Their group; absent: the user's own."),
        key(
            "umask",
            ACCOUNT,
            "null",
            "Own. Their umask, octal and in quotes, as \"027\"; absent: as inherited.",
        ),
        key(
            "chdir",
            MAYBE_TEXT,
            "null",
            "Own. Their working directory, an absolute path; absent: the service's.",
        ),
        key(
            "cgroup",
            Shape::Word(CgroupUse::WORDS),
            r#""auto""#,
            "Own. A control group for each worker (cgroup v2): where the machine allows it, never, or always.",
        ),
        key(
            "memory_max",
            Shape::Optional(&Shape::Bytes),
            "null",
            "Own. Memory of a worker and all that it starts, as 1GiB; needs the control group.",
        ),
        key(
            "pids_max",
            Shape::Optional(&Shape::Count { least: 4, most: 1 << 22 }),
            "null",
            "Own. Processes and threads of a worker and all that it starts; needs the control group.",
        ),
        key(
            "cpu_max",
            Shape::Optional(&Shape::Amount),
            "null",
            "Own. CPUs that a worker and all that it starts may use, as 0.5; needs the control group.",
        ),
    ],
);
