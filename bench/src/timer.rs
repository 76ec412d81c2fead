//! A timer with microseconds that a poll can wait for; epoll's own timeout has milliseconds. Linux only, as the bench.

use std::io::{Error, Result};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

pub struct Timer(OwnedFd);

#[cfg(target_os = "linux")]
impl Timer {
    pub fn new() -> Result<Self> {
        // SAFETY: timerfd_create takes no pointers.
        let fd =
            unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC) };
        // SAFETY: a descriptor that isn't negative is new and nobody else's.
        if fd < 0 { Err(Error::last_os_error()) } else { Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) })) }
    }

    pub fn fd(&self) -> i32 {
        self.0.as_raw_fd()
    }

    /// The descriptor becomes readable at `due`. This also takes back that it was readable.
    pub fn set(&self, due: Instant) -> Result<()> {
        // Zero would turn the timer off.
        let wait = due.saturating_duration_since(Instant::now()).max(Duration::from_micros(1));
        let zero = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let value =
            libc::timespec { tv_sec: wait.as_secs().cast_signed(), tv_nsec: i64::from(wait.subsec_nanos()) };
        let spec = libc::itimerspec { it_interval: zero, it_value: value };
        // SAFETY: the pointers are to what lives here; no old value is asked for.
        let set = unsafe { libc::timerfd_settime(self.fd(), 0, &spec, std::ptr::null_mut()) };
        if set == 0 { Ok(()) } else { Err(Error::last_os_error()) }
    }
}

#[cfg(not(target_os = "linux"))]
impl Timer {
    pub fn new() -> Result<Self> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    pub fn fd(&self) -> i32 {
        self.0.as_raw_fd()
    }

    pub fn set(&self, _due: Instant) -> Result<()> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
}
