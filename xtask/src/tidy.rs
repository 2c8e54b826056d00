//! The rules for single files: length, head, words; and the walk that shows every file to every rule.
//!
//! Reads what git tracks or would track, so what is built or ignored is never looked at.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Complaint, imports, python};

/// The most lines of a file; tests at the end of a Rust file are not counted.
const MOST_LINES: usize = 400;

/// Places on one person's machine. Split, so that this file passes its own check.
const MACHINE_PATHS: [&str; 3] = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

/// A file as the rules see it.
pub(crate) struct File {
    /// From the root of the project.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl File {
    fn has_extension(&self, extension: &str) -> bool {
        self.path.extension().is_some_and(|found| found == extension)
    }
}

/// Shows every file to every rule.
pub(crate) fn check(root: &Path) -> io::Result<Vec<Complaint>> {
    let files = read_all(root)?;
    let mut complaints: Vec<Complaint> = files.iter().flat_map(check_file).collect();
    complaints.extend(imports::check(&files));
    complaints.sort();
    Ok(complaints)
}

/// What git tracks or would track, as far as it is text.
fn read_all(root: &Path) -> io::Result<Vec<File>> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()?;
    if !listed.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&listed.stderr).into_owned()));
    }
    let names = String::from_utf8_lossy(&listed.stdout).into_owned();
    let mut files = Vec::new();
    for name in names.split('\0').filter(|name| !name.is_empty()) {
        // A file that is deleted and not committed, a link to a folder, or no text: nothing to look at.
        if let Ok(text) = std::fs::read_to_string(root.join(name)) {
            files.push(File { path: PathBuf::from(name), text });
        }
    }
    Ok(files)
}

fn check_file(file: &File) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    words(file, &mut complaints);
    if file.has_extension("rs") {
        length(file, rust_lines(&file.text), &mut complaints);
        rust_head(file, &mut complaints);
    }
    if file.has_extension("py") {
        length(file, file.text.lines().count(), &mut complaints);
        python_head(file, &mut complaints);
        complaints.extend(python::long_functions(file));
    }
    complaints
}

fn length(file: &File, lines: usize, complaints: &mut Vec<Complaint>) {
    if lines > MOST_LINES {
        let what = format!("{lines} lines; a file has {MOST_LINES} at most");
        complaints.push(Complaint::new(&file.path, MOST_LINES + 1, what));
    }
}

/// The lines before the test module that ends the file.
fn rust_lines(text: &str) -> usize {
    without_tests(text).lines().count()
}

/// The text before the test module that ends the file; all of it if the tests are elsewhere.
pub(crate) fn without_tests(text: &str) -> &str {
    let tail = text.rmatch_indices("#[cfg(test)]\nmod ").find(|(at, _)| {
        let line = text[*at..].lines().nth(1).unwrap_or_default();
        (*at == 0 || text[..*at].ends_with('\n')) && line.ends_with('{')
    });
    tail.map_or(text, |(at, _)| &text[..at])
}

fn rust_head(file: &File, complaints: &mut Vec<Complaint>) {
    if !file.text.starts_with("//! ") {
        complaints.push(Complaint::new(&file.path, 1, "no `//!` head that says what the file is for"));
    }
}

fn python_head(file: &File, complaints: &mut Vec<Complaint>) {
    let first = file.text.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let headed = first.is_none_or(|line| line.starts_with("\"\"\"") || line.starts_with("r\"\"\""));
    if !headed {
        complaints.push(Complaint::new(
            &file.path,
            1,
            "no docstring at the top that says what the file is for",
        ));
    }
}

fn words(file: &File, complaints: &mut Vec<Complaint>) {
    for (index, line) in file.text.lines().enumerate() {
        for word in MACHINE_PATHS.iter().filter(|word| line.contains(**word)) {
            let what = format!("names a place on one machine ({word})");
            complaints.push(Complaint::new(&file.path, index + 1, what));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(path: &str, text: &str) -> Vec<String> {
        let file = File { path: path.into(), text: text.to_owned() };
        check_file(&file)
            .into_iter()
            .map(|complaint| format!("{}: {}", complaint.line, complaint.what))
            .collect()
    }

    #[test]
    fn a_file_with_a_head_and_few_lines_passes() {
        assert!(complaints("a.rs", "//! What it is for.\n\nfn a() {}\n").is_empty());
        assert!(complaints("a.py", "\"\"\"What it is for.\"\"\"\n\nimport os\n").is_empty());
        assert!(complaints("__init__.py", "").is_empty());
    }

    #[test]
    fn a_file_without_a_head_is_named() {
        assert!(complaints("a.rs", "fn a() {}\n")[0].contains("no `//!` head"));
        assert!(complaints("a.py", "# a comment\nimport os\n")[0].contains("no docstring"));
    }

    #[test]
    fn a_file_of_401_lines_is_too_long() {
        let head = "//! Head.\n";
        assert!(complaints("a.rs", &(head.to_owned() + &"\n".repeat(399))).is_empty());
        assert!(complaints("a.rs", &(head.to_owned() + &"\n".repeat(400)))[0].starts_with("401: 401 lines"));
        let long = "\"\"\"Head.\"\"\"\n".to_owned() + &"\n".repeat(400);
        assert!(complaints("a.py", &long)[0].starts_with("401: 401 lines"));
    }

    #[test]
    fn the_tests_at_the_end_of_a_rust_file_are_not_counted() {
        let text = format!("//! Head.\n\n#[cfg(test)]\nmod tests {{\n{}}}\n", "\n".repeat(500));
        assert!(complaints("a.rs", &text).is_empty());
    }

    #[test]
    fn tests_in_a_file_of_their_own_do_not_shorten_the_file_that_names_them() {
        let text = format!("//! Head.\n#[cfg(test)]\nmod tests;\n{}", "\n".repeat(400));
        assert_eq!(complaints("a.rs", &text).len(), 1);
    }

    #[test]
    fn a_place_on_one_machine_is_found_in_any_file() {
        for word in MACHINE_PATHS {
            let text = format!("first\nsee {word}notes\n");
            assert_eq!(complaints("a.md", &text), [format!("2: names a place on one machine ({word})")]);
        }
    }
}
