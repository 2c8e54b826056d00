//! One event, one line: text as Python's logging writes it, or JSON. Times are UTC.
//!
//! Control characters are escaped, so that no text from a message can forge a line or speak to a terminal; long texts are
//! cut, so that a line stays below the 4,096 bytes that a pipe takes in one piece, between the lines of the workers. Where it
//! stands: between the event and the writer.

use std::fmt::{self, Debug, Write};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dispatcher_service::LogTally;
use serde_json::{Map, Number, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::Format;
use super::limit::{Limiter, Summary, Verdict};
use super::writer::Bell;

/// The longest message, in bytes.
const MESSAGE: usize = 2048;
/// The longest value of a field, in bytes.
const FIELD: usize = 512;
/// The field that has lines of its own in text, and how long it may be, in bytes.
const STACK: (&str, usize) = ("stack", 2560);
/// How much of a line stands for those that were left out, in bytes.
const LIKE: usize = 200;

/// Formats events.
pub(super) struct Line {
    pub(super) format: Format,
    pub(super) tally: Arc<LogTally>,
    /// Who decides which lines are written, and who writes its counts; none writes all.
    pub(super) limit: Option<(Arc<Limiter>, Bell)>,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        if let Some((limiter, bell)) = &self.limit {
            match limiter.judge(event.metadata(), Instant::now(), || Said::by(event).message) {
                Verdict::Write => {}
                Verdict::Leave => return Ok(()),
                Verdict::LeaveAndCall => {
                    bell.ring();
                    return Ok(());
                }
            }
        }
        let said = Said::by(event);
        self.tally.cut.add(u64::from(said.is_cut));
        let (level, target) = (*event.metadata().level(), event.metadata().target());
        line(self.format, &mut out, (level, target), &said)
    }
}

/// The line that stands for those that were left out.
pub(super) fn summary(format: Format, summary: &Summary) -> String {
    let Summary { level, target, count, like } = summary;
    let mut said = Said::default();
    let mut short = Short::new(LIKE);
    let _ = short.write_str(like);
    said.message = format!("{count} more lines like this one were left out: {}", short.text);
    said.fields.insert("suppressed".to_owned(), (*count).into());
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = line(format, &mut out, (*level, target), &said);
    out
}

fn line(format: Format, out: &mut dyn Write, (of, target): (Level, &str), said: &Said) -> fmt::Result {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (level, logger) = (level(of), logger(target));
    match format {
        Format::Text => text(out, now, level, &logger, said),
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

fn text(out: &mut dyn Write, now: Duration, level: &str, logger: &str, said: &Said) -> fmt::Result {
    write!(out, "{} {level} {logger}: {}", stamp(now, ' ', ','), Escaped(&said.message))?;
    let mut below = None;
    for (name, value) in &said.fields {
        match value {
            Value::String(stack) if name == STACK.0 => below = Some(stack),
            Value::String(word) if !word.is_empty() && !word.contains([' ', '"', '=']) => {
                write!(out, " {name}={}", Escaped(word))?;
            }
            Value::String(words) => write!(out, " {name}=\"{}\"", Escaped(&words.replace('"', "\\\"")))?,
            other => write!(out, " {name}={other}")?,
        }
    }
    out.write_char('\n')?;
    for line in below.into_iter().flat_map(|stack| stack.lines()) {
        writeln!(out, "    {}", Escaped(line))?;
    }
    Ok(())
}

/// Takes in any text and keeps its beginning.
struct Short {
    text: String,
    most: usize,
    length: usize,
}

impl Short {
    fn new(most: usize) -> Self {
        Self { text: String::new(), most, length: 0 }
    }

    /// The text, with a note if it was longer.
    fn finish(self) -> (String, bool) {
        let is_cut = self.length > self.text.len();
        let text =
            if is_cut { format!("{}... ({} bytes in all)", self.text, self.length) } else { self.text };
        (text, is_cut)
    }
}

impl Write for Short {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        // Once something is left out, nothing after it is put in.
        if self.length == self.text.len() {
            let room = (self.most - self.text.len()).min(more.len());
            let end = (0..=room).rev().find(|end| more.is_char_boundary(*end)).unwrap_or(0);
            self.text.push_str(&more[..end]);
        }
        self.length += more.len();
        Ok(())
    }
}

/// The message and the fields of an event.
#[derive(Default)]
struct Said {
    message: String,
    fields: Map<String, Value>,
    /// Whether something of it is left out.
    is_cut: bool,
}

impl Said {
    fn by(event: &Event<'_>) -> Self {
        let mut said = Self::default();
        event.record(&mut said);
        said
    }

    fn put(&mut self, field: &Field, value: Value) {
        self.fields.insert(field.name().to_owned(), value);
    }

    fn put_text(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let is_message = field.name() == "message";
        let mut short = Short::new(match field.name() {
            "message" => MESSAGE,
            name if name == STACK.0 => STACK.1,
            _ => FIELD,
        });
        // Only a value's own formatting can fail; then what it has said so far stands.
        let _ = short.write_fmt(value);
        let (text, is_cut) = short.finish();
        self.is_cut |= is_cut;
        if is_message {
            self.message = text;
        } else {
            self.put(field, Value::String(text));
        }
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put_text(field, format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put_text(field, format_args!("{value}"));
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
            is_cut: false,
            message: "a\nb\u{1b}[2J".to_owned(),
            fields: [("task", "x y\r\""), ("empty", ""), ("word", "w")]
                .map(|(name, value)| (name.to_owned(), value.into()))
                .into_iter()
                .collect(),
        };
        let mut line = String::new();
        text(&mut line, Duration::ZERO, "INFO", "dispatcher", &said).unwrap();
        assert_eq!(
            line,
            "1970-01-01 00:00:00,000 INFO dispatcher: a\\nb\\u{1b}[2J task=\"x y\\r\\\"\" empty=\"\" word=w\n"
        );
    }

    #[test]
    fn a_stack_has_a_line_for_each_of_its_own() {
        let fields = [("stack", "one\r\u{1b}\ntwo"), ("worker", "w")];
        let said = Said {
            is_cut: false,
            message: "m".to_owned(),
            fields: fields.map(|(name, value)| (name.to_owned(), value.into())).into_iter().collect(),
        };
        let mut line = String::new();
        text(&mut line, Duration::ZERO, "INFO", "dispatcher", &said).unwrap();
        let expected = " INFO dispatcher: m worker=w\n    one\\r\\u{1b}\n    two\n";
        assert_eq!(line.split_once(",000").unwrap().1, expected);
    }

    #[test]
    fn a_long_text_is_cut_between_characters_and_says_how_long_it_was() {
        let mut short = Short::new(10);
        for piece in ["12345", "6789ü", "more"] {
            short.write_str(piece).unwrap();
        }
        assert_eq!(short.finish(), ("123456789... (15 bytes in all)".to_owned(), true));
        let mut exact = Short::new(10);
        exact.write_str("1234567890").unwrap();
        assert_eq!(exact.finish(), ("1234567890".to_owned(), false));
    }

    #[test]
    fn a_summary_names_its_kind_and_its_count() {
        let of = Summary { level: Level::WARN, target: "dispatcher.pool", count: 7, like: "x".repeat(1000) };
        let line = summary(Format::Text, &of);
        assert!(
            line.contains(" WARNING dispatcher.pool: 7 more lines like this one were left out: xxx"),
            "{line}"
        );
        assert!(line.ends_with("x suppressed=7\n") && line.len() < 400, "{line}");
        let line: Value = serde_json::from_str(&summary(Format::Json, &of)).unwrap();
        assert_eq!(line["fields"]["suppressed"], 7);
    }
}
