//! Packets between the service and a fork server: one JSON object each, with file descriptors beside it.
//!
//! A sequenced-packet socket keeps the borders of messages, so nothing here assembles anything. Knows bytes and
//! descriptors only, not what they mean (that is `template`).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::watched::watch;

/// The longest packet that is taken in. A start-up traceback is the largest thing a fork server says.
const MAX_PACKET: usize = 256 * 1024;

/// The most descriptors that travel with one packet, in either direction.
const MAX_FDS: usize = 8;

/// The service's end of a packet socket.
#[derive(Debug)]
pub(crate) struct Packets {
    socket: AsyncFd<OwnedFd>,
    buffer: Vec<u8>,
}

impl Packets {
    /// A new socket: our end, and the end for the child (blocking, as the child expects).
    pub(crate) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        rustix::io::ioctl_fionbio(&ours, true)?;
        Ok((
            Self {
                socket: watch(ours, Interest::READABLE | Interest::WRITABLE)?,
                buffer: vec![0; MAX_PACKET],
            },
            theirs,
        ))
    }

    /// Sends one packet with these descriptors.
    pub(crate) async fn send(&self, packet: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        loop {
            let mut ready = self.socket.writable().await?;
            if let Ok(sent) = ready.try_io(|socket| send_now(socket.as_fd(), packet, fds)) {
                return sent;
            }
        }
    }

    /// The next packet and its descriptors; `None` when the other end is gone. Cancel-safe: a packet is taken
    /// whole or not at all.
    pub(crate) async fn receive(&mut self) -> io::Result<Option<(&[u8], Vec<OwnedFd>)>> {
        let (length, fds) = loop {
            let mut ready = self.socket.readable().await?;
            if let Ok(got) = ready.try_io(|socket| receive_now(socket.as_fd(), &mut self.buffer)) {
                break got?;
            }
        };
        Ok((length > 0).then(|| (&self.buffer[..length], fds)))
    }
}

fn send_now(socket: BorrowedFd<'_>, packet: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::other("too many file descriptors for one packet"));
    }
    sendmsg(socket, &[IoSlice::new(packet)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

fn receive_now(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got = recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    if got.flags.contains(ReturnFlags::TRUNC) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "packet longer than the limit"));
    }
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            fds.extend(received);
        }
    }
    Ok((got.bytes, fds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn a_packet_arrives_whole_with_its_descriptors() {
        let (mut ours, theirs) = Packets::pair().unwrap();
        let (kept, passed) = rustix::pipe::pipe().unwrap();
        send_now(theirs.as_fd(), b"one", &[passed.as_fd()]).unwrap();
        send_now(theirs.as_fd(), b"two", &[]).unwrap();
        let (packet, fds) = ours.receive().await.unwrap().unwrap();
        assert_eq!(packet, b"one");
        rustix::io::write(&fds[0], b"!").unwrap();
        let mut byte = [0];
        rustix::io::read(&kept, &mut byte).unwrap();
        assert_eq!(byte, *b"!");
        assert_eq!(ours.receive().await.unwrap().unwrap().0, b"two");
        drop(theirs);
        assert!(ours.receive().await.unwrap().is_none());
    }
}
