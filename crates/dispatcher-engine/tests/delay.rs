//! Waiting for a time.

mod script;

use std::time::Duration;

use dispatcher_engine::Input;
use script::{Script, workers};

#[test]
fn a_delayed_task_starts_on_time_and_not_before() {
    let mut script = Script::new(workers(1, 1));
    script.submit("a", r#", "delay": 3600"#);
    script.after(Duration::from_secs(3599));
    assert!(script.has(0).is_empty());
    script.after(Duration::from_secs(1));
    assert_eq!(script.has(0), ["a"]);
}

#[test]
fn delayed_tasks_start_in_order_of_their_times() {
    let mut script = Script::new(workers(3, 3));
    script.submit("late", r#", "delay": 3"#);
    script.submit("early", r#", "delay": 1"#);
    script.after(Duration::from_secs(2));
    assert_eq!(script.has(0), ["early"]);
}

#[test]
fn tasks_of_the_same_delay_start_in_the_order_in_which_they_came() {
    let mut script = Script::new(workers(1, 1));
    for uuid in ["a", "b", "c"] {
        script.submit(uuid, r#", "delay": 1"#);
    }
    script.after(Duration::from_secs(1));
    assert_eq!([script.done(0), script.done(0), script.done(0)], ["a", "b", "c"]);
}

#[test]
fn the_engine_wants_to_be_woken_just_when_the_next_delay_is_over() {
    let mut script = Script::new(workers(1, 1));
    let start = script.now;
    script.submit("late", r#", "delay": 0.75"#);
    script.submit("early", r#", "delay": 0.25"#);
    assert_eq!(script.engine.next_wakeup(), Some(start + Duration::from_millis(250)));
}

#[test]
fn a_late_wakeup_releases_all_that_is_due() {
    let mut script = Script::new(workers(2, 2));
    script.submit("a", r#", "delay": 1"#);
    script.submit("b", r#", "delay": 2"#);
    script.now += Duration::from_secs(60);
    script.handle(Input::Tick);
    assert_eq!((script.has(0), script.has(1)), (vec!["a"], vec!["b"]));
}

#[test]
fn a_delayed_serial_task_is_compared_when_its_delay_is_over() {
    let mut script = Script::new(workers(2, 2));
    script.submit("a", r#", "on_duplicate": "serial""#);
    script.submit("b", r#", "on_duplicate": "serial", "delay": 1"#);
    assert_eq!(script.engine.held_count("blocked"), 0);
    script.after(Duration::from_secs(1));
    assert_eq!(script.engine.held_count("blocked"), 1);
}
