//! Tickets: who may start a task that was handed out early.
//!
//! Beside its socket a worker inherits one end of a pipe. Before each `run` frame the service puts the frame's
//! number into that pipe; the worker takes one number out before it starts a task. The service keeps a
//! reading end too, so it can take numbers back itself. The kernel hands each number to exactly one of the
//! two: whoever has the ticket has the task, whatever the worker is doing at that moment.
//!
//! Never blocks; never decides which task goes back (that is the engine's).

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::pipe::PipeFlags;

/// Bytes of one ticket: the frame's number, little-endian.
const TICKET: usize = 8;

/// The service's side of one worker's ticket pipe.
#[derive(Debug)]
pub(crate) struct Tickets {
    /// Where numbers are put in.
    give: OwnedFd,
    /// Where numbers are taken back; the worker reads from the same pipe.
    take: OwnedFd,
}

impl Tickets {
    /// A new pipe: our side, and the reading end for the worker.
    pub(crate) fn new() -> io::Result<(Self, OwnedFd)> {
        let (take, give) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let worker_end = take.try_clone()?;
        Ok((Self { give, take }, worker_end))
    }

    /// Puts tickets in. A worker holds at most a few tasks, far below what a pipe takes (65,536 bytes), so this
    /// fails only when the pipe is broken.
    pub(crate) fn give(&self, seqs: &[u64]) -> io::Result<()> {
        let bytes: Vec<u8> = seqs.iter().flat_map(|seq| seq.to_le_bytes()).collect();
        let written = rustix::io::write(self.give.as_fd(), &bytes)?;
        if written == bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    /// Takes back every ticket that the worker has not taken: the numbers of the tasks it has not begun.
    pub(crate) fn take_back(&self) -> io::Result<Vec<u64>> {
        let mut taken = Vec::new();
        let mut buffer = [0_u8; TICKET * 64];
        loop {
            match rustix::io::read(self.take.as_fd(), &mut buffer) {
                Ok(0) | Err(Errno::AGAIN) => return Ok(taken),
                Ok(count) => taken.extend(buffer[..count].chunks_exact(TICKET).map(number)),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn number(bytes: &[u8]) -> u64 {
    let mut ticket = [0_u8; TICKET];
    ticket.copy_from_slice(bytes);
    u64::from_le_bytes(ticket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(worker_end: &OwnedFd) -> Option<u64> {
        let mut ticket = [0_u8; TICKET];
        rustix::io::read(worker_end, &mut ticket).ok().map(|_| u64::from_le_bytes(ticket))
    }

    #[test]
    fn a_ticket_goes_to_the_worker_or_back_but_never_to_both() {
        let (tickets, worker_end) = Tickets::new().unwrap();
        tickets.give(&[1, 2, 3]).unwrap();
        assert_eq!(claim(&worker_end), Some(1));
        assert_eq!(tickets.take_back().unwrap(), [2, 3]);
        assert_eq!(claim(&worker_end), None);
    }

    #[test]
    fn taking_back_from_an_empty_pipe_gives_nothing() {
        let (tickets, _worker_end) = Tickets::new().unwrap();
        assert_eq!(tickets.take_back().unwrap(), [0_u64; 0]);
    }
}
