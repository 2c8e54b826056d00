//! JSON text as the types of an application: what the arguments of a task become.
//!
//! Takes what Python writes where a type can hold it (NaN for an `f64`), and says otherwise where and why not. An error
//! never holds any of the text, as arguments may be secrets. Reads through `scanner`; the other way is `write`.

mod error;
mod key;

pub use error::ReadError;

use std::borrow::Cow;

use serde::de::value::StrDeserializer;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::{Kind, Limits, Scanner, Token, Value};
use key::Key;

/// The name by which `serde_json::value::RawValue` asks for the text itself.
const RAW_VALUE: &str = "$serde_json::private::RawValue";

/// Reads one value.
///
/// # Errors
/// Where the text is no JSON, or says something that the type cannot hold.
pub fn from_json<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, ReadError> {
    let mut reader = Reader::new(text);
    let value = T::deserialize(&mut reader)?;
    match reader.take()? {
        Token::End => Ok(value),
        _ => Err(ReadError::custom("")),
    }
}

/// Walks over one text.
struct Reader<'de> {
    text: &'de str,
    scanner: Scanner<'de>,
    /// What was looked at and not taken.
    ahead: Option<Token>,
}

impl<'de> Reader<'de> {
    fn new(text: &'de str) -> Self {
        Self { text, scanner: Scanner::new(text, Limits::MESSAGE), ahead: None }
    }

    fn take(&mut self) -> Result<Token, ReadError> {
        match self.ahead.take() {
            Some(token) => Ok(token),
            None => self.scanner.token().map_err(ReadError::from),
        }
    }

    fn peek(&mut self) -> Result<Token, ReadError> {
        let token = self.take()?;
        self.ahead = Some(token);
        Ok(token)
    }

    /// Past a whole value; where it stood.
    fn skip(&mut self) -> Result<(usize, usize), ReadError> {
        match self.take()? {
            Token::Scalar(value) => Ok((value.start, value.end)),
            Token::Open(_) => {
                let (start, mut depth) = (self.scanner.at() - 1, 1);
                while depth > 0 {
                    match self.take()? {
                        Token::Open(_) => depth += 1,
                        Token::Close(_) => depth -= 1,
                        _ => {}
                    }
                }
                Ok((start, self.scanner.at()))
            }
            Token::Close(_) | Token::Key(_) | Token::End => Err(ReadError::custom("")),
        }
    }

    fn string(&self, value: Value) -> Result<Cow<'de, str>, ReadError> {
        value.text(self.text).ok_or_else(ReadError::surrogate)
    }

    fn scalar<V: Visitor<'de>>(&self, value: Value, visitor: V) -> Result<V::Value, ReadError> {
        let literal = value.of(self.text);
        match value.kind {
            Kind::Null => visitor.visit_unit(),
            Kind::Bool => visitor.visit_bool(literal == "true"),
            Kind::Text => match self.string(value)? {
                Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
                Cow::Owned(text) => visitor.visit_string(text),
            },
            Kind::Integer => integer(literal, visitor),
            Kind::Float => match literal.parse() {
                Ok(float) if f64::is_finite(float) => visitor.visit_f64(float),
                _ => Err(ReadError::not_finite()),
            },
            Kind::List | Kind::Object => Err(ReadError::custom("")),
        }
    }

    fn list<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, ReadError> {
        let mut items = Items { reader: self, index: 0, ended: false };
        let value = visitor.visit_seq(&mut items)?;
        if items.ended || matches!(items.reader.take()?, Token::Close(_)) {
            return Ok(value);
        }
        Err(ReadError::too_long(items.index))
    }

    fn object<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, ReadError> {
        let mut entries = Entries { reader: self, field: None, ended: false };
        let value = visitor.visit_map(&mut entries)?;
        if entries.ended || matches!(entries.reader.take()?, Token::Close(_)) {
            return Ok(value);
        }
        Err(ReadError::too_many_fields())
    }

    /// A number that stands for a float; integers are the nearest one.
    fn float(&mut self) -> Result<Option<f64>, ReadError> {
        match self.peek()? {
            Token::Scalar(value) if value.kind == Kind::Integer => {
                let float = value.of(self.text).parse().unwrap_or(f64::INFINITY);
                self.ahead = None;
                if float.is_finite() { Ok(Some(float)) } else { Err(ReadError::too_big()) }
            }
            Token::Scalar(value) if value.kind == Kind::Float => {
                self.ahead = None;
                Ok(value.of(self.text).parse().ok())
            }
            _ => Ok(None),
        }
    }

    fn wide<T: std::str::FromStr>(&mut self) -> Result<Option<T>, ReadError> {
        match self.peek()? {
            Token::Scalar(value) if value.kind == Kind::Integer => {
                self.ahead = None;
                value.of(self.text).parse().map(Some).map_err(|_| ReadError::too_big())
            }
            _ => Ok(None),
        }
    }
}

