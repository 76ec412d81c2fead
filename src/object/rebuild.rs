//! Making the log anew from Postgres, beside the requests that wait for it. Nobody waits for more than the first page: the
//! rest is done in slices, each in an event of its own that the alarm begins, and is continued by whoever comes after a
//! kill or a lost promise.
//! Not here: the job and its progress (`room::rebuild`), and when a log has to be rebuilt (`requests`).

use super::Object;
use super::host::Host;
use super::lease::Lease;
use super::platform::Platform;
use crate::api::database_unavailable;
use crate::db::{self, PageBounds, RoomSnapshot};
use crate::error::{Code, Refusal};
use crate::ids::UnixMs;
use crate::limits::*;
use crate::oplog::Entry;
use crate::protocol::server::CloseCode;
use crate::room::store::{Store, StoreError};
use crate::room::{Backoff, Input, Rebuild, RebuildStep, RoomInfo};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

/// Who works on the job, and when after a failure. What must outlive the instance is in the storage.
#[derive(Default)]
pub(super) struct Rebuilding {
    lease: Lease,
    backoff: RefCell<Backoff>,
    retry_at: Cell<UnixMs>,
}

impl<P: Platform> Object<P> {
    /// The log is complete, or the job has its first page and goes on without the caller.
    ///
    /// # Errors  503 with `retryAfterMs` while pages are missing.
    pub(super) async fn rebuild(self: &Rc<Self>, info: RoomInfo) -> Result<(), Refusal> {
        let (now, epoch) = (self.platform.now(), format!("{:016x}", self.platform.random()));
        let begun = self.try_store(|store| Rebuild::begin(store, info, epoch, now))?;
        // Older sockets are closed: their clients reconnect and see the new epoch.
        self.memory.forget();
        self.schedule.cancel_tick();
        self.dismiss_all(CloseCode::Restart);
        self.sockets.clear();
        let Some(job) = begun else { return Ok(()) };
        self.report_rebuild(Entry::warn("rebuild_began"), &job);
        self.begin_rebuild(job).await
    }

    /// Takes the first page, and opens the room if there is no other one.
    pub(super) async fn begin_rebuild(self: &Rc<Self>, mut job: Rebuild) -> Result<(), Refusal> {
        let mut step = self.rebuild_step(&mut job).await?;
        if step == RebuildStep::Progress && job.wants().is_none() {
            step = self.rebuild_step(&mut job).await?;
        }
        if step == RebuildStep::Finished {
            return Ok(());
        }
        self.continue_rebuild();
        Err(self.still_rebuilding(&job))
    }

    /// Nobody is served while the log is being rebuilt. A job without a page is begun again by the request that finds it.
    pub(super) fn refuse_while_rebuilding(self: &Rc<Self>) -> Result<(), Refusal> {
        match self.unfinished_rebuild()? {
            Some(job) if job.has_begun() => {
                self.continue_rebuild();
                Err(self.still_rebuilding(&job))
            }
            _ => Ok(()),
        }
    }

    /// The job that is in the storage; a room in memory has none.
    pub(super) fn unfinished_rebuild(&self) -> Result<Option<Rebuild>, Refusal> {
        let is_open = self.memory.look(|_| ()).is_some();
        if is_open { Ok(None) } else { self.try_store(Rebuild::load) }
    }

    fn still_rebuilding(&self, job: &Rebuild) -> Refusal {
        let refusal = Refusal::new(Code::UpstreamUnavailable, "the room is being restored, try again");
        refusal.retry_after_ms(job.retry_after_ms(self.platform.now()))
    }

    /// The alarm continues a job; false if there is none.
    pub(super) fn alarm_rebuilds(self: &Rc<Self>) -> bool {
        let job = self.unfinished_rebuild();
        if matches!(job, Ok(None)) {
            return false;
        }
        // Also if the storage failed: without an alarm nobody would look again.
        self.platform.set_alarm(self.platform.now().saturating_add(ALARM_DELAY_MS));
        self.continue_rebuild();
        true
    }

    /// Begins a slice unless somebody works on the job. The alarm finds the job if the worker is lost.
    fn continue_rebuild(self: &Rc<Self>) {
        let now = self.platform.now();
        if now >= self.rebuilding.retry_at.get() && self.rebuilding.lease.take(now, REBUILD_LEASE_MS) {
            self.platform.set_alarm(now.saturating_add(ALARM_DELAY_MS));
            self.later(async move |object| object.rebuild_slice().await);
        }
    }

