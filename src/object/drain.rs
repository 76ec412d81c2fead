//! Draining: batch after batch goes to Postgres. And the connection to Postgres, which every statement of the object
//! uses. Not here: what is in a batch and what an answer means (`room`).

use super::Object;
use super::lease::Lease;
use super::platform::Platform;
use crate::db;
use crate::ids::UnixMs;
use crate::limits::*;
use crate::room::{Input, Room};
use std::cell::Cell;
use std::rc::Rc;

/// The one drain of the object.
#[derive(Default)]
pub(super) struct Drain {
    lease: Lease,
}

/// When the connection to Postgres can be closed: an open one keeps the object awake.
#[derive(Default)]
pub(super) struct Linger {
    /// How many statements were run. If the number has not changed after a while, no other one followed.
    statements: Cell<u64>,
}

impl Linger {
    /// Counts a statement.
    fn begin(&self) -> u64 {
        let statements = self.statements.get().wrapping_add(1);
        self.statements.set(statements);
        statements
    }

    fn is_over(&self, since: u64) -> bool {
        self.statements.get() == since
    }
}

impl<P: Platform> Object<P> {
    /// Asks Postgres, and keeps the connection for the statements that may follow soon.
    pub(super) async fn ask_db<T>(self: &Rc<Self>, question: impl AsyncFnOnce(&P::Db) -> T) -> T {
        let answer = question(self.platform.db()).await;
        let since = self.linger.begin();
        self.later(async move |object| {
            object.platform.sleep(CONNECTION_LINGER_MS).await;
            // A statement in progress holds its connection itself, and begins a linger of its own.
            if object.linger.is_over(since) {
                object.platform.close_db();
            }
        });
        answer
    }

    /// Starts a drain unless one runs. A drain that hangs for longer than its statements may take is lost.
    pub(super) fn start_drain(self: &Rc<Self>, now: UnixMs) {
        if self.drain.lease.take(now, 3 * STATEMENT_TIMEOUT_MS) {
            self.later(async move |object| object.drain().await);
        }
    }

    /// Takes batch after batch to Postgres until none is due.
    async fn drain(self: Rc<Self>) {
        loop {
            let fed = self.feed(Input::Drain);
            let Some(batch) = fed.project else {
                // A failing store gets a pause. Asked again within the same turn it spins: workerd never gets to write,
                // and at 10,000 timers every `sleep` panics.
                if fed.failed {
                    self.platform.sleep(RETRY_MIN_MS).await;
                }
                break;
            };
            self.drain.lease.renew(self.platform.now());
            let outcome = self.ask_db(async |db| db::project(db, &batch).await).await;
            // Who is present decides whom the batch notifies.
            self.feed_pings();
            let failed = self.feed(Input::Projected { batch, outcome }).failed;
            self.count();
            // Each batch costs a written row, so a few events are gathered first. A backlog goes at once.
            let has_backlog = self.memory.look(Room::has_a_full_batch).unwrap_or(false);
            if failed || !has_backlog {
                self.platform.sleep(DRAIN_GATHER_MS).await;
            }
        }
        self.drain.lease.release();
        // For what arrived while the last batch was in progress.
        self.schedule_next();
    }
}
