//! What the room does besides clients' operations: batches to Postgres, the alarm, alerts, removals of files, and its
//! deletion. Control flow only: each step is a part's method, and what it returns leads to the next step.

use super::Room;
use super::connection::Connections;
use super::deletion::Check;
use super::effect::Effect;
use super::files::Removals;
use super::members::Members;
use super::notices::Audience;
use super::notifications::Offering;
use super::outbox::{AlertAnswer, AlertReport, Backlog, Next};
use super::reads::Reads;
use super::store::formats::OutboxReport;
use super::store::{Result, StateRow, Store, encode};
use super::turn::Turn;
use crate::db::{DbError, Projected, Projection};
use crate::ids::UnixMs;
use crate::protocol::server::CloseCode;
use std::rc::Rc;

impl Room {
    // --- The alarm ------------------------------------------------------------------------------------

    /// Ensures that an alarm finishes what a crash would leave undone.
    pub(super) fn arm(&mut self, now: UnixMs) {
        // An offering in progress needs the alarm for a crash alone.
        let notices = self.notices_due().map(|at| if self.notifications.is_offering() { now } else { at });
        let dues = [
            self.outbox.due(&self.backlog()),
            notices,
            self.files.due(),
            self.deletion.due(self.is_settled()),
        ];
        if let Some(due) = dues.into_iter().flatten().min() {
            self.effects.extend(self.alarm.arm(now, due));
        }
    }

    pub(super) fn alarm_fired(&mut self, turn: Turn) -> Result<()> {
        self.alarm.fired();
        match self.deletion.check(turn.now) {
            Some(Check::Wipe) => self.wipe_when_settled(),
            Some(Check::AskPostgres) => self.effects.push(Effect::Refresh),
            Some(Check::Erase) => self.request_piece(turn.now),
            None => {}
        }
        self.remove_due_files(turn)?;
        if self.outbox.is_report_due() { self.check_alert(turn) } else { Ok(()) }
    }

    // --- Batches --------------------------------------------------------------------------------------

    /// What the parts have for Postgres.
    pub(super) fn backlog(&self) -> Backlog {
        Backlog {
            head: self.log.head(),
            projected: self.log.projected(),
            floor: self.log.floor(),
            storage_percent: self.storage.alert_percent(),
            audit_notes: self.audit.is_waiting(),
            markers_at: self.reads.batch_due(),
            is_closed: self.deletion.is_done(),
        }
    }

    /// Stores the read markers, if they have changed.
    pub(super) fn save_reads(&mut self, store: &Store) -> Result<()> {
        match self.reads.take_unsaved() {
            Some(row) => store.set_state(StateRow::Reads, row),
            None => Ok(()),
        }
    }

    /// Takes the next batch, if one is due: events that Postgres lacks, with the present state of their messages.
    pub(super) fn take_batch(&mut self, turn: Turn) -> Result<()> {
        let Turn { store, now } = turn;
        self.storage.measure(store, &self.limits);
        let backlog = self.backlog();
        if !self.outbox.is_batch_due(now, &backlog) {
            return Ok(());
        }
        // A marker in a batch must be in storage, or a crash would forget which markers Postgres may lack.
        self.save_reads(store)?;
        let rows = self.outbox.next_rows(store, &backlog)?;
        let batch = Rc::new(Projection {
            tenant: self.members.tenant().clone(),
            room: self.members.room().clone(),
            epoch: self.log.epoch().to_owned(),
            from: backlog.projected,
            to: rows.to,
            messages: rows.messages,
            reactions: rows.reactions,
            pins: self.pins.batch(backlog.projected, rows.to),
            reads: self.reads.batch(),
            audit: self.audit.batch(store)?,
        });
        self.outbox.begin(now, &batch, self.reads.number());
        self.effects.push(Effect::Project(batch));
        Ok(())
    }

    /// Takes the answer to a batch; a late one is ignored.
    pub(super) fn projected(
        &mut self,
        turn: Turn,
        batch: &Rc<Projection>,
        outcome: std::result::Result<Projected, DbError>,
    ) -> Result<()> {
        let Some(next) = self.outbox.answered(turn, self.log.head(), batch, outcome)? else { return Ok(()) };
        for next in next {
            self.follow(turn, batch, next)?;
        }
        self.check_alert(turn)
    }

