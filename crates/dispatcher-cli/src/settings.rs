//! Finding and reading the config.
//!
//! A file that is named wins over the environment, the environment over `dispatcher.yml`. Where it stands: between
//! the arguments and every command that needs a config.

use std::env;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use dispatcher_service::config::{self, Config, Source};

use crate::error::CliError;

/// The file that is read when nothing else is said.
const DEFAULT_FILE: &str = "dispatcher.yml";
/// Named files in the environment, the first that is set and not empty.
const VARIABLES: [&str; 2] = ["DISPATCHER_CONFIG_FILE", "DISPATCHERD_CONFIG_FILE"];
/// More than this is no config; the reader of files has the same bound.
const MAX_BYTES: u64 = 1 << 20;

/// Which file to read.
pub(crate) fn file(named: Option<&Path>) -> PathBuf {
    let from_environment = || VARIABLES.iter().filter_map(env::var_os).find(|value| !value.is_empty());
    match named {
        Some(path) => path.to_owned(),
        None => from_environment().map_or_else(|| PathBuf::from(DEFAULT_FILE), PathBuf::from),
    }
}

/// Reads that file.
pub(crate) fn load(named: Option<&Path>) -> Result<Config, CliError> {
    let path = file(named);
    if !path.exists() {
        return Err(CliError::NoConfig(path));
    }
    config::load(Source::File(path)).map_err(CliError::Config)
}

/// Reads an open descriptor to its end and closes it: it may hold secrets, and no worker shall have it.
pub(crate) fn load_descriptor(number: u32) -> Result<Config, CliError> {
    let name = format!("descriptor {number}");
    let mut text = String::new();
    File::open(format!("/dev/fd/{number}"))
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text))
        .map_err(|error| {
            CliError::Usage(format!("{name} cannot be read: {error}"), "open it for reading before the start")
        })?;
    if number > 2 {
        // Read through a second one, so the first is still there; a failure says that it is not.
        let _ = nix::unistd::close(number.cast_signed());
    }
    config::load(Source::Text { name, text }).map_err(CliError::Config)
}
