//! The entries of the table.
//!
//! One line says what a key is, so a new key is one entry here and one line in `build`. Names and defaults are those
//! of dispatcherd 2026.5.27, unless the text of a key begins with "Own". Where it stands: read through `table`.

mod brokers;
mod isolation;
mod producers;
mod worker;

use super::{Key, Section, Shape};
use brokers::BROKERS;
use producers::PRODUCERS;
use worker::WORKER;

const MOST_WORKERS: u64 = dispatcher_engine::MOST_WORKERS as u64;

const SECONDS: Shape = Shape::Seconds { zero: true };
const PROCESS_MANAGERS: Shape = Shape::Word(&["ForkServerManager", "ProcessManager", "SpawnServerManager"]);
const PATH: Shape = Shape::Text;
const TEXTS: Shape = Shape::List(&Shape::Text);
const MAYBE_TEXT: Shape = Shape::Optional(&Shape::Text);
const MAYBE_SECONDS: Shape = Shape::Optional(&Shape::Seconds { zero: false });

const fn key(name: &'static str, shape: Shape, default: &'static str, about: &'static str) -> Key {
    Key { name, shape, default, about }
}

const fn section(noun: &'static str, keys: &'static [Key]) -> Section {
    Section { noun, keys, also: &[], strict: false }
}

const fn strict(noun: &'static str, keys: &'static [Key]) -> Section {
    Section { noun, keys, also: &[], strict: true }
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
        key(
            "pools",
            Shape::Named(&Shape::Section(&NAMED_POOL)),
            "{}",
            "Own. Several kinds of workers in one service, by names of your own; the first pool takes what no other claims.",
        ),
    ],
);

static SERVICE: Section = section(
    "key",
    &[
        key("pool_kwargs", Shape::Section(&POOL), "{}", "How many workers there are."),
        key("main_kwargs", Shape::Section(&MAIN), "{}", "The service's name and its memory."),
        key(
            "process_manager_cls",
            PROCESS_MANAGERS,
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
        key(
            "queue_limit",
            Shape::Count { least: 1, most: u32::MAX as u64 },
            "1000000",
            "Own. Tasks that may be here, waiting or running; more are dropped, counted and logged.",
        ),
        key(
            "queue_bytes",
            Shape::Bytes,
            r#""256MiB""#,
            "Own. Memory that their messages may take, with 300 bytes for each task.",
        ),
        key("terminate_grace", SECONDS, "3", "Own. Seconds that a worker has after SIGTERM before SIGKILL."),
        key(
            "stall_limit",
            MAYBE_SECONDS,
            "60",
            "Own. Seconds for which the service itself may be stuck before it ends with exit code 3; null: for ever.",
        ),
        key(
            "control_rate",
            Shape::Count { least: 1, most: 1_000_000 },
            "50",
            "Own. Control requests that each broker may bring every second, on average over a minute; more are refused.",
        ),
    ],
);

/// What one of the `pools` may say: the keys of `service.pool_kwargs`, and these.
static NAMED_POOL: Section = Section {
    noun: super::POOL_KEY,
    keys: &[
        key(
            "worker",
            Shape::Section(&WORKER),
            "{}",
            "Own. What is different for this pool's workers from what stands at worker.",
        ),
        key(
            "tasks",
            TEXTS,
            "[]",
            "Own. Tasks that run in this pool, by name; with a * at the end, all that begin so. Before queues, and before what workers say they know.",
        ),
        key("queues", TEXTS, "[]", "Own. Channels whose tasks run in this pool, written in the same way."),
        key(
            "process_manager_cls",
            PROCESS_MANAGERS,
            "null",
            "Own. How its workers come to be; absent: as service.process_manager_cls says.",
        ),
        key(
            "preload_modules",
            TEXTS,
            "null",
            "Own. What its template imports; absent: as service.process_manager_kwargs says.",
        ),
    ],
    also: POOL_KEYS,
    strict: true,
};

static POOL: Section = strict("key", POOL_KEYS);

const POOL_KEYS: &[Key] = &[
    key("min_workers", Shape::Count { least: 0, most: MOST_WORKERS }, "1", "Workers that are always there."),
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
    key("worker_removal_wait", SECONDS, "30", "Seconds for which the record of an ended worker is shown."),
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
];

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
