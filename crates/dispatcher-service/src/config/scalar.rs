//! What a word of YAML means when it stands without quotes.
//!
//! Follows the reading that Python's `yaml.safe_load` has (YAML 1.1: `yes`, `0x1f`, `0755`, `1:30`), because the
//! same file is read there too; beyond it, numbers that JSON allows (`1e3`) are numbers. Dates stay text. Where it
//! stands: called by `yaml` for every plain scalar.

use serde_json::Number;

use super::tree::Data;

/// The meaning of a plain scalar.
///
/// # Errors
/// A number that JSON, and so a worker, could not be told.
pub(super) fn resolve(text: &str) -> Result<Data, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Data::Null),
        _ => {}
    }
    if let Some(flag) = flag(text) {
        return Ok(Data::Bool(flag));
    }
    if let Some(whole) = whole(text) {
        return match whole {
            Some(number) => Ok(Data::Number(number)),
            None => Err("a whole number beyond 64 bits".to_owned()),
        };
    }
    match fraction(text) {
        Some(value) => {
            let number = Number::from_f64(value);
            number.map(Data::Number).ok_or_else(|| "a number that is not finite".to_owned())
        }
        None => Ok(Data::Text(text.to_owned())),
    }
}

/// `!!bool`, and plain words that mean the same.
pub(super) fn flag(text: &str) -> Option<bool> {
    match text {
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// A whole number: none if it is not written as one, `Some(None)` if it does not fit.
#[expect(clippy::option_option, reason = "not a number and too large a number are answered differently")]
fn whole(text: &str) -> Option<Option<Number>> {
    let (negative, digits) = sign(text);
    let magnitude = if let Some(hex) = digits.strip_prefix("0x") {
        radix(hex, 16)?
    } else if let Some(binary) = digits.strip_prefix("0b") {
        radix(binary, 2)?
    } else if digits.len() > 1 && digits.starts_with('0') {
        radix(&digits[1..], 8)?
    } else if digits.contains(':') {
        sixties(digits)?
    } else if digits.starts_with(|c: char| c.is_ascii_digit()) {
        radix(digits, 10)?
    } else {
        return None;
    };
    let Some(magnitude) = magnitude else { return Some(None) };
    Some(if negative {
        0_i64.checked_sub_unsigned(magnitude).map(Number::from)
    } else {
        Some(Number::from(magnitude))
    })
}

fn sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

#[expect(clippy::option_option, reason = "as in `whole`")]
fn radix(digits: &str, radix: u32) -> Option<Option<u64>> {
    let plain: String = digits.chars().filter(|c| *c != '_').collect();
    if plain.is_empty() || !plain.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    Some(u64::from_str_radix(&plain, radix).ok())
}

/// `1:30` is ninety.
#[expect(clippy::option_option, reason = "as in `whole`")]
fn sixties(text: &str) -> Option<Option<u64>> {
    let mut parts = text.split(':');
    let first = parts.next()?;
    if !first.starts_with(|c: char| matches!(c, '1'..='9')) {
        return None;
    }
    let mut total = radix(first, 10)?;
    for part in parts {
        if part.is_empty() || part.len() > 2 || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let digit = part.parse::<u64>().ok().filter(|digit| *digit < 60)?;
        total = total.and_then(|sum| sum.checked_mul(60)?.checked_add(digit));
    }
    Some(total)
}

fn fraction(text: &str) -> Option<f64> {
    let (negative, rest) = sign(text);
    let magnitude = match rest {
        ".inf" | ".Inf" | ".INF" => f64::INFINITY,
        ".nan" | ".NaN" | ".NAN" if rest == text => f64::NAN,
        _ => {
            let numeric = rest
                .bytes()
                .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'e' | b'E' | b'-' | b'+'));
            let begins = rest.starts_with(|c: char| c.is_ascii_digit())
                || (rest.starts_with('.') && rest[1..].starts_with(|c: char| c.is_ascii_digit()));
            if !numeric || !begins || !rest.contains(['.', 'e', 'E']) {
                return None;
            }
            rest.replace('_', "").parse().ok()?
        }
    };
    Some(if negative { -magnitude } else { magnitude })
}
