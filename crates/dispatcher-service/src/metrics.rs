//! Every metric: its name, its type, its labels, and where its value comes from.
//!
//! Looks and changes nothing. Labels are names of the configuration, words of our own, or task names, of which the engine
//! counts a bounded number apart; never arguments, never uuids. The reference page docs/reference/metrics.md
//! repeats this table, and a test compares the two.

use std::sync::atomic::Ordering;

use dispatcher_engine::{Ending, Exit, Histogram};
use dispatcher_web::{Exposition, Family, Kind};

use crate::control::Context;
use crate::health;

mod process;

use Kind::{Counter, Gauge};

/// The page: the three metrics of dispatcherd, and if wanted all others.
pub(crate) fn page(context: &Context<'_>, all: bool) -> String {
    let mut page = Exposition::default();
    of_dispatcherd(context, &mut page);
    if all {
        service(context, &mut page);
        messages(context, &mut page);
        tasks(context, &mut page);
        endings(context, &mut page);
        workers(context, &mut page);
        brokers(context, &mut page);
        process::figures(context, &mut page);
    } else {
        page.comment("A request with an Accept header gets every metric.");
    }
    page.into_text()
}

/// Their names are kept, whatever the conventions say about `_total` and a gauge.
fn of_dispatcherd(context: &Context<'_>, page: &mut Exposition) {
    let counters = context.engine.counters();
    let what =
        "Messages that could be read: tasks and control requests, those the service starts itself included.";
    page.family("dispatcher_messages_received_total", Counter, what).sample(&[], counters.received);
    page.family("dispatcher_control_messages_count_total", Counter, "Control requests.")
        .sample(&[], counters.control);
    let what = "Workers that take tasks or will.";
    page.family("dispatcher_worker_count_total", Gauge, what).sample(&[], context.engine.pool_view().workers);
}

fn service(context: &Context<'_>, page: &mut Exposition) {
    page.family("dispatcher_build_info", Gauge, "Always 1; what is running is in the labels.")
        .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    let ready = u8::from(health::missing(context).is_empty());
    page.family("dispatcher_ready", Gauge, "1 when /readyz says so, else 0.").sample(&[], ready);
    let (log, what) = (&context.service.log, "Lines of the log that are not there, or not whole, by reason.");
    page.family("dispatcher_log_lines_lost_total", Counter, what)
        .sample(&[("reason", "suppressed")], log.suppressed.get())
        .sample(&[("reason", "dropped")], log.dropped.get())
        .sample(&[("reason", "failed")], log.failed.get())
        .sample(&[("reason", "cut")], log.cut.get());
}

fn messages(context: &Context<'_>, page: &mut Exposition) {
    let counters = context.engine.counters();
    let mut family =
        page.family("dispatcher_messages_refused_total", Counter, "Messages refused, by reason.");
    for (reason, count) in &counters.refused {
        family.sample(&[("reason", reason)], count);
    }
    let (rate, replies) = context.service.gate.refused;
    page.family("dispatcher_control_refused_total", Counter, "Control requests not answered, by reason.")
        .sample(&[("reason", "rate")], rate)
        .sample(&[("reason", "replies")], replies);
    let chunks = context.engine.pieces().stats();
    page.family("dispatcher_chunked_messages_total", Counter, "Messages in pieces, by what became of them.")
        .sample(&[("outcome", "completed")], chunks.completed)
        .sample(&[("outcome", "refused")], chunks.refused)
        .sample(&[("outcome", "expired")], chunks.expired);
    page.family("dispatcher_scheduled_tasks_total", Counter, "Tasks that schedules have started.")
        .sample(&[], context.engine.scheduled_count());
}

fn tasks(context: &Context<'_>, page: &mut Exposition) {
    let engine = &context.engine;
    page.family("dispatcher_tasks", Gauge, "Tasks in the service, by where they are.")
        .sample(&[("state", "delayed")], engine.held_count("delayed"))
        .sample(&[("state", "blocked")], engine.held_count("blocked"))
        .sample(&[("state", "queued")], engine.queued_count())
        .sample(&[("state", "running")], engine.running_count());
    let what = "How long the first task in the queue has been due; 0 when none waits.";
    page.family("dispatcher_queue_age_seconds", Gauge, what)
        .sample(&[], engine.queue_age(context.now).as_secs_f64());
    let counters = engine.counters();
    page.family(
        "dispatcher_tasks_dropped_total",
        Counter,
        "Tasks that left without having begun, by reason.",
    )
    .sample(&[("reason", "duplicate")], counters.discarded)
    .sample(&[("reason", "cancelled")], counters.cancelled_waiting)
    .sample(&[("reason", "shutdown")], counters.abandoned);
    let (held, bytes) = engine.held();
    page.family("dispatcher_tasks_held", Gauge, "Tasks that count towards service.queue_limit.")
        .sample(&[], held);
    page.family("dispatcher_tasks_held_bytes", Gauge, "Bytes that count towards service.queue_bytes.")
        .sample(&[], bytes);
    let what =
        "Tasks lost with their worker, by how it ended; neighbour: for the sake of another of its tasks.";
    let mut family = page.family("dispatcher_tasks_lost_total", Counter, what);
    for reason in Exit::LABELS.into_iter().chain(["neighbour"]) {
        family.sample(&[("reason", reason)], counters.lost.get(reason).copied().unwrap_or_default());
    }
}

