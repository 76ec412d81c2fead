//! The room as a pure machine: what happened goes in, what follows comes out. All control flow of a room.
//! Not here: a clock, randomness, a socket, the runtime. They are arguments and effects; `shell` has them.
//!
//! Memory is a cache of the store plus the sockets; only presence and typing live in memory alone.
//! Recovery is start-up: hibernation, a panic, a deploy and a storage error all go through `Room::load`.

pub mod connection;
mod message;
mod outbox;
pub mod pages;
mod presence;
mod rate;
mod reads;
mod rebuild;
mod session;
pub mod store;

pub use connection::{Attachment, ConnectionId};
pub use pages::{Call, PageQuery};
pub use rebuild::{Facts, Rebuild};
pub use session::Connect;

use crate::auth::{self, Action, Identity, Role};
use crate::db::{DbError, Projected, Projection, RoomSnapshot, SnapshotMember};
use crate::error::{Code, Refusal};
use crate::ids::{RoomId, Seq, TenantId, UnixMs};
use crate::limits::{Limits, RECEIPTS_MEMBERS_MAX};
use crate::protocol::client::{BadFrame, ClientFrame};
use crate::protocol::server::{self, CloseCode, EventText};
use connection::{Connection, Frames};
use outbox::{LogState, Outbox};
use presence::Presence;
use rate::{Rate, Rates};
use reads::Reads;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use store::{StateRow, Store, StoreError};

/// Something that happened to the room.
pub enum Input<'a> {
    /// A member's socket was accepted (see `Room::admit`).
    Connect(Connect),
    Frame {
        connection: ConnectionId,
        text: &'a str,
        random: u64,
    },
    Binary {
        connection: ConnectionId,
    },
    /// What became of the token of an `auth` frame.
    Verified {
        connection: ConnectionId,
        outcome: Result<Identity, Refusal>,
    },
    /// Clients that had pinged and went silent.
    Silent {
        connections: Vec<ConnectionId>,
    },
    /// More waits for this socket than it may.
    Slow {
        connection: ConnectionId,
    },
    Closed {
        connection: ConnectionId,
    },
    /// A REST request.
    Call {
        who: &'a Identity,
        call: Call,
        random: u64,
    },
    /// The turn is over: what was gathered leaves.
    Flush,
    /// `Room::deadline` has come.
    Tick,
    AlarmFired,
    /// The outbox may take its next batch.
    Drain,
    /// What became of a batch of `Effect::Project`, which comes back with it: an answer that is late, or that a
    /// reload has made strange, must not be taken for another batch's.
    Projected {
        batch: Rc<Projection>,
        outcome: Result<Projected, DbError>,
    },
    /// The room and its members as Postgres has them now; `None`: it is deleted.
    Refreshed(Option<RoomSnapshot>),
    /// Memory was lost under open sockets (a panic, a failing store). Whatever came after `told`, the head
    /// at the last flush, was committed and not heard.
    Recovered {
        told: Seq,
    },
    /// This connection's frame could not be dealt with, for a fault of ours.
    Failed {
        connection: ConnectionId,
    },
}

/// Something the shell must do, at once and in this order.
#[derive(Debug)]
pub enum Effect {
    /// One frame to one socket.
    Send {
        connection: ConnectionId,
        frame: EventText,
    },
    Close {
        connection: ConnectionId,
        code: CloseCode,
    },
    /// What the platform is to keep with the socket.
    Attach {
        connection: ConnectionId,
        attachment: Box<Attachment>,
    },
    /// Verify this token and come back with `Input::Verified`.
    Verify {
        connection: ConnectionId,
        token: String,
    },
    /// The answer to a `Call`, as JSON text.
    Reply(Result<String, Refusal>),
    /// Bring this to Postgres and come back with `Input::Projected`.
    Project(Rc<Projection>),
    /// Ask Postgres for the room and its members; come back with `Input::Refreshed`.
    Refresh,
    Alarm(UnixMs),
    /// A line for the operator's log.
    Report(String),
}

