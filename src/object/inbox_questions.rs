//! What an inbox's object asks of Postgres and of rooms, one question at a time.
//! Not here: when it asks, and what follows from the answer (`inbox`).

use super::host::Host;
use super::inbox::InboxObject;
use super::platform::Platform;
use super::requests::Answer as Answered;
use crate::api::{self, Reply, RoomOp, RoomRequest, database_unavailable, no_such_room};
use crate::auth::Identity;
use crate::db::{self, DbError, InboxRoom};
use crate::error::{Code, Refusal};
use crate::ids::{RoomId, Seq, TenantId, UnixMs, UserId};
use crate::inbox::{Answer, Inbox, Input, Page, Question};
use crate::limits::{PAGE_MAX, STATEMENT_TIMEOUT_MS, WAIT_STEP_MS};
use crate::protocol;
use crate::room::RoomCall;
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
    ) -> Result<(Answer, bool), Refusal> {
        self.begin_question().await?;
        let answer = self.ask_as(caller).await;
        self.asking.release();
        answer
    }

    async fn ask_as(self: &Rc<Self>, caller: &Identity) -> Result<(Answer, bool), Refusal> {
        self.ensure_active(caller).await?;
        let known = self.look(Inbox::known_rooms).unwrap_or_default();
        self.ask_whole(caller, &known).await.map_err(database_unavailable)
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
        known: &[RoomId],
    ) -> Result<(Answer, bool), DbError> {
        let (tenant, user) = (&caller.tenant, &caller.user);
        self.ask_db(async |db| {
            let was_running = db::begin_inbox_lease(db, tenant, user).await?;
            let page = db::list_rooms(db, tenant, user, None, PAGE_MAX).await?;
            let listed: BTreeSet<RoomId> = page.rooms.iter().filter_map(protocol::inbox::id).collect();
            let others: Vec<RoomId> = known.iter().filter(|id| !listed.contains(*id)).cloned().collect();
            let rooms = db::inbox_rooms(db, tenant, user, &others).await?;
            let answer = Answer {
                page: Some(Page {
                    rooms: page.rooms.into_iter().map(|room| api::for_caller(caller, room)).collect(),
                    next_cursor: page.next_cursor,
                }),
                rooms: shown_to(caller, rooms),
            };
            Ok((answer, was_running))
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
        let taken = self.with_inbox(|inbox| Some((inbox.take_question(now)?, inbox.caller().cloned()?)));
        if let Some(Some((question, caller))) = taken {
            let outcome = self.answer(&caller, &question).await;
            self.feed(Input::Answered { question, outcome });
        }
        self.asking.release();
    }

    async fn answer(self: &Rc<Self>, caller: &Identity, question: &Question) -> Result<Answer, DbError> {
        if question.is_whole {
            return self.ask_whole(caller, &question.rooms).await.map(|(answer, _)| answer);
        }
        let (tenant, user) = (&caller.tenant, &caller.user);
        let rooms = self.ask_db(async |db| db::inbox_rooms(db, tenant, user, &question.rooms).await).await?;
        Ok(Answer { page: None, rooms: shown_to(caller, rooms) })
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

/// The rooms with what the caller's token adds.
fn shown_to(caller: &Identity, rooms: Vec<InboxRoom>) -> Vec<InboxRoom> {
    let shown =
        |asked: InboxRoom| InboxRoom { room: asked.room.map(|room| api::for_caller(caller, room)), ..asked };
    rooms.into_iter().map(shown).collect()
}