fn endings(context: &Context<'_>, page: &mut Exposition) {
    let figures = &context.engine.counters().figures;
    let what = "Tasks that were given to a worker and have ended, by task and outcome.";
    let mut family = page.family("dispatcher_tasks_ended_total", Counter, what);
    for (task, of) in figures.by_name() {
        for how in Ending::ALL {
            family.sample(&[("task", task), ("outcome", how.label())], of.ended(how));
        }
    }
    let what = "How long tasks that have ended had their worker, by task.";
    let mut family = page.family("dispatcher_task_run_seconds", Kind::Histogram, what);
    for (task, of) in figures.by_name() {
        histogram(&mut family, &[("task", task)], &of.ran);
    }
    let what = "How long tasks that have ended had waited, from when they were due until they began.";
    histogram(&mut page.family("dispatcher_task_wait_seconds", Kind::Histogram, what), &[], &figures.waited);
}

fn histogram(family: &mut Family<'_>, labels: &[(&str, &str)], of: &Histogram) {
    let upto = of.upto().map(|(bound, count)| (bound.as_secs_f64(), count));
    family.histogram(labels, upto, of.count(), of.sum().as_secs_f64());
}

fn workers(context: &Context<'_>, page: &mut Exposition) {
    let (counts, (min, max)) = (context.engine.worker_counts(), context.engine.worker_limits());
    page.family("dispatcher_workers", Gauge, "Workers, by what they are doing.")
        .sample(&[("state", "starting")], counts.starting)
        .sample(&[("state", "idle")], counts.idle)
        .sample(&[("state", "busy")], counts.busy)
        .sample(&[("state", "stopping")], counts.stopping);
    page.family("dispatcher_workers_min", Gauge, "Workers that are always there.").sample(&[], min);
    page.family("dispatcher_worker_start_failures", Gauge, "Workers in a row that could not be started.")
        .sample(&[], context.engine.start_failures());
    page.family("dispatcher_workers_max", Gauge, "Workers at most.").sample(&[], max);
    pools(context, page);
    let tally = &context.service.tally;
    for (name, what, by) in [
        ("dispatcher_worker_starts_total", "Workers asked for, by what they were for.", &tally.worker_starts),
        ("dispatcher_worker_ends_total", "Workers that have ended, by how it came.", &tally.worker_ends),
        (
            "dispatcher_worker_stops_total",
            "Workers told to leave while the service goes on, by what for.",
            &tally.worker_stops,
        ),
    ] {
        let mut family = page.family(name, Counter, what);
        for (reason, count) in by.iter() {
            family.sample(&[("reason", reason)], count);
        }
    }
    let what = "Steps taken to end a task or a worker, by reason: cancel, SIGTERM, SIGKILL.";
    let mut family = page.family("dispatcher_ladder_steps_total", Counter, what);
    for (step, by) in &tally.ladder {
        for (reason, count) in by.iter() {
            family.sample(&[("step", step), ("reason", reason)], count);
        }
    }
}

fn pools(context: &Context<'_>, page: &mut Exposition) {
    let mut family =
        page.family("dispatcher_pool_workers", Gauge, "Workers of each pool, by what they are doing.");
    for pool in context.engine.pools() {
        for (state, count) in [
            ("starting", pool.workers.starting),
            ("idle", pool.workers.idle),
            ("busy", pool.workers.busy),
            ("stopping", pool.workers.stopping),
        ] {
            family.sample(&[("pool", pool.name), ("state", state)], count);
        }
    }
    let mut family =
        page.family("dispatcher_pool_tasks", Gauge, "Tasks of each pool that are ready or running.");
    for pool in context.engine.pools() {
        family.sample(&[("pool", pool.name), ("state", "queued")], pool.queued);
        family.sample(&[("pool", pool.name), ("state", "running")], pool.running);
    }
}

fn brokers(context: &Context<'_>, page: &mut Exposition) {
    let links = context.brokers;
    let mut family = page.family("dispatcher_broker_listening", Gauge, "1 while a session listens, else 0.");
    for link in links {
        family.sample(&[("broker", link.broker.name())], u8::from(link.listening.load(Ordering::Relaxed)));
    }
    let mut family = page.family("dispatcher_broker_deliveries_total", Counter, "Messages heard.");
    for link in links {
        family.sample(&[("broker", link.broker.name())], link.produced);
    }
    let what = "Sessions that ended, or could not be had, and were tried again.";
    let mut family = page.family("dispatcher_broker_reconnects_total", Counter, what);
    for link in links {
        family.sample(&[("broker", link.broker.name())], link.recycled);
    }
    let what = "Messages to itself that a silent line was tested with, by result.";
    let mut family = page.family("dispatcher_broker_self_checks_total", Counter, what);
    for link in links {
        let (broker, Some(check)) = (link.broker.name(), link.broker.self_check()) else { continue };
        family.sample(&[("broker", broker), ("result", "success")], check.success_count);
        family.sample(&[("broker", broker), ("result", "failure")], check.failure_count);
    }
    let what = "How long those messages that came back took, all together.";
    let mut family = page.family("dispatcher_broker_self_check_seconds_total", Counter, what);
    for link in links {
        let Some(check) = link.broker.self_check() else { continue };
        family.sample(&[("broker", link.broker.name())], check.total.as_secs_f64());
    }
    let what = "How full the queue is in which Postgres keeps notifications for all who listen, 0 to 1.";
    let mut family = page.family("dispatcher_notification_queue_usage_ratio", Gauge, what);
    for link in links {
        if let Some(usage) = link.replies.queue_usage(context.now) {
            family.sample(&[("broker", link.broker.name())], usage);
        }
    }
    let what = "What a broker turned away or cut off because it went beyond a bound, by reason.";
    let mut family = page.family("dispatcher_broker_refusals_total", Counter, what);
    for link in links {
        for (reason, count) in link.broker.refusals() {
            family.sample(&[("broker", link.broker.name()), ("reason", reason)], count);
        }
    }
}
