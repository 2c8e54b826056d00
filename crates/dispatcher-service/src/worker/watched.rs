//! A file descriptor that tokio watches.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Watches a descriptor that nothing else in this process owns.
#[expect(
    deprecated,
    reason = "tokio warns of types whose descriptor may change while it is watched; an OwnedFd's cannot, and the \
              replacement is an unsafe function"
)]
pub(super) fn watch(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(fd, interest)
}
