//! The sending side: a connection of its own, opened by the first message.
//!
//! Never sends a message a second time by itself: after a loss in the middle of a publish nobody knows whether it
//! arrived, and whoever called decides.

use std::collections::HashSet;
use std::sync::Arc;

use tokio_postgres::SimpleQueryMessage;

use super::connect::{Connector, explain};
use super::session::Session;
use crate::{BoxFuture, BrokerError, MAX_PAYLOAD, Publish, quote_ident};

pub(super) struct Publisher {
    connector: Arc<Connector>,
    session: Option<Session>,
}

impl Publisher {
    pub(super) fn new(connector: Arc<Connector>) -> Self {
        Self { connector, session: None }
    }

    async fn send(&mut self, channel: &str, payloads: &[String]) -> Result<(), BrokerError> {
        check_publish(channel, payloads)?;
        if payloads.is_empty() {
            return Ok(());
        }
        let mut session = self.connected().await?;
        for batch in distinct(payloads) {
            if let Err(error) = session.notify(channel, &batch).await? {
                let failure = refusal(session.target(), channel, &error);
                self.session = Some(session);
                return Err(failure);
            }
        }
        self.session = Some(session);
        Ok(())
    }

    /// The connection, taken out: one that ends, or is left, in the middle of something is not put back.
    async fn connected(&mut self) -> Result<Session, BrokerError> {
        match self.session.take().map(|mut session| (session.is_broken(), session)) {
            Some((false, session)) => Ok(session),
            _ => self.connector.connect().await,
        }
    }

    async fn usage(&mut self) -> Result<Option<f64>, BrokerError> {
        let mut session = self.connected().await?;
        let answer = session.simple_query("SELECT pg_notification_queue_usage()").await?;
        self.session = Some(session);
        let usage = answer.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
            _ => None,
        });
        Ok(usage)
    }
}

impl Publish for Publisher {
    fn publish<'a>(
        &'a mut self,
        channel: &'a str,
        payloads: &'a [String],
    ) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(self.send(channel, payloads))
    }

    fn queue_usage(&mut self) -> BoxFuture<'_, Result<Option<f64>, BrokerError>> {
        Box::pin(self.usage())
    }
}

/// Runs of payloads without two equal ones: equal payloads of one transaction would arrive as one.
fn distinct(payloads: &[String]) -> Vec<Vec<&str>> {
    let mut batches: Vec<Vec<&str>> = Vec::new();
    let mut seen = HashSet::new();
    for payload in payloads {
        if batches.is_empty() || !seen.insert(payload) {
            batches.push(Vec::new());
            seen.clear();
            seen.insert(payload);
        }
        batches.last_mut().expect("one was pushed").push(payload);
    }
    batches
}

/// The server's answer to a message it did not take.
pub(super) fn refusal(target: &str, channel: &str, error: &tokio_postgres::Error) -> BrokerError {
    let reason = explain(error);
    // Class 22: the data itself is at fault, today and tomorrow.
    match error.code().map(tokio_postgres::error::SqlState::code) {
        Some(code) if code.starts_with("22") => BrokerError::Rejected { channel: channel.to_owned(), reason },
        _ => BrokerError::Failed { target: target.to_owned(), reason },
    }
}

/// What can be known before anything is sent.
pub(crate) fn check_publish(channel: &str, payloads: &[String]) -> Result<(), BrokerError> {
    let rejected = |reason: String| Err(BrokerError::Rejected { channel: channel.to_owned(), reason });
    if let Err(error) = quote_ident(channel) {
        return rejected(error.to_string());
    }
    for payload in payloads {
        let length = payload.len();
        if length > MAX_PAYLOAD {
            return rejected(format!(
                "{length} bytes are more than the {MAX_PAYLOAD} that a notification carries"
            ));
        }
        if payload.contains('\0') {
            return rejected("the payload holds a NUL character".to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_payloads_never_share_a_transaction() {
        let payloads = ["a", "b", "a", "c", "c"].map(String::from);
        assert_eq!(distinct(&payloads), [vec!["a", "b"], vec!["a", "c"], vec!["c"]]);
        assert!(distinct(&[]).is_empty());
    }

    #[test]
    fn payloads_that_no_notification_carries_are_rejected_before_sending() {
        for payload in ["x".repeat(MAX_PAYLOAD + 1), "a\0b".to_owned()] {
            let error = check_publish("jobs", &[payload]).unwrap_err();
            assert!(!error.is_retryable(), "{error}");
        }
        assert!(check_publish("jobs", &["x".repeat(MAX_PAYLOAD)]).is_ok());
        assert!(!check_publish("", &[]).unwrap_err().is_retryable());
    }
}
