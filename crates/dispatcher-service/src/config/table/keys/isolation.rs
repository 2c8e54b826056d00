//! The entry of the table under `worker.limits`. Where it stands: read through `worker`.

use super::super::{Key, Section, Shape};
use super::{key, strict};

const BYTES: Shape = Shape::Optional(&Shape::BytesOrZero);

const fn count(name: &'static str, least: u64, about: &'static str) -> Key {
    key(name, if least == 1 { COUNT } else { COUNT_OF_FILES }, "null", about)
}

const COUNT: Shape = Shape::Optional(&Shape::Count { least: 1, most: MOST });
const COUNT_OF_FILES: Shape = Shape::Optional(&Shape::Count { least: LEAST_FILES, most: MOST });
const MOST: u64 = 1 << 31;

/// The worker's own descriptors stand at 64 and above.
const LEAST_FILES: u64 = 128;

pub(super) static LIMITS: Section = strict(
    "limit",
    &[
        key("core", BYTES, "0", "Own. Size of a core file; null: as inherited."),
        count("nofile", LEAST_FILES, "Own. Open files; at least 128."),
        count(
            "nproc",
            1,
            "Own. Processes of the workers' user, all of them together; has no effect on root.",
        ),
        key(
            "data",
            BYTES,
            "null",
            "Own. Memory that a worker asks for (heap and private mappings), as 1GiB: more is a MemoryError.",
        ),
        key("as", BYTES, "null", "Own. Address space, which is much more than memory in use."),
        count("cpu", 1, "Own. Seconds of CPU time in the life of a worker; then SIGXCPU ends it."),
        key("fsize", BYTES, "null", "Own. Size of a file that is written, its standard output included."),
        key("stack", BYTES, "null", "Own. Stack of the main thread."),
    ],
);
