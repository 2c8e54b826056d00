//! A connection, transaction or pool of `sqlx`, lent by the application. Leaves no prepared statement behind.

use sqlx_core::pool::PoolConnection;
use sqlx_core::query::query;
use sqlx_postgres::{PgConnection, PgPool, PgTransaction, Postgres};

use super::rows::{NOTIFY, rows};
use super::{Outgoing, Target};
use crate::error::{Error, Kind};

async fn notify(connection: &mut PgConnection, messages: Vec<Outgoing>) -> Result<(), Error> {
    let (channels, payloads) = rows(messages)?;
    let statement = query(NOTIFY).persistent(false).bind(channels).bind(payloads);
    statement.execute(connection).await.map(drop).map_err(refused)
}

fn refused(error: sqlx_core::Error) -> Error {
    Kind::Database(Box::new(error)).into()
}

impl Target for &mut PgConnection {
    async fn send(self, messages: Vec<Outgoing>) -> Result<(), Error> {
        notify(self, messages).await
    }
}

impl Target for &mut PgTransaction<'_> {
    async fn send(self, messages: Vec<Outgoing>) -> Result<(), Error> {
        notify(self, messages).await
    }
}

impl Target for &mut PoolConnection<Postgres> {
    async fn send(self, messages: Vec<Outgoing>) -> Result<(), Error> {
        notify(self, messages).await
    }
}

impl Target for &PgPool {
    async fn send(self, messages: Vec<Outgoing>) -> Result<(), Error> {
        let mut connection = self.acquire().await.map_err(refused)?;
        notify(&mut connection, messages).await
    }
}
