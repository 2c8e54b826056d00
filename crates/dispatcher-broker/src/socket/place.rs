//! The socket as a file: who may have the path, with what mode, and who removes it.
//!
//! Never takes a path from a service that is alive, never follows a link, never touches what is no socket, and
//! removes at the end only what it made itself.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags, fchmod, flock};
use tokio::net::{UnixListener, UnixSocket, UnixStream};
use tokio::time::{Instant, sleep};

use crate::BrokerError;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 128;

/// How long to wait for another service that is taking a path in the same directory.
const TURN: Duration = Duration::from_secs(2);

/// A bound socket. Dropping it removes the file, then closes the listener.
#[derive(Debug)]
pub(super) struct Place {
    _file: OwnFile,
    pub(super) listener: UnixListener,
}

impl Place {
    /// Binds the path. Every refusal asks for a change of the configuration or of the machine.
    pub(super) async fn take(path: &Path) -> Result<Self, BrokerError> {
        let _turn = turn(path).await;
        clear(path).await?;
        bind(path).map_err(|error| {
            let path = path.display();
            BrokerError::Config(format!(
                "cannot make the socket {path}: {error}; socket_path has to be in a directory that exists and that \
                 this user may write to"
            ))
        })
    }
}

fn bind(path: &Path) -> io::Result<Place> {
    let socket = UnixSocket::new_stream()?;
    // Linux gives the file the mode that the socket has at that moment, so there is none at which others could connect.
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    socket.bind(path)?;
    let made = fs::symlink_metadata(path)?;
    let file = OwnFile { path: path.to_owned(), mark: mark(&made) };
    if made.mode() & 0o077 != 0 {
        return Err(io::Error::other("this system lets others connect to it"));
    }
    Ok(Place { _file: file, listener: socket.listen(BACKLOG)? })
}

/// Makes sure that nothing is at the path; removes a socket that nobody listens to any more.
async fn clear(path: &Path) -> Result<(), BrokerError> {
    let refuse = |what: String| Err(BrokerError::Config(what));
    let shown = path.display();
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return refuse(format!("cannot look at socket_path {shown}: {error}")),
        Ok(found) if !found.file_type().is_socket() => {
            return refuse(format!(
                "socket_path {shown} is there and is no socket, so it is left alone; remove it or choose another path"
            ));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        // A full queue of connections is a sign of life too.
        Ok(_) => refuse(occupied(path)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => refuse(occupied(path)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                refuse(format!("cannot remove the socket {shown}, which a service left behind: {error}"))
            }
            _ => Ok(()),
        },
        Err(error) => refuse(format!(
            "cannot tell whether a service listens at socket_path {shown}: {error}; remove it or choose another path"
        )),
    }
}

fn occupied(path: &Path) -> String {
    format!(
        "a service listens at socket_path {} already; stop it, or give each service a path of its own",
        path.display()
    )
}

/// A lock on the directory: of two services that start at the same time, one looks after the other has bound. Best
/// effort: who has no right to it, or waits for it too long, goes on without.
async fn turn(path: &Path) -> Option<rustix::fd::OwnedFd> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let directory =
        rustix::fs::open(parent, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let deadline = Instant::now() + TURN;
    while Instant::now() < deadline {
        match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Some(directory),
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {
                sleep(Duration::from_millis(5)).await;
            }
            Err(_) => return None,
        }
    }
    None
}

/// The file of a socket that we bound.
#[derive(Debug)]
struct OwnFile {
    path: PathBuf,
    mark: (u64, u64),
}

impl Drop for OwnFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| mark(&found) == self.mark) {
            // A file that cannot be removed is found dead by the next service, which says what is wrong.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// What tells a file from every other that exists at the same time.
fn mark(found: &fs::Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}
