//! What goes to the screen: replies, complaints, summaries.
//!
//! A closed pipe ends the output and nothing else, and no text from outside reaches a terminal with control
//! characters in it.

use std::fmt::Write as _;
use std::io::{Write, stderr, stdout};

use dispatcher_service::config::Complaint;
use serde_json::Value;

use crate::exit::Exit;

/// Writes a text to standard output.
pub(crate) fn print(text: &str) -> Exit {
    let mut out = stdout().lock();
    // Nobody reads any more, so there is nobody to tell.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    Exit::Done
}

/// JSON for people and programs, with a line end.
pub(crate) fn json(value: &Value) -> String {
    let mut text = format!("{value:#}");
    if text.contains(is_c1) {
        // Inside strings alone, as JSON has such characters nowhere else.
        text = text
            .chars()
            .map(|c| if is_c1(c) { format!("\\u{:04x}", c as u32) } else { c.to_string() })
            .collect();
    }
    text.push('\n');
    text
}

/// The control characters that JSON does not escape.
fn is_c1(c: char) -> bool {
    matches!(c, '\u{7f}'..='\u{9f}')
}

/// Writes control characters as escapes, except line ends.
pub(crate) fn escape(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() && c != '\n' { c.escape_default().to_string() } else { c.to_string() })
        .collect()
}

/// Writes why something failed to standard error, and what to do about it below.
pub(crate) fn fail(what: &str, hint: Option<&str>) {
    let hint = hint.map_or_else(String::new, |hint| format!("  hint: {hint}\n"));
    warn(&format!("error: {what}\n{hint}"));
}

/// Writes a line about how far something is to standard error.
pub(crate) fn note(line: &str) {
    warn(&format!("{line}\n"));
}

/// Writes a text to standard error.
fn warn(text: &str) {
    // Nobody reads any more, so there is nobody to tell.
    let _ = stderr().write_all(escape(text).as_bytes());
}

/// Writes every complaint to standard error, a hint below its complaint, and counts them in the end.
pub(crate) fn complain(source: &str, list: &[Complaint]) {
    let mut text = String::new();
    for complaint in list {
        let place =
            complaint.position.map_or_else(|| " ".to_owned(), |at| format!("{}:{}: ", at.line, at.column));
        let path = if complaint.path.is_empty() { String::new() } else { format!("{}: ", complaint.path) };
        let _ = writeln!(text, "{source}:{place}{}: {path}{}", complaint.severity, complaint.what);
        if let Some(hint) = &complaint.hint {
            let _ = writeln!(text, "  hint: {hint}");
        }
    }
    let errors = list.iter().filter(|complaint| complaint.is_error()).count();
    if list.len() > 1 {
        let _ = writeln!(text, "{} in {source}", counted(errors, list.len() - errors));
    }
    warn(&text);
}

/// `2 errors, 1 warning`, without what there is none of.
fn counted(errors: usize, warnings: usize) -> String {
    let count = |number: usize, noun: &str| match number {
        0 => None,
        1 => Some(format!("1 {noun}")),
        more => Some(format!("{more} {noun}s")),
    };
    [count(errors, "error"), count(warnings, "warning")].into_iter().flatten().collect::<Vec<_>>().join(", ")
}