/// Why something was not done.
pub(crate) enum Refused {
    /// The sender is told; nothing happened.
    Told(Refusal),
    Store(StoreError),
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::Told(refusal)
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

pub struct Room {
    log: LogState,
    head: Seq,
    /// The head after the last input that was not lost.
    settled_head: Seq,
    facts: Facts,
    members: HashMap<String, Role>,
    limits: Limits,
    connections: BTreeMap<ConnectionId, Connection>,
    next_connection: ConnectionId,
    presence: Presence,
    rates: HashMap<String, Rates>,
    reads: Reads,
    outbox: Outbox,
    effects: Vec<Effect>,
}

/// People whose rates are remembered before the rested ones are forgotten.
const RATES_KEPT_MAX: usize = 2_048;

impl Room {
    /// The room as its storage and its open sockets say it is; `None` when there is no whole log here.
    pub fn load(
        store: &Store,
        sockets: impl IntoIterator<Item = Attachment>,
        limits: Limits,
    ) -> store::Result<Option<Self>> {
        if !store.exists()? {
            return Ok(None);
        }
        let (Some(log), Some(room)) = (store.state(StateRow::Log)?, store.state(StateRow::Room)?) else {
            return Ok(None);
        };
        let odd = |e: serde_json::Error| StoreError(format!("state: {e}"));
        let log: LogState = serde_json::from_str(&log).map_err(odd)?;
        let head = store.newest()?.max(log.projected);
        let mut loaded = Self {
            head,
            settled_head: head,
            log,
            facts: serde_json::from_str(&room).map_err(odd)?,
            members: HashMap::new(),
            limits,
            connections: BTreeMap::new(),
            next_connection: 1,
            presence: Presence::default(),
            rates: HashMap::new(),
            reads: Reads::load(&store.state(StateRow::Reads)?.unwrap_or_default()),
            outbox: Outbox::load(store)?,
            effects: Vec::new(),
        };
        loaded.learn_members();
        for kept in sockets {
            let user = kept.identity.user.as_str().to_owned();
            loaded.presence.wake(&user);
            loaded.rates.entry(user.clone()).or_default().merge(&kept.rates);
            loaded.reads.remember(&user, kept.read_seq);
            loaded.next_connection = loaded.next_connection.max(kept.id.saturating_add(1));
            loaded.connections.insert(kept.id, Connection::wake(kept));
        }
        Ok(Some(loaded))
    }

    /// Takes one thing that happened to the room and says what follows from it.
    ///
    /// # Takes   `now`: Unix milliseconds. Inputs in the order they arrived.
    /// # Gives   effects, to be performed in this order without an `await` between them.
    /// # Errors  `StoreError`: nothing was decided; drop the room, the next event loads it again.
    pub fn handle(&mut self, store: &Store, now: UnixMs, input: Input) -> store::Result<Vec<Effect>> {
        match input {
            Input::Connect(connect) => self.connect(store, now, connect)?,
            Input::Frame { connection, text, random } => self.frame(store, now, connection, text, random)?,
            Input::Binary { connection } => self.close(connection, CloseCode::BinaryUnsupported, now),
            Input::Verified { connection, outcome } => self.verified(connection, outcome, now),
            Input::Silent { connections } => {
                for connection in connections {
                    self.close(connection, CloseCode::HeartbeatTimeout, now);
                }
            }
            Input::Slow { connection } => self.close(connection, CloseCode::SlowConsumer, now),
            Input::Closed { connection } => {
                if let Some(row) = self.reads.take_unsaved() {
                    store.set_state(StateRow::Reads, row)?;
                }
                self.gone(connection, now);
            }
            Input::Call { who, call, random } => match self.call(store, now, who, call, random) {
                Ok(()) => {}
                Err(Refused::Told(refusal)) => self.effects.push(Effect::Reply(Err(refusal))),
                Err(Refused::Store(error)) => return Err(error),
            },
            Input::Flush => self.flush(now),
            Input::Tick => self.tick(now),
            Input::AlarmFired => self.alarm_fired(),
            Input::Drain => self.take_batch(store, now)?,
            Input::Projected { batch, outcome } => self.projected(store, now, &batch, outcome)?,
            Input::Refreshed(snapshot) => self.refreshed(store, snapshot, now)?,
            Input::Recovered { told } => self.recovered(store, told)?,
            Input::Failed { connection } => {
                let refusal =
                    Refusal::new(Code::Internal, "a fault of ours; what you sent may be sent again");
                self.send(connection, server::error(&refusal, None, None));
            }
        }
        self.arm(now);
        // At the end and not at the next beginning: that one may be lost before it gets here.
        self.settled_head = self.head;
        self.connections.values_mut().for_each(|c| c.settled = c.pending.len());
        Ok(std::mem::take(&mut self.effects))
    }

