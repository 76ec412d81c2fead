//! The room's door: what the Worker asks on somebody's behalf, opening the log, accepting a socket.
//! Not here: events of sockets that are open (`object`), and who may come in (`room`).

use super::Object;
use super::platform::Platform;
use super::sockets::Socket;
use crate::api::{Reply, RoomOp, RoomRequest, UpgradeRequest, no_such_room, open_room, unavailable};
use crate::auth::Identity;
use crate::db::{self, Applied};
use crate::error::{Code, Refusal};
use crate::ids::UnixMs;
use crate::limits::{CHANGE_TRIES_MAX, REBUILD_PAGE, STATEMENT_TIMEOUT_MS, WAIT_STEP_MS};
use crate::mutants::{self, Mutant, is};
use crate::oplog::Entry;
use crate::protocol::server::CloseCode;
use crate::room::store::{Store, StoreError};
use crate::room::{AdminChange, Connect, ConnectionId, Input, Rebuild, Room, RoomInfo};
use std::rc::Rc;

/// What the Worker gets.
pub enum Answer<Peer> {
    Reply(Reply),
    Upgraded {
        peer: Peer,
        /// The client speaks `chat.v1`, and is to be told so.
        batches: bool,
    },
}

impl<P: Platform> Object<P> {
    /// # Errors  what the caller is refused with; nothing happened then.
    pub async fn handle_request(
        self: Rc<Self>,
        room_request: RoomRequest,
    ) -> Result<Answer<P::Peer>, Refusal> {
        self.open(&room_request).await?;
        match room_request.op {
            RoomOp::Upgrade(upgrade) => {
                self.admit(&room_request.caller)?;
                if is(Mutant::HeadBeforeSocket) {
                    mutants::remember(self.room.borrow().as_ref().map(Room::head));
                    self.platform.sleep(WAIT_STEP_MS).await;
                }
                self.upgrade(room_request.caller, upgrade)
            }
            RoomOp::Call(call) => {
                let random = self.platform.random();
                let fed = self.feed(Input::Call { caller: &room_request.caller, call, random });
                Ok(Answer::Reply(Reply::ok(fed.reply.ok_or_else(Refusal::fault)??)))
            }
            RoomOp::Change(change) => self.change(&room_request.caller, &change).await,
        }
    }

    fn admit(self: &Rc<Self>, caller: &Identity) -> Result<(), Refusal> {
        let room = self.room.borrow();
        let room = room.as_ref().ok_or_else(Refusal::fault)?;
        room.admit(caller)
    }

    /// The synchronous end of an upgrade: accept, and everything a connection hears first.
    fn upgrade(
        self: &Rc<Self>,
        caller: Identity,
        upgrade: UpgradeRequest,
    ) -> Result<Answer<P::Peer>, Refusal> {
        // A fault in one of these loads the room again, which must not happen between the socket and its `Connect`.
        self.process_inbox();
        let id = self.next_connection();
        let (socket, peer) = self.platform.accept(id).ok_or_else(Refusal::fault)?;
        self.sockets.borrow_mut().insert(id, Socket::new(socket.clone(), u32::MAX));
        let UpgradeRequest { batches, since, history } = upgrade;
        let fed = self.feed(Input::Connect(Connect { id, identity: caller, batches, since, history }));
        // At once, and with it what the others still had coming: nothing stands between its history and its present.
        if fed.failed || self.feed(Input::Flush).failed {
            // The room was loaded again, and a socket to which nothing was attached yet is none of those it knows.
            if self.sockets.borrow_mut().remove(&id).is_some() || !is(Mutant::HalfOpenLeft) {
                let _ = self.platform.close(&socket, CloseCode::Internal);
            }
            return Err(Refusal::fault());
        }
        self.flush_is_due.set(false);
        Ok(Answer::Upgraded { peer, batches })
    }

    /// Never one that was given before: not even in this millisecond, to a socket that the room, loaded again, knows
    /// nothing of.
    fn next_connection(&self) -> ConnectionId {
        let now = self.platform.now();
        let id = self.room.borrow().as_ref().map_or(1, |room| room.next_connection(now));
        let id = if is(Mutant::ConnectionIdTwice) { id } else { id.max(self.next_connection.get()) };
        self.next_connection.set(id.saturating_add(1));
        id
    }

