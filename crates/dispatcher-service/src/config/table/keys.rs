//! The entries of the table.
//!
//! One line says what a key is, so a new key is one entry here and one line in `build`. Names and defaults are those
//! of dispatcherd 2026.5.27, unless the text of a key begins with "Own". Where it stands: read through `table`.

use super::{Key, Section, Shape};

/// Far beyond what one machine runs; keeps a slip of the finger from starting a million processes.
const MOST_WORKERS: u64 = 10_000;

const SECONDS: Shape = Shape::Seconds { zero: true };
const PATH: Shape = Shape::Text;
const TEXTS: Shape = Shape::List(&Shape::Text);
const MAYBE_TEXT: Shape = Shape::Optional(&Shape::Text);
const MAYBE_SECONDS: Shape = Shape::Optional(&Shape::Seconds { zero: false });

const fn key(name: &'static str, shape: Shape, default: &'static str, about: &'static str) -> Key {
    Key { name, shape, default, about }
}

const fn section(noun: &'static str, keys: &'static [Key]) -> Section {
    Section { noun, keys, strict: false }
}

const fn strict(noun: &'static str, keys: &'static [Key]) -> Section {
    Section { noun, keys, strict: true }
}

/// The whole file.
pub(in crate::config) static FILE: Section = section(
    "key",
    &[
        key("version", Shape::Version, "2", "The version of this format; always 2."),
        key("service", Shape::Section(&SERVICE), "{}", "The service itself and its workers."),
        key("brokers", Shape::Section(&BROKERS), "{}", "Where messages come from."),
        key("producers", Shape::Section(&PRODUCERS), "{}", "Where tasks come from that no message asks for."),
        key("publish", Shape::Section(&PUBLISH), "{}", "What publishers use when they do not say."),
        key("worker", Shape::Section(&WORKER), "{}", "The program that runs tasks, and what it may run."),
    ],
);

static SERVICE: Section = section(
    "key",
    &[
        key("pool_kwargs", Shape::Section(&POOL), "{}", "How many workers there are."),
        key("main_kwargs", Shape::Section(&MAIN), "{}", "The service's name and its memory."),
        key(
            "process_manager_cls",
            Shape::Word(&["ForkServerManager", "ProcessManager", "SpawnServerManager"]),
            r#""ForkServerManager""#,
            "How a worker process comes to be: forked from a preloaded template (the first two), or a new interpreter for each.",
        ),
        key("process_manager_kwargs", Shape::Section(&PROCESS_MANAGER), "{}", "What the template imports."),
        key(
            "metrics_kwargs",
            Shape::Optional(&Shape::Section(&METRICS)),
            "null",
            "The metrics server; absent or null: none.",
        ),
        key(
            "shutdown_grace",
            SECONDS,
            "30",
            "Own. Seconds that running tasks may finish after SIGTERM before they are cancelled; 0 cancels at once, as dispatcherd does.",
        ),
        key(
            "cancel_grace",
            SECONDS,
            "5",
            "Own. Seconds that a cancelled task has before its worker gets SIGTERM.",
        ),
        key("terminate_grace", SECONDS, "3", "Own. Seconds that a worker has after SIGTERM before SIGKILL."),
    ],
);

static POOL: Section = strict(
    "key",
    &[
        key(
            "min_workers",
            Shape::Count { least: 0, most: MOST_WORKERS },
            "1",
            "Workers that are always there.",
        ),
        key(
            "max_workers",
            Shape::Optional(&Shape::Count { least: 1, most: MOST_WORKERS }),
            "null",
            "Workers at most; absent or null: the number of CPUs, but never fewer than min_workers.",
        ),
        key(
            "scaledown_wait",
            SECONDS,
            "15",
            "Seconds for which fewer workers must have been enough before one is let go.",
        ),
        key("scaledown_interval", Shape::Seconds { zero: false }, "15", "Seconds between two looks at that."),
        key(
            "scaledown_reserve",
            Shape::Count { least: 0, most: MOST_WORKERS },
            "0",
            "Idle workers kept beyond what is needed.",
        ),
        key(
            "worker_stop_wait",
            SECONDS,
            "30",
            "Seconds that a worker has to stop when told to, before it is signalled.",
        ),
        key(
            "worker_removal_wait",
            SECONDS,
            "30",
            "Seconds for which the record of an ended worker is shown.",
        ),
        key(
            "worker_max_lifetime_seconds",
            MAYBE_SECONDS,
            "14400",
            "Seconds after which a worker is replaced; null: never.",
        ),
        key(
            "results_read_timeout",
            MAYBE_SECONDS,
            "null",
            "Seconds to wait for a result of any worker; null: for ever.",
        ),
    ],
);

static MAIN: Section = strict(
    "key",
    &[
        key("node_id", MAYBE_TEXT, "null", "The name of this service in replies; absent: a random UUID."),
        key(
            "chunk_message_timeout_seconds",
            Shape::Seconds { zero: false },
            "1800",
            "Seconds for which the first chunks of a message wait for the others.",
        ),
    ],
);

static PROCESS_MANAGER: Section = strict(
    "key",
    &[key(
        "preload_modules",
        Shape::Optional(&TEXTS),
        "[]",
        "Modules that the template imports once, before any worker is forked from it.",
    )],
);

