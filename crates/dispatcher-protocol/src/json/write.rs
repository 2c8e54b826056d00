//! The types of an application as JSON text, letter for letter as Python's `json.dumps` writes it.
//!
//! ASCII, with `", "` and `": "`; NaN and Infinity as Python writes them, so that a float reaches the other side as it
//! is. The other way is `read`.

mod compound;

use std::fmt::{Display, Write};

use serde::Serialize;
use serde::ser::Serializer;
use thiserror::Error;

use crate::control::write_float;
use crate::text;
use compound::Compound;

/// Why a value cannot be written. Never holds any of it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct WriteError(&'static str);

impl serde::ser::Error for WriteError {
    /// What a type says of its own is left out, as it may quote the value.
    fn custom<T: Display>(_text: T) -> Self {
        Self("its `serde::Serialize` gave up")
    }
}

/// Writes a value.
///
/// # Errors
/// A map whose keys are neither text nor numbers, or a type that refuses to be written.
pub fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<String, WriteError> {
    let mut out = String::new();
    value.serialize(Writer { out: &mut out })?;
    Ok(out)
}

/// Writes one value behind what is there.
struct Writer<'a> {
    out: &'a mut String,
}

impl Writer<'_> {
    fn display(self, value: impl Display) {
        // Writing to a String cannot fail.
        let _ = write!(self.out, "{value}");
    }

    /// `debug` is the shortest text that is read as the same number.
    fn float(self, debug: &str, float: f64) {
        if float.is_nan() {
            self.out.push_str("NaN");
        } else if float.is_infinite() {
            self.out.push_str(if float > 0.0 { "Infinity" } else { "-Infinity" });
        } else {
            write_float(debug, self.out);
        }
    }

    /// `{"variant": `, whose object the caller closes.
    fn variant(&mut self, name: &str) {
        self.out.push('{');
        text::write(name, self.out);
        self.out.push_str(": ");
    }
}

/// Integers and the like look the same everywhere.
macro_rules! displayed {
    ($($method:ident $kind:ty),*) => {$(
        fn $method(self, value: $kind) -> Result<(), WriteError> {
            self.display(value);
            Ok(())
        }
    )*};
}

impl<'a> Serializer for Writer<'a> {
    type Ok = ();
    type Error = WriteError;
    type SerializeSeq = Compound<'a>;
    type SerializeTuple = Compound<'a>;
    type SerializeTupleStruct = Compound<'a>;
    type SerializeTupleVariant = Compound<'a>;
    type SerializeMap = Compound<'a>;
    type SerializeStruct = Compound<'a>;
    type SerializeStructVariant = Compound<'a>;

    displayed!(
        serialize_bool bool, serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64,
        serialize_i128 i128, serialize_u8 u8, serialize_u16 u16, serialize_u32 u32, serialize_u64 u64,
        serialize_u128 u128
    );

    fn serialize_f32(self, value: f32) -> Result<(), WriteError> {
        self.float(&format!("{value:?}"), value.into());
        Ok(())
    }

    fn serialize_f64(self, value: f64) -> Result<(), WriteError> {
        self.float(&format!("{value:?}"), value);
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), WriteError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), WriteError> {
        text::write(value, self.out);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), WriteError> {
        self.collect_seq(value)
    }

    fn serialize_none(self) -> Result<(), WriteError> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), WriteError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), WriteError> {
        self.out.push_str("null");
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), WriteError> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), WriteError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), WriteError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), WriteError> {
        self.variant(variant);
        value.serialize(Writer { out: self.out })?;
        self.out.push('}');
        Ok(())
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<Compound<'a>, WriteError> {
        Ok(Compound::open(self.out, "[", "]"))
    }

    fn serialize_tuple(self, _length: usize) -> Result<Compound<'a>, WriteError> {
        Ok(Compound::open(self.out, "[", "]"))
    }

    fn serialize_tuple_struct(self, _name: &'static str, _length: usize) -> Result<Compound<'a>, WriteError> {
        Ok(Compound::open(self.out, "[", "]"))
    }

    fn serialize_tuple_variant(
        mut self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Compound<'a>, WriteError> {
        self.variant(variant);
        Ok(Compound::open(self.out, "[", "]}"))
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Compound<'a>, WriteError> {
        Ok(Compound::open(self.out, "{", "}"))
    }

    fn serialize_struct(self, name: &'static str, _length: usize) -> Result<Compound<'a>, WriteError> {
        Ok(Compound::structure(self.out, name))
    }

    fn serialize_struct_variant(
        mut self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Compound<'a>, WriteError> {
        self.variant(variant);
        Ok(Compound::open(self.out, "{", "}}"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::from_json;

    #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
    enum Shape {
        Unit,
        New(u8),
        Pair(u8, String),
        Named { x: f64 },
    }

    fn both_ways<T>(value: &T, text: &str)
    where
        T: Serialize + for<'de> serde::Deserialize<'de> + PartialEq + std::fmt::Debug,
    {
        assert_eq!(to_json(value).unwrap(), text);
        assert_eq!(&from_json::<T>(text).unwrap(), value);
    }

    #[test]
    fn every_shape_is_written_as_python_writes_it_and_read_as_it_was() {
        both_ways(&vec![Shape::Unit, Shape::New(1)], r#"["Unit", {"New": 1}]"#);
        both_ways(&Shape::Pair(1, "ü\u{7f}".into()), r#"{"Pair": [1, "\u00fc\u007f"]}"#);
        both_ways(&Shape::Named { x: 1e-7 }, r#"{"Named": {"x": 1e-07}}"#);
        both_ways(&(1_u128 << 100, -1_i8, true, 'x'), r#"[1267650600228229401496703205376, -1, true, "x"]"#);
        both_ways(&(None::<u8>, Some(1)), "[null, 1]");
        both_ways(&BTreeMap::from([(1_u8, "a".to_owned())]), r#"{"1": "a"}"#);
        both_ways(&BTreeMap::from([(true, 1_u8)]), r#"{"true": 1}"#);
        both_ways(&(0.1_f32, 1e16, f64::INFINITY), "[0.1, 1e+16, Infinity]");
        assert_eq!(to_json(&[f64::NAN]).unwrap(), "[NaN]");
        assert!(from_json::<f64>("NaN").unwrap().is_nan());
    }

    #[test]
    fn raw_text_stays_as_it_is_both_ways() {
        let raw: Box<serde_json::value::RawValue> = from_json(r#"{"a":[1,  2]}"#).unwrap();
        assert_eq!(raw.get(), r#"{"a":[1,  2]}"#);
        assert_eq!(to_json(&[raw]).unwrap(), r#"[{"a":[1,  2]}]"#);
    }

    #[test]
    fn keys_that_json_cannot_express_are_refused() {
        assert!(to_json(&BTreeMap::from([(vec![1], 1)])).is_err());
    }

    #[test]
    fn nothing_is_silently_replaced_while_reading() {
        for text in ["NaN", "-Infinity", "1e999", "123456789012345678901234567890"] {
            assert!(from_json::<serde_json::Value>(text).is_err(), "{text}");
        }
        assert!(from_json::<String>(r#""\ud83d""#).is_err());
        assert!(from_json::<(u8, u8)>("[1, 2, 3]").is_err());
        assert!(from_json::<u8>("1 2").is_err());
    }
}
