//! The room as a pure machine: an input goes in, effects come out. All control flow of a room.
//! Not here: a clock, randomness, sockets, the runtime. They are arguments and effects; `object` and `shell` have them.
//!
//! Memory is a cache of the store plus the sockets; only presence, typing and recent sends live in memory alone.
//! Recovery is start-up: hibernation, a panic, a deploy and a storage error all go through `Room::load`.
//!
//! Parts own their state (`connection`, `members`, `presence`, `reads`, `rate`, `moderation`, `slow_mode`, `outbox`,
//! `files` …) and do not know the room. Operations (`message`, `edit_delete`, `thread`, `ephemeral`, `session` …) are
//! functions of `Room` over its parts.

mod admin_changes;
mod admin_plan;
mod calls;
pub mod connection;
mod deletion;
mod edit_delete;
mod effect;
mod ephemeral;
mod files;
mod folded_text;
mod frames;
mod input;
mod members;
mod message;
pub mod moderation;
mod notifications;
mod operator;
mod outbox;
mod outbox_alert;
mod presence;
mod rate;
mod reads;
mod rebuild;
mod refresh;
mod replay;
mod reports;
mod send_checks;
mod session;
mod slow_mode;
pub mod store;
mod thread;
mod turn;
mod uploads;

pub use admin_changes::{AdminChange, Patch};
pub use connection::{ConnectionId, SocketState};
pub use effect::Effect;
pub(crate) use effect::RoomError;
pub use files::{file_prefix, split_id};
pub use input::{Connect, Input, PageQuery, RoomCall};
pub use outbox_alert::{OutboxProblem, OutboxReport};
pub use rebuild::{Rebuild, RoomInfo, message_of};

use crate::auth::{Action, Identity};
use crate::error::Refusal;
use crate::ids::{RoomId, Seq, TenantId, UnixMs};
use crate::limits::Limits;
use crate::metrics::Counts;
use crate::mutants::{Mutant, is};
use crate::oplog::Entry;
use crate::protocol::server::CloseCode;
use connection::Connections;
use deletion::PendingDeletion;
use files::Files;
use members::Members;
use moderation::{Moderation, Moderator};
use outbox::{LogState, Outbox};
use outbox_alert::AlertState;
use presence::Presence;
use rate::RateLimits;
use reads::Reads;
use slow_mode::SlowMode;
use store::{SCHEMA_STEPS, StateRow, Store, StoreError};
use turn::{Request, Turn};

pub struct Room {
    log: LogState,
    head: Seq,
    /// The head after the last input that succeeded.
    settled_head: Seq,
    members: Members,
    limits: Limits,
    connections: Connections,
    presence: Presence,
    rates: RateLimits,
    reads: Reads,
    slow_mode: SlowMode,
    moderator: Moderator,
    /// Whether the store has audit notes that Postgres lacks.
    audit_waits: bool,
    /// A deletion whose outcome in Postgres is not yet known.
    pending_deletion: Option<PendingDeletion>,
    outbox: Outbox,
    alert: AlertState,
    files: Files,
    counts: Counts,
    effects: Vec<Effect>,
    #[cfg(feature = "mutants")]
    unwritten: Vec<store::Event>,
}

impl Room {
    /// The room from its storage and its open sockets; `None` when the storage has no complete log.
    pub fn load(
        store: &Store,
        sockets: impl IntoIterator<Item = SocketState>,
        limits: Limits,
    ) -> store::Result<Option<Self>> {
        if !store.exists()? {
            return Ok(None);
        }
        let (Some(log), Some(room)) = (store.state(StateRow::Log)?, store.state(StateRow::Room)?) else {
            return Ok(None);
        };
        let corrupt_column =
            |e: serde_json::Error| StoreError(format!("state: {:?} at column {}", e.classify(), e.column()));
        let mut log: LogState = serde_json::from_str(&log).map_err(corrupt_column)?;
        if log.schema < SCHEMA_STEPS {
            store.upgrade(log.schema)?;
            log.schema = SCHEMA_STEPS;
            store.set_state(StateRow::Log, serde_json::to_string(&log).map_err(corrupt_column)?)?;
        }
        let reads = Reads::load(store.state(StateRow::Reads)?.as_deref(), log.reads_saved);
        // The newest events before a rebuild may have been reactions, which a rebuilt log does not contain.
        let newest = if is(Mutant::SeqFromMemory) { 0 } else { store.newest()? };
        let head = newest.max(log.projected).max(log.floor);
        let mut loaded = Self {
            head,
            settled_head: head,
            log,
            members: Members::new(serde_json::from_str(&room).map_err(corrupt_column)?),
            limits,
            connections: Connections::default(),
            presence: Presence::default(),
            rates: RateLimits::default(),
            reads,
            slow_mode: SlowMode::default(),
            moderator: Moderator::default(),
            audit_waits: !store.audit_notes()?.is_empty() && !is(Mutant::AuditForgotten),
            pending_deletion: PendingDeletion::load(store)?,
            outbox: Outbox::load(store)?,
            alert: AlertState::default(),
            files: Files::load(store)?,
            counts: Counts::default(),
            effects: Vec::new(),
            #[cfg(feature = "mutants")]
            unwritten: Vec::new(),
        };
        loaded.learn_markers();
        sockets.into_iter().for_each(|state| loaded.wake_socket(state));
        loaded.load_alert(store)?;
        Ok(Some(loaded))
    }