    fn follow(&mut self, turn: Turn, batch: &Projection, next: Next) -> Result<()> {
        let Turn { store, now } = turn;
        match next {
            Next::Report(entry) => self.report(entry),
            Next::WakeBy(at) => self.effects.extend(self.alarm.wake_by(now, at)),
            Next::SideRowsProjected => {
                self.reads.mark_projected(&batch.reads);
                self.audit.projected(store, &batch.audit)?;
            }
            Next::MarkersLost => {
                self.reads.unproject_all();
                // In memory alone, a crash would forget that they must be sent again.
                self.save_reads(store)?;
            }
            Next::MoveWatermark { projected, reads_saved } => {
                self.log.move_watermark(projected, reads_saved);
                self.offer_notices(turn)?;
                // One row for both watermarks: the queue's answer writes it, in a moment. A crash before that sends the
                // same batch again.
                if !self.notifications.is_offering() || self.log.lag() > 0 {
                    self.save_watermarks(store)?;
                }
            }
            // The version was read before a change that the room knows by now, or Postgres was restored from a backup:
            // the statement finds out.
            Next::MembersVersion(version) if version < self.members_version() => {
                self.effects.push(Effect::Restore);
            }
            Next::MembersVersion(version) if version == self.members_version() => {}
            Next::MembersVersion(_) => self.effects.push(Effect::Refresh),
            Next::PutBack => self.effects.push(Effect::Restore),
        }
        Ok(())
    }

    // --- Notifications --------------------------------------------------------------------------------

    /// When notices are due.
    pub(super) fn notices_due(&self) -> Option<UnixMs> {
        self.notifications.due(&self.log).filter(|_| !self.deletion.is_done())
    }

    /// Offers the next notices to the queue, if any are due.
    pub(super) fn offer_notices(&mut self, turn: Turn) -> Result<()> {
        if self.notices_due().is_none_or(|at| turn.now < at) {
            return Ok(());
        }
        let audience = audience(&self.members, &self.connections, &self.reads);
        let (offering, notified) = self.notifications.take(turn, &self.log, &audience)?;
        self.effects.extend(offering.map(Effect::Offer));
        if let Some(to) = notified {
            self.log.move_notified(to);
        }
        Ok(())
    }

    /// Offers notices when Postgres has answered long ago.
    pub(super) fn notify(&mut self, turn: Turn) -> Result<()> {
        self.offer_notices(turn)?;
        if self.notifications.is_offering() { Ok(()) } else { self.save_watermarks(turn.store) }
    }

    /// Takes the queue's answer to an offering; a late one is ignored.
    pub(super) fn offered(&mut self, turn: Turn, offering: &Rc<Offering>, taken: bool) -> Result<()> {
        let notified = self.notifications.answered(turn.now, offering, taken, self.log.notified());
        if let Some(to) = notified {
            self.log.move_notified(to);
        }
        self.offer_notices(turn)?;
        self.save_watermarks(turn.store)
    }

    /// Stores the watermarks, and who may have missed events up to there, if they have changed.
    fn save_watermarks(&mut self, store: &Store) -> Result<()> {
        if self.deletion.is_done() {
            return Ok(());
        }
        let newest = store.by_seq(self.log.notified())?.map(|event| (event.seq, event.at));
        let audience = audience(&self.members, &self.connections, &self.reads);
        let unheard = self.notifications.unheard(newest, &audience);
        self.log.save(store, unheard)
    }

    /// Stores that nothing is owed any more to people whose socket has ended. A batch that is due does so with its own row.
    pub(super) fn save_unheard(&mut self, turn: Turn) -> Result<()> {
        let is_batch_due = self.outbox.batch_due(&self.backlog()).is_some_and(|at| at <= turn.now);
        if is_batch_due || !self.notifications.is_unsaved() {
            return Ok(());
        }
        self.save_watermarks(turn.store)
    }

    // --- Alerts ---------------------------------------------------------------------------------------

    /// Reports to the tenant's list what it does not know yet.
    pub(super) fn check_alert(&mut self, turn: Turn) -> Result<()> {
        let backlog = self.backlog();
        if let Some(AlertReport { at, problem }) = self.outbox.begin_report(turn, &backlog)? {
            let (tenant, room) = self.key();
            self.effects.push(Effect::ReportAlert(OutboxReport { tenant, room, at, problem }));
        }
        Ok(())
    }

