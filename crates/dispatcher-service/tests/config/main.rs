//! The configuration file: `keys`, `limits` and `isolation` are what it may say, `shapes` what is seen in the wild. Here is how they ask.

mod isolation;
mod keys;
mod limits;
mod pools;
mod shapes;

use dispatcher_service::config::{Complaints, Config, Source, load};

fn read(text: &str) -> Result<Config, Complaints> {
    load(Source::Text { name: "test.yml".to_owned(), text: text.to_owned() })
}

fn good(text: &str) -> Config {
    read(text).unwrap_or_else(|complaints| panic!("refused:\n{complaints}"))
}

/// The complaints about a file that is refused, a line each, without its name.
fn refused(text: &str) -> String {
    read(text).expect_err("this file was accepted").to_string().replace("test.yml:", "")
}

fn warnings(text: &str) -> Vec<String> {
    good(text).warnings.iter().map(ToString::to_string).collect()
}
