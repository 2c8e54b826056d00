//! The text of a task message, letter for letter as the Python side of this project writes it.
//!
//! What an option of the task is and what one of this submission is, shows in the order of the keys alone. Does not
//! judge: [`decode`](crate::decode) tells whether a service would take it.

use std::fmt::Write;
use std::time::Duration;

use crate::control::write_float;
use crate::message::OnDuplicate;
use crate::text;

/// What the message asks of the stages of the service. What is none, or zero, is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DraftOptions {
    /// How long it may run.
    pub timeout: Option<Duration>,
    /// How long it waits in the service.
    pub delay: Option<Duration>,
    /// What becomes of it beside an equal one.
    pub on_duplicate: Option<OnDuplicate>,
}

/// A task message to be.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    /// The name of the task.
    pub task: &'a str,
    /// When it is published, in seconds since the epoch.
    pub time_pub: f64,
    /// Its name in logs and control commands.
    pub uuid: &'a str,
    /// A list as JSON; left out when empty.
    pub args: &'a str,
    /// An object as JSON; left out when empty.
    pub kwargs: &'a str,
    /// Options that belong to the task.
    pub task_options: DraftOptions,
    /// Options of this submission; they win, and stand where those of the task would.
    pub options: DraftOptions,
}

impl Draft<'_> {
    /// The message.
    pub fn write(&self) -> String {
        let mut out = String::with_capacity(self.args.len() + self.kwargs.len() + self.task.len() + 160);
        let (own, given) = (self.task_options, self.options);
        let seconds = |out: &mut String, key, time: Option<Duration>| {
            if let Some(time) = time.filter(|time| !time.is_zero()) {
                begin(out, key);
                write_seconds(time, out);
            }
        };
        let rule = |out: &mut String, rule: Option<OnDuplicate>| {
            if let Some(rule) = rule {
                begin(out, "on_duplicate");
                text::write(rule.name(), out);
            }
        };
        seconds(&mut out, "timeout", own.timeout.and(given.timeout.or(own.timeout)));
        begin(&mut out, "task");
        text::write(self.task, &mut out);
        begin(&mut out, "time_pub");
        write_float(&format!("{:?}", self.time_pub), &mut out);
        seconds(&mut out, "delay", own.delay.and(given.delay.or(own.delay)));
        rule(&mut out, own.on_duplicate.and(given.on_duplicate.or(own.on_duplicate)));
        begin(&mut out, "uuid");
        text::write(self.uuid, &mut out);
        for (key, value, empty) in [("args", self.args, "[]"), ("kwargs", self.kwargs, "{}")] {
            if !value.is_empty() && value != empty {
                begin(&mut out, key);
                out.push_str(value);
            }
        }
        seconds(&mut out, "timeout", given.timeout.filter(|_| own.timeout.is_none()));
        seconds(&mut out, "delay", given.delay.filter(|_| own.delay.is_none()));
        rule(&mut out, given.on_duplicate.filter(|_| own.on_duplicate.is_none()));
        out.push('}');
        out
    }
}

/// The bracket or the comma, and the key.
fn begin(out: &mut String, key: &str) {
    out.push_str(if out.is_empty() { "{\"" } else { ", \"" });
    out.push_str(key);
    out.push_str("\": ");
}

/// Whole seconds have no point: `5` and `0.5`.
fn write_seconds(time: Duration, out: &mut String) {
    if time.subsec_nanos() == 0 {
        // Writing to a String cannot fail.
        let _ = write!(out, "{}", time.as_secs());
    } else {
        write_float(&format!("{:?}", time.as_secs_f64()), out);
    }
}
