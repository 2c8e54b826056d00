//! Every broker does what every broker must do: one line a broker.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod exercise;
mod server;

use std::os::unix::net::UnixStream;
use std::sync::Arc;

use dispatcher_broker::{BoxFuture, Broker, MemoryHub, Options, PgNotify, SocketClient, SocketServer};
use exercise::Rig;
use server::{Server, unique};
use tempfile::TempDir;
use tokio_postgres::Client;

exercise!(memory, MemoryRig(MemoryHub::new()), channels, server);
exercise!(pg_notify, PgRig::new().await, channels, server);
exercise!(socket, SocketRig(tempfile::tempdir().unwrap()));

struct MemoryRig(MemoryHub);

impl Rig for MemoryRig {
    fn broker(&self, channels: &[&str]) -> Arc<dyn Broker> {
        self.0.broker(channels)
    }

    fn open_sessions(&self) -> BoxFuture<'_, usize> {
        Box::pin(async { self.0.listeners() })
    }
}

impl exercise::Server for MemoryRig {
    fn cut(&self) -> BoxFuture<'_, ()> {
        self.0.cut();
        Box::pin(async {})
    }

    fn refuse(&self, refuse: bool) -> BoxFuture<'_, ()> {
        self.0.refuse(refuse);
        Box::pin(async {})
    }
}

/// A directory of its own. The service is the bus, so there is nothing to cut or to refuse apart from it.
struct SocketRig(TempDir);

impl SocketRig {
    fn options(&self) -> Options {
        Options { socket_path: Some(self.0.path().join("socket")), ..Options::default() }
    }
}

impl Rig for SocketRig {
    fn broker(&self, _channels: &[&str]) -> Arc<dyn Broker> {
        Arc::new(SocketServer::new(self.options()).unwrap())
    }

    fn client(&self, _channels: &[&str]) -> Arc<dyn Broker> {
        Arc::new(SocketClient::new(self.options()).unwrap())
    }

    fn open_sessions(&self) -> BoxFuture<'_, usize> {
        Box::pin(async { UnixStream::connect(self.0.path().join("socket")).iter().count() })
    }

    fn needs_a_listener(&self) -> bool {
        true
    }

    fn is_of_lines(&self) -> bool {
        true
    }
}

/// A database and a role of its own, so that tests do not hear each other.
struct PgRig {
    server: &'static Server,
    admin: Client,
    name: String,
}

impl PgRig {
    async fn new() -> Self {
        let server = Server::shared().await;
        let (admin, name) = (server.admin().await, unique("rig"));
        admin.batch_execute(&format!("CREATE ROLE {name} LOGIN PASSWORD 'rig'")).await.unwrap();
        admin.batch_execute(&format!("CREATE DATABASE {name} OWNER {name}")).await.unwrap();
        Self { server, admin, name }
    }
}

impl Rig for PgRig {
    fn broker(&self, channels: &[&str]) -> Arc<dyn Broker> {
        let changes = [("user", self.name.as_str()), ("dbname", &self.name), ("password", "rig")];
        Arc::new(PgNotify::new(self.server.options(&self.name, channels, &changes)).unwrap())
    }

    fn open_sessions(&self) -> BoxFuture<'_, usize> {
        Box::pin(async { self.server.backends(&self.admin, &self.name).await as usize })
    }
}

impl exercise::Server for PgRig {
    fn cut(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            assert!(self.server.terminate(&self.admin, &self.name).await > 0);
        })
    }

    fn refuse(&self, refuse: bool) -> BoxFuture<'_, ()> {
        let login = if refuse { "NOLOGIN" } else { "LOGIN" };
        let statement = format!("ALTER ROLE {} {login}", self.name);
        Box::pin(async move { self.admin.batch_execute(&statement).await.unwrap() })
    }
}
