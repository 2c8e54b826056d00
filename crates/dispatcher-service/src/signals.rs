//! The signals that stop a service: SIGTERM, SIGINT (Ctrl-C) and SIGHUP (the terminal went away).
//!
//! The first begins the drain, each further one hurries it; what that means is decided by the engine.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::inbox::Inbox;

/// Passes signals on until the driver is gone. Fails only when the handlers cannot be installed.
pub(crate) fn watch(inbox: mpsc::Sender<Inbox>) -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        loop {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
                _ = hangup.recv() => "SIGHUP",
            };
            if inbox.send(Inbox::Signal(name)).await.is_err() {
                return;
            }
        }
    })
}
