//! Why there is no worker.

use std::io;

use dispatcher_engine::Exit;
use rustix::io::Errno;

/// A sentence for the log, and whether it may be otherwise in a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    why: String,
    /// The machine has none left of something.
    shortage: bool,
}

impl Refusal {
    pub(crate) fn new(why: String, shortage: bool) -> Self {
        Self { why, shortage }
    }

    /// `why` is the whole sentence, the error included.
    pub(crate) fn of(error: &io::Error, why: String) -> Self {
        let errno = Errno::from_io_error(error);
        let short = [Errno::MFILE, Errno::NFILE, Errno::AGAIN, Errno::NOMEM, Errno::NOBUFS];
        Self { why, shortage: errno.is_some_and(|errno| short.contains(&errno)) }
    }

    pub(crate) fn exit(self) -> Exit {
        if self.shortage { Exit::Shortage(self.why) } else { Exit::StartFailed(self.why) }
    }
}

impl From<String> for Refusal {
    fn from(why: String) -> Self {
        Self { why, shortage: false }
    }
}

impl From<&str> for Refusal {
    fn from(why: &str) -> Self {
        why.to_owned().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_there_in_a_moment_is_told_from_what_is_wrong() {
        let of = |number| Refusal::of(&io::Error::from_raw_os_error(number), "no".to_owned()).exit();
        // EMFILE, ENFILE, EAGAIN, ENOMEM; ENOENT, EACCES.
        assert_eq!([24, 23, 11, 12].map(of), [(); 4].map(|()| Exit::Shortage("no".to_owned())));
        assert_eq!([2, 13].map(of), [(); 2].map(|()| Exit::StartFailed("no".to_owned())));
    }
}
