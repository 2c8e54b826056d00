//! One event, one line: text as Python's logging writes it, or JSON. Times are UTC.
//!
//! Control characters are escaped, so that no text from a message can forge a line or speak to a terminal. Where it
//! stands: between the event and the writer.

use std::fmt::{self, Debug, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Number, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::Format;

/// Formats events.
pub(super) struct Line(pub(super) Format);

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut said = Said::default();
        event.record(&mut said);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (level, logger) = (level(*event.metadata().level()), logger(event.metadata().target()));
        match self.0 {
            Format::Text => text(&mut out, now, level, &logger, &said),
            Format::Json => {
                let line = json!({
                    "timestamp": format!("{}Z", stamp(now, 'T', '.')),
                    "level": level,
                    "logger": logger,
                    "message": said.message,
                    "fields": said.fields,
                });
                writeln!(out, "{line}")
            }
        }
    }
}

fn text(out: &mut Writer<'_>, now: Duration, level: &str, logger: &str, said: &Said) -> fmt::Result {
    write!(out, "{} {level} {logger}: {}", stamp(now, ' ', ','), Escaped(&said.message))?;
    for (name, value) in &said.fields {
        match value {
            Value::String(word) if !word.is_empty() && !word.contains([' ', '"', '=']) => {
                write!(out, " {name}={}", Escaped(word))?;
            }
            Value::String(words) => write!(out, " {name}=\"{}\"", Escaped(&words.replace('"', "\\\"")))?,
            other => write!(out, " {name}={other}")?,
        }
    }
    out.write_char('\n')
}

/// The message and the fields of an event.
#[derive(Default)]
struct Said {
    message: String,
    fields: Map<String, Value>,
}

impl Said {
    fn put(&mut self, field: &Field, value: Value) {
        self.fields.insert(field.name().to_owned(), value);
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.put(field, Value::String(format!("{value:?}")));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.put(field, value.into());
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Number::from_f64(value).map_or(Value::Null, Value::Number));
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        _ => "DEBUG",
    }
}

/// `dispatcher_service::worker::tend` is `dispatcher.worker.tend`; what has dots already stays.
fn logger(target: &str) -> String {
    target.replace("::", ".").replacen("dispatcher_service", "dispatcher", 1).replacen(
        "dispatcher_",
        "dispatcher.",
        1,
    )
}

struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
                write!(f, "{}", c.escape_default())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

/// `2026-11-24 04:11:38,123` for a time since 1970, in UTC.
fn stamp(since: Duration, between: char, point: char) -> String {
    let seconds = since.as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days are counted from 0000-03-01, so that the leap day is the last of its year, in eras of 400 years.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let part = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * part + 2) / 5 + 1;
    let month = if part < 10 { part + 3 } else { part - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    let (second, milli) = (second % 60, since.subsec_millis());
    format!("{year:04}-{month:02}-{day:02}{between}{hour:02}:{minute:02}:{second:02}{point}{milli:03}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_python_writes_it() {
        let at =
            |seconds, millis| stamp(Duration::from_secs(seconds) + Duration::from_millis(millis), ' ', ',');
        assert_eq!(at(0, 0), "1970-01-01 00:00:00,000");
        assert_eq!(at(1_795_493_498, 123), "2026-11-24 04:11:38,123");
        assert_eq!(at(1_709_164_800, 0), "2024-02-29 00:00:00,000");
        assert_eq!(at(951_868_799, 9), "2000-02-29 23:59:59,009");
        assert_eq!(at(4_107_542_400, 0), "2100-03-01 00:00:00,000");
    }

    #[test]
    fn a_logger_is_named_as_in_python() {
        assert_eq!(logger("dispatcher_service::worker::tend"), "dispatcher.worker.tend");
        assert_eq!(logger("dispatcher_broker::pg_notify"), "dispatcher.broker.pg_notify");
        assert_eq!(logger("dispatcher.pool"), "dispatcher.pool");
    }

    #[test]
    fn no_text_can_forge_a_line() {
        let said = Said {
            message: "a\nb\u{1b}[2J".to_owned(),
            fields: [("task", "x y\r\""), ("empty", ""), ("word", "w")]
                .map(|(name, value)| (name.to_owned(), value.into()))
                .into_iter()
                .collect(),
        };
        let mut line = String::new();
        text(&mut Writer::new(&mut line), Duration::ZERO, "INFO", "dispatcher", &said).unwrap();
        assert_eq!(
            line,
            "1970-01-01 00:00:00,000 INFO dispatcher: a\\nb\\u{1b}[2J task=\"x y\\r\\\"\" empty=\"\" word=w\n"
        );
    }
}
