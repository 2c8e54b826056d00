//! The password file: `host:port:database:user:password`, a line each, `*` for any.
//!
//! Read at every connect, so that a changed password is found. A file that others may read is not used, as libpq
//! does not use it either.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::Secret;

/// Whom a password is wanted for.
pub(super) struct Wanted<'a> {
    pub(super) host: &'a str,
    pub(super) port: &'a str,
    pub(super) dbname: &'a str,
    pub(super) user: &'a str,
}

/// Why a password file is not used; none when there is no such file, or it is in order.
pub(super) fn fault(path: &Path) -> Option<String> {
    let metadata = fs::metadata(path).ok()?;
    if !metadata.is_file() {
        return Some(format!("password file {} is not used: it is not a plain file", path.display()));
    }
    (metadata.permissions().mode() & 0o077 != 0).then(|| {
        format!("password file {} is not used: others may read it; run chmod 600 on it", path.display())
    })
}

/// The password of the first line that matches.
pub(super) fn look_up(path: &Path, wanted: &Wanted<'_>) -> Option<Secret> {
    if fault(path).is_some() {
        return None;
    }
    let text = Secret::from(fs::read_to_string(path).ok()?);
    text.expose().lines().find_map(|line| password(line, wanted))
}

fn password(line: &str, wanted: &Wanted<'_>) -> Option<Secret> {
    if line.starts_with('#') {
        return None;
    }
    let mut rest = line;
    for want in [wanted.host, wanted.port, wanted.dbname, wanted.user] {
        let (field, after) = take_field(rest)?;
        if field.expose() != want && rest[..rest.len() - after.len()] != *"*:" {
            return None;
        }
        rest = after;
    }
    // Only the password field may end without a colon; one after it ends it.
    take_field(rest).map(|(password, _)| password).or_else(|| Some(unescape(rest)))
}

/// The field up to the next colon that has no backslash before it, and what follows that colon.
fn take_field(text: &str) -> Option<(Secret, &str)> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            ':' if !escaped => return Some((unescape(&text[..at]), &text[at + 1..])),
            c => escaped = c == '\\' && !escaped,
        }
    }
    None
}

fn unescape(text: &str) -> Secret {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    plain.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: Wanted<'_> = Wanted { host: "db", port: "5432", dbname: "jobs", user: "me" };

    fn found(text: &str) -> Option<String> {
        text.lines().find_map(|line| password(line, &WANTED)).map(|secret| secret.expose().to_owned())
    }

    #[test]
    fn first_line_that_matches_wins() {
        assert_eq!(
            found("# db:5432:jobs:me:no\nother:*:*:*:no\ndb:*:jobs:me:yes\n*:*:*:*:late").as_deref(),
            Some("yes")
        );
        assert_eq!(found("db:5433:jobs:me:no\ndb:5432"), None);
    }

    #[test]
    fn colons_and_backslashes_are_escaped_by_a_backslash() {
        assert_eq!(found(r"*:*:*:me:a\:b\\c").as_deref(), Some(r"a:b\c"));
        assert_eq!(found(r"\*:*:*:me:x"), None, "an escaped star is a star");
    }

    #[test]
    fn file_that_others_may_read_is_not_used_and_said_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pass");
        fs::write(&path, "*:*:*:*:secret\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(look_up(&path, &WANTED).is_none());
        assert!(fault(&path).unwrap().contains("chmod 600"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(look_up(&path, &WANTED).unwrap().expose(), "secret");
        assert!(fault(&path).is_none());
    }
}
