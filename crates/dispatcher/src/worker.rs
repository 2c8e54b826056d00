//! Worker programs: tasks of this program, run by the `dispatcher` service in processes that it supervises.
//!
//! ```no_run
//! # #[allow(clippy::needless_doctest_main)]
//! fn main() {
//!     dispatcher::worker::main()
//! }
//! ```
//!
//! The service starts the program, one process for each worker, when its configuration names it:
//!
//! ```yaml
//! worker:
//!   command: [/usr/local/bin/reports-worker]
//! ```
//!
//! A worker runs several tasks at once. Async tasks share one thread (or [`Builder::threads`]), tasks that block have a
//! thread each. A task that does not give way to its cancel or its timeout costs the process: the service ends it, says of
//! the tasks beside it that they are lost, and starts another.
//!
//! Where it stands: between the service, which speaks the worker protocol on descriptor 0, and [`crate::perform`].

mod channel;
mod hand;
mod log;
mod policy;
mod run;
mod serve;

use std::io::{self, Write};
use std::process::ExitCode;

use dispatcher_protocol::{MAX_FRAME, ServiceFrame, ServiceReader, Setup};
use thiserror::Error;

use crate::registry::Registry;
use channel::Channel;

/// Says to a worker which number it has in its service.
const WORKER_ID: &str = "DISPATCHER_WORKER_ID";

/// How many tasks run at once if nobody says otherwise.
pub const SLOTS: u16 = 10;

/// Why a worker could not go on. The service is told nothing but the exit: it starts another worker.
#[derive(Debug, Error)]
pub(crate) enum WorkerError {
    #[error("the channel to the service failed: {0}; is this worker started by anything but worker.command?")]
    Channel(#[from] io::Error),
    #[error("the service sent what is no frame: {0}")]
    Frame(#[from] dispatcher_protocol::FrameError),
    #[error("the first frame of the service is no setup frame; is the service older than this worker?")]
    NoSetup,
}

/// Runs every task that this program has registered, as the service asks for them; does not return.
///
/// Started by hand it says what it is and how to configure it, and ends with code 2; with `--list-tasks` it prints the names
/// of its tasks.
pub fn main() -> ! {
    let code = Builder::new().live();
    std::process::exit(i32::from(code))
}

/// A worker whose tasks or slots are not the default ones.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     dispatcher::worker::Builder::new().slots(50).run()
/// }
/// ```
#[derive(Debug, Default)]
pub struct Builder {
    registry: Option<Registry>,
    slots: Option<u16>,
    threads: Option<usize>,
}

impl Builder {
    /// Every registered task, [`SLOTS`] slots, one thread for async tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many tasks run at once, where `worker.slots` in the configuration says nothing. 0 is taken for 1.
    #[must_use]
    pub fn slots(mut self, slots: u16) -> Self {
        self.slots = Some(slots.max(1));
        self
    }

    /// The tasks that may run, instead of all that are registered.
    #[must_use]
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = Some(registry);
        self
    }

    /// How many threads async tasks have. With one (the default) a task that computes for long without an await keeps
    /// those beside it waiting; the service has more processes for such work. 0 is taken for 1.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads.max(1));
        self
    }

    /// Runs tasks until the service lets this worker go. As [`main`], but gives the exit code: 0 after an orderly end, 1 if
    /// the channel broke, 2 if this program was not started by a service, or
    /// two of its tasks have one name.
    ///
    /// Threads of tasks that still run do not keep the process; so return the code from `fn main`.
    #[must_use]
    pub fn run(self) -> ExitCode {
        ExitCode::from(self.live())
    }

    fn live(mut self) -> u8 {
        let registry = match self.registry.take().map_or_else(Registry::all, Ok) {
            Ok(registry) => registry,
            Err(error) => {
                complain(&error.to_string());
                return 2;
            }
        };
        let number = std::env::var(WORKER_ID).ok().and_then(|number| number.parse().ok());
        let Some(number) = number else { return by_hand(&registry) };
        match self.serve(number, registry) {
            Ok(()) => 0,
            Err(error) => {
                // Before the setup frame there is no log yet.
                complain(&format!("dispatcher worker {number}: {error}"));
                1
            }
        }
    }

    fn serve(self, number: u32, registry: Registry) -> Result<(), WorkerError> {
        let mut channel = Channel::take_stdin()?;
        let mut reader = ServiceReader::new(MAX_FRAME);
        let Some(setup) = first_frame(&mut channel, &mut reader)? else { return Ok(()) };
        log::start(&setup);
        let slots = setup.slots.or(self.slots).unwrap_or(SLOTS);
        let mut runtime = match self.threads {
            None | Some(1) => tokio::runtime::Builder::new_current_thread(),
            Some(threads) => {
                let mut several = tokio::runtime::Builder::new_multi_thread();
                several.worker_threads(threads);
                several
            }
        };
        let runtime = runtime.enable_all().max_blocking_threads(usize::from(slots).max(64)).build()?;
        let ended = runtime.block_on(serve::serve(number, slots, registry, &setup, channel, reader));
        // Tasks that block are ended with the process.
        runtime.shutdown_background();
        ended
    }
}

/// Waits for the setup; none, if the service goes before.
fn first_frame(channel: &mut Channel, reader: &mut ServiceReader) -> Result<Option<Box<Setup>>, WorkerError> {
    loop {
        match reader.next_frame()? {
            Some(ServiceFrame::Setup(setup)) => return Ok(Some(setup)),
            Some(_) => return Err(WorkerError::NoSetup),
            None if channel.wait_and_read(reader)? == 0 => return Ok(None),
            None => {}
        }
    }
}

/// What whoever starts this program in a terminal should know.
fn by_hand(registry: &Registry) -> u8 {
    let names = registry.names();
    if std::env::args().nth(1).as_deref() == Some("--list-tasks") {
        // Who closes the pipe has seen enough.
        let _ = names.iter().try_for_each(|name| writeln!(io::stdout(), "{name}"));
        return 0;
    }
    let program = std::env::current_exe().unwrap_or_default();
    let program = program.display();
    complain(&format!(
        "This is a worker program of dispatcher with {} tasks (--list-tasks names them).\n\
         The service starts it, a process for each worker. Name it in the configuration, dispatcher.yml:\n\n  \
         worker:\n    command: [{program}]\n\nand run `dispatcher serve`.",
        names.len(),
    ));
    2
}

fn complain(text: &str) {
    // Nobody is left to tell if this fails.
    let _ = writeln!(io::stderr(), "{text}");
}
