//! The process as every Prometheus dashboard knows it, under the usual names. The service alone: each worker is a process
//! of its own.
//!
//! What the system does not tell is left out.

use std::fs;
use std::time::UNIX_EPOCH;

use dispatcher_web::{Exposition, Kind};
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::control::Context;

use Kind::{Counter, Gauge};

pub(super) fn figures(context: &Context<'_>, page: &mut Exposition) {
    page.family("process_cpu_seconds_total", Counter, "CPU time of the service, its workers not included.")
        .sample(&[], seconds(clock_gettime(ClockId::ProcessCPUTime)));
    let since = context.service.web.as_ref().and_then(|web| web.since.duration_since(UNIX_EPOCH).ok());
    if let Some(since) = since {
        page.family("process_start_time_seconds", Gauge, "When the service began, in seconds since 1970.")
            .sample(&[], since.as_secs_f64());
    }
    if let Some(bytes) = resident_bytes() {
        page.family(
            "process_resident_memory_bytes",
            Gauge,
            "Memory of the service, its workers not included.",
        )
        .sample(&[], bytes);
    }
    if let Ok(entries) = fs::read_dir("/proc/self/fd") {
        page.family("process_open_fds", Gauge, "Descriptors that are open.").sample(&[], entries.count());
    }
    if let Some(most) = getrlimit(Resource::Nofile).current {
        page.family("process_max_fds", Gauge, "Descriptors at most.").sample(&[], most);
    }
}

fn seconds(time: Timespec) -> f64 {
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The line `VmRSS:   1234 kB` of the process's own status.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}
