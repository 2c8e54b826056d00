//! What the service manager is told, in systemd's protocol: ready, what is going on, stopping, and that the driver lives.
//!
//! Each is a datagram to the socket that `NOTIFY_SOCKET` names; a manager that is not there is no error. The driver calls it in
//! each of its turns and nobody else does, so a watchdog is fed only while the driver's own loop goes round. Where it stands:
//! in the driver, which is woken for it only when there is something new to say or a watchdog to feed.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use tracing::warn;

use crate::control::Context;
use crate::health;

/// The least time between two looks at what is going on, once the service is ready.
const LOOK: Duration = Duration::from_secs(1);

/// The line to a service manager.
#[derive(Debug)]
pub(crate) struct Manager {
    socket: UnixDatagram,
    address: SocketAddr,
    ready: bool,
    /// When the service was first seen to be stopping.
    stopping: Option<Instant>,
    /// The last status that was sent.
    said: String,
    looked: Option<Instant>,
    /// Something has happened since the last look.
    stale: bool,
    /// How often the watchdog wants to hear, and when it has to next.
    watchdog: Option<(Duration, Instant)>,
}

/// What is going on.
#[derive(Debug, Default, PartialEq)]
struct Now {
    missing: Vec<String>,
    stopping: bool,
    running: usize,
    waiting: usize,
    grace: Duration,
}

