//! Metrics and health over HTTP, at the side of the work.
//!
//! Knows neither the engine nor the service: it turns a request into an [`Ask`], hands that to whoever knows, and waits
//! for the answer with a deadline. So a scrape is exact, an idle service has nothing to do, and nobody ever waits for
//! this crate. It changes nothing and shows neither arguments nor uuids.
//!
//! A connection goes `server` (bounded in number) ► `head` (bounded in size and time) ► `routes` (three pages) and is
//! closed. [`Exposition`] writes the text that Prometheus reads.

mod ask;
mod exposition;
mod status;
mod head;
mod routes;
mod server;

pub use ask::{Ask, Health};
pub use exposition::{Exposition, Family, Kind};
pub use server::{Address, serve};
pub use status::{Counts, Status};
