//! When two pieces of work are the same: equal as Python would compare what `json.loads` makes of them.
//!
//! The order of keys is nothing, `1 == 1.0 == true`, an integer is exact whatever its length, of two equal keys
//! the last counts. NaN equals NaN: `json.loads` gives one and the same object for each, and lists and dicts
//! take identity for equality.
//!
//! There is one algorithm: a value is rewritten in a form in which equal values have equal bytes. The hash is
//! that of the bytes; the comparison, which runs only when hashes meet, compares them. Never recurses.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use crate::json::{Kind, Limits, Scanner, Token, Value};

/// Differs from process to process, so that nobody can prepare messages whose hashes meet.
static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// 2**63, the first integer that is no `i64`.
const I64_END: f64 = 9_223_372_036_854_775_808.0;

/// One hash of a task name and its raw `args` and `kwargs`.
pub(crate) fn fingerprint(task: &str, args: Option<&str>, kwargs: Option<&str>) -> u64 {
    let length = |part: Option<&str>| part.map_or(0, str::len);
    let mut form = Form::new(task.len() + 2 * (length(args) + length(kwargs)) + 16);
    write_text(task.as_bytes(), &mut form.out);
    for part in [args, kwargs] {
        match part {
            // An absent list is not an empty one.
            None => form.out.push(b'-'),
            Some(text) => form.write(text),
        }
    }
    SEED.hash_one(form.out)
}

/// Whether two JSON values are equal as Python compares them. Both must be JSON.
pub fn equal(left: &str, right: &str) -> bool {
    let form = |text: &str| {
        let mut form = Form::new(2 * text.len());
        form.write(text);
        form.out
    };
    left == right || form(left) == form(right)
}

/// Values in the form in which equal ones have equal bytes. Each part says where it ends.
struct Form {
    out: Vec<u8>,
    /// The entries of the open objects, innermost last.
    entries: Vec<Entry>,
    /// A copy of one object's entries while they are put in order.
    moved: Vec<u8>,
}

/// One key and its value, as offsets in the output.
#[derive(Clone, Copy)]
struct Entry {
    start: usize,
    /// Where the key ends and the value begins.
    value: usize,
    end: usize,
}

/// Stands before the first entry of an open object.
const OPENED: Entry = Entry { start: usize::MAX, value: 0, end: 0 };

impl Form {
    fn new(capacity: usize) -> Self {
        Self { out: Vec::with_capacity(capacity), entries: Vec::new(), moved: Vec::new() }
    }

    /// Appends a value that has passed the scanner.
    fn write(&mut self, text: &str) {
        let mut scanner = Scanner::new(text, Limits::LENGTH_ONLY);
        while let Ok(token) = scanner.token() {
            match token {
                Token::Open(Kind::Object) => {
                    self.out.push(b'{');
                    self.entries.push(OPENED);
                }
                Token::Open(_) => self.out.push(b'['),
                Token::Key(key) => {
                    let start = self.out.len();
                    write_text(&key.bytes(text), &mut self.out);
                    self.entries.push(Entry { start, value: self.out.len(), end: 0 });
                }
                Token::Scalar(value) => write_scalar(value, text, &mut self.out),
                Token::Close(Kind::Object) => {
                    self.close_object();
                    self.out.push(b'}');
                }
                Token::Close(_) => self.out.push(b']'),
                Token::End => return,
            }
        }
    }

    /// Puts the entries of the innermost object in the order of their keys, the last of equal keys alone.
    fn close_object(&mut self) {
        let opened = self.entries.iter().rposition(|entry| entry.start == OPENED.start).unwrap_or_default();
        let entries = &mut self.entries[opened + 1..];
        let mut end = self.out.len();
        for entry in entries.iter_mut().rev() {
            entry.end = end;
            end = entry.start;
        }
        let start = end;
        let key = |entry: &Entry| &self.out[entry.start..entry.value];
        if !entries.is_sorted_by(|one, other| key(one) < key(other)) {
            // A stable sort, so the last of equal keys is the last of its run.
            entries.sort_by(|one, other| key(one).cmp(key(other)));
            self.moved.clear();
            self.moved.extend_from_slice(&self.out[start..]);
            self.out.truncate(start);
            let moved = |from: usize, to: usize| &self.moved[from - start..to - start];
            for run in entries.chunk_by(|a, b| moved(a.start, a.value) == moved(b.start, b.value)) {
                let last = run[run.len() - 1];
                self.out.extend_from_slice(moved(last.start, last.end));
            }
        }
        self.entries.truncate(opened);
    }
}

fn write_scalar(value: Value, text: &str, out: &mut Vec<u8>) {
    let literal = value.of(text);
    match value.kind {
        Kind::Text => write_text(&value.bytes(text), out),
        Kind::Bool => write_integer(i64::from(literal == "true"), out),
        Kind::Integer => match literal.parse() {
            Ok(integer) => write_integer(integer, out),
            Err(_) => write_long_integer(literal, out),
        },
        Kind::Float => write_float(float(literal), out),
        Kind::Null | Kind::List | Kind::Object => out.push(b'n'),
    }
}

fn write_text(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b's');
    // No text is longer than a frame.
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn write_integer(integer: i64, out: &mut Vec<u8>) {
    out.push(b'i');
    out.extend_from_slice(&integer.to_le_bytes());
}

/// A whole float below 2**63 is written as the integer it equals.
fn write_float(float: f64, out: &mut Vec<u8>) {
    if float.fract() == 0.0 && (-I64_END..I64_END).contains(&float) {
        return write_integer(float as i64, out);
    }
    out.push(b'f');
    out.extend_from_slice(&float.to_bits().to_le_bytes());
}

/// An integer that is no `i64`: as the float it equals if there is one, else by its digits.
fn write_long_integer(digits: &str, out: &mut Vec<u8>) {
    let nearest = float(digits);
    if nearest.is_finite() && format!("{nearest:.0}") == digits {
        return write_float(nearest, out);
    }
    out.push(b'd');
    out.extend_from_slice(digits.as_bytes());
    // No digit, so that what follows is no part of the number.
    out.push(b'.');
}

fn float(number: &str) -> f64 {
    match number {
        "Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        _ => number.parse().unwrap_or(f64::NAN),
    }
}
