//! Waking a thread that sleeps in `poll`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

/// An event counter that a sleeping thread polls; clones share it.
#[derive(Clone)]
pub(super) struct Waker(Arc<OwnedFd>);

impl Waker {
    pub(super) fn new() -> io::Result<Waker> {
        Ok(Waker(Arc::new(eventfd(
            0,
            EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC,
        )?)))
    }

    /// Wakes the thread, or keeps it from its next sleep. Never blocks.
    pub(super) fn wake(&self) {
        // A full counter (EAGAIN) wakes all the same.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }

    /// Forgets the wake-ups so far; before the thread looks at what it was woken for.
    pub(super) fn clear(&self) {
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Sleeps until one of `fds` is readable or `timeout` has passed; `None` sleeps on.
pub(super) fn sleep(fds: &mut [PollFd<'_>], timeout: Option<std::time::Duration>) {
    // A timeout that does not fit a timespec is as good as none.
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    // EINTR: the caller looks at everything and comes back.
    let _ = poll(fds, timeout.as_ref());
}

/// For [`sleep`]: wake when `fd` is readable.
pub(super) fn readable<'fd>(fd: BorrowedFd<'fd>) -> PollFd<'fd> {
    PollFd::from_borrowed_fd(fd, PollFlags::IN)
}
