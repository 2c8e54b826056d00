//! One service with a pool of Python workers and one of Rust workers, inside a Rust application: Rust starts a Python task,
//! which starts a Rust task, which tells the application.
//!
//!     cargo run -p dispatcher --example mixed
//!
//! Needs a Postgres: it starts a private one by `tools/postgres.py`, or takes the one that `MIXED_DSN` names. Needs a Python
//! with psycopg: that of `DISPATCHER_PYTHON`, of `.venv` (`make .venv/tools` makes it), or `python3`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

use std::env;
use std::error::Error;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use dispatcher::service::Running;
use dispatcher::{Publisher, Registry, Service};
use serde_json::{Map, Value, json};

const CITIES: [(&str, [f64; 3]); 3] =
    [("Lisbon", [17.5, 19.0, 22.4]), ("Oslo", [-3.0, 0.5, 4.0]), ("Cairo", [28.0, 31.5, 35.0])];

/// Started by Python, by this name; runs in a process of its own, this program again.
#[dispatcher::task(name = "mixed.announce")]
#[expect(clippy::unused_async, reason = "there is nobody to wait for")]
async fn announce(city: String, mean: f64) {
    println!("  rust    {city}: {mean:.1} degrees on average");
}

fn main() -> ExitCode {
    // The service starts its Python workers by way of this program.
    if let Some(code) = dispatcher::service::become_worker_if_asked() {
        return code;
    }
    if env::args().nth(1).as_deref() == Some("worker") {
        dispatcher::worker::main();
    }
    match prepare().and_then(|python| show(&python)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mixed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Finds a Python for the workers. They find the module of their tasks, and the package if it is not installed, by
/// `PYTHONPATH`, which has to be there when this program starts; so it starts again.
fn prepare() -> Result<PathBuf, Box<dyn Error>> {
    let own = checkout().join(".venv/bin/python");
    let fallback = if own.exists() { own } else { "python3".into() };
    let python = env::var_os("DISPATCHER_PYTHON").map_or(fallback, PathBuf::from);
    if env::var_os("MIXED_AGAIN").is_none() {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/mixed");
        let path = env::join_paths([examples, checkout().join("python")])?;
        let error = Command::new(env::current_exe()?).env("PYTHONPATH", path).env("MIXED_AGAIN", "1").exec();
        return Err(error.into());
    }
    let found = Command::new(&python).args(["-c", "import psycopg, dispatcher"]).output();
    match found {
        Ok(output) if output.status.success() => Ok(python),
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr);
            let last = why.lines().last().unwrap_or_default();
            Err(format!("{} cannot be used: {last}; `make .venv/tools` makes one that can", python.display())
                .into())
        }
        Err(error) => {
            Err(format!("{} cannot be started: {error}; set DISPATCHER_PYTHON", python.display()).into())
        }
    }
}

fn show(python: &Path) -> Result<(), Box<dyn Error>> {
    let server = match env::var("MIXED_DSN") {
        Ok(dsn) => Server { dsn, port: None },
        Err(_) => Server::start()?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(&server.dsn, python))
}

async fn run(dsn: &str, python: &Path) -> Result<(), Box<dyn Error>> {
    let config = json!({
        "version": 2,
        "brokers": {"pg_notify": {"config": {"conninfo": dsn}, "channels": ["mixed"]}},
        // Each pool gets the tasks that its workers know.
        "pools": {
            "python": {"max_workers": 2, "preload_modules": ["tasks"], "worker": {"python": python}},
            "rust": {"max_workers": 1, "worker": {"command": [env::current_exe()?, "worker"]}},
        },
    });
    // No task runs in this process itself.
    let mut service = Service::builder().config_value(&config).registry(Registry::new()).start()?;
    service.ready().await?;
    println!("one service: {}", workers(&service).await?);
    let publisher = Publisher::postgres(dsn)?.channel("mixed");
    for (city, numbers) in CITIES {
        println!("  rust    {city}: measured, on to Python");
        dispatcher::submit("tasks.summarize").arg(city).arg(numbers).on(&publisher).await?;
    }
    wait_for(&service, 2 * CITIES.len()).await?;
    service.stop().await?;
    println!("every task ran, each language started the other's");
    Ok(())
}

/// How many workers there are of each kind.
async fn workers(service: &Running) -> Result<String, Box<dyn Error>> {
    let workers = service.control("workers", Map::new()).await?;
    let of = |pool: &str| workers.values().filter(|worker| worker["pool"] == pool).count();
    Ok(format!("Python workers: {}, Rust workers: {}", of("python"), of("rust")))
}

async fn wait_for(service: &Running, tasks: usize) -> Result<(), Box<dyn Error>> {
    for _ in 0..3000 {
        let main = service.control("main", Map::new()).await?;
        if main["pool"]["finished_count"] == tasks {
            let failed =
                service.control("ended", Map::from_iter([("outcome".to_owned(), Value::from("failure"))]));
            return match failed.await?.values().next() {
                Some(failed) => Err(format!("a task failed: {}", failed["error"]).into()),
                None => Ok(()),
            };
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err("the tasks did not end within 30 s".into())
}

/// A Postgres; one of our own ends with us.
struct Server {
    dsn: String,
    port: Option<u16>,
}

impl Server {
    fn start() -> Result<Self, Box<dyn Error>> {
        let port = TcpListener::bind("localhost:0")?.local_addr()?.port();
        println!("starting a Postgres on port {port}");
        Self::tool("start", port)?;
        let dsn = format!("dbname=dispatch_db user=dispatch password=dispatching host=localhost port={port}");
        Ok(Self { dsn, port: Some(port) })
    }

    fn tool(action: &str, port: u16) -> Result<(), Box<dyn Error>> {
        let tool = checkout().join("tools/postgres.py");
        let directory = env::temp_dir().join(format!("dispatcher-mixed-{port}"));
        let mut command = Command::new("python3");
        command.arg(tool).arg(action).args(["--port", &port.to_string()]).arg("--directory").arg(directory);
        let output = command.output().map_err(|error| format!("python3 cannot be started: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        let why = String::from_utf8_lossy(&output.stderr);
        Err(format!("no Postgres: {}; MIXED_DSN can name one that runs", why.trim()).into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(port) = self.port {
            let _ = Self::tool("stop", port);
            let _ = std::fs::remove_dir_all(env::temp_dir().join(format!("dispatcher-mixed-{port}")));
        }
    }
}