    /// What the inputs before the one that failed had still to tell, and the head up to which all is told then.
    /// The shell calls it before it drops the room; what the failed input did is told by `Input::Recovered`.
    pub fn give_up(&mut self, now: UnixMs) -> (Vec<Effect>, Seq) {
        self.effects.clear();
        self.connections.values_mut().for_each(|c| c.pending.truncate(c.settled));
        self.flush(now);
        (std::mem::take(&mut self.effects), self.settled_head)
    }

    /// When `Input::Tick` is due; `None` in an idle room.
    pub fn deadline(&self) -> Option<UnixMs> {
        let seed_listens = self.connections.values().any(|c| !c.kept.batches);
        self.presence.deadline(seed_listens).into_iter().chain(self.reads.deadline()).min()
    }

    /// Whether anything waits for `Input::Flush`.
    pub fn wants_flush(&self) -> bool {
        self.connections.values().any(|c| !c.pending.is_empty() || c.changed)
    }

    pub fn next_connection(&self) -> ConnectionId {
        self.next_connection
    }

    pub fn members_version(&self) -> u64 {
        self.facts.snapshot.members_version
    }

    pub fn key(&self) -> (TenantId, RoomId) {
        (self.facts.tenant.clone(), self.facts.id.clone())
    }

    pub fn head(&self) -> Seq {
        self.head
    }

    /// Whether this person may enter, by the membership the room knows.
    ///
    /// # Errors  `room_not_found`: existence isn't revealed to those outside.
    pub fn admit(&self, who: &Identity) -> Result<(), Refusal> {
        self.authorize(who, Action::Read)
    }

    // --- One frame ------------------------------------------------------------------------------

    fn frame(
        &mut self,
        store: &Store,
        now: UnixMs,
        id: ConnectionId,
        text: &str,
        random: u64,
    ) -> store::Result<()> {
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        let who = connection.kept.identity.clone();
        if text.len() > self.limits.frame_bytes as usize {
            self.close(id, CloseCode::FrameTooLarge, now);
            return Ok(());
        }
        if connection.expired(now) {
            self.close(id, CloseCode::AuthExpired, now);
            return Ok(());
        }
        connection.changed = true;
        let rates = rates_of(&mut self.rates, who.user.as_str(), now);
        if rates.floods(&self.limits, now) {
            self.close(id, CloseCode::Flood, now);
            return Ok(());
        }
        let within = rates.take(Rate::Frames, &self.limits, now);
        let decoded = ClientFrame::decode(text);
        if let Err(retry_after_ms) = within {
            let (kind, client_id) = named(&decoded);
            let refusal = too_many("frames", retry_after_ms);
            self.send(id, server::error(&refusal, client_id.as_deref(), kind.as_deref()));
            return Ok(());
        }
        match decoded {
            Err(bad) => self.malformed(id, bad, now),
            Ok(frame) => {
                let (kind, client_id) = (frame.name(), client_id_of(&frame));
                match self.said(store, now, id, &who, frame, random) {
                    Ok(()) => {}
                    Err(Refused::Store(error)) => return Err(error),
                    Err(Refused::Told(refusal)) => {
                        self.send(id, server::error(&refusal, client_id.as_deref(), Some(kind)));
                    }
                }
            }
        }
        Ok(())
    }

