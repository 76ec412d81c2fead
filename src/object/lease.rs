//! A lease: work that only one task may do, for a limited time. Not here: the work.

use crate::ids::UnixMs;
use std::cell::Cell;

/// Since when the work is in progress. A lost promise never ends its work, so the lease expires.
#[derive(Default)]
pub(super) struct Lease(Cell<Option<UnixMs>>);

impl Lease {
    /// Takes the lease if nobody holds it, or whoever holds it has held it for more than `max_ms`.
    pub fn take(&self, now: UnixMs, max_ms: u64) -> bool {
        let is_free = self.0.get().is_none_or(|since| now.saturating_sub(since) > max_ms);
        if is_free {
            self.renew(now);
        }
        is_free
    }

    /// The work has made progress.
    pub fn renew(&self, now: UnixMs) {
        self.0.set(Some(now));
    }

    pub fn release(&self) {
        self.0.set(None);
    }
}
