//! Equality of work: whatever the spelling, equal values are the same work and have the same fingerprint.

use std::fmt::Write;

use dispatcher_protocol::{Decoded, TaskMessage, decode, same_json};
use proptest::prelude::*;

/// A value that can be written in several ways.
#[derive(Clone, Debug)]
enum Tree {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        Just(Tree::Null),
        any::<bool>().prop_map(Tree::Bool),
        any::<i64>().prop_map(Tree::Integer),
        (-5_i64..5).prop_map(Tree::Integer),
        any::<f64>().prop_filter("finite", |float| float.is_finite()).prop_map(Tree::Float),
        "\\PC{0,6}".prop_map(Tree::Text),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Tree::List),
            prop::collection::btree_map("[a-d\"ü🔥]{0,2}", inner, 0..6)
                .prop_map(|map| Tree::Object(map.into_iter().collect())),
        ]
    })
}

/// A source of small choices.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Writes a value in one of its spellings.
fn spell(tree: &Tree, dice: &mut Dice, out: &mut String) {
    let blank = [" ", "", "\n", "\t"][dice.roll(4) as usize];
    out.push_str(blank);
    match tree {
        Tree::Null => out.push_str("null"),
        Tree::Bool(true) => out.push_str(["true", "1", "1.0", "10e-1"][dice.roll(4) as usize]),
        Tree::Bool(false) => out.push_str(["false", "0", "-0", "-0.0"][dice.roll(4) as usize]),
        Tree::Integer(integer) if integer.unsigned_abs() < 1 << 53 && dice.roll(2) == 1 => {
            out.push_str(&integer.to_string());
            out.push_str([".0", "e0", ".00E+0"][dice.roll(3) as usize]);
        }
        Tree::Integer(integer) => out.push_str(&integer.to_string()),
        Tree::Float(float) if dice.roll(2) == 1 => write!(out, "{float:e}").expect("a String takes all"),
        Tree::Float(float) => write!(out, "{float:?}").expect("a String takes all"),
        Tree::Text(text) => spell_text(text, dice, out),
        Tree::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                spell(item, dice, out);
            }
            out.push(']');
        }
        Tree::Object(entries) => spell_object(entries, dice, out),
    }
    out.push_str(blank);
}

fn spell_text(text: &str, dice: &mut Dice, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        if dice.roll(2) == 1 || matches!(character, '"' | '\\') {
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04X}").expect("a String takes all");
            }
        } else {
            out.push(character);
        }
    }
    out.push('"');
}

/// In any order, with values before it that the last of equal keys makes void.
fn spell_object(entries: &[(String, Tree)], dice: &mut Dice, out: &mut String) {
    let mut order: Vec<usize> = (0..entries.len()).collect();
    for at in (1..order.len()).rev() {
        order.swap(at, dice.roll(at as u64 + 1) as usize);
    }
    out.push('{');
    let mut comma = "";
    for at in order {
        let (key, value) = &entries[at];
        if dice.roll(4) == 0 {
            out.push_str(comma);
            spell_text(key, dice, out);
            out.push_str(": [\"void\"]");
            comma = ",";
        }
        out.push_str(comma);
        spell_text(key, dice, out);
        out.push(':');
        spell(value, dice, out);
        comma = ",";
    }
    out.push('}');
}

fn spelling(tree: &Tree, seed: u64) -> String {
    let mut out = String::new();
    spell(tree, &mut Dice(seed), &mut out);
    out
}

fn task(args: &str) -> TaskMessage {
    match decode(format!(r#"{{"task": "a.b", "args": [{args}], "kwargs": {{"k": {args}}}}}"#)) {
        Ok(Decoded::Task(message)) => message,
        other => panic!("{args}: {other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_spellings_of_a_value_are_the_same_work(tree in tree(), one in any::<u64>(), other in any::<u64>()) {
        let (left, right) = (spelling(&tree, one), spelling(&tree, other));
        prop_assert!(same_json(&left, &right), "{left}\n{right}");
        let (left, right) = (task(&left), task(&right));
        prop_assert!(left.same_work(&right) && right.same_work(&left));
        prop_assert_eq!(left.fingerprint(), right.fingerprint());
    }

    #[test]
    fn equal_fingerprints_and_equal_work_go_together(one in tree(), other in tree(), seed in any::<u64>()) {
        let (left, right) = (task(&spelling(&one, seed)), task(&spelling(&other, !seed)));
        prop_assert_eq!(left.same_work(&right), left.fingerprint() == right.fingerprint());
    }
}

#[test]
fn work_is_task_args_and_kwargs_and_nothing_else() {
    let read = |payload: &str| match decode(payload.to_owned()) {
        Ok(Decoded::Task(message)) => message,
        other => panic!("{payload}: {other:?}"),
    };
    for (one, other, same) in [
        (r#"{"task": "a.b", "uuid": "1"}"#, r#"{"time_pub": 2.5, "task": "a.b", "timeout": 5}"#, true),
        ("a.b", r#"{"task": "a.b", "on_duplicate": "serial"}"#, true),
        (r#"{"task": "\u0061.b"}"#, r#"{"task": "a.b"}"#, true),
        (r#"{"task": "a.b"}"#, r#"{"task": "a.c"}"#, false),
        (r#"{"task": "a.b"}"#, r#"{"task": "a.b", "args": []}"#, false),
        (r#"{"task": "a.b"}"#, r#"{"task": "a.b", "kwargs": {}}"#, false),
        (r#"{"task": "a.b", "args": {"a": 1}}"#, r#"{"task": "a.b", "kwargs": {"a": 1}}"#, false),
        (
            r#"{"task": "a.b", "args": [], "kwargs": {}}"#,
            r#"{"kwargs": {}, "args": [ ], "task": "a.b"}"#,
            true,
        ),
    ] {
        let (left, right) = (read(one), read(other));
        assert_eq!((left.same_work(&right), right.same_work(&left)), (same, same), "{one} {other}");
        assert_eq!(left.fingerprint() == right.fingerprint(), same, "{one} {other}");
    }
}

#[test]
fn a_filter_may_be_deeper_than_a_message() {
    let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    assert!(same_json(&deep(100_000), &deep(100_000).replace('1', "1.0")));
    assert!(!same_json(&deep(100_000), &deep(99_999)));
}

#[test]
fn an_object_of_ten_thousand_keys_is_compared_whatever_their_order() {
    let object = |keys: &mut dyn Iterator<Item = u32>| {
        format!("{{{}}}", keys.map(|key| format!("\"k{key}\":{key}")).collect::<Vec<_>>().join(","))
    };
    assert!(same_json(&object(&mut (0..10_000)), &object(&mut (0..10_000).rev())));
}
