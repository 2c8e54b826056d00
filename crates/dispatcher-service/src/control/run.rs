//! `run`: starts a task, for those who may not publish one.

use std::sync::Arc;

use dispatcher_engine::{Input, Source};
use dispatcher_protocol::{Decoded, decode};
use serde_json::Value;

use super::{Context, Reply, error};

pub(super) fn run(context: &mut Context<'_>, data: &Reply) -> Reply {
    if !context.service.control_producer {
        return error(
            "A ControlProducer producer is not enabled. Add it to the list of producers in the service config to use this.",
        );
    }
    let message = match decode(Value::Object(data.clone()).to_string()) {
        Ok(Decoded::Task(message)) => message,
        Ok(_) => return error("control_data must be a task message, with the key \"task\""),
        Err(why) => return error(why.to_string()),
    };
    if let Err(why) = context.engine.allows(message.task()) {
        return error(why);
    }
    context.service.control_produced += 1;
    let source = Source { broker: None, channel: Arc::from("0"), handle: 0 };
    context.engine.handle(Input::Submit { source, message, trusted: false }, context.now);
    Reply::from_iter([("ack".to_owned(), Value::Object(data.clone()))])
}