    /// Makes sure that the room is in memory and as new as Postgres said it is.
    ///
    /// # Errors  503 when that takes Postgres and it can't be had; a room that is open goes on without it.
    async fn open(self: &Rc<Self>, room_request: &RoomRequest) -> Result<(), Refusal> {
        for _ in 0..STATEMENT_TIMEOUT_MS / WAIT_STEP_MS {
            let current = self.is_current(room_request)?;
            if current {
                return Ok(());
            }
            let now = self.platform.now();
            let lease = |since: UnixMs| now.saturating_sub(since) > 2 * STATEMENT_TIMEOUT_MS;
            if self.opening_since.get().is_none_or(lease) {
                self.opening_since.set(Some(now));
                let opened = self.open_from_postgres(room_request).await;
                self.opening_since.set(None);
                return opened;
            }
            // Somebody else is at it, and on Workers nobody can await another request's promise.
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
                let member = room.admit(&room_request.caller).is_ok()
                    || matches!(&room_request.op, RoomOp::Call(call) if call.is_operators());
                membership.members_version <= room.members_version()
                    && membership.last_seq <= room.head()
                    && member
            }
        })
    }

    /// Opens a room that has no log here, or one that Postgres is ahead of; or only learns its members.
    async fn open_from_postgres(self: &Rc<Self>, room_request: &RoomRequest) -> Result<(), Refusal> {
        let (caller, id) = (&room_request.caller, &room_request.room);
        let known = self.room.borrow().as_ref().map(Room::members_version);
        let snapshot = self.ask_db(async |db| open_room(db, caller, id, known).await).await?;
        let whole = self.room.borrow().as_ref().is_some_and(|room| snapshot.last_seq <= room.head());
        if whole {
            // What could not be taken over isn't in force: nobody is served by the membership of before.
            let failed = self.feed(Input::Refreshed(Some(snapshot))).failed;
            return if failed { Err(Refusal::fault()) } else { Ok(()) };
        }
        let facts = RoomInfo { tenant: caller.tenant.clone(), id: id.clone(), snapshot };
        let epoch = format!("{:016x}", self.platform.random());
        let broken = |why: StoreError| self.broken(&why);
        let store = Store(self.platform.sql());
        let mut rebuild = Rebuild::begin(&store, facts, epoch).map_err(broken)?;
        while let Some(after) = rebuild.wants() {
            let page =
                self.ask_db(async |db| db::messages_after(db, &caller.tenant, id, after, REBUILD_PAGE).await);
            let page = page.await;
            let page =
                page.map_err(|_| Refusal::new(Code::UpstreamUnavailable, "the database can't be reached"))?;
            rebuild.page(&store, page).map_err(broken)?;
        }
        rebuild.finish(&store, self.platform.now()).map_err(broken)?;
        // Loaded anew with the new log; sockets of an older one are to come back and see the new epoch.
        *self.room.borrow_mut() = None;
        self.delivered_seq.set(None);
        self.close_all(CloseCode::Restart);
        self.sockets.borrow_mut().clear();
        self.platform.close_db();
        self.is_current(room_request).map(drop)
    }

    /// Asks Postgres for the room and its people, and takes over what it answers.
    pub async fn refresh(self: &Rc<Self>) {
        let known = self.room.borrow().as_ref().map(|room| (room.key(), room.members_version()));
        let Some(((tenant, id), version)) = known else { return };
        let snapshot = self.ask_db(async |db| db::room_snapshot(db, &tenant, &id, Some(version)).await);
        if let Ok(snapshot) = snapshot.await {
            self.feed(Input::Refreshed(snapshot));
        }
    }

    /// Changes the room in Postgres, and answers once the change is in force here: who was removed hears nothing any more.
    ///
    /// # Errors  the plan's; 503 when Postgres doesn't answer, and then the change may have been made or not.
    async fn change(
        self: &Rc<Self>,
        caller: &Identity,
        change: &AdminChange,
    ) -> Result<Answer<P::Peer>, Refusal> {
        let id = format!("{:016x}{:016x}", self.platform.random(), self.platform.random());
        for _ in 0..CHANGE_TRIES_MAX {
            let plan = self.with_room(|room, now| room.plan(caller, change, now, &id))??;
            let Some(set) = plan else { return self.answer_to(caller, change) };
            // Before Postgres hears of it: a crash after that finds out why the room isn't there.
            if set.delete && self.feed(Input::DeletionRequested).failed {
                return Err(Refusal::fault());
            }
            // No answer: what was done shows in what there is now, and if nothing was, it is tried again.
            let (applied, snapshot) = self
                .ask_db(async |db| {
                    let applied = db::apply(db, &set).await;
                    (applied, db::room_snapshot(db, &set.tenant, &set.room, Some(set.version)).await)
                })
                .await;
            let snapshot = snapshot.map_err(unavailable)?;
            let known = snapshot.as_ref().is_some_and(|now| Room::knows_of(&now.changes, &id));
            let missing = snapshot.is_none();
            if is(Mutant::RemovedAfterAnswer) {
                self.later(async move |object| {
                    object.platform.sleep(WAIT_STEP_MS).await;
                    object.feed(Input::Refreshed(snapshot));
                });
            } else if self.feed(Input::Refreshed(snapshot)).failed {
                return Err(Refusal::fault());
            }
            match applied {
                _ if set.delete && missing => {
                    return Ok(Answer::Reply(Reply::ok(serde_json::json!({"roomId": set.room}))));
                }
                _ if known => return self.answer_to(caller, change),
                Ok(Applied::Done) => return self.answer_to(caller, change),
                _ if missing => return Err(no_such_room()),
                Ok(Applied::Stale | Applied::Missing) | Err(_) => {}
            }
        }
        let message = "others are changing the room at this moment, try again";
        Err(Refusal::new(Code::UpstreamUnavailable, message))
    }

    fn answer_to(
        self: &Rc<Self>,
        caller: &Identity,
        change: &AdminChange,
    ) -> Result<Answer<P::Peer>, Refusal> {
        let answer = self.with_room(|room, _| room.answer_to(caller, change))?;
        Ok(Answer::Reply(Reply::ok(answer)))
    }

    /// Looks into the room, which is loaded if it isn't in memory.
    ///
    /// # Errors  there is no such room, or its storage fails.
    pub fn with_room<T>(self: &Rc<Self>, look: impl FnOnce(&Room, UnixMs) -> T) -> Result<T, Refusal> {
        let slot = self.loaded().map_err(|why| self.broken(&why))?;
        slot.as_ref().map(|room| look(room, self.platform.now())).ok_or_else(no_such_room)
    }

    /// A storage that fails is told to the operator; the caller learns that it is a fault of ours.
    fn broken(&self, why: &StoreError) -> Refusal {
        self.platform.report(&Entry::error("store_failed").with("why", why));
        Refusal::fault()
    }
}
