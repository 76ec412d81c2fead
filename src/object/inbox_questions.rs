//! What an inbox's object asks of Postgres and of rooms, one question at a time.
//! Not here: when it asks, and what follows from the answer (`inbox`).

use super::host::Host;
use super::inbox::InboxObject;
use super::platform::Platform;
use super::requests::Answer as Answered;
use crate::api::{
    self, InboxRequest, PersonPoke, Reply, RoomOp, RoomRequest, database_unavailable, no_such_room,
};
use crate::auth::Identity;
use crate::db::{self, DbError, InboxAsked, InboxRoom, NoticesAfter, SavedAfter};
use crate::error::{Code, Refusal};
use crate::ids::{RoomId, Seq, TenantId, UnixMs, UserId};
use crate::inbox::{Answer, Inbox, Input, Owner, Page, Question, Store};
use crate::limits::{
    INBOX_ROOM_EVERY_MS, PAGE_MAX, POKE_TRIES_MAX, POKES_AT_ONCE, STATEMENT_TIMEOUT_MS, WAIT_STEP_MS,
};
use crate::protocol;
use crate::room::store::StoreError;
use crate::room::{ResumePosition, RoomCall};
use futures_util::future::join_all;
use std::collections::BTreeSet;
use std::rc::Rc;

impl<P: Platform> InboxObject<P> {
    /// Waits until no other question is under way; whoever gets `Ok` releases `asking`.
    ///
    /// # Errors  upstream_unavailable → the others take too long.
    async fn begin_question(&self) -> Result<(), Refusal> {
        for _ in 0..STATEMENT_TIMEOUT_MS / WAIT_STEP_MS {
            if self.asking.take(self.platform.now(), 4 * STATEMENT_TIMEOUT_MS) {
                return Ok(());
            }
            self.platform.sleep(WAIT_STEP_MS).await;
        }
        Err(Refusal::new(Code::UpstreamUnavailable, "the inbox is being opened, try again"))
    }

    /// The list for a new connection, with the lease begun before it.
    ///
    /// # Errors  upstream_unavailable → Postgres gave no answer. What a list shows only Postgres knows. And those of
    /// `db::Account::admit`.
    pub(super) async fn ask_everything(
        self: &Rc<Self>,
        caller: &Identity,
        since: Option<&ResumePosition>,
    ) -> Result<Answer, Refusal> {
        self.begin_question().await?;
        let answer = self.ask_as(caller, since).await;
        self.asking.release();
        answer
    }

    async fn ask_as(
        self: &Rc<Self>,
        caller: &Identity,
        since: Option<&ResumePosition>,
    ) -> Result<Answer, Refusal> {
        // Postgres may be back for the list: without an answer here nobody is let in.
        let account = self.ask_db(async |db| db::account(db, &caller.tenant, &caller.user).await).await;
        account.map_err(database_unavailable)?.map_or(Ok(()), |account| account.admit(caller))?;
        let everything = self.look(|inbox| -> Result<Question, StoreError> {
            let notices = inbox.notices_of_all(&Store(self.platform.sql()), since, self.platform.now())?;
            let (rooms, people) = (inbox.known_rooms(), inbox.partners());
            Ok(Question { rooms, people, saved: Some(inbox.saved_after()), notices, ..Question::default() })
        });
        let everything = everything.ok_or_else(Refusal::fault)?;
        let everything = everything.map_err(|why| self.report_fault(Some(&why)))?;
        self.ask_whole(caller, &everything).await.map_err(database_unavailable)
    }

    /// # Errors  those of `db::ensure_active`.
    pub(super) async fn ensure_active(self: &Rc<Self>, caller: &Identity) -> Result<(), Refusal> {
        self.ask_db(async |db| db::ensure_active(db, caller).await).await
    }

    /// The inbox has closed the sockets whose tokens are refused. A connection that is being opened has asked before, and
    /// is closed too, or asks later.
    ///
    /// # Errors  upstream_unavailable → Postgres gave no answer.
    pub(super) async fn end_sessions(
        self: &Rc<Self>,
        tenant: &TenantId,
        user: &UserId,
    ) -> Result<Answered<P::Peer>, Refusal> {
        self.begin_question().await?;
        let account = self.ask_db(async |db| db::account(db, tenant, user).await).await;
        if let Ok(Some(account)) = &account {
            self.feed(Input::SessionsEnded { account: account.clone() });
        }
        self.asking.release();
        account.map_err(database_unavailable)?;
        Ok(Answered::Reply(Reply::ok("{}")))
    }

