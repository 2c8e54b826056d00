//! Random names: version 4, as Python's `uuid.uuid4`.

use std::fmt::Write;

use crate::error::{Error, Kind};

/// A new one: `7d512345-12e4-4c00-9999-123456789012`.
pub(crate) fn uuid4() -> Result<String, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Kind::Config(format!("the system gives no random numbers: {error}")))?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut out = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    Ok(out)
}

/// A new one without hyphens, for what may hold letters and digits only.
pub(crate) fn hex() -> Result<String, Error> {
    uuid4().map(|uuid| uuid.replace('-', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_has_its_version_and_its_variant() {
        let uuid = uuid4().unwrap();
        assert_eq!(uuid.len(), 36);
        assert_eq!(&uuid[14..15], "4");
        assert!("89ab".contains(&uuid[19..20]));
        assert_ne!(uuid, uuid4().unwrap());
    }
}
