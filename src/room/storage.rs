//! How full the room's storage is, and what that stops. A full storage would lock the room for ever: nothing could be
//! deleted, and nothing more would reach Postgres. So new content stops before.
//! Not here: the alert of a room that becomes full (`outbox::alert`).

use super::store::Store;
use crate::error::{Code, Refusal};
use crate::limits::{Limits, STORAGE_ALERT_PERCENT, STORAGE_FULL_PERCENT};

/// As it was measured last: after each batch, and when a turn ends.
#[derive(Clone, Copy, Debug, Default)]
pub struct Storage {
    percent: u64,
}

impl Storage {
    pub fn measure(&mut self, store: &Store, limits: &Limits) {
        let max = limits.storage_bytes.max(1);
        self.percent = store.0.size_bytes().saturating_mul(100) / max;
    }

    /// The percentage that the tenant's list shows; `None`: there is enough left.
    pub fn alert_percent(self) -> Option<u64> {
        Some(self.percent).filter(|percent| *percent >= STORAGE_ALERT_PERCENT)
    }

    /// # Errors  room_full → nothing may be added to the room any more, except what deletions need.
    pub fn ensure_not_full(self) -> Result<(), Refusal> {
        if self.percent >= STORAGE_FULL_PERCENT {
            return Err(Refusal::new(Code::RoomFull, "the room's storage is full; go on in a new room"));
        }
        Ok(())
    }
}
