//! Every decision about a task, without I/O and without a clock.
//!
//! A task moves one way: `intake` (text → task) ► `stage` (delay, admission) ► `routes` ► `queue` ► `pool` (a worker runs
//! it) ► `completion` (counts, events, settle). [`Engine`] owns all of it. [`Engine::handle`] takes in what
//! happened and when, [`Engine::poll_effect`] gives out what is to be done, [`Engine::next_wakeup`] says when to
//! call again. Read `engine.rs` first: `enter` and `advance` are the path.

mod config;
mod task;
mod input;
mod effect;
mod event;
mod engine;
mod intake;
mod load;
mod later;
mod timers;
mod schedule;
mod stage;
mod queue;
mod routes;
mod pool;
mod completion;
mod figures;
mod ended;
mod shutdown;
mod find;
mod view;

pub use completion::Counters;
pub use config::{Config, MOST_WORKERS, PoolConfig, Quota, Route, RouteBy, Schedule, TaskPolicy};
pub use effect::{Effect, Settled};
pub use ended::{Ended, LastEnded};
pub use engine::Engine;
pub use event::{CancelReason, DropReason, Event, Rung, SpawnReason, StopReason};
pub use figures::{Ending, Figures, Histogram, TaskFigures};
pub use find::{Filter, Found, Place, RunningTask};
pub use input::{Exit, Input};
pub use load::TASK_OVERHEAD;
pub use schedule::{Every, Look, Timetable};
pub use task::{BrokerId, PoolId, Source, Task, WorkerId};
pub use view::{PoolStatus, PoolView, WorkerCounts, WorkerState, WorkerView};