    /// Takes the list's answer to the report of that time.
    pub(super) fn alert_reported(&mut self, turn: Turn, at: UnixMs, confirmed: bool) -> Result<()> {
        match self.outbox.report_answered(turn, at, confirmed)? {
            AlertAnswer::Unknown | AlertAnswer::Failed => Ok(()),
            AlertAnswer::Cleared if self.deletion.is_done() => {
                self.wipe_when_settled();
                Ok(())
            }
            // The problem may have changed meanwhile.
            AlertAnswer::Cleared | AlertAnswer::Listed => self.check_alert(turn),
        }
    }

    // --- Removals of files ------------------------------------------------------------------------------

    /// The rows of these uploads say that their objects must be removed.
    pub(super) fn schedule_removal(&mut self, now: UnixMs, ids: Vec<String>) {
        self.effects.extend(self.files.remove_now(now, ids));
    }

    fn remove_due_files(&mut self, turn: Turn) -> Result<()> {
        match self.files.remove_due(turn)? {
            Removals::NotDue => {}
            Removals::NoneLeft => self.wipe_when_settled(),
            Removals::Ask(effect) => self.effects.push(effect),
        }
        Ok(())
    }

    pub(super) fn files_removed(&mut self, turn: Turn, ids: &[String], gone: bool) -> Result<()> {
        if self.files.removed(turn, ids, gone)? { self.bucket_answered(turn) } else { Ok(()) }
    }

    pub(super) fn files_listed(&mut self, turn: Turn, ids: Option<Vec<String>>) -> Result<()> {
        if self.files.listed(turn, ids)? { self.bucket_answered(turn) } else { Ok(()) }
    }

    /// The bucket did what it was asked for: the next removals follow.
    fn bucket_answered(&mut self, turn: Turn) -> Result<()> {
        self.wipe_when_settled();
        self.remove_due_files(turn)
    }

    // --- Deletion ---------------------------------------------------------------------------------------

    /// Postgres does not have the room. If its deletion was asked for, every socket is closed and all content is deleted
    /// at once. The rest of the storage goes when Postgres has no row, the tenant's list no alert and the bucket no file
    /// of the room. If it was not asked for, Postgres has lost the room or knows of a deletion.
    pub(super) fn finish_deletion(&mut self, turn: Turn) -> Result<()> {
        if self.deletion.is_done() {
            return Ok(());
        }
        let Some(deletion) = self.deletion.finish()? else {
            self.effects.push(Effect::Restore);
            return Ok(());
        };
        self.connections
            .ids(|_| true)
            .into_iter()
            .for_each(|id| self.close(id, CloseCode::RoomGone, turn.now));
        self.members.forget_people();
        let (log, room) = (self.log.close()?, encode(self.members.info())?);
        let rows = [(StateRow::Log, log), (StateRow::Room, room), (StateRow::Deletion, deletion)];
        turn.store.purge(&rows, turn.now)?;
        (self.reads, self.pins) = Default::default();
        self.audit.clear();
        self.outbox.clear(turn.store)?;
        self.check_alert(turn)?;
        if self.files.schedule_all(turn.store)? {
            self.remove_due_files(turn)?;
        }
        self.request_piece(turn.now);
        Ok(())
    }

    fn request_piece(&mut self, now: UnixMs) {
        self.deletion.request_piece(now);
        self.effects.push(Effect::Erase);
    }

    /// A piece of the deleted room's rows is gone from Postgres; without an answer the alarm asks again.
    pub(super) fn erased(&mut self, turn: Turn, outcome: std::result::Result<bool, DbError>) -> Result<()> {
        match outcome {
            Ok(true) if self.deletion.is_done() => self.request_piece(turn.now),
            Ok(false) if self.deletion.is_done() => {
                self.deletion.finish_erasing(turn)?;
                self.wipe_when_settled();
            }
            Ok(_) | Err(_) => {}
        }
        Ok(())
    }

    /// Whether the tenant's list shows no alert of the room and the bucket has no file of it.
    fn is_settled(&self) -> bool {
        !self.outbox.is_listed() && !self.files.has_any()
    }

    /// Empties the storage of a deleted room once nothing in it is needed.
    fn wipe_when_settled(&mut self) {
        if self.deletion.is_erased() && self.is_settled() {
            self.deletion.begin_wipe();
            self.effects.push(Effect::Wipe);
        }
    }
}

/// Who may be notified now. Not a method: the notifications are changed meanwhile.
fn audience<'a>(members: &'a Members, connections: &'a Connections, reads: &'a Reads) -> Audience<'a> {
    Audience { info: members.info(), signs: connections.signs_of_life(), reads }
}
