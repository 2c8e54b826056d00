//! A client or transaction of `tokio_postgres`, lent by the application. Leaves no trace on the connection.

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row, Transaction};

use super::rows::{NOTIFY, rows};
use super::{Outgoing, Target};
use crate::error::{Error, Kind};

/// Typed, so that nothing is prepared: one round trip, and poolers do not matter.
type Typed<'a> = [(&'a (dyn ToSql + Sync), Type); 2];

fn arguments<'a>(channels: &'a Vec<String>, payloads: &'a Vec<String>) -> Typed<'a> {
    [(channels, Type::TEXT_ARRAY), (payloads, Type::TEXT_ARRAY)]
}

fn taken(answer: Result<Vec<Row>, tokio_postgres::Error>) -> Result<(), Error> {
    answer.map(drop).map_err(|error| Kind::Database(Box::new(error)).into())
}

impl Target for &Client {
    async fn send(self, messages: Vec<Outgoing>) -> Result<(), Error> {
        let (channels, payloads) = rows(messages)?;
        taken(self.query_typed(NOTIFY, &arguments(&channels, &payloads)).await)
    }
}

impl Target for &Transaction<'_> {
    async fn send(self, messages: Vec<Outgoing>) -> Result<(), Error> {
        let (channels, payloads) = rows(messages)?;
        taken(self.query_typed(NOTIFY, &arguments(&channels, &payloads)).await)
    }
}
