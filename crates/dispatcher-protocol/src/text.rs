//! JSON string literals as the text they mean, and the other way.
//!
//! Python lets a lone surrogate stand in a text; UTF-8 cannot. Comparison therefore works on WTF-8 bytes, where a
//! lone surrogate has its three bytes and a pair is one character.

use std::fmt::Write;

/// What stands between the quotes of a literal, unescaped; a lone surrogate becomes its three WTF-8 bytes. The
/// literal must have passed the scanner.
pub(crate) fn unescape(inner: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        out.extend_from_slice(&rest[..at]);
        let read = if rest[at + 1] == b'u' {
            unicode(&rest[at..], &mut out)
        } else {
            out.push(plain(rest[at + 1]));
            2
        };
        rest = &rest[at + read..];
    }
    out.extend_from_slice(rest);
    out
}

fn plain(escaped: u8) -> u8 {
    match escaped {
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        other => other,
    }
}

/// Reads `\uXXXX`, or a pair of them; gives the bytes read.
fn unicode(from: &[u8], out: &mut Vec<u8>) -> usize {
    let high = unit(from);
    if (0xd800..0xdc00).contains(&high) && from.len() >= 12 && from[6] == b'\\' && from[7] == b'u' {
        let low = unit(&from[6..]);
        if (0xdc00..0xe000).contains(&low) {
            push(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00), out);
            return 12;
        }
    }
    push(high, out);
    6
}

fn unit(escape: &[u8]) -> u32 {
    escape[2..6].iter().fold(0, |value, digit| value * 16 + char::from(*digit).to_digit(16).unwrap_or(0))
}

fn push(code: u32, out: &mut Vec<u8>) {
    match char::from_u32(code) {
        Some(character) => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        // A lone surrogate, in the three bytes that UTF-8's pattern gives it.
        None => out.extend_from_slice(&[
            0xe0 | (code >> 12) as u8,
            0x80 | (code >> 6 & 0x3f) as u8,
            0x80 | (code & 0x3f) as u8,
        ]),
    }
}

/// Cuts a text to this many bytes at most, at the end of a character.
pub fn shorten(text: &mut String, most: usize) {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0));
}

/// How many bytes [`write`] needs for a character.
pub(crate) fn width(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        ' '..='~' => 1,
        _ => 6 * character.len_utf16(),
    }
}

/// Writes a text as a JSON literal in ASCII, as Python's `json.dumps` does.
pub(crate) fn write(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    // Writing to a String cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(inner: &str) -> Option<String> {
        String::from_utf8(unescape(inner.as_bytes())).ok()
    }

    #[test]
    fn every_escape_means_its_character() {
        let read = text(r#"\"\\\/\b\f\n\r\tA\u00e4\ud83d\ude00"#);
        assert_eq!(read.as_deref(), Some("\"\\/\u{8}\u{c}\n\r\tAä😀"));
    }

    #[test]
    fn a_lone_surrogate_is_no_text_but_still_has_bytes() {
        assert_eq!(text(r"\ud83d"), None);
        assert_eq!(unescape(br"\ud83d"), [0xed, 0xa0, 0xbd]);
        assert_eq!(unescape(br"\ud83d\u0041"), [0xed, 0xa0, 0xbd, b'A']);
    }

    #[test]
    fn what_is_written_is_as_wide_as_foretold_and_reads_the_same() {
        for character in ('\0'..='\u{2fff}').chain("\u{d7ff}\u{e000}\u{ffff}🔥\u{10ffff}".chars()) {
            let mut literal = String::new();
            write(&character.to_string(), &mut literal);
            assert_eq!(literal.len(), width(character) + 2);
            assert_eq!(text(&literal[1..literal.len() - 1]), Some(character.to_string()));
        }
    }
}
