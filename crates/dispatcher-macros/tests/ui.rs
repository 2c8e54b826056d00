//! What `#[task]` says when it is held wrong. After a change: `TRYBUILD=overwrite cargo test -p dispatcher-macros --test ui`.

use std::process::Command;

/// The compiler that wrote the snapshots of its own words.
const COMPILER: &str = "rustc 1.95.";

#[test]
fn mistakes_are_told_what_to_do() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    let version =
        Command::new("rustc").arg("--version").output().expect("the compiler that built this").stdout;
    if String::from_utf8_lossy(&version).starts_with(COMPILER) {
        cases.compile_fail("tests/ui/compiler/*.rs");
    }
}
