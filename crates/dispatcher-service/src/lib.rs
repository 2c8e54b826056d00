//! The running service: tokio around the engine.
//!
//! Who runs, each with one thing of its own:
//!
//! | task | owns | tells the driver |
//! | --- | --- | --- |
//! | driver (`driver`) | the engine | |
//! | listener, one a broker (`listen`) | a listening session | deliveries, by a bounded channel |
//! | replier, one a broker (`reply`) | a publishing connection | |
//! | tender, one a worker (`worker::tend`) | a channel, tickets, a process | frames, the exit |
//! | lane, one a worker inside this process (`worker::inside`) | its queue | ends of tasks, its own end |
//! | fork server's keeper (`worker::template`) | the preloaded Python process | |
//! | who buries orphans of worker programs (`worker::orphans`) | who they belong to | |
//! | signals (`signals`) | the handlers | stop, hurry |
//! | HTTP, when the file asks for it (`web`) | its connections | questions, answered between two inputs |
//!
//! All run on one thread. `run` makes and joins them. The driver never waits for any of them. One thread beside it
//! (`stall`) sees whether the driver comes round.

pub mod config;
mod run;
mod embedding;
mod setup;
mod timetable;
mod driver;
mod inbox;
mod listen;
mod reply;
mod rate;
mod gate;
mod worker;
mod control;
mod tally;
mod metrics;
mod health;
mod web;
mod events;
mod signals;
mod manager;
mod stall;

pub use control::SetLogLevel;
pub use embedding::{Embedding, Ended, Remote};
pub use rate::Rate;
pub use run::{RunError, RunOptions, run};
pub use setup::isolation::refusals_here;
pub use stall::STALLED;
pub use tally::{Count, LogTally};
pub use worker::confinement::STEP as WORKER_STEP;
pub use worker::inside::{InsideHost, InsideTask, Performer, Run, RunEnd, RunFuture, Start};
pub use worker::step::become_worker;
