//! The service's end of a worker's channel: a stream socket that is watched for reading alone.
//!
//! A Unix socket reports that it can be written each time its other end has read something. Watched for that, it
//! would wake the service once more for every task; so it is watched only while something waits to be sent.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::watched::watch;

/// One end of a stream socket.
#[derive(Debug)]
pub(crate) struct Channel {
    socket: AsyncFd<OwnedFd>,
    /// Watches for room; there while the socket is full.
    room: Option<AsyncFd<OwnedFd>>,
}

impl Channel {
    /// A new socket: our end, and the end for the worker (blocking, as a worker expects).
    pub(crate) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        Ok((Self { socket: watch(ours.into(), Interest::READABLE)?, room: None }, theirs.into()))
    }

    /// Appends what has come, waiting for it; 0 at the end of the channel. Cancel-safe: nothing is read before it
    /// is ready.
    pub(crate) async fn read(&self, into: &mut Vec<u8>) -> io::Result<usize> {
        loop {
            let mut ready = self.socket.readable().await?;
            let room = into.capacity() - into.len();
            match self.read_now(into) {
                Ok(count) => {
                    if count < room {
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

    /// Appends what has come, without waiting.
    pub(crate) fn read_now(&self, into: &mut Vec<u8>) -> io::Result<usize> {
        Ok(rustix::io::retry_on_intr(|| rustix::io::read(self.socket.as_fd(), spare_capacity(into)))?)
    }

    /// Sends as [`Channel::send`] does, with a descriptor beside the first bytes. A reader that does not ask for it loses
    /// nothing but the descriptor.
    pub(crate) fn send_with(&mut self, unsent: &mut Vec<u8>, fd: BorrowedFd<'_>) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        let fds = [fd];
        // There is room for one.
        beside.push(SendAncillaryMessage::ScmRights(&fds));
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let sent = rustix::io::retry_on_intr(|| {
            rustix::net::sendmsg(self.socket.as_fd(), &[IoSlice::new(unsent)], &mut beside, flags)
        })?;
        unsent.drain(..sent);
        self.send(unsent)
    }

    /// Sends as much as there is room for, and takes that off the front. The rest waits for [`Channel::has_room`].
    pub(crate) fn send(&mut self, unsent: &mut Vec<u8>) -> io::Result<()> {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        while !unsent.is_empty() {
            match rustix::net::send(self.socket.as_fd(), unsent, flags) {
                Ok(sent) => {
                    unsent.drain(..sent);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    if self.room.is_none() {
                        let again = self.socket.get_ref().try_clone()?;
                        self.room = Some(watch(again, Interest::WRITABLE)?);
                    }
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.room = None;
        Ok(())
    }

    /// Waits until more can be sent; for ever while nothing waits to be.
    pub(crate) async fn has_room(&self) {
        match &self.room {
            Some(room) => {
                if let Ok(mut ready) = room.writable().await {
                    ready.clear_ready();
                }
            }
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn what_does_not_fit_is_sent_when_there_is_room_and_arrives_whole() {
        let (mut ours, theirs) = Channel::pair().unwrap();
        let whole: Vec<u8> = (0..2_000_000_u32).map(|number| number as u8).collect();
        let expected = whole.clone();
        let reader = std::thread::spawn(move || {
            let mut got = vec![0; expected.len()];
            let mut from = std::fs::File::from(theirs);
            io::Read::read_exact(&mut from, &mut got).unwrap();
            assert!(got == expected);
        });
        let mut unsent = whole;
        ours.send(&mut unsent).unwrap();
        while !unsent.is_empty() {
            ours.has_room().await;
            ours.send(&mut unsent).unwrap();
        }
        reader.join().unwrap();
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_comes_in_pieces_is_read_and_the_end_is_seen() {
        let (ours, theirs) = Channel::pair().unwrap();
        let mut got = Vec::with_capacity(4);
        for piece in [b"one", b"two"] {
            rustix::io::write(&theirs, piece).unwrap();
            got.reserve(4);
            assert_eq!(ours.read(&mut got).await.unwrap(), 3);
        }
        drop(theirs);
        got.reserve(4);
        assert_eq!(ours.read(&mut got).await.unwrap(), 0);
        assert_eq!(got, b"onetwo");
    }
}