    fn malformed(&mut self, id: ConnectionId, bad: BadFrame, now: UnixMs) {
        let broken = matches!(bad.refusal.code, Code::BadJson | Code::BadRequest);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if broken && connection.malformed(now) {
            self.close(id, CloseCode::Protocol, now);
            return;
        }
        self.send(id, server::error(&bad.refusal, bad.client_id.as_deref(), bad.kind.as_deref()));
    }

    fn said(
        &mut self,
        store: &Store,
        now: UnixMs,
        id: ConnectionId,
        who: &Identity,
        frame: ClientFrame,
        random: u64,
    ) -> Result<(), Refused> {
        match frame {
            ClientFrame::Message(draft) => {
                self.say(store, now, (who, Some(id)), draft, random)?;
            }
            ClientFrame::Reaction(draft) => self.react(store, now, (who, Some(id)), draft)?,
            ClientFrame::Typing { is_typing } => self.types(who, is_typing, now)?,
            ClientFrame::Read { seq } => {
                self.authorize(who, Action::Read)?;
                if self.mark_read(who.user.as_str(), seq.min(self.head)) && self.shares_receipts() {
                    self.reads.tell(who.user.as_str(), now);
                }
            }
            ClientFrame::Ping { t } => {
                let pong = server::pong(&t, self.head, &self.log.epoch);
                self.send(id, pong);
            }
            ClientFrame::Auth { token } => self.effects.push(Effect::Verify { connection: id, token }),
        }
        Ok(())
    }

    fn verified(&mut self, id: ConnectionId, outcome: Result<Identity, Refusal>, now: UnixMs) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let kept = &mut connection.kept;
        let same = |new: &Identity| new.user == kept.identity.user && new.tenant == kept.identity.tenant;
        let other = || Refusal::new(Code::Forbidden, "the token is another person's");
        let answer = match outcome.and_then(|new| if same(&new) { Ok(new) } else { Err(other()) }) {
            Ok(new) if now < kept.expires_ms || now < new.expires_ms => {
                kept.expires_ms = new.expires_ms;
                kept.identity = new;
                connection.changed = true;
                server::auth_ok(connection.kept.expires_ms)
            }
            Ok(_) => server::error(&Refusal::new(Code::TokenExpired, "expired"), None, Some("auth")),
            Err(refusal) => server::error(&refusal, None, Some("auth")),
        };
        self.send(id, answer);
    }

    // --- Typing ---------------------------------------------------------------------------------

    fn types(&mut self, who: &Identity, is_typing: bool, now: UnixMs) -> Result<(), Refused> {
        self.authorize(who, Action::Talk)?;
        self.take(who, Rate::Typing, now)?;
        let user = who.user.as_str();
        if !is_typing {
            self.stop_typing(user, now);
        } else if self.presence.types(user, now) {
            self.tell_typing(user, true, now);
        }
        Ok(())
    }

    /// Tells the others at once that somebody types no more, if they thought so.
    fn stop_typing(&mut self, user: &str, now: UnixMs) {
        if self.presence.types_no_more(user, now) {
            self.tell_typing(user, false, now);
        }
    }

    /// Nobody is told of their own typing.
    fn tell_typing(&mut self, user: &str, is_typing: bool, now: UnixMs) {
        let typing = self.presence.typing(now);
        let list = |except: &str| -> Vec<&str> {
            typing.iter().map(String::as_str).filter(|user| *user != except).collect()
        };
        let shared = server::typing(user, is_typing, &list(""));
        for connection in self.connections.values_mut().filter(|c| c.user() != user) {
            let event = match typing.iter().any(|typist| typist == connection.user()) {
                true => server::typing(user, is_typing, &list(connection.user())),
                false => shared.clone(),
            };
            connection.pending.push(event);
        }
    }

