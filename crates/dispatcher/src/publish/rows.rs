//! Messages as rows for a connection of the application.

use dispatcher_broker::MAX_PAYLOAD;

use super::{Outgoing, pieces};
use crate::error::Error;

/// One statement for any number of messages: channels and payloads, side by side, in order. One row comes back.
pub(super) const NOTIFY: &str = "SELECT count(pg_notify(channel, payload)) \
     FROM unnest($1::text[], $2::text[]) AS message (channel, payload)";

/// The channel and the payload of each notification.
pub(super) fn rows(messages: Vec<Outgoing>) -> Result<(Vec<String>, Vec<String>), Error> {
    let (mut channels, mut payloads) = (Vec::new(), Vec::new());
    for Outgoing { channel, text } in messages {
        for payload in pieces(text, MAX_PAYLOAD)? {
            channels.push(channel.clone());
            payloads.push(payload);
        }
    }
    Ok((channels, payloads))
}