static METRICS: Section = strict(
    "key",
    &[
        key("host", Shape::Text, r#""localhost""#, "The address to listen on."),
        key(
            "port",
            Shape::Count { least: 0, most: 65535 },
            "8070",
            "The port to listen on; 0: any free one.",
        ),
    ],
);

static BROKERS: Section = strict(
    "broker",
    &[
        key("pg_notify", Shape::Section(&PG_NOTIFY), "{}", "PostgreSQL notifications."),
        key("socket", Shape::Section(&SOCKET), "{}", "A Unix socket, for one machine."),
        key(
            "dispatcherd.testing.brokers.noop",
            Shape::Section(&TESTING),
            "{}",
            "Listens to nothing, sends nothing.",
        ),
        key(
            "dispatcherd.testing.brokers.memory",
            Shape::Section(&TESTING),
            "{}",
            "Keeps what one process sends; hears nothing here.",
        ),
        key(
            "dispatcherd.testing.brokers.error_only",
            Shape::Section(&ERROR_ONLY),
            "{}",
            "Refuses to send; hears nothing.",
        ),
        key(
            "dispatcher.testing.brokers.noop",
            Shape::Section(&TESTING),
            "{}",
            "Listens to nothing, sends nothing.",
        ),
        key(
            "dispatcher.testing.brokers.memory",
            Shape::Section(&TESTING),
            "{}",
            "Keeps what one process sends; hears nothing here.",
        ),
        key(
            "dispatcher.testing.brokers.error_only",
            Shape::Section(&ERROR_ONLY),
            "{}",
            "Refuses to send; hears nothing.",
        ),
    ],
);

static TESTING: Section = strict("key", &[]);
static ERROR_ONLY: Section =
    strict("key", &[key("error_message", Shape::Text, "null", "What a refused publisher is told.")]);

static PG_NOTIFY: Section = strict(
    "key",
    &[
        key(
            "config",
            Shape::Optional(&Shape::Keywords),
            "null",
            "How to connect: libpq keywords (host, dbname, …), or one conninfo with a connection string or URL. What is not said is taken from the PG* variables.",
        ),
        key("channels", Shape::List(&Shape::Channel), "[]", "Channels the service listens to."),
        key(
            "default_publish_channel",
            Shape::Optional(&Shape::Channel),
            "null",
            "Where messages go that name no channel; absent: the only channel.",
        ),
        key(
            "max_connection_idle_seconds",
            MAYBE_SECONDS,
            "10",
            "Seconds of silence after which the connection is tested; null: never. Own default (dispatcherd: 30): a line that has gone silent is replaced within 15 s.",
        ),
        key(
            "max_self_check_message_age_seconds",
            MAYBE_SECONDS,
            "2",
            "Seconds within which that test has to succeed.",
        ),
        key(
            "sync_connection_factory",
            MAYBE_TEXT,
            "null",
            "Dotted name of a function that gives Python publishers their connection.",
        ),
        key(
            "async_connection_factory",
            MAYBE_TEXT,
            "null",
            "As above for asyncio; the service connects by config and does not call it.",
        ),
    ],
);

static SOCKET: Section = strict(
    "key",
    &[key("socket_path", PATH, "null", "The path of the socket; required, 107 bytes at most.")],
);

static PRODUCERS: Section = strict(
    "producer",
    &[
        key("ScheduledProducer", Shape::Section(&SCHEDULED), "null", "Tasks that run again and again."),
        key(
            "OnStartProducer",
            Shape::Section(&ON_START),
            "null",
            "Tasks that run once when the service starts.",
        ),
        key(
            "ControlProducer",
            Shape::Section(&CONTROL),
            "null",
            "Present: the control command run may start tasks, and so may tasks.",
        ),
    ],
);

static SCHEDULED: Section = strict(
    "key",
    &[key(
        "task_schedule",
        Shape::Named(&Shape::Task(&[
            key(
                "schedule",
                Shape::Optional(&Shape::Period),
                "null",
                "Seconds between two runs; more than 0. Either this or cron is required.",
            ),
            key(
                "cron",
                MAYBE_TEXT,
                "null",
                "Own. A cron pattern: minute, hour, day, month, day of week; seconds may stand in front.",
            ),
            key("timezone", MAYBE_TEXT, "null", "Own. The time zone of cron, as Europe/Berlin; absent: UTC."),
            key(
                "jitter",
                Shape::Optional(&SECONDS),
                "null",
                "Own. Seconds by which each run is late at most, by chance; absent: none.",
            ),
        ])),
        "{}",
        "The tasks by name.",
    )],
);

static ON_START: Section =
    strict("key", &[key("task_list", Shape::Named(&Shape::Task(&[])), "{}", "The tasks by name.")]);

static CONTROL: Section = strict("key", &[]);

static PUBLISH: Section = section(
    "key",
    &[
        key("default_broker", MAYBE_TEXT, "null", "The broker of tasks; absent: the only one."),
        key(
            "default_control_broker",
            MAYBE_TEXT,
            "null",
            "The broker of control requests; absent: that of tasks.",
        ),
    ],
);

static WORKER: Section = section(
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
        key("allow_eval", Shape::Flag, "false", "Own. Whether text that begins with lambda is run."),
    ],
);