    /// Does a part of the job, and has the alarm begin the next one.
    async fn rebuild_slice(self: Rc<Self>) {
        let delay_ms = match self.take_pages().await {
            // The lease is that of whoever has overtaken this slice.
            Ok(RebuildStep::Overtaken) => return,
            Ok(_) => ALARM_MIN_MS,
            Err(_) => self.rebuilding.backoff.borrow_mut().fail(RETRY_MIN_MS, RETRY_MAX_MS),
        };
        let next_at = self.platform.now().saturating_add(delay_ms);
        self.rebuilding.retry_at.set(next_at);
        self.rebuilding.lease.release();
        // Also after the last page: the room has dues that no input has armed an alarm for.
        self.platform.set_alarm(next_at);
    }

    /// Takes pages until the log is complete or the slice is over.
    async fn take_pages(self: &Rc<Self>) -> Result<RebuildStep, Refusal> {
        let ends_at = self.platform.now().saturating_add(REBUILD_SLICE_MS);
        let Some(mut job) = self.unfinished_rebuild()? else { return Ok(RebuildStep::Finished) };
        while self.platform.now() < ends_at {
            match self.rebuild_step(&mut job).await? {
                RebuildStep::Progress => self.rebuilding.backoff.borrow_mut().succeed(),
                RebuildStep::Finished => return Ok(RebuildStep::Finished),
                // A request has taken the step, or this slice had lost its lease and another one works.
                RebuildStep::Overtaken => match self.unfinished_rebuild()? {
                    Some(next) if self.platform.now() < ends_at => job = next,
                    _ => return Ok(RebuildStep::Overtaken),
                },
            }
            self.rebuilding.lease.renew(self.platform.now());
        }
        Ok(RebuildStep::Progress)
    }

    /// Asks Postgres for what the job needs next, and stores it.
    async fn rebuild_step(self: &Rc<Self>, job: &mut Rebuild) -> Result<RebuildStep, Refusal> {
        let (tenant, room) = job.room();
        let Some(after) = job.wants() else {
            let snapshot = self.ask_db(async |db| db::room_snapshot(db, tenant, room, None).await).await;
            return self.finish_rebuild(job, snapshot.map_err(database_unavailable)?);
        };
        let bounds = PageBounds {
            count: self.limits.rebuild_messages.max(1),
            bytes: self.limits.rebuild_bytes.max(1),
        };
        let page = self.ask_db(async |db| db::messages_after(db, tenant, room, after, bounds).await).await;
        let page = page.map_err(database_unavailable)?;
        self.try_store(|store| job.page(store, page))
    }

    fn finish_rebuild(
        self: &Rc<Self>,
        job: &mut Rebuild,
        snapshot: Option<RoomSnapshot>,
    ) -> Result<RebuildStep, Refusal> {
        let (now, is_lost) = (self.platform.now(), snapshot.is_none());
        let step = self.try_store(|store| job.finish(store, snapshot, now))?;
        if step == RebuildStep::Finished {
            self.report_rebuild(Entry::info("rebuild_finished"), job);
            self.memory.forget();
            if is_lost {
                self.feed(Input::Refreshed(None));
            }
        }
        Ok(step)
    }

    fn report_rebuild(&self, entry: Entry, job: &Rebuild) {
        let (tenant, room) = job.room();
        self.platform.report(&entry.with("tenant", tenant).with("room", room).with("to", &job.last_seq()));
    }

    /// Works on the storage of a room that is not in memory.
    ///
    /// # Errors  a fault of ours, which is reported; `work` that writes in one transaction has written nothing.
    fn try_store<T>(&self, work: impl FnOnce(&Store) -> Result<T, StoreError>) -> Result<T, Refusal> {
        match catch_unwind(AssertUnwindSafe(|| work(&Store(self.platform.sql())))) {
            Ok(outcome) => outcome.map_err(|why| self.broken(&why)),
            Err(_) => {
                self.platform.report(&Entry::error("room_panicked"));
                Err(Refusal::fault())
            }
        }
    }
}
