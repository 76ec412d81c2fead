//! Draining: batch after batch goes to Postgres. Not here: the connection (`host`), what is in a batch and what an answer
//! means (`room`).

use super::Object;
use super::host::Host;
use super::lease::Lease;
use super::platform::Platform;
use crate::db::{self, Projected};
use crate::ids::UnixMs;
use crate::limits::*;
use crate::room::{Input, Room};
use std::cell::Cell;
use std::rc::Rc;

/// The one drain of the object.
#[derive(Default)]
pub(super) struct Drain {
    lease: Lease,
    /// How long the last batch took, by the clock: also what a busy core or pool kept it waiting.
    took_ms: Cell<u64>,
}

impl Drain {
    /// How long events are gathered for one batch.
    fn gather_ms(&self) -> u64 {
        (DRAIN_GATHER_PER_BATCH * self.took_ms.get()).clamp(DRAIN_GATHER_MIN_MS, DRAIN_GATHER_MAX_MS)
    }
}

impl<P: Platform> Object<P> {
    /// Starts a drain unless one runs. A drain that hangs for longer than its statements may take is lost.
    pub(super) fn start_drain(self: &Rc<Self>, now: UnixMs) {
        if self.drain.lease.take(now, 3 * STATEMENT_TIMEOUT_MS) {
            self.later(async move |object| object.drain().await);
        }
    }

    /// Takes batch after batch to Postgres until none is due. Each batch is a statement and a written row, so events
    /// are gathered first; a backlog goes at once.
    async fn drain(self: Rc<Self>) {
        while self.memory.look(|room: &Room| room.wants_drain(self.platform.now())).unwrap_or(true) {
            if !self.memory.look(Room::has_a_full_batch).unwrap_or(false) {
                self.platform.sleep(self.drain.gather_ms()).await;
            }
            let fed = self.feed(Input::Drain);
            let Some(batch) = fed.project else {
                // A failing store gets a pause. Asked again within the same turn it spins: workerd never gets to write,
                // and at 10,000 timers every `sleep` panics.
                if fed.failed {
                    self.platform.sleep(RETRY_MIN_MS).await;
                }
                break;
            };
            let begun = self.platform.now();
            self.drain.lease.renew(begun);
            let outcome = self.ask_db(async |db| db::project(db, &batch).await).await;
            self.drain.took_ms.set(self.platform.now().saturating_sub(begun));
            self.poke(outcome.as_ref().map(Projected::inboxes).unwrap_or_default());
            // Who is present decides whom the batch notifies.
            self.feed_pings();
            let failed = self.feed(Input::Projected { batch, outcome }).failed;
            self.count();
            if failed {
                self.platform.sleep(RETRY_MIN_MS).await;
            }
        }
        self.drain.lease.release();
        // For what arrived while the last batch was in progress.
        self.schedule_next();
    }
}
