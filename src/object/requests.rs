//! Requests to a room, which the Worker sends for a caller: calls, admin changes and upgrades. Before each, the log is
//! opened. Not here: the queue of changes (`changes`), events of open sockets (`mod`), and who may do what (`room`).

use super::Object;
use super::host::Host;
use super::platform::Platform;
use crate::api::{Reply, RoomOp, RoomRequest, UpgradeRequest, database_unavailable, no_such_room};
use crate::auth::Identity;
use crate::db::{self, ChangeSet};
use crate::error::{Code, Refusal};
use crate::ids::UnixMs;
use crate::limits::{ERASE_PAUSE_MS, STATEMENT_TIMEOUT_MS, WAIT_STEP_MS};
use crate::oplog::Entry;
use crate::protocol::server::CloseCode;
use crate::room::store::{Store, StoreError};
use crate::room::{Connect, Input, ResumePosition, Room, RoomInfo};
use std::rc::Rc;

/// What the Worker gets.
pub enum Answer<Peer> {
    Reply(Reply),
    Upgraded {
        peer: Peer,
        /// The client speaks `chat.v1`, and the answer must confirm it.
        batches: bool,
    },
}

impl<P: Platform> Object<P> {
    /// Opens the room and does what the caller asks.
    ///
    /// # Errors  the caller's refusal; nothing happened then.
    pub async fn handle_request(
        self: Rc<Self>,
        room_request: RoomRequest,
    ) -> Result<Answer<P::Peer>, Refusal> {
        if matches!(room_request.op, RoomOp::EndSessions {} | RoomOp::Refresh {}) {
            return self.copy_postgres().await.map(Answer::Reply);
        }
        self.open(&room_request).await?;
        let caller = &room_request.caller;
        self.memory.look(|room| room.ensure_not_refused(caller)).unwrap_or(Ok(()))?;
        match room_request.op {
            RoomOp::Upgrade(upgrade) => {
                self.admit_connection(&room_request.caller)?;
                self.upgrade(room_request.caller, upgrade)
            }
            RoomOp::Call(call) => {
                let random = self.platform.random();
                let fed = self.feed(Input::Call { caller: &room_request.caller, call, random });
                Ok(Answer::Reply(Reply::ok(fed.reply.ok_or_else(Refusal::fault)??)))
            }
            RoomOp::Change(change) => self.change(room_request.caller, change).await.map(Answer::Reply),
            RoomOp::EndSessions {} | RoomOp::Refresh {} => Err(Refusal::fault()),
        }
    }

    /// The room has Postgres' members, blocks and accounts, and has closed the sockets whose tokens are refused. Where there
    /// is no log nobody is connected, and the next request asks.
    ///
    /// # Errors  upstream_unavailable → Postgres gave no answer.
    async fn copy_postgres(self: &Rc<Self>) -> Result<Reply, Refusal> {
        let is_open = self.loaded().map_err(|why| self.broken(&why))?.is_some();
        if is_open && !self.refresh().await {
            return Err(Refusal::new(Code::UpstreamUnavailable, "the database can't be reached, try again"));
        }
        Ok(Reply::ok("{}"))
    }

    fn admit_connection(self: &Rc<Self>, caller: &Identity) -> Result<(), Refusal> {
        let now = self.platform.now();
        self.memory.look(|room| room.admit_connection(caller, now)).ok_or_else(Refusal::fault)?
    }

    /// Accepts the socket and sends everything that a new connection receives first, without an `await`.
    fn upgrade(
        self: &Rc<Self>,
        caller: Identity,
        upgrade: UpgradeRequest,
    ) -> Result<Answer<P::Peer>, Refusal> {
        self.sockets.begin_turn();
        // A fault in one of these frames loads the room again. That must not happen between `accept` and `Connect`.
        self.process_inbox();
        let now = self.platform.now();
        let id = self.sockets.number(self.memory.look(|room| room.next_connection(now)).unwrap_or(1));
        let (socket, peer) = self.platform.accept(id).ok_or_else(Refusal::fault)?;
        let UpgradeRequest { batches, since, history } = upgrade;
        self.sockets.insert_new(id, socket.clone(), batches);
        let since = since.map(|(seq, epoch)| ResumePosition { seq, epoch });
        let fed = self.feed(Input::Connect(Connect { id, identity: caller, batches, since, history }));
        // Flushed at once, and the other sockets with it: no event gets between the replay and the live events.
        if fed.failed || self.feed(Input::Flush).failed {
            // The room was loaded again. It does not know a socket without a stored state.
            self.sockets.remove(id);
            let _ = self.platform.close(&socket, CloseCode::Internal);
            return Err(Refusal::fault());
        }
        self.schedule.flushed();
        Ok(Answer::Upgraded { peer, batches })
    }

    /// Ensures that the room is in memory and at least as new as what Postgres returned to the Worker.
    ///
    /// # Errors  503 if Postgres is needed for that and can't be reached. An open room continues without it.
    async fn open(self: &Rc<Self>, room_request: &RoomRequest) -> Result<(), Refusal> {
        for _ in 0..STATEMENT_TIMEOUT_MS / WAIT_STEP_MS {
            let current = self.is_current(room_request)?;
            if current {
                return Ok(());
            }
            self.refuse_while_rebuilding()?;
            let now = self.platform.now();
            if self.opening.take(now, 2 * STATEMENT_TIMEOUT_MS) {
                let opened = self.open_from_postgres(room_request).await;
                self.opening.release();
                return opened;
            }
            // Another request opens the log, and on Workers no request can await another one's promise.
            self.platform.sleep(WAIT_STEP_MS).await;
        }
        Err(Refusal::new(Code::UpstreamUnavailable, "the room is still being opened, try again"))
    }

