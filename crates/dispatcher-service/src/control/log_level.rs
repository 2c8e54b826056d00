//! `set_log_level`: more or less in the log, without a restart.

use serde_json::{Value, json};

use super::{Context, Reply, error, object};

pub(super) fn set_log_level(context: &mut Context<'_>, data: &Reply) -> Reply {
    let level = match data.get("level") {
        Some(Value::String(level)) => level.to_uppercase(),
        Some(Value::Number(number)) if !number.is_f64() => match number.as_i64() {
            Some(10) => "DEBUG".to_owned(),
            Some(20) => "INFO".to_owned(),
            Some(30) => "WARNING".to_owned(),
            Some(40) => "ERROR".to_owned(),
            Some(50) => "CRITICAL".to_owned(),
            _ => return error(format!("Unknown log level '{number}'.")),
        },
        _ => return error("Log level must be provided as a string or int via the \"level\" key."),
    };
    let Some(set) = &context.service.set_log_level else {
        return error("This service was started without a log level that can be changed.");
    };
    match set(&level) {
        Ok(previous) => {
            context.engine.set_verbose(level == "DEBUG");
            object(json!({"logger": "dispatcherd", "level": level, "previous_level": previous}))
        }
        Err(_) => error(format!("Unknown log level '{}'.", data["level"].as_str().unwrap_or(&level))),
    }
}
