//! A scanner for the JSON that Python writes and reads.
//!
//! Accepts exactly what `json.loads` accepts (NaN, Infinity, integers of any length, escapes of lone surrogates,
//! equal keys) and refuses what it refuses. Walks the bytes once, never recurses, allocates nothing but the
//! stack of open brackets. Builds no values: it says where they stand.

use crate::error::{DecodeError, Reason};

/// The deepest nesting taken. Task arguments are shallow; a parser in another language may recurse.
pub const MAX_DEPTH: usize = 64;

/// The most keys in one message.
pub const MAX_KEYS: usize = 10_000;

/// What a value is, by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Bool,
    Number,
    Text,
    List,
    Object,
}

/// A value's place: its first byte and the one behind its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Walks over one text.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    keys: usize,
}

/// What may stand next inside a bracket.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// A value, or the end of an empty list.
    FirstItem,
    /// A key, or the end of an empty object.
    FirstKey,
    /// A comma or the closing bracket.
    Rest,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0, keys: 0 }
    }

    pub(crate) fn fail<T>(&self, reason: Reason) -> Result<T, DecodeError> {
        Err(DecodeError::at(reason, self.at))
    }

    fn bad<T>(&self) -> Result<T, DecodeError> {
        self.fail(Reason::BadJson)
    }

    pub(crate) fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Takes this byte if it stands here.
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Takes this byte, with blanks before it, or fails.
    pub(crate) fn expect(&mut self, byte: u8) -> Result<(), DecodeError> {
        self.skip_blanks();
        if self.take(byte) { Ok(()) } else { self.bad() }
    }

    /// Nothing but blanks may be left.
    pub(crate) fn finish(&mut self) -> Result<(), DecodeError> {
        self.skip_blanks();
        if self.at == self.bytes.len() { Ok(()) } else { self.bad() }
    }

    /// One value of any kind, blanks before it skipped.
    pub(crate) fn value(&mut self) -> Result<Value, DecodeError> {
        self.skip_blanks();
        let start = self.at;
        let kind = match self.peek() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::List,
            _ => {
                let kind = self.scalar()?;
                return Ok(Value { kind, start, end: self.at });
            }
        };
        self.nested()?;
        Ok(Value { kind, start, end: self.at })
    }

    /// A bracketed value with everything inside, on a stack of our own.
    fn nested(&mut self) -> Result<(), DecodeError> {
        let mut stack = [0_u8; MAX_DEPTH];
        let mut depth = 0;
        let mut next = self.open(&mut stack, &mut depth)?;
        loop {
            self.skip_blanks();
            let closing = stack[depth - 1];
            if next == Next::Rest {
                if self.take(b',') {
                    self.skip_blanks();
                    next = self.item(closing, &mut stack, &mut depth)?;
                    continue;
                }
            } else if self.peek() != Some(closing) {
                next = self.item(closing, &mut stack, &mut depth)?;
                continue;
            }
            if !self.take(closing) {
                return self.bad();
            }
            depth -= 1;
            if depth == 0 {
                return Ok(());
            }
            next = Next::Rest;
        }
    }

    /// One item of the innermost bracket: a value, or a key and its value.
    fn item(&mut self, closing: u8, stack: &mut [u8], depth: &mut usize) -> Result<Next, DecodeError> {
        if closing == b'}' {
            self.key()?;
            self.skip_blanks();
        }
        match self.peek() {
            Some(b'{' | b'[') => self.open(stack, depth),
            _ => self.scalar().map(|_| Next::Rest),
        }
    }

    fn open(&mut self, stack: &mut [u8], depth: &mut usize) -> Result<Next, DecodeError> {
        if *depth == MAX_DEPTH {
            return self.fail(Reason::TooDeep);
        }
        let (closing, next) =
            if self.peek() == Some(b'{') { (b'}', Next::FirstKey) } else { (b']', Next::FirstItem) };
        self.at += 1;
        stack[*depth] = closing;
        *depth += 1;
        Ok(next)
    }

    /// A key and its colon; gives the key with its quotes.
    pub(crate) fn key(&mut self) -> Result<Value, DecodeError> {
        self.skip_blanks();
        let start = self.at;
        if self.peek() != Some(b'"') {
            return self.bad();
        }
        self.string()?;
        let end = self.at;
        self.keys += 1;
        if self.keys > MAX_KEYS {
            return self.fail(Reason::TooManyKeys);
        }
        self.expect(b':')?;
        Ok(Value { kind: Kind::Text, start, end })
    }

    fn scalar(&mut self) -> Result<Kind, DecodeError> {
        match self.peek() {
            Some(b'"') => self.string().map(|()| Kind::Text),
            Some(b't') => self.word("true", Kind::Bool),
            Some(b'f') => self.word("false", Kind::Bool),
            Some(b'n') => self.word("null", Kind::Null),
            Some(b'N') => self.word("NaN", Kind::Number),
            Some(b'I') => self.word("Infinity", Kind::Number),
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| Kind::Number),
            _ => self.bad(),
        }
    }

    fn word(&mut self, word: &str, kind: Kind) -> Result<Kind, DecodeError> {
        if self.text[self.at..].starts_with(word) {
            self.at += word.len();
            Ok(kind)
        } else {
            self.bad()
        }
    }

    fn number(&mut self) -> Result<(), DecodeError> {
        if self.take(b'-') && self.peek() == Some(b'I') {
            return self.word("Infinity", Kind::Number).map(|_| ());
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return self.bad(),
        }
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
        Ok(())
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
    fn string(&mut self) -> Result<(), DecodeError> {
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                Some(0..=0x1f) | None => return self.bad(),
                Some(_) => self.at += 1,
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
}