    // --- Time -----------------------------------------------------------------------------------

    fn tick(&mut self, now: UnixMs) {
        for (user, by) in self.presence.take_joined(now) {
            let event = server::user_joined(&user, now);
            let heard = |c: &&mut Connection| c.kept.id < by && c.user() != user;
            self.connections.values_mut().filter(heard).for_each(|c| c.pending.push(event.clone()));
        }
        for user in self.presence.take_left(now) {
            self.broadcast(server::user_left(&user, now));
        }
        for (user, seq) in self.reads.take_receipts(now) {
            let event = server::read_receipt(&user, seq);
            self.connections.values_mut().for_each(|c| c.pending.push(event.clone()));
        }
        let seed_listens = self.connections.values().any(|c| !c.kept.batches);
        for user in if seed_listens { self.presence.take_typed(now) } else { Vec::new() } {
            let typing = self.presence.typing(now);
            let event = server::typing(&user, false, &typing.iter().map(String::as_str).collect::<Vec<_>>());
            let seed = |c: &&mut Connection| !c.kept.batches && c.user() != user;
            self.connections.values_mut().filter(seed).for_each(|c| c.pending.push(event.clone()));
        }
    }

    // --- Leaving: to sockets --------------------------------------------------------------------

    /// Everything gathered leaves: an array of events a socket, or an event a frame for seed clients.
    fn flush(&mut self, now: UnixMs) {
        let expired = |c: &&Connection| !c.pending.is_empty() && c.expired(now);
        let expired: Vec<_> = self.connections.values().filter(expired).map(|c| c.kept.id).collect();
        for id in expired {
            self.close(id, CloseCode::AuthExpired, now);
        }
        let mut frames = Frames::default();
        // The texts must outlive the walk: their addresses tell equal frames apart.
        let mut sent = Vec::new();
        for (id, connection) in &mut self.connections {
            let pending = std::mem::take(&mut connection.pending);
            let shared = if connection.kept.batches { frames.of(&pending) } else { pending.as_slice() };
            let send = |frame: &EventText| Effect::Send { connection: *id, frame: frame.clone() };
            self.effects.extend(shared.iter().map(send));
            if std::mem::take(&mut connection.changed) {
                if let Some(rates) = self.rates.get(connection.user()) {
                    connection.kept.rates = *rates;
                }
                connection.kept.read_seq = self.reads.of(connection.user());
                let attachment = Box::new(connection.kept.clone());
                self.effects.push(Effect::Attach { connection: *id, attachment });
            }
            sent.push(pending);
        }
    }