fn integer<'de, V: Visitor<'de>>(literal: &str, visitor: V) -> Result<V::Value, ReadError> {
    if let Ok(number) = literal.parse::<u64>() {
        return visitor.visit_u64(number);
    }
    match literal.parse::<i64>() {
        Ok(number) => visitor.visit_i64(number),
        Err(_) => Err(ReadError::too_big()),
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.take()? {
            Token::Scalar(value) => self.scalar(value, visitor),
            Token::Open(Kind::Object) => self.object(visitor),
            Token::Open(_) => self.list(visitor),
            Token::Close(_) | Token::Key(_) | Token::End => Err(ReadError::custom("")),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.float()? {
            Some(float) => visitor.visit_f64(float),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.wide()? {
            Some(number) => visitor.visit_i128(number),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.wide()? {
            Some(number) => visitor.visit_u128(number),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.peek()? {
            Token::Scalar(value) if value.kind == Kind::Null => {
                self.ahead = None;
                visitor.visit_none()
            }
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        if name != RAW_VALUE {
            return visitor.visit_newtype_struct(self);
        }
        let (start, end) = self.skip()?;
        let mut strict = serde_json::Deserializer::from_str(&self.text[start..end]);
        (&mut strict).deserialize_newtype_struct(name, visitor).map_err(|_| ReadError::not_strict())
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.peek()? {
            Token::Scalar(value) if value.kind == Kind::Text => {
                self.ahead = None;
                visitor.visit_bytes(self.string(value)?.as_bytes())
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match self.take()? {
            Token::Scalar(value) if value.kind == Kind::Text => {
                let name = self.string(value)?;
                visitor.visit_enum(StrDeserializer::new(&name))
            }
            Token::Open(Kind::Object) => {
                let value = visitor.visit_enum(&mut *self)?;
                match self.take()? {
                    Token::Close(_) => Ok(value),
                    _ => Err(ReadError::too_many_fields()),
                }
            }
            Token::Open(_) => Err(ReadError::invalid_type(Unexpected::Seq, &visitor)),
            Token::Scalar(value) => Err(ReadError::found(value.kind, "a text or an object with one key")),
            Token::Close(_) | Token::Key(_) | Token::End => Err(ReadError::custom("")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.skip()?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 char str string unit unit_struct seq tuple tuple_struct map struct
        identifier
    }
}

/// The items of an open list.
struct Items<'a, 'de> {
    reader: &'a mut Reader<'de>,
    index: usize,
    ended: bool,
}

impl<'de> SeqAccess<'de> for &mut Items<'_, 'de> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        if self.ended || matches!(self.reader.peek()?, Token::Close(_)) {
            self.reader.ahead = None;
            self.ended = true;
            return Ok(None);
        }
        let value = seed.deserialize(&mut *self.reader).map_err(|error| error.in_item(self.index))?;
        self.index += 1;
        Ok(Some(value))
    }
}

/// The entries of an open object.
struct Entries<'a, 'de> {
    reader: &'a mut Reader<'de>,
    /// The name of the field whose value comes next; none when keys are data.
    field: Option<String>,
    ended: bool,
}

impl<'de> MapAccess<'de> for &mut Entries<'_, 'de> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        if self.ended {
            return Ok(None);
        }
        let Token::Key(literal) = self.reader.take()? else {
            self.ended = true;
            return Ok(None);
        };
        let text = self.reader.string(literal)?;
        self.field = None;
        seed.deserialize(Key { text, field: &mut self.field }).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let field = self.field.take();
        seed.deserialize(&mut *self.reader).map_err(|error| error.in_field(field))
    }
}

impl<'de> EnumAccess<'de> for &mut Reader<'de> {
    type Error = ReadError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), ReadError> {
        let Token::Key(literal) = self.take()? else {
            return Err(ReadError::found(Kind::Object, "an object with one key"));
        };
        let name = self.string(literal)?;
        let variant = seed.deserialize(StrDeserializer::<ReadError>::new(&name))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for &mut Reader<'de> {
    type Error = ReadError;

    fn unit_variant(self) -> Result<(), ReadError> {
        Deserialize::deserialize(self)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, ReadError> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_any(visitor)
    }
}
