//! The inbox of one person as a pure machine: an input goes in, effects come out. It tells all of the person's devices
//! what changes in their list of rooms. The list's truth is Postgres: a poke says only that a room may have changed, the
//! inbox asks, and what differs from what it has shown last becomes events. So a lost, doubled or late poke does no harm.
//! Not here: a clock, randomness, sockets, the runtime (`object`), and who is poked (the statements of `db`).

mod drafts;
mod input;
mod log;
mod notices;
mod presence;
mod questions;
mod session;
mod store;
mod view;

pub use drafts::{Draft, Drafts};
pub use input::{Answer, Connect, Effect, Input, OwnWrite, Page, Question};
pub use log::{Logged, Shown};
pub use store::{Confirmed, Owner, Store, Touched, Views};
pub use view::{Notified, Pending, RoomView};

use crate::db::Account;
use crate::ids::{Seq, UnixMs, UserId};
use crate::limits::Limits;
use crate::protocol::server::CloseCode;
use crate::room::store::Result;
use crate::room::{ConnectionId, Connections, RateLimits, SocketState, refused_connections, take_token};
use presence::OwnPresence;
use questions::Questions;
use serde_json::Value;
use std::collections::BTreeMap;

pub struct Inbox {
    owner: Owner,
    /// The last event's `seq`, and the slot of its turn.
    head: (Seq, u64),
    views: Views,
    drafts: Drafts,
    connections: Connections,
    rates: RateLimits,
    limits: Limits,
    questions: Questions,
    own: OwnPresence,
    /// What the devices show of the direct partners, as far as this memory knows.
    shown_presence: BTreeMap<UserId, Value>,
    effects: Vec<Effect>,
}

impl Inbox {
    /// The inbox from its storage and its open sockets; `None`: nobody's was ever opened here.
    pub fn load(
        store: &Store,
        sockets: impl IntoIterator<Item = SocketState>,
        limits: Limits,
    ) -> Result<Option<Self>> {
        let Some(owner) = store.owner()? else { return Ok(None) };
        let mut inbox = Self {
            owner,
            head: store.head()?,
            views: store.views()?,
            drafts: store.drafts()?,
            connections: Connections::default(),
            rates: RateLimits::default(),
            limits,
            questions: Questions::default(),
            own: OwnPresence::new(store.confirmed()?),
            shown_presence: BTreeMap::new(),
            effects: Vec::new(),
        };
        for state in sockets {
            inbox.rates.merge(state.user(), &state.rates);
            inbox.connections.wake(state);
        }
        Ok(Some(inbox))
    }

    /// Takes one thing that happened and says what follows from it.
    ///
    /// # Errors  `StoreError`: nothing was decided; drop the inbox and close its sockets, which resume.
    pub fn handle(&mut self, store: &Store, now: UnixMs, input: Input) -> Result<Vec<Effect>> {
        match input {
            Input::Connect(connect) => self.connect(store, now, *connect)?,
            Input::Frame { connection, text } => self.frame(store, now, connection, text)?,
            Input::Binary { connection } => self.close(now, connection, CloseCode::BinaryUnsupported),
            Input::Verified { connection, outcome } => {
                take_token(&mut self.connections, connection, outcome, now);
            }
            Input::Refused { connection, refusal, frame } => self.refuse(connection, &refusal, Some(frame)),
            Input::Silent { connections } => self.close_all(now, connections, CloseCode::HeartbeatTimeout),
            Input::Slow { connection } => self.close(now, connection, CloseCode::SlowConsumer),
            Input::Lost { connections } => self.close_all(now, connections, CloseCode::Restart),
            Input::Closed { connection } => {
                self.remove_connection(connection);
                self.leave_if_closed(now);
            }
            Input::Poked { room, read } => self.poked(now, room, read),
            Input::PersonPoked { person } => self.person_poked(now, person),
            Input::SavedPoked => self.saved_poked(now),
            Input::AlarmFired => self.alarm_fired(now),
            Input::SessionsEnded { account } => self.end_sessions(now, &account),
            Input::Answered { question, outcome } => self.answered(store, now, question, outcome)?,
            Input::Flush => self.flush(now),
        }
        self.connections.settle();
        self.note_presence(now);
        Ok(std::mem::take(&mut self.effects))
    }

    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Whether a device is connected.
    pub fn is_open(&self) -> bool {
        self.connections.iter().next().is_some()
    }

    /// The caller whose token lasts longest: with it the rooms are shown.
    pub fn caller(&self) -> Option<&crate::auth::Identity> {
        self.connections.iter().map(|state| &state.identity).max_by_key(|identity| identity.expires_ms)
    }

    /// Whether `Input::Flush` has anything to do.
    pub fn wants_flush(&self) -> bool {
        self.connections.wants_flush()
    }

    /// The id for the next socket; see `Connections::next_id`.
    pub fn next_connection(&self, now: UnixMs) -> ConnectionId {
        self.connections.next_id(now)
    }

    /// When this connection last sent a frame.
    pub fn last_frame_ms(&self, id: ConnectionId) -> Option<UnixMs> {
        self.connections.get(id).map(|state| state.last_frame_ms)
    }

    /// Sends what is pending. A connection whose token has expired is closed instead.
    fn flush(&mut self, now: UnixMs) {
        self.close_all(now, self.connections.expired_ids(now), CloseCode::AuthExpired);
        let rates = &self.rates;
        let effects = self.connections.flush(|state| {
            if let Some(rates) = rates.get(state.user()) {
                state.rates = *rates;
            }
        });
        self.effects.extend(effects.into_iter().map(Effect::Socket));
    }

    fn end_sessions(&mut self, now: UnixMs, account: &Account) {
        let refused = refused_connections(&self.connections, |identity| account.admit(identity));
        refused.into_iter().for_each(|(id, code)| self.close(now, id, code));
    }

    fn close_all(&mut self, now: UnixMs, connections: Vec<ConnectionId>, code: CloseCode) {
        connections.into_iter().for_each(|id| self.close(now, id, code));
    }

    fn close(&mut self, now: UnixMs, id: ConnectionId, code: CloseCode) {
        if self.remove_connection(id) {
            self.effects.push(Effect::Close { connection: id, code });
            self.leave_if_closed(now);
        }
    }

    /// Without a device nothing is owed, and after the grace nobody shall poke.
    fn leave_if_closed(&mut self, now: UnixMs) {
        if !self.is_open() {
            self.questions = Questions::default();
            self.leave(now);
        }
    }
}
