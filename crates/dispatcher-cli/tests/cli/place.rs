//! A directory to run the real binary in, and what it says there.
//!
//! Shared by the tests of the command; no test stands here.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_dispatcher");

/// An empty directory to run in.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    pub(crate) fn with(file: &str, text: &str) -> Place {
        let place = Place::new();
        fs::write(place.path().join(file), text).unwrap();
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(arguments).current_dir(self.path()).env_clear();
        command
    }

    /// Code, standard output and standard error, as a reader sees them.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        shown(&self.command(arguments).output().unwrap())
    }

    /// As [`Place::run`], under another name.
    pub(crate) fn run_as(&self, name: &str, arguments: &[&str]) -> String {
        let link = self.path().join(name);
        symlink(BINARY, &link).unwrap();
        shown(&Command::new(link).args(arguments).current_dir(self.path()).env_clear().output().unwrap())
    }
}

pub(crate) fn shown(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    let err = if err.is_empty() { err } else { format!("--- stderr\n{err}") };
    let all = format!("exit code {}\n{out}{err}", output.status.code().unwrap());
    all.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}
