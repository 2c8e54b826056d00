//! Control requests: what they may look like, for any command and any data; the fuzz target `control` goes further.

use dispatcher_protocol::{Decoded, decode, to_ascii_json};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Any JSON that Python can write and strict JSON can hold, a few levels deep.
fn data() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e300..1e300).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..8)
                .prop_map(|map| Value::Object(Map::from_iter(map))),
        ]
    })
}

proptest! {
    #[test]
    fn a_request_is_read_as_it_was_written_or_refused_for_its_data_alone(
        command in any::<String>(),
        data in data(),
        reply_to in prop::option::of(any::<String>()),
    ) {
        let text = to_ascii_json(&json!({"control": command, "control_data": data, "reply_to": reply_to}));
        match decode(text) {
            Ok(Decoded::Control(request)) => {
                prop_assert_eq!(request.command, command);
                prop_assert!(data.is_object() || data.is_null());
                prop_assert_eq!(Value::Object(request.data), if data.is_null() { json!({}) } else { data });
                prop_assert_eq!(request.reply_to, reply_to.filter(|channel| !channel.is_empty()));
            }
            Ok(other) => prop_assert!(false, "{other:?}"),
            Err(error) => {
                prop_assert_eq!(error.reason.label(), "bad_control");
                prop_assert!(!data.is_object() && !data.is_null());
            }
        }
    }

    #[test]
    fn no_text_in_the_place_of_a_request_stops_anything(text in any::<String>(), data in any::<String>()) {
        let _ = decode(text.clone());
        let _ = decode(format!("{{\"control\": \"cancel\", \"control_data\": {data}}}"));
        let _ = decode(format!("{{\"control\": {text}, \"control_data\": {{}}}}"));
    }
}
