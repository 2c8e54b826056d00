//! Walks over the bytes of one JSON text, once, without recursion.
//!
//! Allocates nothing but room for very deep brackets.

use super::{Kind, Limits, MAX_DIGITS, Value};
use crate::error::{DecodeError, Reason};

/// What stands next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// An opening bracket, of a list or an object.
    Open(Kind),
    /// A closing bracket, of a list or an object.
    Close(Kind),
    /// A key with its quotes; its colon has been read.
    Key(Value),
    /// A value without brackets.
    Scalar(Value),
    /// The text ends, as it should.
    End,
}

/// What may stand next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// A value: at the start, or behind a key.
    Value,
    /// A value, or the end of an empty list.
    FirstItem,
    /// A key, or the end of an empty object.
    FirstKey,
    /// A comma or the closing bracket; outside of all brackets, the end.
    Rest,
}

/// The open brackets, one bit each: set for an object. Sixty-four at a time move to the heap.
#[derive(Debug, Default)]
struct Brackets {
    depth: usize,
    top: u64,
    below: Vec<u64>,
}

impl Brackets {
    fn push(&mut self, object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.below.push(self.top);
        }
        self.top = self.top << 1 | u64::from(object);
        self.depth += 1;
    }

    fn pop(&mut self) {
        self.depth -= 1;
        self.top >>= 1;
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.top = self.below.pop().unwrap_or_default();
        }
    }

    fn in_object(&self) -> bool {
        self.top & 1 == 1
    }
}

