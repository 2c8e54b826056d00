//! The socket beyond what every broker does: the file and its owner, many clients, and clients that behave badly.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bounds;
mod clients;
mod file;
mod rig;
