//! How long the functions of a Python file are. (For Rust, clippy counts.)
//!
//! Knows strings, comments and brackets, and nothing else of the language: a function ends before the next line of
//! code that is indented no deeper than its `def`.

use crate::Complaint;
use crate::tidy::File;

/// The most lines of a function, from `def` to its last line.
const MOST_LINES: usize = 60;

/// A function whose end has not been seen yet.
struct Open {
    name: String,
    indent: usize,
    line: usize,
}

/// Every function that is too long.
pub(crate) fn long_functions(file: &File) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut last = 0;
    let mut state = State::default();
    let mut close = |function: Open, last: usize| {
        let lines = last + 1 - function.line;
        if lines > MOST_LINES {
            let what = format!("function {} has {lines} lines; {MOST_LINES} at most", function.name);
            complaints.push(Complaint::new(&file.path, function.line, what));
        }
    };
    for (index, line) in file.text.lines().enumerate() {
        let number = index + 1;
        let starts = state.at_start();
        let code = line.trim_start();
        state.read(line);
        if code.is_empty() || (starts && code.starts_with('#')) {
            continue;
        }
        if starts {
            let indent = line.len() - code.len();
            while let Some(function) = open.pop_if(|function| function.indent >= indent) {
                close(function, last);
            }
            if let Some(name) = name_of(code) {
                open.push(Open { name, indent, line: number });
            }
        }
        last = number;
    }
    for function in open {
        close(function, last);
    }
    complaints
}

fn name_of(code: &str) -> Option<String> {
    let rest = code.strip_prefix("async ").unwrap_or(code).strip_prefix("def ")?;
    Some(rest.split('(').next().unwrap_or(rest).to_owned())
}

/// What a line begins in: a string, a bracket, or the line before.
#[derive(Default)]
struct State {
    /// The quotes that end the string.
    string: Option<&'static str>,
    depth: usize,
    joined: bool,
}

impl State {
    /// Whether the next line begins a statement.
    fn at_start(&self) -> bool {
        self.string.is_none() && self.depth == 0 && !self.joined
    }

    fn read(&mut self, line: &str) {
        let mut rest = line;
        self.joined = false;
        while let Some(first) = rest.chars().next() {
            let mut taken = first.len_utf8();
            if first == '\\' {
                let escaped = rest[taken..].chars().next();
                taken += escaped.map_or(0, char::len_utf8);
                self.joined = escaped.is_none();
            } else if let Some(quotes) = self.string {
                if rest.starts_with(quotes) {
                    taken = quotes.len();
                    self.string = None;
                }
            } else {
                match first {
                    '#' => break,
                    '(' | '[' | '{' => self.depth += 1,
                    ')' | ']' | '}' => self.depth = self.depth.saturating_sub(1),
                    '"' | '\'' => {
                        let quotes =
                            ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quotes| rest.starts_with(quotes));
                        taken = quotes.map_or(1, str::len);
                        self.string = quotes;
                    }
                    _ => {}
                }
            }
            rest = &rest[taken..];
        }
        // A string in single quotes ends with its line unless the line is joined to the next.
        if !self.joined {
            self.string = self.string.filter(|quotes| quotes.len() == 3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let file = File { path: "a.py".into(), text: text.to_owned() };
        long_functions(&file)
            .into_iter()
            .map(|complaint| format!("{}: {}", complaint.line, complaint.what))
            .collect()
    }

    #[test]
    fn sixty_lines_pass_and_one_more_does_not() {
        assert!(found(&format!("def f():\n{}", "    x = 1\n".repeat(59))).is_empty());
        let found = found(&format!("def f():\n{}\n\ny = 2\n", "    x = 1\n".repeat(60)));
        assert_eq!(found, ["1: function f has 61 lines; 60 at most"]);
    }

    #[test]
    fn a_signature_over_several_lines_and_a_string_at_the_margin_belong_to_the_function() {
        let body = "    x = 1\n".repeat(53);
        let text = format!(
            "async def f(\n    a,\n) -> None:\n    '''(\n#no end\nhere'''\n    y = '#('\n    # no code\n{body}"
        );
        assert_eq!(found(&text), ["1: function f has 61 lines; 60 at most"]);
        let short = text.replace(&body, &"    x = 1\n".repeat(52));
        assert!(found(&short).is_empty());
    }

    #[test]
    fn a_function_within_another_counts_for_both() {
        let text =
            format!("class A:\n    def f(self):\n        def g():\n{}", "            x = 1\n".repeat(60));
        assert_eq!(found(&text).len(), 2);
    }

    #[test]
    fn short_functions_one_after_another_do_not_add_up() {
        let function = format!("def f():\n{}\n\n", "    x = 1\n".repeat(30));
        assert!(found(&function.repeat(4)).is_empty());
    }
}
