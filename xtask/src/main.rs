//! The project's own checks: `cargo xtask tidy`.
//!
//! Looks at what no other tool looks at: how long files are, whether each says what it is for, which way imports run.
//! Never changes a file. Where it stands: beside the project; nothing depends on it.

mod tidy;
mod imports;
mod python;

use std::io::{Write, stderr, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Complaint {
    path: PathBuf,
    /// From 1.
    line: usize,
    what: String,
}

impl Complaint {
    fn new(path: &Path, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into() }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments != ["tidy"] {
        let _ = writeln!(stderr(), "usage: cargo xtask tidy");
        return ExitCode::from(2);
    }
    match tidy::check(&root()) {
        Ok(complaints) if complaints.is_empty() => ExitCode::SUCCESS,
        Ok(complaints) => {
            for Complaint { path, line, what } in &complaints {
                let _ = writeln!(stdout(), "{}:{line}: {what}", path.display());
            }
            let _ = writeln!(stderr(), "tidy: {} complaints", complaints.len());
            ExitCode::FAILURE
        }
        Err(error) => {
            let _ = writeln!(stderr(), "tidy: cannot look: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(PathBuf::from).unwrap_or_default()
}
