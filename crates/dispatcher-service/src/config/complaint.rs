//! What is wrong with a configuration, said so that the reader can put it right.
//!
//! Never holds a value from the file that may be a secret. Where it stands: every step of loading adds to one
//! list; the caller prints it.

use std::fmt;

/// How bad a complaint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The service cannot run with this file.
    Error,
    /// The service runs, but this part of the file has no effect or a surprising one.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        })
    }
}

/// A place in the text, both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
}

/// One thing to put right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// Error or warning.
    pub severity: Severity,
    /// The place by keys: `brokers.pg_notify.channels[1]`; empty for the whole file.
    pub path: String,
    /// The place in the text, where it is known.
    pub position: Option<Position>,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Complaint {
    pub(super) fn error(path: &str, position: Option<Position>, what: impl Into<String>) -> Complaint {
        Complaint {
            severity: Severity::Error,
            path: path.to_owned(),
            position,
            what: what.into(),
            hint: None,
        }
    }

    pub(super) fn warning(path: &str, position: Option<Position>, what: impl Into<String>) -> Complaint {
        Complaint { severity: Severity::Warning, ..Complaint::error(path, position, what) }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Complaint {
        Complaint { hint: Some(hint.into()), ..self }
    }

    /// Whether the service cannot run because of it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// `3:5: error: service.pool_kwargs.min_workers: … (hint)`, on one line.
impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = self.position {
            write!(f, "{}:{}: ", at.line, at.column)?;
        }
        write!(f, "{}: ", self.severity)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.what)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// All complaints about one source, in the order of the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Complaints {
    /// What the source is called: a path, `descriptor 3`.
    pub source: String,
    /// At least one error, and every warning.
    pub list: Vec<Complaint>,
}

/// One line for each, in the form that editors jump to: `dispatcher.yml:3:5: …`.
impl fmt::Display for Complaints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, complaint) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            let gap = if complaint.position.is_some() { "" } else { " " };
            write!(f, "{}:{gap}{complaint}", self.source)?;
        }
        Ok(())
    }
}

impl std::error::Error for Complaints {}
