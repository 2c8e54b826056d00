//! Quiet, pause and resume: what is taken, and what begins.

mod script;

use std::time::Duration;

use dispatcher_engine::{DropReason, Effect, Event, Input, Settled};
use script::{Script, workers};

fn runs(script: &Script) -> usize {
    script.count(|effect| matches!(effect, Effect::Run { .. }))
}

#[test]
fn a_quiet_service_takes_nothing_and_ends_what_is_here() {
    let mut script = Script::new(workers(1, 1));
    script.submit("running", "");
    script.submit("queued", "");
    script.submit("delayed", r#", "delay": 5"#);
    script.handle(Input::Quiet);
    let late = script.submit("late", "");
    assert!(script.settled.contains(&(late, Settled::Released)));
    assert!(script.said(|event| matches!(event, Event::Dropped { why: DropReason::Quiet, .. })));
    assert_eq!(script.engine.counters().refused["quiet"], 1);
    script.done(0);
    script.done(0);
    assert!(!script.said(|event| matches!(event, Event::Drained)));
    script.after(Duration::from_secs(5));
    script.done(0);
    assert_eq!(runs(&script), 3);
    assert!(script.said(|event| matches!(event, Event::Drained)));
    assert_eq!(script.engine.held(), (0, 0));
}

#[test]
fn that_nothing_is_left_is_said_once_and_at_once_when_nothing_was_there() {
    let mut script = Script::new(workers(1, 1));
    script.handle(Input::Quiet);
    script.handle(Input::Quiet);
    script.handle(Input::Tick);
    let said = script.events.iter().filter(|event| matches!(event, Event::Drained)).count();
    assert_eq!(said, 1);
}

#[test]
fn a_paused_service_takes_tasks_and_begins_none_until_it_is_resumed() {
    let mut script = Script::new(workers(1, 1));
    script.handle(Input::Pause);
    script.submit("a", "");
    script.submit("b", r#", "delay": 1"#);
    script.after(Duration::from_secs(60));
    assert_eq!((runs(&script), script.engine.queued_count()), (0, 2));
    assert_eq!(script.engine.switches(), (true, false));
    script.handle(Input::Resume);
    assert_eq!(script.has(0), ["a"]);
    assert_eq!(script.engine.switches(), (true, true));
}

#[test]
fn a_pause_takes_back_what_has_not_begun_and_lets_the_running_task_end() {
    let mut script = Script::cold(workers(1, 1));
    script.ready(0, 8);
    script.submit("warm", "");
    script.done(0);
    for uuid in ["busy", "ahead"] {
        script.submit(uuid, "");
    }
    script.handle(Input::Pause);
    script.take_back(0);
    assert_eq!(script.done(0), "busy");
    assert_eq!((script.has(0).len(), script.engine.queued_count()), (0, 1));
}

#[test]
fn demand_starts_no_workers_while_nothing_may_begin_but_the_minimum_is_kept() {
    let mut script = Script::new(workers(1, 4));
    script.handle(Input::Pause);
    for _ in 0..4 {
        script.submit("", "");
    }
    assert_eq!(script.alive.len(), 1);
    script.after(Duration::from_secs(2));
    script.exits(0, dispatcher_engine::Exit::Signal(9));
    assert_eq!(script.alive.len(), 1);
    script.handle(Input::Resume);
    assert_eq!(script.alive.len(), 4);
}

#[test]
fn a_stop_is_not_taken_back_by_a_resume() {
    let mut script = Script::new(workers(1, 1));
    script.handle(Input::Pause);
    script.handle(Input::Stop);
    script.handle(Input::Resume);
    let late = script.submit("late", "");
    assert!(script.settled.contains(&(late, Settled::Released)));
    assert_eq!(runs(&script), 0);
}