/// Walks over one text.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    next: Next,
    brackets: Brackets,
    keys: usize,
    limits: Limits,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str, limits: Limits) -> Self {
        Self {
            bytes: text.as_bytes(),
            at: 0,
            next: Next::Value,
            brackets: Brackets::default(),
            keys: 0,
            limits,
        }
    }

    /// Behind the last byte that was read.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// One step further.
    pub(crate) fn token(&mut self) -> Result<Token, DecodeError> {
        self.skip_blanks();
        match (self.next, self.peek()) {
            (Next::Rest, _) => self.rest(),
            (Next::FirstItem, Some(b']')) | (Next::FirstKey, Some(b'}')) => Ok(self.close()),
            (Next::FirstKey, _) => self.key(),
            (Next::Value | Next::FirstItem, _) => self.value(),
        }
    }

    /// A whole value, with everything inside it; `None` at the end of the list or object around it.
    pub(crate) fn skip(&mut self) -> Result<Option<Value>, DecodeError> {
        let kind = match self.token()? {
            Token::Scalar(value) => return Ok(Some(value)),
            Token::Open(kind) => kind,
            Token::Close(_) | Token::End | Token::Key(_) => return Ok(None),
        };
        let (start, outside) = (self.at - 1, self.brackets.depth - 1);
        while self.brackets.depth > outside {
            self.token()?;
        }
        Ok(Some(Value::new(kind, start, self.at)))
    }

    fn rest(&mut self) -> Result<Token, DecodeError> {
        match self.peek() {
            None if self.brackets.depth == 0 => Ok(Token::End),
            Some(_) if self.brackets.depth == 0 => self.bad(),
            Some(b',') => {
                self.at += 1;
                self.skip_blanks();
                if self.brackets.in_object() { self.key() } else { self.value() }
            }
            Some(b'}') if self.brackets.in_object() => Ok(self.close()),
            Some(b']') if !self.brackets.in_object() => Ok(self.close()),
            _ => self.bad(),
        }
    }

    fn value(&mut self) -> Result<Token, DecodeError> {
        let start = self.at;
        let kind = match self.peek() {
            Some(b'{') => return self.open(Kind::Object, Next::FirstKey),
            Some(b'[') => return self.open(Kind::List, Next::FirstItem),
            Some(b'"') => {
                let text = self.string()?;
                self.next = Next::Rest;
                return Ok(Token::Scalar(text));
            }
            Some(b't') => self.word("true", Kind::Bool),
            Some(b'f') => self.word("false", Kind::Bool),
            Some(b'n') => self.word("null", Kind::Null),
            Some(b'N') => self.word("NaN", Kind::Float),
            Some(b'I') => self.word("Infinity", Kind::Float),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.bad(),
        }?;
        self.next = Next::Rest;
        Ok(Token::Scalar(Value::new(kind, start, self.at)))
    }

    fn open(&mut self, kind: Kind, next: Next) -> Result<Token, DecodeError> {
        if self.brackets.depth == self.limits.depth {
            return self.fail(Reason::TooDeep);
        }
        self.brackets.push(kind == Kind::Object);
        self.next = next;
        self.at += 1;
        Ok(Token::Open(kind))
    }

    fn close(&mut self) -> Token {
        let kind = if self.brackets.in_object() { Kind::Object } else { Kind::List };
        self.brackets.pop();
        self.next = Next::Rest;
        self.at += 1;
        Token::Close(kind)
    }

    fn key(&mut self) -> Result<Token, DecodeError> {
        let start = self.at;
        if self.peek() != Some(b'"') {
            return self.bad();
        }
        let key = self.string()?;
        if self.keys == self.limits.keys {
            return Err(DecodeError::at(Reason::TooManyKeys, start));
        }
        self.keys += 1;
        self.skip_blanks();
        if self.peek() != Some(b':') {
            return self.bad();
        }
        self.at += 1;
        self.next = Next::Value;
        Ok(Token::Key(key))
    }

    fn word(&mut self, word: &str, kind: Kind) -> Result<Kind, DecodeError> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(kind)
        } else {
            self.bad()
        }
    }

    fn number(&mut self) -> Result<Kind, DecodeError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
            if self.peek() == Some(b'I') {
                return self.word("Infinity", Kind::Float);
            }
        }
        let start = self.at;
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return self.bad(),
        }
        let digits = self.at - start;
        if self.peek() == Some(b'.') && self.digit_at(1) {
            self.at += 1;
            self.digits();
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(self.bytes.get(self.at + 1), Some(b'+' | b'-')));
            if self.digit_at(1 + sign) {
                self.at += 1 + sign;
                self.digits();
            }
        }
        if self.at > start + digits {
            Ok(Kind::Float)
        } else if digits > MAX_DIGITS {
            Err(DecodeError::at(Reason::LongNumber, start))
        } else {
            Ok(Kind::Integer)
        }
    }

    fn digit_at(&self, ahead: usize) -> bool {
        self.bytes.get(self.at + ahead).is_some_and(u8::is_ascii_digit)
    }

    fn digits(&mut self) {
        while self.digit_at(0) {
            self.at += 1;
        }
    }

    /// A string with its quotes.
    fn string(&mut self) -> Result<Value, DecodeError> {
        let mut text = Value::new(Kind::Text, self.at, 0);
        self.at += 1;
        loop {
            self.at += plain(&self.bytes[self.at..]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    text.end = self.at;
                    return Ok(text);
                }
                Some(b'\\') => {
                    text.escaped = true;
                    self.escape()?;
                }
                _ => return self.bad(),
            }
        }
    }

    fn escape(&mut self) -> Result<(), DecodeError> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let hex = self.bytes.get(self.at + 2..self.at + 6);
                if !hex.is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) {
                    return self.bad();
                }
                self.at += 6;
            }
            _ => return self.bad(),
        }
        Ok(())
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn bad<T>(&self) -> Result<T, DecodeError> {
        self.fail(Reason::BadJson)
    }

    fn fail<T>(&self, reason: Reason) -> Result<T, DecodeError> {
        Err(DecodeError::at(reason, self.at))
    }
}

/// How many bytes from here on may stand in a string as they are. Looks at eight bytes at a time: most of a
/// message is strings.
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGHS: u64 = ONES << 7;
    // The high bit of each byte below `end`. Bytes above the lowest find may be wrong, and are not looked at.
    let below = |word: u64, end: u8| word.wrapping_sub(ONES * u64::from(end)) & !word & HIGHS;
    let mut at = 0;
    while let Some(eight) = bytes[at..].first_chunk() {
        let word = u64::from_le_bytes(*eight);
        let quote = below(word ^ (ONES * u64::from(b'"')), 1);
        let backslash = below(word ^ (ONES * u64::from(b'\\')), 1);
        let found = quote | backslash | below(word, b' ');
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = bytes[at..].iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
    rest.map_or(bytes.len(), |rest| at + rest)
}
