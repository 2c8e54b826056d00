//! Sizes in bytes as people write them: `1048576`, `512KiB`, `300 MB`, `2GiB`.
//!
//! Where it stands: called by `check` and by whoever builds a type of a size.

use super::tree::{Data, Node};

/// What a text has to look like, for the schema.
pub(super) const PATTERN: &str = r"^\s*[0-9]+\s*([kKMGT](i?B)?|B)?\s*$";

/// The bytes that a value means; none when it is no size, or none at all.
pub(super) fn of(node: &Node) -> Option<u64> {
    of_or_zero(node).filter(|bytes| *bytes > 0)
}

/// As `of`, and 0 is a size too.
pub(super) fn of_or_zero(node: &Node) -> Option<u64> {
    match &node.data {
        Data::Number(number) => number.as_u64(),
        Data::Text(text) => parse(text),
        _ => None,
    }
}

/// A number and a unit. `K`, `M`, `G`, `T` alone and with `iB` are powers of 1024, with `B` powers of 1000.
pub(super) fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().ok()?;
    let (letter, rest) = unit.trim_start().split_at_checked(1).unwrap_or_default();
    let power = match letter {
        "" => 0,
        "B" if rest.is_empty() => 0,
        "k" | "K" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        _ => return None,
    };
    let base: u64 = match rest {
        "" | "iB" => 1024,
        "B" => 1000,
        _ => return None,
    };
    number.checked_mul(base.pow(power))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn units_are_read_as_people_mean_them() {
        let read = ["1048576", "512KiB", "300 MB", "2G", "1k", "7B"].map(parse);
        assert_eq!(read, [1 << 20, 512 << 10, 300_000_000, 2 << 30, 1024, 7].map(Some));
    }

    #[test]
    fn what_is_no_size_is_none() {
        for text in ["", "MiB", "1.5G", "-1", "10 apples", "1KB2", "99999999999999999999", "20000000T"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
