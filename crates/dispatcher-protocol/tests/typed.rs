//! JSON as types and back, whatever a stranger writes: nothing panics, nothing is lost, nothing is shown.

use std::collections::BTreeMap;

use dispatcher_protocol::{entries, from_json, items, to_json};
use proptest::prelude::*;
use serde_json::{Map, Value};

#[derive(Debug, serde::Deserialize)]
#[expect(dead_code, reason = "it is only read")]
struct Shape {
    number: u8,
    list: Vec<(f64, Option<String>)>,
    map: BTreeMap<u16, Kind>,
}

#[derive(Debug, serde::Deserialize)]
#[expect(dead_code, reason = "it is only read")]
enum Kind {
    Unit,
    New(i64),
    Named { flag: bool },
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |float| float.is_finite()).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Text that is nearly what the types above are read from.
fn nearly() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"number\"",
        "\"list\"",
        "\"map\"",
        "\"Unit\"",
        "\"New\"",
        "\"Named\"",
        "\"flag\"",
        "\"7\"",
        "SECRET",
        "\"SECRET\"",
        "NaN",
        "-Infinity",
        "1e999",
        "3",
        "-1",
        "null",
        "true",
        "\"\\ud800\"",
    ];
    prop::collection::vec(prop::sample::select(PIECES), 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn values_come_back_as_they_were(value in values()) {
        let text = to_json(&value).unwrap();
        prop_assert!(text.is_ascii());
        prop_assert_eq!(&from_json::<Value>(&text).unwrap(), &value);
    }

    #[test]
    fn lists_and_objects_come_apart_into_their_parts(list in prop::collection::vec(values(), 0..6)) {
        let text = to_json(&list).unwrap();
        let parts = items(&text).unwrap().into_iter().map(from_json::<Value>).collect::<Result<Vec<_>, _>>();
        prop_assert_eq!(parts.unwrap(), list);
    }

    #[test]
    fn no_text_makes_a_reader_panic_or_show_it(text in prop_oneof![nearly(), any::<String>()]) {
        let _ = (items(&text), entries(&text), from_json::<Value>(&text), from_json::<Kind>(&text));
        if let Err(error) = from_json::<Shape>(&text) {
            let told = format!("{}{error}", error.path());
            prop_assert!(!told.contains("SECRET"), "{}", told);
        }
    }
}
