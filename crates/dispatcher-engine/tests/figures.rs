//! How long tasks waited and ran, how they ended, and what workers do: the figures that metrics show.

mod script;

use std::time::Duration;

use dispatcher_engine::{Ending, Exit, Histogram, TaskFigures, WorkerCounts};
use dispatcher_protocol::Outcome;
use script::{Script, workers};

fn figures(script: &Script, name: &str) -> TaskFigures {
    let all = &script.engine.counters().figures;
    all.by_name().find(|(task, _)| *task == name).map(|(_, figures)| figures.clone()).unwrap_or_default()
}

fn waited(script: &Script) -> &Histogram {
    &script.engine.counters().figures.waited
}

#[test]
fn wait_is_from_arrival_to_begin_and_run_from_begin_to_end() {
    let mut script = Script::new(workers(1, 1));
    script.submit("first", "");
    script.submit("second", "");
    script.after_ms(300);
    script.done(0);
    script.after_ms(2000);
    script.done(0);
    assert_eq!(waited(&script).sum(), Duration::from_millis(300));
    let figures = figures(&script, "mod.fn");
    assert_eq!(figures.ran.sum(), Duration::from_millis(2300));
    assert_eq!((figures.ran.count(), figures.ended(Ending::Success)), (2, 2));
}

#[test]
fn a_delay_that_was_asked_for_is_no_wait() {
    let mut script = Script::new(workers(1, 1));
    script.submit("late", r#", "delay": 60"#);
    script.after_ms(30_000);
    script.submit("busy", "");
    script.after_ms(31_000);
    assert_eq!(script.engine.queue_age(script.now), Duration::from_secs(1));
    script.done(0);
    script.done(0);
    assert_eq!(waited(&script).sum(), Duration::from_secs(1));
    assert_eq!(script.engine.queue_age(script.now), Duration::ZERO);
}

#[test]
fn each_way_to_end_is_counted_as_itself() {
    let mut script = Script::new(workers(1, 1));
    for outcome in [Outcome::Success, Outcome::Failure, Outcome::Refused] {
        script.submit("task", "");
        script.done_as(0, outcome);
    }
    script.submit("cancelled", "");
    script.cancel_uuid("cancelled");
    script.done_as(0, Outcome::Cancelled);
    script.submit("slow", r#", "timeout": 1"#);
    script.after_ms(1000);
    script.done_as(0, Outcome::Cancelled);
    script.submit("stubborn", r#", "timeout": 1"#);
    script.after_ms(1000);
    script.exits(0, Exit::Signal(9));
    script.ready(1, 0);
    script.submit("lost", "");
    script.exits(1, Exit::Signal(11));
    let figures = figures(&script, "mod.fn");
    let counts = Ending::ALL.map(|how| (how.label(), figures.ended(how)));
    assert_eq!(
        counts,
        [("success", 1), ("failure", 1), ("cancelled", 1), ("timed_out", 2), ("refused", 1), ("lost", 1)]
    );
}

#[test]
fn tasks_that_never_began_are_in_no_figure() {
    let mut script = Script::cold(workers(1, 1));
    script.submit("dropped", "");
    script.cancel_uuid("dropped");
    assert_eq!(waited(&script).count(), 0);
}

#[test]
fn workers_are_counted_by_what_they_do() {
    let mut script = Script::cold(workers(3, 4));
    script.ready(0, 0);
    script.ready(1, 0);
    script.submit("task", "");
    let counts = script.engine.worker_counts();
    assert_eq!(counts, WorkerCounts { starting: 1, idle: 1, busy: 1, stopping: 0 });
    script.leaves(1);
    let counts = script.engine.worker_counts();
    assert_eq!((counts.idle, counts.stopping), (0, 1));
    assert_eq!(script.engine.worker_limits(), (3, 4));
}