    fn is_current(self: &Rc<Self>, room_request: &RoomRequest) -> Result<bool, Refusal> {
        let slot = self.loaded().map_err(|why| self.broken(&why))?;
        let Some(room) = slot.as_ref() else { return Ok(false) };
        Ok(match &room_request.membership {
            None => true,
            Some(membership) => {
                let member = room_request.op.is_tenants() || room.admit(&room_request.caller).is_ok();
                // `hello` shows them.
                let shows_notify = !matches!(&room_request.op, RoomOp::Upgrade(_))
                    || membership
                        .notify
                        .as_ref()
                        .is_none_or(|notify| room.has_notify(&room_request.caller.user, notify))
                        && membership
                            .person
                            .as_ref()
                            .is_none_or(|person| room.shows_as(&room_request.caller.user, person));
                membership.members_version <= room.members_version()
                    && membership.last_seq <= room.head()
                    && member
                    && shows_notify
            }
        })
    }

    /// Rebuilds a log that is missing or behind Postgres; otherwise only refreshes the members.
    async fn open_from_postgres(self: &Rc<Self>, room_request: &RoomRequest) -> Result<(), Refusal> {
        if let Some(job) = self.unfinished_rebuild()? {
            self.begin_rebuild(job).await?;
            return self.is_current(room_request).map(drop);
        }
        let (caller, id) = (&room_request.caller, &room_request.room);
        let known = self.memory.look(Room::members_version);
        let snapshot = self.ask_db(async |db| db::room_snapshot(db, &caller.tenant, id, known).await).await;
        let snapshot = snapshot.map_err(database_unavailable)?.ok_or_else(no_such_room)?;
        let look = |room: &Room| (room.is_deleted(), snapshot.last_seq <= room.head());
        // Loaded and not only looked at: a rebuild may have completed the log meanwhile.
        let (is_deleted, is_complete) =
            self.loaded().map_err(|why| self.broken(&why))?.as_ref().map(look).unwrap_or_default();
        if is_deleted {
            return Err(no_such_room());
        }
        if is_complete {
            // If the snapshot could not be stored, nobody may be served by the old members.
            let failed = self.feed(Input::Refreshed(Some(snapshot))).failed;
            return if failed { Err(Refusal::fault()) } else { Ok(()) };
        }
        self.rebuild(RoomInfo { tenant: caller.tenant.clone(), id: id.clone(), snapshot }).await?;
        // The room is loaded with the new log.
        self.is_current(room_request).map(drop)
    }

    /// Asks Postgres for the room and its members; true if its answer is in force.
    pub async fn refresh(self: &Rc<Self>) -> bool {
        let known = self.memory.look(|room| (room.key(), room.members_version()));
        let Some(((tenant, id), version)) = known else { return true };
        let snapshot = self.ask_db(async |db| db::room_snapshot(db, &tenant, &id, Some(version)).await);
        match snapshot.await {
            Ok(snapshot) => !self.feed(Input::Refreshed(snapshot)).failed,
            Err(_) => false,
        }
    }

    /// Puts the room back into Postgres, if a restored backup has lost it or a change of it.
    pub(super) async fn restore_room(self: &Rc<Self>) {
        let Some(copy) = self.memory.look(Room::copy) else { return };
        let outcome = self.ask_db(async |db| db::restore_room(db, &copy).await).await;
        self.feed(Input::Restored(outcome));
    }

    /// Deletes the next piece of the deleted room in Postgres.
    pub(super) async fn erase_piece(self: &Rc<Self>) {
        let Some((tenant, room)) = self.memory.look(Room::key) else { return };
        self.platform.sleep(ERASE_PAUSE_MS).await;
        let outcome = self.ask_db(async |db| db::erase_room(db, &tenant, &room).await).await;
        self.feed(Input::Erased(outcome));
    }

    /// The objects are removed from the bucket, and their bytes count no more for whoever uploaded them; true if both
    /// have confirmed.
    pub(super) async fn remove_files(self: &Rc<Self>, ids: &[String], keys: &[String]) -> bool {
        let Some((tenant, room)) = self.memory.look(Room::key) else { return false };
        self.platform.remove_files(keys).await
            && self.ask_db(async |db| db::release_files(db, &tenant, &room, ids).await).await.is_ok()
    }

    /// The room's reports are in the tenant's list: they outlive the room, and its outbox can't bring them afterwards.
    pub(super) async fn save_reports(self: &Rc<Self>, set: &ChangeSet) -> Result<(), Refusal> {
        let mut after = String::new();
        loop {
            let notes = Store(self.platform.sql()).audit_notes_after(&after);
            let notes = notes.map_err(|why| self.broken(&why))?;
            let Some(last) = notes.last() else { return Ok(()) };
            after.clone_from(&last.id);
            let reports: Vec<_> = notes.into_iter().filter(|note| note.report.is_some()).collect();
            if !reports.is_empty() {
                let written =
                    self.ask_db(async |db| db::write_reports(db, &set.tenant, &set.room, &reports).await);
                written.await.map_err(database_unavailable)?;
            }
        }
    }

    /// Looks at the room, which is loaded if it is not in memory.
    pub fn with_room<T>(self: &Rc<Self>, look: impl FnOnce(&Room, UnixMs) -> T) -> Result<T, Refusal> {
        let slot = self.loaded().map_err(|why| self.broken(&why))?;
        slot.as_ref().map(|room| look(room, self.platform.now())).ok_or_else(no_such_room)
    }

    /// Reports a failing storage to the operator. The caller learns only that it is a fault of ours.
    pub(super) fn broken(&self, why: &StoreError) -> Refusal {
        self.platform.report(&Entry::error("store_failed").with("why", why));
        Refusal::fault()
    }
}
