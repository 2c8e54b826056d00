//! Times as people write them: `"5s"`, `"250ms"`, `"1.5h"`, or a number of seconds.

use std::time::Duration;

/// What a wrong one is told.
const HOW: &str =
    "write a number and a unit, as in \"250ms\", \"5s\", \"10m\", \"2h\" or \"1d\", or a number of seconds";
/// A service takes no longer one: it would be a mistake in the unit.
const LONGEST: f64 = 31_536_000.0;

/// Reads one; the error is a sentence.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let seconds = match unit.trim() {
        "ms" => 0.001,
        "" | "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86_400.0,
        _ => return Err(format!("{text:?} is no time: {HOW}")),
    };
    let number: f64 = number.replace('_', "").parse().map_err(|_| format!("{text:?} is no time: {HOW}"))?;
    let whole = number * seconds;
    if whole <= 0.0 || whole > LONGEST {
        return Err(format!("{text:?} is out of range: a time is more than 0 and at most a year"));
    }
    // Whole microseconds, which is as fine as the service counts: 0.1 s is 100 ms and not 100.000000005.
    Ok(Duration::from_micros((whole * 1e6).round() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_understood() {
        for (text, milliseconds) in [
            ("250ms", 250),
            ("5s", 5_000),
            ("5", 5_000),
            ("0.1", 100),
            ("1.5h", 5_400_000),
            ("10 min", 600_000),
            ("1_000s", 1_000_000),
            ("1d", 86_400_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_told_how_to_write_one() {
        for text in ["", "s", "5 parsecs", "-5s", "1.2.3s", "five"] {
            assert!(parse(text).unwrap_err().contains("write a number and a unit"), "{text}");
        }
        for text in ["0", "0ms", "366d"] {
            assert!(parse(text).unwrap_err().contains("at most a year"), "{text}");
        }
    }
}
