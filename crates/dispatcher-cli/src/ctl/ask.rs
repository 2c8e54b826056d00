//! One question over a broker: subscribe to a channel of our own, publish, collect.
//!
//! Reads replies and pieces of replies, nothing else. Where it stands: between the command and the broker.

use std::sync::Arc;
use std::time::Duration;

use dispatcher_broker::{Broker, ask as publish_and_listen, client};
use dispatcher_protocol::{Assembled, Assembler, Decoded, decode, split, to_ascii_json};
use dispatcher_service::config::{BrokerConfig, Config, random_uuid};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;
use tracing::{debug, warn};

use super::Request;
use crate::error::CliError;

/// How long to connect and subscribe may take, before the time for replies begins.
const CONNECT: Duration = Duration::from_secs(10);

/// The replies that came in time, at most as many as expected.
pub(super) fn ask(
    config: &Config,
    request: &Request,
    expected: usize,
    timeout: Duration,
) -> Result<Vec<Value>, CliError> {
    let settings = broker(config, config.publish.default_control_broker.as_deref())?;
    let channel = settings.publish_channel().ok_or_else(|| {
        CliError::Usage(
            format!("{} has no default_publish_channel, so there is no telling where to ask", settings.name),
            "set default_publish_channel of that broker",
        )
    })?;
    let reply_to = format!("reply_to_{}", random_uuid().replace('-', "_"));
    let mut options = settings.options();
    options.channels = vec![reply_to.clone()];
    options.self_check = None;
    options.application_name = String::from("dispatcher ctl");
    let broker = client(&settings.name, options)?;
    let text = question(request, &reply_to);
    debug!(target: "dispatcher.cli", command = request.command, channel, "asking");
    let payloads = pieces(text, broker.as_ref());
    runtime()?.block_on(collect(broker, channel, &payloads, expected, timeout))
}

/// The request as JSON, as the clients of dispatcherd write it.
fn question(request: &Request, reply_to: &str) -> String {
    let mut message = json!({"control": request.command});
    if !request.data.is_empty() {
        message["control_data"] = Value::Object(request.data.clone());
    }
    message["reply_to"] = json!(reply_to);
    to_ascii_json(&message)
}

/// A text, or its chunks if the broker does not carry it whole.
pub(crate) fn pieces(text: String, broker: &dyn Broker) -> Vec<String> {
    if text.len() <= broker.max_payload() {
        vec![text]
    } else {
        split(&text, broker.max_payload(), &random_uuid())
    }
}

/// The broker of that name, or the only one.
pub(crate) fn broker<'a>(config: &'a Config, name: Option<&str>) -> Result<&'a BrokerConfig, CliError> {
    match name {
        Some(name) => config.brokers.iter().find(|broker| broker.name == name),
        None => None,
    }
    .ok_or_else(|| {
        CliError::Usage(
            "the config does not say which broker to use".to_owned(),
            "set publish.default_broker to the name of one of its brokers",
        )
    })
}

/// A runtime for one conversation.
pub(crate) fn runtime() -> Result<Runtime, CliError> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::Failed(format!("cannot start: {error}")))
}

async fn collect(
    broker: Arc<dyn Broker>,
    channel: &str,
    payloads: &[String],
    expected: usize,
    timeout: Duration,
) -> Result<Vec<Value>, CliError> {
    let mut inbox = publish_and_listen(broker, channel, payloads, Instant::now() + CONNECT).await?;
    let deadline = Instant::now() + timeout;
    let mut chunks = Assembler::new(timeout + CONNECT);
    let mut replies = Vec::new();
    while replies.len() < expected {
        match inbox.next(deadline).await? {
            Some(payload) => replies.extend(reply(payload, &mut chunks)),
            None => break,
        }
    }
    Ok(replies)
}

/// A whole reply; none for a piece that others are missing for, and for what is no reply.
fn reply(payload: String, chunks: &mut Assembler) -> Option<Value> {
    let text = match decode(payload.clone()) {
        Ok(Decoded::Chunk(part)) => match chunks.add(part, std::time::Instant::now()) {
            Assembled::Complete(text) => text,
            Assembled::Waiting => return None,
            Assembled::Refused(why) => {
                warn!(target: "dispatcher.cli", "a reply in pieces is dropped: {why}");
                return None;
            }
        },
        _ => payload,
    };
    let Ok(value @ Value::Object(_)) = serde_json::from_str(&text) else {
        warn!(target: "dispatcher.cli", bytes = text.len(), "a reply that is no JSON object is dropped");
        return None;
    };
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Map;

    #[test]
    fn a_question_is_written_as_dispatcherd_writes_it() {
        let mut request = Request { command: "alive".to_owned(), data: Map::new() };
        assert_eq!(question(&request, "reply_to_1"), r#"{"control": "alive", "reply_to": "reply_to_1"}"#);
        request.data.insert("uuid".to_owned(), "x".into());
        assert_eq!(
            question(&request, "reply_to_1"),
            r#"{"control": "alive", "control_data": {"uuid": "x"}, "reply_to": "reply_to_1"}"#
        );
    }

    #[test]
    fn a_reply_in_pieces_is_put_together() {
        let mut chunks = Assembler::new(CONNECT);
        let long = json!({"node_id": "a", "text": "x".repeat(3000)}).to_string();
        let pieces = split(&long, 1024, "id");
        let (last, first) = pieces.split_last().unwrap();
        assert!(first.iter().all(|piece| reply(piece.clone(), &mut chunks).is_none()));
        assert_eq!(reply(last.clone(), &mut chunks).unwrap()["node_id"], "a");
    }

    #[test]
    fn what_is_no_reply_is_dropped() {
        let mut chunks = Assembler::new(CONNECT);
        assert_eq!(reply("[1]".to_owned(), &mut chunks), None);
        assert_eq!(reply("text".to_owned(), &mut chunks), None);
    }
}
