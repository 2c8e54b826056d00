//! The worker's end of its channel: descriptor 0 at the start, moved away at once.
//!
//! Reads and writes in batches, and waits for room only when the socket is full: watched for both, a Unix socket would wake
//! the worker each time that the service has read something. What is on it is nothing to it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use dispatcher_protocol::ServiceReader;
use rustix::buffer::spare_capacity;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Bytes asked for in one read: a batch of ordinary frames.
const READ: usize = 64 * 1024;

/// The lowest descriptor that the channel may get, above those that programs hand around by number.
const ABOVE: i32 = 3;

/// The socket, before there is a runtime.
#[derive(Debug)]
pub(super) struct Channel(OwnedFd);

/// The socket, watched by the runtime.
#[derive(Debug)]
pub(super) struct Watched {
    socket: AsyncFd<OwnedFd>,
    /// Watches for room; there while the socket is full.
    room: Option<AsyncFd<OwnedFd>>,
}

impl Channel {
    /// Moves the channel away from descriptor 0 and leaves `/dev/null` there: what tasks start does not inherit it.
    pub(super) fn take_stdin() -> io::Result<Self> {
        let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), ABOVE)?;
        // Only a stream socket can be the channel.
        rustix::net::sockopt::socket_type(&socket)?;
        let nothing = rustix::fs::open("/dev/null", OFlags::RDONLY, Mode::empty())?;
        rustix::stdio::dup2_stdin(&nothing)?;
        Ok(Self(socket))
    }

    /// Takes in what comes next, waiting for it; 0 at the end of the channel.
    pub(super) fn wait_and_read(&mut self, reader: &mut ServiceReader) -> io::Result<usize> {
        read(&self.0, reader, RecvFlags::empty())
    }

    /// To be called within the runtime.
    pub(super) fn watch(self) -> io::Result<Watched> {
        rustix::io::ioctl_fionbio(&self.0, true)?;
        let socket = watch(self.0, Interest::READABLE)?;
        Ok(Watched { socket, room: None })
    }
}

impl Watched {
    /// Takes in what comes, waiting for it; 0 at the end of the channel. Cancel-safe: nothing is read before it is ready.
    pub(super) async fn read(&self, reader: &mut ServiceReader) -> io::Result<usize> {
        loop {
            let mut ready = self.socket.readable().await?;
            match self.read_now(reader) {
                Ok(count) => {
                    if count < READ {
                        // That was all there is; what comes later is news of its own.
                        ready.clear_ready();
                    }
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes in what has come, without waiting.
    pub(super) fn read_now(&self, reader: &mut ServiceReader) -> io::Result<usize> {
        read(self.socket.get_ref(), reader, RecvFlags::DONTWAIT)
    }

    /// Sends as much as there is room for, and takes that off the front. The rest waits for [`Watched::has_room`].
    pub(super) fn send(&mut self, unsent: &mut Vec<u8>) -> io::Result<()> {
        let mut sent = 0;
        while sent < unsent.len() {
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            match rustix::net::send(self.socket.get_ref().as_fd(), &unsent[sent..], flags) {
                Ok(count) => sent += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    unsent.drain(..sent);
                    if self.room.is_none() {
                        let again = self.socket.get_ref().try_clone()?;
                        self.room = Some(watch(again, Interest::WRITABLE)?);
                    }
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
        unsent.clear();
        self.room = None;
        Ok(())
    }

    /// Waits until more can be sent; for ever while nothing waits to be.
    pub(super) async fn has_room(&self) {
        match &self.room {
            Some(room) => {
                if let Ok(mut ready) = room.writable().await {
                    ready.clear_ready();
                }
            }
            None => std::future::pending().await,
        }
    }

    /// Lets nothing more in. What has come can still be read; what the service writes from now on fails.
    pub(super) fn close_for_reading(&self) {
        // A socket that is closed already needs no closing.
        let _ = rustix::net::shutdown(self.socket.get_ref(), Shutdown::Read);
    }
}

/// Watches a descriptor that nothing else in this process owns.
#[expect(
    deprecated,
    reason = "tokio warns of types whose descriptor may change while it is watched; an OwnedFd's cannot, and the \
              replacement is an unsafe function"
)]
fn watch(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(fd, interest)
}

fn read(socket: &OwnedFd, reader: &mut ServiceReader, flags: RecvFlags) -> io::Result<usize> {
    let space = reader.space(READ);
    let got = rustix::io::retry_on_intr(|| rustix::net::recv(socket, spare_capacity(space), flags));
    match got {
        Ok((_, count)) => Ok(count),
        Err(Errno::CONNRESET) => Ok(0),
        Err(error) => Err(error.into()),
    }
}
