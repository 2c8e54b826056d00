//! A Unix socket: lines of text in both directions, on one machine, with nothing between the two ends.
//!
//! A service has one end ([`SocketServer`]): it binds the socket, takes lines from many clients at once, and answers
//! each on the connection that the request came by. Whoever speaks to a service has the other ([`SocketClient`]).
//! There are no channels; the number of a client stands where a channel would. Nothing is stored, and no client can
//! hold up the service or another client: what goes beyond a bound costs its sender the connection.

use std::time::Duration;

use crate::BrokerError;

mod place;
mod lines;
mod tally;
mod peer;
mod server;
mod client;

pub use client::SocketClient;
pub use server::SocketServer;

/// How many clients may be connected at a time.
pub const MAX_CLIENTS: usize = 64;

/// The longest line that is taken, in bytes.
pub const MAX_LINE: usize = 1024 * 1024;

/// The longest line that is sent, in bytes without its end; longer messages go in pieces. Readers of the original
/// take no more than that at a time.
const MAX_PAYLOAD: usize = 1024;

/// How long a line may stay unfinished, or unread, without a byte being moved.
const PATIENCE: Duration = Duration::from_secs(10);

/// Appends the payloads as lines, or says why they can never be sent.
fn write_lines(channel: &str, payloads: &[String], out: &mut Vec<u8>) -> Result<(), BrokerError> {
    let rejected = |reason: String| Err(BrokerError::Rejected { channel: channel.to_owned(), reason });
    for payload in payloads {
        let length = payload.len();
        if length > MAX_PAYLOAD {
            return rejected(format!(
                "{length} bytes are more than the {MAX_PAYLOAD} of a line on the socket"
            ));
        }
        if payload.contains('\n') {
            return rejected("the payload holds a line break, which ends a message on the socket".to_owned());
        }
    }
    for payload in payloads {
        out.extend_from_slice(payload.as_bytes());
        out.push(b'\n');
    }
    Ok(())
}

/// The path of the socket, which the options have to name.
fn socket_path(options: crate::Options) -> Result<std::path::PathBuf, BrokerError> {
    options.socket_path.ok_or_else(|| BrokerError::Config("socket_path is missing".to_owned()))
}