    fn send(&mut self, id: ConnectionId, event: EventText) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.pending.push(event);
        }
    }

    fn broadcast(&mut self, event: EventText) {
        self.connections.values_mut().for_each(|c| c.pending.push(event.clone()));
    }

    fn report(&mut self, line: String) {
        self.effects.push(Effect::Report(line));
    }

    // --- Who may ---------------------------------------------------------------------------------

    /// The effective role here; `None` for one who isn't a member.
    fn role(&self, who: &Identity) -> Option<Role> {
        let role = *self.members.get(who.user.as_str())?;
        Some(auth::effective_role(role, who.tenant_role))
    }

    fn authorize(&self, who: &Identity, action: Action) -> Result<(), Refusal> {
        let same_tenant = who.tenant.as_str() == self.room_tenant();
        let role = self.role(who).filter(|_| same_tenant);
        auth::authorize(role, who.tenant_role.filter(|_| same_tenant), action)
    }

    fn unarchived(&self) -> Result<(), Refusal> {
        match self.facts.snapshot.archived {
            true => Err(Refusal::new(Code::Archived, "the room is archived")),
            false => Ok(()),
        }
    }

    fn take(&mut self, who: &Identity, rate: Rate, now: UnixMs) -> Result<(), Refusal> {
        let rates = rates_of(&mut self.rates, who.user.as_str(), now);
        let what = format!("{rate:?}").to_lowercase();
        rates.take(rate, &self.limits, now).map_err(|retry_after_ms| too_many(&what, retry_after_ms))
    }

    // --- The room and its members ----------------------------------------------------------------

    fn room_tenant(&self) -> &str {
        self.facts.tenant.as_str()
    }

    fn room_id(&self) -> &str {
        self.facts.id.as_str()
    }

    fn shares_receipts(&self) -> bool {
        self.members.len() <= RECEIPTS_MEMBERS_MAX
    }

    fn notify(&self, user: &str) -> Value {
        let member = self.facts.snapshot.members.iter().find(|m| m.user_id.as_str() == user);
        let level = member.map_or("all", |m| m.notify.level.as_str());
        let mute_until = member.and_then(|m| m.notify.mute_until_ms).map(crate::ids::iso);
        json!({"level": level, "muteUntil": mute_until})
    }

    fn mark_read(&mut self, user: &str, seq: Seq) -> bool {
        let moved = self.reads.advance(user, seq);
        if moved {
            self.connections.values_mut().filter(|c| c.user() == user).for_each(|c| c.changed = true);
        }
        moved
    }

    fn learn_members(&mut self) {
        let role = |m: &SnapshotMember| {
            (m.user_id.as_str().to_owned(), Role::from_name(&m.role).unwrap_or(Role::Member))
        };
        self.members = self.facts.snapshot.members.iter().map(role).collect();
        for member in &self.facts.snapshot.members {
            self.reads.learn(member.user_id.as_str(), member.last_read_seq);
        }
    }

    /// Takes over what Postgres says of the room: those who are members no more are closed.
    fn refreshed(&mut self, store: &Store, snapshot: Option<RoomSnapshot>, now: UnixMs) -> store::Result<()> {
        let Some(snapshot) = snapshot else {
            let all: Vec<_> = self.connections.keys().copied().collect();
            all.into_iter().for_each(|id| self.close(id, CloseCode::RoomGone, now));
            self.members.clear();
            return Ok(());
        };
        if snapshot.members_version < self.facts.snapshot.members_version {
            return Ok(());
        }
        self.facts.snapshot = snapshot;
        store.set_state(StateRow::Room, serde_json::to_string(&self.facts).unwrap_or_default())?;
        self.learn_members();
        let removed = |c: &&Connection| !self.members.contains_key(c.user());
        let removed: Vec<_> = self.connections.values().filter(removed).map(|c| c.kept.id).collect();
        removed.into_iter().for_each(|id| self.close(id, CloseCode::Removed, now));
        Ok(())
    }
}

fn rates_of<'a>(all: &'a mut HashMap<String, Rates>, user: &str, now: UnixMs) -> &'a mut Rates {
    if all.len() > RATES_KEPT_MAX && !all.contains_key(user) {
        all.retain(|_, rates| !rates.rested(now));
    }
    all.entry(user.to_owned()).or_default()
}

fn too_many(what: &str, retry_after_ms: u64) -> Refusal {
    Refusal::new(Code::RateLimited, format!("too many {what}")).retry_after_ms(retry_after_ms)
}

fn client_id_of(frame: &ClientFrame) -> Option<String> {
    match frame {
        ClientFrame::Message(draft) => draft.client_id.clone(),
        ClientFrame::Reaction(draft) => draft.client_id.clone(),
        _ => None,
    }
}

/// What names a frame to its sender: type and `clientId`.
fn named(decoded: &Result<ClientFrame, BadFrame>) -> (Option<String>, Option<String>) {
    match decoded {
        Ok(frame) => (Some(frame.name().to_owned()), client_id_of(frame)),
        Err(bad) => (bad.kind.clone(), bad.client_id.clone()),
    }
}
