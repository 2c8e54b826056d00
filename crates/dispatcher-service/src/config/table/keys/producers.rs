//! The entries of the table under `producers`. Where it stands: read through `keys`.

use super::super::{Section, Shape};
use super::{MAYBE_TEXT, SECONDS, key, strict};

pub(super) static PRODUCERS: Section = strict(
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
