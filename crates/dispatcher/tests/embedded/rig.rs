//! A service for one test, and what its tasks leave behind for it to see.

use std::sync::atomic::AtomicBool;
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use dispatcher::Service;
use dispatcher::service::{Builder, Running};
use serde_json::{Map, Value, json};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Lets the task go that gives way to nothing.
pub(crate) static RELEASED: AtomicBool = AtomicBool::new(false);

/// What tasks have said. Tests have marks of their own, as some runners keep all of them in one process.
#[derive(Default)]
pub(crate) struct Seen(Mutex<Vec<String>>);

pub(crate) fn seen() -> &'static Seen {
    static SEEN: LazyLock<Seen> = LazyLock::new(Seen::default);
    &SEEN
}

impl Seen {
    pub(crate) fn note(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }

    pub(crate) fn has(&self, what: &str) -> bool {
        self.0.lock().unwrap().iter().any(|seen| seen == what)
    }

    /// What was said that begins so and is as long as a number of seven digits.
    pub(crate) fn sorted(&self, prefix: &str) -> Vec<String> {
        let all = self.0.lock().unwrap();
        let mut some: Vec<String> =
            all.iter().filter(|seen| seen.len() == 7 && seen.starts_with(prefix)).cloned().collect();
        some.sort();
        some
    }

    pub(crate) async fn wait_for(&self, what: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.has(what) {
            assert!(Instant::now() < deadline, "{what:?} was never seen");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// Says when it is dropped.
pub(crate) struct WhenDropped(pub(crate) String);

impl Drop for WhenDropped {
    fn drop(&mut self) {
        seen().note(std::mem::take(&mut self.0));
    }
}

pub(crate) struct Rig {
    pub(crate) running: Running,
}

impl Rig {
    /// A service whose graces are short.
    pub(crate) async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    pub(crate) async fn with(describe: impl FnOnce(Builder) -> Builder) -> Self {
        let graces = json!({"version": 2, "service": {"cancel_grace": 0.05, "terminate_grace": 0.05}});
        Self::of(describe(Service::builder().config_value(&graces))).await
    }

    pub(crate) async fn of(builder: Builder) -> Self {
        let mut running = builder.start().unwrap();
        running.ready().await.unwrap();
        Self { running }
    }

    pub(crate) async fn publish(&self, message: Value) {
        self.running.deliver(message.to_string()).await.unwrap();
    }

    pub(crate) async fn control(&self, command: &str, data: Value) -> Map<String, Value> {
        let Value::Object(data) = data else { panic!("{data}") };
        self.running.control(command, data).await.unwrap()
    }

    /// Waits until so many tasks have ended in any way.
    pub(crate) async fn ended(&self, count: u64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let main = self.control("main", json!({})).await;
            let pool = &main["pool"];
            let ended = pool["finished_count"].as_u64().unwrap() + pool["canceled_count"].as_u64().unwrap();
            if ended >= count {
                return assert_eq!(ended, count);
            }
            assert!(Instant::now() < deadline, "{main:?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// How this task ended.
    pub(crate) async fn end_of(&self, uuid: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(end) = self.control("ended", json!({"uuid": uuid})).await.remove("ended-0") {
                return end;
            }
            assert!(Instant::now() < deadline, "{uuid} has not ended");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub(crate) async fn stop(self) {
        self.running.stop().await.unwrap();
    }
}