    async fn ask_whole(
        self: &Rc<Self>,
        caller: &Identity,
        Question { rooms: known, people: partners, saved, notices, .. }: &Question,
    ) -> Result<Answer, DbError> {
        let (tenant, user) = (&caller.tenant, &caller.user);
        self.ask_db(async |db| {
            let (lease_was_running, presence) = db::begin_inbox_lease(db, tenant, user).await?;
            let page = db::list_rooms(db, tenant, user, None, PAGE_MAX).await?;
            let listed: BTreeSet<RoomId> = page.rooms.iter().filter_map(protocol::inbox::id).collect();
            let others: Vec<RoomId> = known.iter().filter(|id| !listed.contains(*id)).cloned().collect();
            let of_page = page.rooms.iter().filter_map(|room| protocol::inbox::partner(room, user));
            let people: BTreeSet<UserId> = of_page.chain(partners.iter().cloned()).collect();
            let people: Vec<UserId> = people.into_iter().collect();
            let was_here = lease_was_running || self.look(Inbox::is_open) == Some(true);
            let notices = notices_after(notices, &listed, was_here, self.platform.now());
            let saved = Some(saved.unwrap_or(SavedAfter(None)));
            let asked = InboxAsked { rooms: &others, people: &people, saved, notices: &notices };
            let seen = db::inbox_rooms(db, tenant, user, asked).await?;
            let answer = Answer {
                page: Some(Page {
                    rooms: page.rooms.into_iter().map(|room| api::for_caller(caller, room)).collect(),
                    next_cursor: page.next_cursor,
                }),
                rooms: shown_to(caller, seen.rooms),
                people: seen.people,
                inboxes: Vec::new(),
                lease_was_running,
                was_here,
                presence: Some(presence),
                saved: seen.saved,
                notices: seen.notices,
            };
            Ok(answer)
        })
        .await
    }

    /// The next question will be asked at this time.
    pub(super) fn ask_at(self: &Rc<Self>, at: UnixMs) {
        if self.asks_at.get().is_some_and(|asks_at| asks_at <= at) {
            return;
        }
        self.asks_at.set(Some(at));
        self.later(async move |object| {
            object.platform.sleep(at.saturating_sub(object.platform.now())).await;
            if object.asks_at.get() == Some(at) {
                object.asks_at.set(None);
                object.ask().await;
            }
        });
    }

    async fn ask(self: Rc<Self>) {
        if self.begin_question().await.is_err() {
            return self.ask_at(self.platform.now().saturating_add(STATEMENT_TIMEOUT_MS));
        }
        let now = self.platform.now();
        let taken = self.with_inbox(|inbox| {
            Some((inbox.take_question(now)?, inbox.owner().clone(), inbox.caller().cloned()))
        });
        if let Some(Some((question, owner, caller))) = taken {
            let outcome = self.answer(&owner, caller.as_ref(), &question).await;
            self.feed(Input::Answered { question, outcome });
        }
        self.asking.release();
    }

    /// `caller`: `None` without a device; then there is nothing to show.
    async fn answer(
        self: &Rc<Self>,
        Owner { tenant, user, .. }: &Owner,
        caller: Option<&Identity>,
        question: &Question,
    ) -> Result<Answer, DbError> {
        let Question { is_whole, rooms, people, saved, notices, own } = question;
        let inboxes = match own {
            Some(own) => {
                let write = async |db: &P::Db| {
                    db::write_presence(db, (tenant, user), own.presence, &own.partners).await
                };
                self.ask_db(write).await?
            }
            None => Vec::new(),
        };
        let Some(caller) = caller else { return Ok(Answer { inboxes, ..Answer::default() }) };
        if *is_whole {
            let answer = self.ask_whole(caller, question).await?;
            // What was just written is not confirmed yet.
            let presence = answer.presence.filter(|_| own.is_none());
            return Ok(Answer { inboxes, presence, ..answer });
        }
        let asked = InboxAsked { rooms, people, saved: *saved, notices };
        let ask = async |db: &P::Db| db::inbox_rooms(db, tenant, user, asked).await;
        let seen = self.ask_db(ask).await?;
        let rooms = shown_to(caller, seen.rooms);
        let db::InboxSeen { people, saved, notices, .. } = seen;
        Ok(Answer { rooms, people, inboxes, saved, notices, ..Answer::default() })
    }

