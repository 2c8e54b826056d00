//! Lists and objects while they are open, and the keys of maps.

use serde::Serialize;
use serde::ser::{
    SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};

use super::{WriteError, Writer};
use crate::json::from_json;
use crate::text;

/// Structs of `serde_json` whose one field is text that stands for itself.
const VERBATIM: [&str; 2] = ["$serde_json::private::RawValue", "$serde_json::private::Number"];

/// A list or an object that is still open.
pub(super) struct Compound<'a> {
    out: &'a mut String,
    empty: bool,
    close: &'static str,
    verbatim: bool,
}

impl<'a> Compound<'a> {
    pub(super) fn open(out: &'a mut String, open: &str, close: &'static str) -> Self {
        out.push_str(open);
        Self { out, empty: true, close, verbatim: false }
    }

    pub(super) fn structure(out: &'a mut String, name: &str) -> Self {
        if VERBATIM.contains(&name) {
            Self { out, empty: true, close: "", verbatim: true }
        } else {
            Self::open(out, "{", "}")
        }
    }

    fn separate(&mut self) {
        if !self.empty {
            self.out.push_str(", ");
        }
        self.empty = false;
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        self.separate();
        value.serialize(Writer { out: self.out })
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), WriteError> {
        if self.verbatim {
            let mut literal = String::new();
            value.serialize(Writer { out: &mut literal })?;
            let text: String = from_json(&literal).map_err(|_| WriteError("raw JSON is no text"))?;
            // Raw line ends can stand between values only, and messages are lines to some brokers.
            self.out.push_str(&text.replace(['\n', '\r'], " "));
            return Ok(());
        }
        self.separate();
        text::write(name, self.out);
        self.out.push_str(": ");
        value.serialize(Writer { out: self.out })
    }

    fn close(self) {
        self.out.push_str(self.close);
    }
}

/// The four kinds of lists differ in names alone, as do the two kinds of structs.
macro_rules! lists {
    ($($role:ident $method:ident),*) => {$(
        impl $role for Compound<'_> {
            type Ok = ();
            type Error = WriteError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
                self.item(value)
            }

            fn end(self) -> Result<(), WriteError> {
                self.close();
                Ok(())
            }
        }
    )*};
}

lists!(
    SerializeSeq serialize_element, SerializeTuple serialize_element, SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
);

macro_rules! structs {
    ($($role:ident),*) => {$(
        impl $role for Compound<'_> {
            type Ok = ();
            type Error = WriteError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), WriteError> {
                self.field(name, value)
            }

            fn end(self) -> Result<(), WriteError> {
                self.close();
                Ok(())
            }
        }
    )*};
}

structs!(SerializeStruct, SerializeStructVariant);

impl SerializeMap for Compound<'_> {
    type Ok = ();
    type Error = WriteError;

    /// JSON has room for text only: numbers and truth values are quoted, as Python does.
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), WriteError> {
        self.separate();
        let mut text = String::new();
        key.serialize(Writer { out: &mut text })?;
        match text.as_bytes().first() {
            Some(b'"') => self.out.push_str(&text),
            None | Some(b'[' | b'{') => {
                return Err(WriteError("a key of a map has to be a text, a number, true or false"));
            }
            Some(_) => text::write(&text, self.out),
        }
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        self.out.push_str(": ");
        value.serialize(Writer { out: self.out })
    }

    fn end(self) -> Result<(), WriteError> {
        self.close();
        Ok(())
    }
}
