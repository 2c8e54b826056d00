//! Tasks that the configuration starts.

mod script;

use std::time::{Duration, Instant};

use dispatcher_engine::{Config, Effect, Every, Exit, Input, Look, Schedule, TaskPolicy, Timetable};
use dispatcher_protocol::{Decoded, TaskMessage, decode};
use script::{Script, workers};

fn message(body: &str) -> TaskMessage {
    match decode(body.to_owned()) {
        Ok(Decoded::Task(message)) => message,
        other => panic!("{other:?}"),
    }
}

fn every(interval: Duration) -> Schedule {
    Schedule { message: message(r#"{"task": "a.b"}"#), timetable: Box::new(Every::new(interval)) }
}

/// Looks every second, and is due at every third look.
#[derive(Debug, Default)]
struct Thirds(u32);

impl Timetable for Thirds {
    fn look(&mut self, now: Instant) -> Look {
        self.0 += 1;
        Look { due: self.0.is_multiple_of(3), again: (self.0 < 7).then(|| now + Duration::from_secs(1)) }
    }
}

#[test]
fn a_timetable_may_look_without_being_due_and_may_come_to_an_end() {
    let schedule =
        Schedule { message: message(r#"{"task": "a.b"}"#), timetable: Box::new(Thirds::default()) };
    let mut script = Script::new(Config { schedules: vec![schedule], ..workers(1, 1) });
    script.after(Duration::from_secs(1));
    assert_eq!(script.engine.scheduled_count(), 0);
    script.after(Duration::from_secs(1));
    assert_eq!(script.engine.scheduled_count(), 1);
    script.after(Duration::from_secs(1000));
    assert_eq!(script.engine.scheduled_count(), 2);
}

#[test]
fn a_timetable_that_asks_for_the_present_does_not_stop_time() {
    #[derive(Debug)]
    struct Now;
    impl Timetable for Now {
        fn look(&mut self, now: Instant) -> Look {
            Look { due: false, again: Some(now) }
        }
    }
    let schedule = Schedule { message: message(r#"{"task": "a.b"}"#), timetable: Box::new(Now) };
    let mut script = Script::new(Config { schedules: vec![schedule], ..workers(1, 1) });
    script.after_ms(20);
    assert!(script.engine.next_wakeup() > Some(script.now));
}

#[test]
fn a_schedule_starts_its_task_at_every_beat() {
    let schedule = every(Duration::from_secs(10));
    let mut script = Script::new(Config { schedules: vec![schedule], ..workers(1, 1) });
    script.after(Duration::from_secs(9));
    assert!(script.has(0).is_empty());
    script.after(Duration::from_secs(1));
    assert_eq!(script.done(0), "sch-1");
    script.after(Duration::from_secs(10));
    assert_eq!(script.done(0), "sch-2");
}

#[test]
fn beats_that_were_missed_are_one_run_and_not_many() {
    let schedule = every(Duration::from_secs(1));
    let mut script = Script::new(Config { schedules: vec![schedule], ..workers(1, 1) });
    script.now += Duration::from_secs(1000);
    script.handle(Input::Tick);
    assert_eq!(script.engine.scheduled_count(), 1);
    script.after(Duration::from_secs(1));
    assert_eq!(script.engine.scheduled_count(), 2);
}

#[test]
fn on_start_tasks_run_once_and_no_policy_applies_to_their_names() {
    let on_start = vec![message(r#"{"task": "os.__name__.x"}"#)];
    let mut script = Script::cold(Config { on_start, policy: TaskPolicy::Registered, ..workers(1, 1) });
    script.all_ready(0);
    assert_eq!(script.done(0), "on-start-0");
    assert!(script.asked_for(|effect| matches!(effect, Effect::Run { task, .. } if task.trusted)));
}

#[test]
fn tasks_of_the_configuration_have_numbers_of_ours_and_no_channel() {
    let on_start = vec![message(r#"{"task": "a.b", "uuid": "mine"}"#), message(r#"{"task": "a.c"}"#)];
    let mut script = Script::cold(Config { on_start, ..workers(2, 2) });
    script.all_ready(0);
    assert_eq!((script.has(0), script.has(1)), (vec!["on-start-0"], vec!["on-start-1"]));
    assert!(
        script
            .asked_for(|effect| matches!(effect, Effect::Run { task, .. } if task.source.channel.is_empty()))
    );
    assert_eq!(script.engine.counters().received, 2);
}

#[test]
fn a_schedule_of_nothing_does_not_hold_up_the_engine() {
    let schedule = every(Duration::ZERO);
    let mut script = Script::new(Config { schedules: vec![schedule], ..workers(1, 1) });
    script.after_ms(10);
    assert_eq!(script.engine.scheduled_count(), 10);
}

#[test]
fn schedules_end_with_the_service() {
    let schedule = every(Duration::from_secs(1));
    let mut script = Script::new(Config { schedules: vec![schedule], ..workers(1, 1) });
    script.handle(Input::Stop);
    script.exits(0, Exit::Code(0));
    script.forget();
    script.after(Duration::from_secs(60));
    assert!(script.asked.is_empty() && script.engine.next_wakeup().is_none());
}

#[test]
fn a_quiet_service_lets_its_schedules_pass_and_takes_them_up_again() {
    let schedule = every(Duration::from_secs(1));
    let mut script = Script::new(Config { schedules: vec![schedule], ..workers(1, 1) });
    script.handle(Input::Quiet);
    script.after(Duration::from_secs(10));
    assert!(!script.asked_for(|effect| matches!(effect, Effect::Run { .. })));
    script.handle(Input::Resume);
    script.after_ms(1000);
    assert_eq!(script.count(|effect| matches!(effect, Effect::Run { .. })), 1);
}
