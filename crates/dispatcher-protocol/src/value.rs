//! JSON text as `serde_json` values, for the few places that look inside: what a control request says.
//!
//! Python writes things that these values cannot hold. They are replaced, and the reader is told. Never recurses.

use serde_json::{Map, Number, Value};

use crate::json::{Kind, Limits, Scanner, Token, Value as Place};

/// An object, and whether it holds everything that the text said.
#[derive(Debug)]
pub(crate) struct Object {
    map: Map<String, Value>,
    exact: bool,
}

impl Object {
    /// The object if nothing had to be replaced.
    pub(crate) fn exact(self) -> Option<Map<String, Value>> {
        self.exact.then_some(self.map)
    }

    /// The object with null for NaN and Infinity, the nearest float for integers beyond 64 bits, and replacement
    /// characters for lone surrogates.
    pub(crate) fn nearest(self) -> Map<String, Value> {
        self.map
    }
}

/// A list or object that is still open.
enum Open {
    List(Vec<Value>),
    /// The entries, and the key whose value comes next.
    Object(Map<String, Value>, String),
}

/// Reads an object that has passed the scanner.
pub(crate) fn object(json: &str) -> Object {
    let mut scanner = Scanner::new(json, Limits::LENGTH_ONLY);
    let mut stack: Vec<Open> = Vec::new();
    let mut exact = true;
    while let Ok(token) = scanner.token() {
        let value = match token {
            Token::Open(Kind::Object) => {
                stack.push(Open::Object(Map::new(), String::new()));
                continue;
            }
            Token::Open(_) => {
                stack.push(Open::List(Vec::new()));
                continue;
            }
            Token::Key(literal) => {
                if let Some(Open::Object(_, key)) = stack.last_mut() {
                    *key = string(literal, json, &mut exact);
                }
                continue;
            }
            Token::Scalar(place) => scalar(place, json, &mut exact),
            Token::Close(_) => match stack.pop() {
                Some(Open::Object(map, _)) if stack.is_empty() => return Object { map, exact },
                Some(Open::Object(map, _)) => Value::Object(map),
                Some(Open::List(items)) => Value::Array(items),
                None => break,
            },
            Token::End => break,
        };
        match stack.last_mut() {
            Some(Open::List(items)) => items.push(value),
            Some(Open::Object(map, key)) => drop(map.insert(std::mem::take(key), value)),
            None => break,
        }
    }
    Object { map: Map::new(), exact: false }
}

fn scalar(place: Place, json: &str, exact: &mut bool) -> Value {
    let literal = place.of(json);
    match place.kind {
        Kind::Text => Value::String(string(place, json, exact)),
        Kind::Bool => Value::Bool(literal == "true"),
        Kind::Integer => integer(literal, exact),
        Kind::Float => float(literal, exact),
        Kind::Null | Kind::List | Kind::Object => Value::Null,
    }
}

fn string(place: Place, json: &str, exact: &mut bool) -> String {
    if let Some(text) = place.text(json) {
        return text.into_owned();
    }
    *exact = false;
    place.lossy(json)
}

fn integer(literal: &str, exact: &mut bool) -> Value {
    if let Ok(small) = literal.parse::<i64>() {
        return small.into();
    }
    if let Ok(large) = literal.parse::<u64>() {
        return large.into();
    }
    *exact = false;
    float(literal, exact)
}

fn float(literal: &str, exact: &mut bool) -> Value {
    if let Some(number) = literal.parse().ok().and_then(Number::from_f64) {
        return Value::Number(number);
    }
    *exact = false;
    Value::Null
}
