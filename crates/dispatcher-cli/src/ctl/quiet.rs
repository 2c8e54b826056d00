//! `ctl quiet --wait`: the services take no more tasks, and the command returns when they have none left.
//!
//! Progress goes to standard error, a line whenever it has changed; the last replies go where replies go.

use std::time::{Duration, Instant};

use dispatcher_service::config::Config;

use super::{ask, form, refusal};
use crate::args::Ctl;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output;

/// The time between two questions.
const PAUSE: Duration = Duration::from_millis(500);

/// What a service says it still has, in the order in which it is shown.
const PLACES: [&str; 4] = ["running", "queued", "delayed", "blocked"];

/// The option's seconds, taken out of the request: it is no matter of the services.
pub(super) fn patience(arguments: &mut Ctl) -> Result<Option<Duration>, CliError> {
    let Some(wait) = arguments.request.data.shift_remove("wait") else { return Ok(None) };
    let seconds = wait.as_str().and_then(|text| text.trim().parse().ok());
    let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.map(Some).ok_or_else(|| {
        CliError::Usage(format!("--wait {wait} is no number of seconds"), "write it as --wait 60")
    })
}

/// Asks again and again until nothing is left, or the time is over.
pub(super) fn wait(config: &Config, arguments: &Ctl, patience: Duration) -> Result<Exit, CliError> {
    let (begun, expected) = (Instant::now(), arguments.expected_replies as usize);
    let mut said = String::new();
    loop {
        let replies = ask::ask(config, &arguments.request, expected, arguments.timeout)?;
        if let Some(refusal) = replies.iter().find_map(refusal) {
            output::fail(&format!("refused: {refusal}"), None);
            return Ok(Exit::Failed);
        }
        let left = PLACES.map(|place| replies.iter().filter_map(|reply| reply["left"][place].as_u64()).sum());
        let line = progress(replies.len(), expected, left);
        if line != said {
            output::note(&line);
            said = line;
        }
        if replies.len() >= expected && left.iter().sum::<u64>() == 0 {
            output::print(&form(replies, arguments.output));
            return Ok(Exit::Done);
        }
        if begun.elapsed() + PAUSE > patience {
            let hint = "a stop now would abandon them; wait longer, or see the command running";
            output::fail(&format!("not all done after {} s: {said}", patience.as_secs_f64()), Some(hint));
            return Ok(Exit::Failed);
        }
        std::thread::sleep(PAUSE);
    }
}

fn progress(replies: usize, expected: usize, left: [u64; 4]) -> String {
    if replies < expected {
        return format!("{replies} of {expected} services have answered");
    }
    let parts = PLACES.iter().zip(left).filter(|(_, count)| *count > 0);
    let parts: Vec<_> = parts.map(|(place, count)| format!("{count} {place}")).collect();
    if parts.is_empty() { "nothing is left".to_owned() } else { format!("left: {}", parts.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::progress;

    #[test]
    fn progress_names_what_is_left_and_who_is_missing() {
        assert_eq!(progress(1, 2, [0; 4]), "1 of 2 services have answered");
        assert_eq!(progress(1, 1, [2, 0, 7, 0]), "left: 2 running, 7 delayed");
        assert_eq!(progress(1, 1, [0; 4]), "nothing is left");
    }
}