    /// These inboxes ask for the presence of this one's person. One that gives no answer is tried again; after the last
    /// try its next renewal finds it.
    pub(super) async fn poke_partners(self: &Rc<Self>, inboxes: Vec<UserId>) {
        let Some(Owner { tenant, user: person, .. }) = self.look(|inbox| inbox.owner().clone()) else {
            return;
        };
        let mut left = inboxes;
        for tries in 0..POKE_TRIES_MAX {
            let mut failed = Vec::new();
            for some in left.chunks(POKES_AT_ONCE) {
                let pokes: Vec<_> = some
                    .iter()
                    .map(|user| PersonPoke {
                        tenant: tenant.clone(),
                        user: user.clone(),
                        person: person.clone(),
                    })
                    .map(InboxRequest::PersonPoke)
                    .collect();
                let arrived = join_all(pokes.iter().map(|poke| self.platform.poke(poke))).await;
                let lost = some.iter().zip(arrived).filter(|(_, has_arrived)| !has_arrived);
                failed.extend(lost.map(|(user, _)| user.clone()));
            }
            if failed.is_empty() {
                return;
            }
            left = failed;
            self.platform.sleep(INBOX_ROOM_EVERY_MS << tries.min(8)).await;
        }
    }

    /// Nobody pokes this person any more, unless a device is connected again. A lease that can't be ended is over by
    /// itself.
    pub(super) async fn end_lease(self: &Rc<Self>, tenant: &TenantId, user: &UserId) {
        if self.begin_question().await.is_err() {
            return;
        }
        if self.look(Inbox::is_open) != Some(true) {
            let _ = self.ask_db(async |db| db::end_inbox_lease(db, tenant, user).await).await;
        }
        self.asking.release();
    }

    /// The person has read the room up to here.
    ///
    /// # Errors  room_not_found → it is no room of theirs.
    pub(super) async fn mark_read(
        self: &Rc<Self>,
        caller: Identity,
        room: RoomId,
        seq: Seq,
        is_known: bool,
    ) -> Result<(), Refusal> {
        // A stranger's request must not reach a room.
        let (tenant, user) = (&caller.tenant, &caller.user);
        let asked = self.ask_db(async |db| db::access(db, tenant, user, &room).await);
        let membership = match asked.await {
            Ok(None) => return Err(no_such_room()),
            Ok(Some(access)) => {
                access.account.as_ref().map_or(Ok(()), |account| account.admit(&caller))?;
                Some(access.into())
            }
            Err(_) if is_known => None,
            Err(error) => return Err(database_unavailable(error)),
        };
        let request = RoomRequest { caller, room, membership, op: RoomOp::Call(RoomCall::Read { seq }) };
        match self.platform.call_room(&request).await? {
            Reply::Json { status: 200, .. } => Ok(()),
            Reply::Json { status: 404, .. } => Err(no_such_room()),
            Reply::Json { status: 429, retry_after_ms, .. } => {
                let refusal = Refusal::new(Code::RateLimited, "too many read markers");
                Err(refusal.retry_after_ms(retry_after_ms.unwrap_or_default()))
            }
            _ => Err(Refusal::new(Code::UpstreamUnavailable, "the room can't be reached, try again")),
        }
    }
}

/// What is asked of the rooms, and of those of the list that the inbox does not know. Who was not here before is notified of
/// nothing, and a connection that resumes gets what is pending.
fn notices_after(
    known: &[NoticesAfter],
    listed: &BTreeSet<RoomId>,
    was_here: bool,
    now: UnixMs,
) -> Vec<NoticesAfter> {
    let rooms: BTreeSet<&RoomId> = known.iter().map(|asked| &asked.room).collect();
    let unknown = listed.iter().filter(|room| was_here && !rooms.contains(room));
    let unknown = unknown.map(|room| NoticesAfter::of_unknown(room.clone(), now));
    known.iter().filter(|asked| was_here || asked.is_replayed).cloned().chain(unknown).collect()
}

/// The rooms with what the caller's token adds.
fn shown_to(caller: &Identity, rooms: Vec<InboxRoom>) -> Vec<InboxRoom> {
    let shown =
        |asked: InboxRoom| InboxRoom { room: asked.room.map(|room| api::for_caller(caller, room)), ..asked };
    rooms.into_iter().map(shown).collect()
}
