//! The log of a worker whose program does not set one up: lines on standard error, as the service writes its own, with the
//! uuid of the task that a line comes from.
//!
//! Control characters are escaped, so that no text can forge a line or speak to a terminal; long texts are cut. Times are UTC.

use std::fmt::{Debug, Write as _};
use std::io::{self, Write as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dispatcher_protocol::{Setup, shorten};
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{self, LookupSpan};

/// The longest text of a line or a field, in bytes.
const MOST: usize = 16 * 1024;

/// Begins to log, unless the program has set a subscriber up already.
pub(super) fn start(setup: &Setup) {
    let lines = Lines { json: setup.log_format.as_deref() == Some("json") };
    let level = level(setup.log_level.as_deref().unwrap_or("INFO"));
    // Whoever was first has the last word on it.
    let _ = tracing::subscriber::set_global_default(registry().with(level).with(lines));
}

/// A level of Python's logging, by its name or number; what is none is `INFO`.
fn level(name: &str) -> LevelFilter {
    match name.trim().to_ascii_uppercase().as_str() {
        "DEBUG" | "10" | "NOTSET" | "0" => LevelFilter::DEBUG,
        "WARNING" | "WARN" | "30" => LevelFilter::WARN,
        "ERROR" | "40" => LevelFilter::ERROR,
        "CRITICAL" | "FATAL" | "50" => LevelFilter::OFF,
        _ => LevelFilter::INFO,
    }
}

fn registry() -> registry::Registry {
    registry::Registry::default()
}

/// Writes each event as a line.
struct Lines {
    json: bool,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut said = Said::default();
            attributes.record(&mut said);
            span.extensions_mut().insert(said);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(of_span) = span.extensions().get::<Said>() {
                for (name, value) in &of_span.fields {
                    said.fields.entry(name).or_insert_with(|| value.clone());
                }
            }
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (level, target) = (level_name(*event.metadata().level()), event.metadata().target());
        let line = said.line(self.json, since, level, &target.replace("::", "."));
        // Nobody is left to tell if this fails.
        let _ = io::stderr().lock().write_all(line.as_bytes());
    }
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        _ => "DEBUG",
    }
}

/// The message and the fields of an event, or of a span.
#[derive(Default)]
struct Said {
    message: String,
    fields: Map<String, Value>,
}

impl Said {
    fn line(&self, json: bool, since: Duration, level: &str, logger: &str) -> String {
        if json {
            let line = json!({
                "timestamp": format!("{}Z", stamp(since, 'T', '.')),
                "level": level,
                "logger": logger,
                "message": self.message,
                "fields": self.fields,
            });
            return format!("{line}\n");
        }
        let mut line = format!("{} {level} {logger}: {}", stamp(since, ' ', ','), escaped(&self.message));
        for (name, value) in &self.fields {
            // Writing to a String cannot fail.
            let _ = match value {
                Value::String(word) if !word.is_empty() && !word.contains([' ', '"', '=']) => {
                    write!(line, " {name}={}", escaped(word))
                }
                Value::String(words) => write!(line, " {name}=\"{}\"", escaped(&words.replace('"', "\\\""))),
                other => write!(line, " {name}={other}"),
            };
        }
        line.push('\n');
        line
    }

    fn put(&mut self, field: &Field, mut text: String) {
        if text.len() > MOST {
            let length = text.len();
            shorten(&mut text, MOST);
            let _ = write!(text, "... ({length} bytes in all)");
        }
        if field.name() == "message" {
            self.message = text;
        } else {
            self.fields.insert(field.name().to_owned(), Value::String(text));
        }
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.to_owned());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.fields.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.fields.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.fields.insert(field.name().to_owned(), value.into());
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

/// A time of the Gregorian calendar. Days are counted from 0000-03-01, so that a leap day is the last of its year.
fn stamp(since: Duration, between: char, point: char) -> String {
    let (days, second) = (since.as_secs() / 86_400 + 719_468, since.as_secs() % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let part = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * part + 2) / 5 + 1, if part < 10 { part + 3 } else { part - 9 });
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let milli = since.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}{between}{hour:02}:{minute:02}:{second:02}{point}{milli:03}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_fields_of_its_task_and_no_text_can_forge_another() {
        let lines = Said {
            message: "one\nERROR two \u{1b}[2J".to_owned(),
            fields: [("uuid".to_owned(), json!("u-1")), ("why".to_owned(), json!("a b"))]
                .into_iter()
                .collect(),
        };
        let at = Duration::from_millis(1_763_957_498_123);
        assert_eq!(
            lines.line(false, at, "INFO", "app.tasks"),
            "2025-11-24 04:11:38,123 INFO app.tasks: one\\nERROR two \\u{1b}[2J uuid=u-1 why=\"a b\"\n"
        );
        let line: Value = serde_json::from_str(&lines.line(true, at, "INFO", "app.tasks")).unwrap();
        assert_eq!(line["timestamp"], "2025-11-24T04:11:38.123Z");
        assert_eq!((&line["fields"]["uuid"], &line["level"]), (&json!("u-1"), &json!("INFO")));
    }

    #[test]
    fn levels_have_pythons_names() {
        assert_eq!(level("warning"), LevelFilter::WARN);
        assert_eq!(level("CRITICAL"), LevelFilter::OFF);
        assert_eq!(level("10"), LevelFilter::DEBUG);
        assert_eq!(level("odd"), LevelFilter::INFO);
    }
}