impl Manager {
    /// The manager that has started this process, if it wants to be told.
    pub(crate) fn of_environment() -> Option<Self> {
        let name = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty())?;
        let number = |name: &str| env::var(name).ok()?.parse::<u64>().ok();
        let ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let limit = number("WATCHDOG_USEC").filter(|limit| ours && *limit > 0).map(Duration::from_micros);
        match Self::new(&name, limit, Instant::now()) {
            Ok(manager) => Some(manager),
            Err(error) => {
                warn!(target: "dispatcher.main", %error, "NOTIFY_SOCKET is not a socket that can be written to");
                None
            }
        }
    }

    /// `limit` is the time after which the watchdog takes silence for death.
    fn new(name: &OsStr, limit: Option<Duration>, now: Instant) -> io::Result<Self> {
        let address = match name.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(name)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            address,
            ready: false,
            stopping: None,
            said: String::new(),
            looked: None,
            stale: false,
            watchdog: limit.map(|limit| (limit / 2, now)),
        })
    }

    /// When the driver has to come round again for it.
    pub(crate) fn due(&self) -> Option<Instant> {
        let look = self.looked.filter(|_| self.stale).map(|looked| looked + LOOK);
        let feed = self.watchdog.map(|(_, at)| at);
        look.into_iter().chain(feed).min()
    }

    /// The driver has come round.
    pub(crate) fn turn(&mut self, context: &Context<'_>, now: Instant) {
        self.feed(now);
        if self.wants_to_look(now) {
            let engine = &*context.engine;
            self.look(
                &Now {
                    missing: health::missing(context),
                    stopping: engine.is_stopping(),
                    running: engine.running_count(),
                    waiting: engine.queued_count()
                        + engine.held_count("delayed")
                        + engine.held_count("blocked"),
                    grace: context.service.shutdown_grace,
                },
                now,
            );
        }
    }

    fn feed(&mut self, now: Instant) {
        if let Some((every, at)) = &mut self.watchdog
            && *at <= now
        {
            *at = now + *every;
            self.send("WATCHDOG=1");
        }
    }

    /// Not more often than [`LOOK`], but for what nobody wants to wait for: that it is ready, that it stops.
    fn wants_to_look(&mut self, now: Instant) -> bool {
        self.stale = true;
        !self.ready || self.looked.is_none_or(|looked| looked + LOOK <= now)
    }

    fn look(&mut self, seen: &Now, now: Instant) {
        self.looked = Some(now);
        self.stale = seen.stopping;
        let mut news = Vec::new();
        if seen.missing.is_empty() && !self.ready {
            self.ready = true;
            news.push("READY=1".to_owned());
        }
        if seen.stopping && self.stopping.is_none() {
            self.stopping = Some(now);
            // Whatever was missing before, nobody waits for it any more.
            self.ready = true;
            news.push("STOPPING=1".to_owned());
        }
        let status = self.status(seen, now);
        if status != self.said {
            news.push(format!("STATUS={status}"));
            self.said = status;
        }
        if !news.is_empty() {
            self.send(&news.join("\n"));
        }
    }

    fn status(&self, seen: &Now, now: Instant) -> String {
        let Now { running, waiting, .. } = seen;
        match self.stopping {
            Some(since) => {
                let left = seen.grace.saturating_sub(now - since).as_secs();
                format!("stopping: {running} running, which are cancelled in {left} s")
            }
            None if !seen.missing.is_empty() => {
                format!("not ready: {}; {running} running, {waiting} waiting", seen.missing.join("; "))
            }
            None => format!("{running} running, {waiting} waiting"),
        }
    }

    fn send(&self, text: &str) {
        // A manager that does not listen is restarted without us; the next text finds it again.
        let _ = self.socket.send_to_addr(text.as_bytes(), &self.address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Rig {
        socket: UnixDatagram,
        manager: Manager,
        start: Instant,
        _folder: Option<tempfile::TempDir>,
    }

    impl Rig {
        fn new(limit: Option<u64>) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("notify");
            let socket = UnixDatagram::bind(&path).unwrap();
            Self { _folder: Some(folder), ..Self::with(path.as_os_str(), socket, limit) }
        }

        fn with(name: &OsStr, socket: UnixDatagram, limit: Option<u64>) -> Self {
            socket.set_nonblocking(true).unwrap();
            let start = Instant::now();
            let manager = Manager::new(name, limit.map(Duration::from_secs), start).unwrap();
            Self { socket, manager, start, _folder: None }
        }

        /// One turn of the driver at this time; what the service manager has got of it.
        fn turn(&mut self, at: u64, seen: &Now) -> Vec<String> {
            let now = self.start + Duration::from_millis(at);
            self.manager.feed(now);
            if self.manager.wants_to_look(now) {
                self.manager.look(seen, now);
            }
            let mut got = Vec::new();
            let mut buffer = [0; 4096];
            while let Ok(length) = self.socket.recv(&mut buffer) {
                got.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
            }
            got
        }

        fn due(&self) -> Option<u128> {
            self.manager.due().map(|due| (due - self.start).as_millis())
        }
    }

    fn busy(running: usize) -> Now {
        Now { running, ..Now::default() }
    }

    fn missing(what: &str) -> Now {
        Now { missing: vec![what.to_owned()], ..Now::default() }
    }

    fn stopping(running: usize) -> Now {
        Now { stopping: true, running, grace: Duration::from_secs(30), ..missing("it stops") }
    }

    #[test]
    fn ready_is_said_once_and_as_soon_as_nothing_is_missing() {
        let mut rig = Rig::new(None);
        assert_eq!(
            rig.turn(0, &missing("no worker is ready")),
            ["STATUS=not ready: no worker is ready; 0 running, 0 waiting"]
        );
        assert_eq!(rig.turn(1, &missing("no worker is ready")), [""; 0]);
        assert_eq!(rig.turn(2, &busy(0)), ["READY=1\nSTATUS=0 running, 0 waiting"]);
        assert_eq!(
            rig.turn(5000, &missing("a broker")),
            ["STATUS=not ready: a broker; 0 running, 0 waiting"]
        );
        assert_eq!(rig.turn(6000, &busy(0)), ["STATUS=0 running, 0 waiting"]);
    }

    #[test]
    fn what_goes_on_is_said_once_a_second_at_most_and_an_idle_service_is_left_alone() {
        let mut rig = Rig::new(None);
        rig.turn(0, &busy(0));
        assert_eq!(rig.due(), None);
        assert_eq!(rig.turn(10, &busy(1)), [""; 0]);
        assert_eq!(rig.turn(20, &busy(2)), [""; 0]);
        assert_eq!(rig.due(), Some(1000));
        assert_eq!(rig.turn(1000, &busy(0)), [""; 0]);
        assert_eq!(rig.due(), None);
        assert_eq!(rig.turn(9000, &busy(3)), ["STATUS=3 running, 0 waiting"]);
        assert_eq!(rig.due(), None);
    }

    #[test]
    fn a_stop_is_said_and_how_long_it_may_take() {
        let mut rig = Rig::new(None);
        rig.turn(0, &busy(2));
        assert_eq!(
            rig.turn(4000, &stopping(2)),
            ["STOPPING=1\nSTATUS=stopping: 2 running, which are cancelled in 30 s"]
        );
        assert_eq!(rig.due(), Some(5000));
        assert_eq!(rig.turn(6000, &stopping(1)), ["STATUS=stopping: 1 running, which are cancelled in 28 s"]);
    }

    #[test]
    fn the_watchdog_is_fed_at_half_its_time_while_the_driver_goes_round_and_only_then() {
        let mut rig = Rig::new(Some(10));
        assert_eq!(rig.due(), Some(0));
        assert_eq!(rig.turn(0, &busy(0))[0], "WATCHDOG=1");
        assert_eq!(rig.due(), Some(5000));
        assert_eq!(rig.turn(4999, &busy(0)), [""; 0]);
        assert_eq!(rig.turn(5000, &busy(0)), ["WATCHDOG=1"]);
    }

    #[test]
    fn an_abstract_socket_is_reached_and_a_manager_that_is_gone_is_no_error() {
        let name = format!("dispatcher-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        let mut rig = Rig::with(OsStr::new(&format!("@{name}")), socket, None);
        assert_eq!(rig.turn(0, &busy(0)), ["READY=1\nSTATUS=0 running, 0 waiting"]);
        rig.socket = UnixDatagram::unbound().unwrap();
        rig.socket.set_nonblocking(true).unwrap();
        assert_eq!(rig.turn(2000, &busy(1)), [""; 0]);
    }
}
