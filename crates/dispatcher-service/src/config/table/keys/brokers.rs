//! The entries of the table under `brokers`. Where it stands: read through `keys`.

use super::super::{Section, Shape};
use super::{MAYBE_SECONDS, MAYBE_TEXT, PATH, key, strict};

pub(super) static BROKERS: Section = strict(
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
