//! When two pieces of work are the same: equal as Python would compare them.
//!
//! The order of keys is nothing, `1 == 1.0 == true`, NaN equals NaN, an integer is exact whatever its length,
//! of two equal keys the last counts. A hash is computed for every message; the comparison itself runs only
//! when hashes meet. Texts must have passed the scanner, which also bounds how deep the recursion here goes.

use std::borrow::Cow;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;

use crate::json::{Kind, Scanner, Value};
use crate::text::unescape;

/// Seeded by the process, so that nobody can prepare messages whose hashes meet.
static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// One hash of a task name and its raw `args` and `kwargs`.
pub(crate) fn fingerprint(task: &str, args: Option<&str>, kwargs: Option<&str>) -> u64 {
    let mut hasher = SEED.build_hasher();
    hasher.write(task.as_bytes());
    for part in [args, kwargs] {
        match part {
            // An absent list is not an empty one.
            None => hasher.write_u8(0),
            Some(text) => {
                hasher.write_u8(1);
                hasher.write_u64(hash(text));
            }
        }
    }
    hasher.finish()
}

/// Whether two JSON values are equal as Python compares them. Both must be JSON; what is not is equal to itself.
pub fn equal(left: &str, right: &str) -> bool {
    left == right || same(&read(left), &read(right))
}

/// One level of a value, taken apart.
enum Node<'a> {
    Null,
    Number(&'a str),
    Text(Cow<'a, [u8]>),
    List(Vec<&'a str>),
    Object(Vec<(Cow<'a, [u8]>, &'a str)>),
}

/// Takes one level apart. Objects come sorted by key, the last of equal keys kept.
fn read(text: &str) -> Node<'_> {
    let mut scanner = Scanner::new(text);
    scanner.skip_blanks();
    match scanner.peek() {
        Some(b'[') => Node::List(items(&mut scanner, text)),
        Some(b'{') => Node::Object(entries(&mut scanner, text)),
        _ => match scanner.value() {
            Ok(Value { kind: Kind::Text, start, end }) => Node::Text(unescape(&text[start..end])),
            Ok(Value { kind: Kind::Bool, start, .. }) => {
                Node::Number(if text.as_bytes()[start] == b't' { "1" } else { "0" })
            }
            Ok(Value { kind: Kind::Number, start, end }) => Node::Number(&text[start..end]),
            _ => Node::Null,
        },
    }
}

fn items<'a>(scanner: &mut Scanner<'a>, text: &'a str) -> Vec<&'a str> {
    let mut found = Vec::new();
    scanner.take(b'[');
    while let Ok(value) = scanner.value() {
        found.push(&text[value.start..value.end]);
        scanner.skip_blanks();
        if !scanner.take(b',') {
            break;
        }
    }
    found
}

fn entries<'a>(scanner: &mut Scanner<'a>, text: &'a str) -> Vec<(Cow<'a, [u8]>, &'a str)> {
    let mut found: Vec<(Cow<'a, [u8]>, &'a str)> = Vec::new();
    scanner.take(b'{');
    while let Ok(key) = scanner.key() {
        let Ok(value) = scanner.value() else { break };
        found.push((unescape(&text[key.start..key.end]), &text[value.start..value.end]));
        scanner.skip_blanks();
        if !scanner.take(b',') {
            break;
        }
    }
    // Turned round, the stable sort puts the last of equal keys first, which is the one that stays.
    found.reverse();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found.dedup_by(|later, kept| later.0 == kept.0);
    found
}

fn hash(text: &str) -> u64 {
    let mut hasher = SEED.build_hasher();
    match read(text) {
        Node::Null => hasher.write_u8(0),
        // Equal numbers round to the same float, however they are written.
        Node::Number(number) => hasher.write_u64((float(number) + 0.0).to_bits()),
        Node::Text(bytes) => {
            hasher.write_u8(2);
            hasher.write(&bytes);
        }
        Node::List(items) => {
            hasher.write_u8(3);
            for item in &items {
                hasher.write_u64(hash(item));
            }
        }
        Node::Object(entries) => {
            hasher.write_u8(4);
            for (key, value) in entries {
                hasher.write(&key);
                hasher.write_u64(hash(value));
            }
        }
    }
    hasher.finish()
}

fn same(left: &Node<'_>, right: &Node<'_>) -> bool {
    match (left, right) {
        (Node::Null, Node::Null) => true,
        (Node::Number(one), Node::Number(other)) => same_number(one, other),
        (Node::Text(one), Node::Text(other)) => one == other,
        (Node::List(one), Node::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| same(&read(a), &read(b)))
        }
        (Node::Object(one), Node::Object(other)) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|(a, b)| a.0 == b.0 && same(&read(a.1), &read(b.1)))
        }
        _ => false,
    }
}

#[expect(clippy::float_cmp, reason = "equality of floats is what Python asks")]
fn same_number(one: &str, other: &str) -> bool {
    if one == other {
        // NaN too: Python reads it as one and the same object, which containers hold to be equal to itself.
        return true;
    }
    match (is_integer(one), is_integer(other)) {
        (true, true) => digits(one) == digits(other),
        (false, false) => float(one) == float(other),
        (true, false) => same_mixed(one, float(other)),
        (false, true) => same_mixed(other, float(one)),
    }
}

/// An integer against a float, exactly: 2**53 + 1 is no float's equal.
fn same_mixed(integer: &str, float: f64) -> bool {
    float.is_finite() && float.fract() == 0.0 && digits(&format!("{float:.0}")) == digits(integer)
}

fn is_integer(number: &str) -> bool {
    number.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit())
}

/// Minus zero is zero.
fn digits(integer: &str) -> &str {
    if integer == "-0" { "0" } else { integer }
}

fn float(number: &str) -> f64 {
    match number {
        "Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        _ => number.parse().unwrap_or(f64::NAN),
    }
}