    /// Takes over a socket that stayed open while the room was out of memory.
    fn wake_socket(&mut self, state: SocketState) {
        // The deletion finished, but a fault came before the sockets were closed: the first input closes them.
        if self.is_deletion_done() && !is(Mutant::GoneButOpen) {
            self.effects.push(Effect::Close { connection: state.id, code: CloseCode::RoomGone });
            return;
        }
        self.presence.wake_socket(state.user());
        self.rates.merge(state.user(), &state.rates);
        self.reads.restore(state.user(), state.marker());
        self.connections.wake(state);
    }

    /// The room with its tenant's moderation rules.
    pub fn with_moderation(mut self, moderation: &Moderation) -> Self {
        self.moderator = Moderator::new(moderation.rules_for(self.members.tenant().as_str()));
        self
    }

    /// Handles one input and gives the effects that follow from it.
    ///
    /// # Takes   `now`: Unix milliseconds. Inputs in the order they arrived.
    /// # Gives   effects, to be performed in this order without an `await` between them.
    /// # Errors  `StoreError`: nothing was decided; drop the room, the next event loads it again.
    pub fn handle(&mut self, store: &Store, now: UnixMs, input: Input) -> store::Result<Vec<Effect>> {
        #[cfg(feature = "mutants")]
        if !matches!(input, Input::Flush) {
            std::mem::take(&mut self.unwritten).iter().try_for_each(|event| store.insert(event))?;
        }
        let turn = Turn { store, now };
        match input {
            Input::Connect(connect) => self.connect(turn, connect)?,
            Input::Frame { connection, text, random } => self.frame(turn, connection, text, random)?,
            Input::Binary { connection } => self.close(connection, CloseCode::BinaryUnsupported, now),
            Input::Verified { connection, outcome } => self.verified(connection, outcome, now),
            Input::Silent { connections } => {
                for connection in connections {
                    self.close(connection, CloseCode::HeartbeatTimeout, now);
                }
            }
            Input::Slow { connection } => {
                self.counts.slow_sockets = self.counts.slow_sockets.saturating_add(1);
                self.close(connection, CloseCode::SlowConsumer, now);
            }
            Input::Closed { connection } => self.closed(turn, connection)?,
            Input::Call { caller, call, random } => {
                self.call(Request { turn, caller, connection: None, random }, call)?;
            }
            Input::Flush => self.flush(now),
            Input::Tick => self.tick(now),
            Input::AlarmFired => self.alarm_fired(store, now)?,
            Input::Drain => self.take_batch(store, now)?,
            Input::Projected { batch, outcome, notified } => {
                self.projected(store, now, &batch, (outcome, notified))?;
            }
            Input::AlertReported { at, taken } => self.alert_reported(store, now, at, taken)?,
            Input::FilesListed(ids) => self.files_listed(store, now, ids)?,
            Input::FilesRemoved { ids, gone } => self.files_removed(store, now, &ids, gone)?,
            Input::Refreshed(snapshot) => self.refreshed(turn, snapshot)?,
            Input::DeletionRequested => self.begin_deletion(store, now)?,
            Input::Recovered { delivered_seq } => self.recovered(store, delivered_seq)?,
            Input::Failed { connection, text } => self.failed(connection, text),
        }
        self.arm(now);
        self.settled_head = self.head;
        self.connections.settle();
        Ok(std::mem::take(&mut self.effects))
    }

    /// Flushes what the inputs before the failed one have left, and gives the head up to which everything is delivered
    /// then. The object calls this before it drops the room; `Input::Recovered` delivers what the failed input wrote.
    pub fn flush_settled(&mut self, now: UnixMs) -> (Vec<Effect>, Seq) {
        self.effects.clear();
        self.connections.drop_unsettled();
        self.flush(now);
        (std::mem::take(&mut self.effects), self.settled_head)
    }

    /// When `Input::Tick` is due; `None` in an idle room.
    pub fn deadline(&self) -> Option<UnixMs> {
        let presence = self.presence.deadline(self.connections.has_legacy());
        presence.into_iter().chain(self.reads.deadline()).min()
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

    pub fn members_version(&self) -> u64 {
        self.members.snapshot().members_version
    }

    /// What was counted since the last call.
    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    pub fn key(&self) -> (TenantId, RoomId) {
        (self.members.tenant().clone(), self.members.room().clone())
    }

    pub fn head(&self) -> Seq {
        self.head
    }

    /// Whether this person may enter, by the room's copy of its members.
    ///
    /// # Errors  `room_not_found`: outsiders do not learn whether the room exists.
    pub fn admit(&self, caller: &Identity) -> Result<(), Refusal> {
        self.authorize(caller, Action::Read)
    }

    fn authorize(&self, caller: &Identity, action: Action) -> Result<(), Refusal> {
        self.members.authorize(caller, action)
    }

    /// Sends what is pending. A connection whose token has expired is closed instead.
    fn flush(&mut self, now: UnixMs) {
        for id in self.connections.expired(now) {
            self.close(id, CloseCode::AuthExpired, now);
        }
        let (rates, reads) = (&self.rates, &self.reads);
        let effects = self.connections.flush(|state| {
            if let Some(rates) = rates.get(state.user()) {
                state.rates = *rates;
            }
            state.set_marker(reads.marker(state.user()));
        });
        self.effects.extend(effects);
    }

    fn report(&mut self, entry: Entry) {
        let entry = entry.with("tenant", self.members.tenant()).with("room", self.members.room());
        self.effects.push(Effect::Report(entry));
    }
}
