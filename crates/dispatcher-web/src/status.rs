//! What became of connections, for the control command `metrics`.
//!
//! Written by the server, read by anybody; single numbers, so no lock.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The server as seen from outside.
#[derive(Debug, Default)]
pub struct Status {
    listening: AtomicBool,
    connections: AtomicU64,
    metrics_served: AtomicU64,
    bad_requests: AtomicU64,
    internal_errors: AtomicU64,
    not_found: AtomicU64,
    disconnects: AtomicU64,
    timeouts: AtomicU64,
}

/// What has been counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections taken.
    pub connections: u64,
    /// Pages of metrics sent.
    pub metrics_served: u64,
    /// Requests that made no sense, or were too long.
    pub bad_requests: u64,
    /// Requests whose answer the service did not give in time.
    pub internal_errors: u64,
    /// Requests for something that is not there.
    pub not_found: u64,
    /// Connections whose other end left before its answer.
    pub disconnects: u64,
    /// Requests that did not come in time, or whose answer was not taken in time.
    pub timeouts: u64,
}

/// One thing worth counting.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Counted {
    Connection,
    MetricsServed,
    BadRequest,
    InternalError,
    NotFound,
    Disconnect,
    Timeout,
}

impl Status {
    /// Whether the server has its address.
    pub fn is_listening(&self) -> bool {
        self.listening.load(Ordering::Relaxed)
    }

    /// The counts.
    pub fn counts(&self) -> Counts {
        let of = |number: &AtomicU64| number.load(Ordering::Relaxed);
        Counts {
            connections: of(&self.connections),
            metrics_served: of(&self.metrics_served),
            bad_requests: of(&self.bad_requests),
            internal_errors: of(&self.internal_errors),
            not_found: of(&self.not_found),
            disconnects: of(&self.disconnects),
            timeouts: of(&self.timeouts),
        }
    }

    pub(crate) fn set_listening(&self) {
        self.listening.store(true, Ordering::Relaxed);
    }

    pub(crate) fn count(&self, what: Counted) {
        let number = match what {
            Counted::Connection => &self.connections,
            Counted::MetricsServed => &self.metrics_served,
            Counted::BadRequest => &self.bad_requests,
            Counted::InternalError => &self.internal_errors,
            Counted::NotFound => &self.not_found,
            Counted::Disconnect => &self.disconnects,
            Counted::Timeout => &self.timeouts,
        };
        number.fetch_add(1, Ordering::Relaxed);
    }
}
