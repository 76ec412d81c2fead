//! The room as a pure machine: an input goes in, effects come out. Each part owns its state (`connection`, `members`,
//! `presence`, `reads`, `rate`, `moderation`, `slow_mode`, `log`, `outbox`, `files` …) and does not know the room.
//! `Room` feeds the parts and is the only one who knows all of them: clients' operations are in files of their own, and
//! `background` has the rest.
//! Not here: a clock, randomness, a socket, the runtime. They are arguments and effects of `object` and `shell`.
//!
//! Memory is a cache of the store and the sockets; only presence, typing and recent sends exist in memory alone. So
//! recovery is the same as start-up: after hibernation, a panic, a deploy or a storage error, `Room::load` creates the
//! room again.

mod admin_changes;
mod admin_plan;
mod alarm;
mod audit;
mod background;
mod backoff;
mod calls;
mod change_batch;
mod connection;
mod deletion;
mod edit_delete;
mod effect;
mod ephemeral;
mod files;
mod first_loads;
mod folded_text;
mod frame_checks;
mod frames;
mod input;
mod log;
mod members;
mod mention_parser;
mod message;
mod message_row;
pub mod moderation;
mod notices;
mod notifications;
mod operator;
mod outbox;
mod pins;
mod presence;
mod rate;
mod reactions;
mod reads;
mod rebuild;
mod refresh;
mod replay;
mod reports;
mod restore;
mod send_checks;
mod session;
mod slow_mode;
mod socket_state;
mod storage;
pub mod store;
mod thread;
mod turn;
mod uploads;

pub use admin_changes::{AdminChange, AskedChange, Patch};
pub use backoff::Backoff;
pub use change_batch::ChangeBatch;
pub use connection::Connections;
pub(crate) use effect::RoomError;
pub use effect::{Effect, SocketEffect};
pub use files::{file_prefix, split_id};
pub use frame_checks::{FrameCheck, check_frame, is_one_malformed_too_many, refused_connections, take_token};
pub use input::{Connect, Input, PageQuery, ResumePosition, RoomCall};
pub use message_row::message_for;
pub use notifications::Offering;
pub use rate::{Rate, RateLimits};
pub use reactions::EmojiParser;
pub use rebuild::{Rebuild, RebuildStep};
pub use socket_state::{ConnectionId, SocketState};
pub use store::formats::{OutboxProblem, OutboxReport, OutboxState, RoomInfo};

use crate::auth::{Action, Identity};
use crate::db::{Notify, ShownPerson};
use crate::error::Refusal;
use crate::ids::{RoomId, Seq, TenantId, UnixMs, UserId};
use crate::limits::{BATCH_ROWS_MAX, Limits};
use crate::metrics::Counts;
use crate::oplog::Entry;
use crate::protocol::server::CloseCode;
use alarm::Alarm;
use audit::AuditNotes;
use deletion::Deletion;
use files::Files;
use first_loads::FirstLoads;
use log::Log;
use members::Members;
use moderation::{Moderation, Moderator};
use notifications::Notifications;
use outbox::Outbox;
use pins::Pins;
use presence::Presence;
use reads::Reads;
use slow_mode::SlowMode;
use storage::Storage;
use store::{StateRow, Store, decode};
use turn::{Request, Turn};

pub struct Room {
    log: Log,
    members: Members,
    limits: Limits,
    connections: Connections,
    first_loads: FirstLoads,
    presence: Presence,
    rates: RateLimits,
    reads: Reads,
    pins: Pins,
    slow_mode: SlowMode,
    moderator: Moderator,
    parse_emoji: EmojiParser,
    audit: AuditNotes,
    deletion: Deletion,
    outbox: Outbox,
    notifications: Notifications,
    alarm: Alarm,
    files: Files,
    storage: Storage,
    counts: Counts,
    effects: Vec<Effect>,
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
        let log = Log::load(store, &log)?;
        let reads = Reads::load(store.state(StateRow::Reads)?.as_deref(), log.reads_saved());
        let members = Members::new(decode(&room)?);
        let mut loaded = Self {
            log,
            limits,
            connections: Connections::default(),
            first_loads: FirstLoads::default(),
            presence: Presence::default(),
            rates: RateLimits::default(),
            reads,
            pins: Pins::load(store)?,
            slow_mode: SlowMode::default(),
            moderator: Moderator::default(),
            parse_emoji: |_| None,
            audit: AuditNotes::load(store)?,
            deletion: Deletion::load(store)?,
            outbox: Outbox::load(store)?,
            notifications: Notifications::default(),
            alarm: Alarm::default(),
            files: Files::load(store, members.tenant(), members.room())?,
            storage: Storage::default(),
            members,
            counts: Counts::default(),
            effects: Vec::new(),
        };
        loaded.learn_markers();
        sockets.into_iter().for_each(|state| loaded.wake_socket(state));
        let has_socket = |user: &str| loaded.presence.sockets(user) > 0;
        loaded.notifications =
            Notifications::load(loaded.log.unheard().clone(), loaded.log.notified(), has_socket);
        loaded.storage.measure(store, &loaded.limits);
        let backlog = loaded.backlog();
        loaded.outbox.load_alert(store, &backlog)?;
        Ok(Some(loaded))
    }

    /// Takes over a socket that stayed open while the room was out of memory.
    fn wake_socket(&mut self, state: SocketState) {
        // The deletion finished, but a fault came before the sockets were closed: the first input closes them.
        if self.deletion.is_done() {
            self.effects.push(Effect::Close { connection: state.id, code: CloseCode::RoomGone });
            return;
        }
        self.presence.wake_socket(state.user());
        self.rates.merge(state.user(), &state.rates);
        self.reads.restore(state.user(), state.marker(), state.read_due_ms);
        self.connections.wake(state);
    }

    /// Takes over a closed socket that the room did not know, of somebody who is a member; true if it was one.
    fn wake_missed(&mut self, stored: Option<Box<SocketState>>) -> bool {
        let is_missed = |state: &SocketState| {
            self.connections.get(state.id).is_none() && self.members.is_member(state.user())
        };
        let missed = stored.filter(|state| is_missed(state));
        let has_missed = missed.is_some();
        if let Some(state) = missed {
            self.wake_socket(*state);
        }
        has_missed
    }

    /// The room with its tenant's moderation rules.
    pub fn with_moderation(mut self, moderation: &Moderation) -> Self {
        self.moderator = Moderator::new(moderation.rules_for(self.members.tenant().as_str()));
        self
    }

    /// The room with its runtime's knowledge of emoji; without it only custom emoji are known.
    pub fn with_emoji(mut self, parse: EmojiParser) -> Self {
        self.parse_emoji = parse;
        self
    }

    /// Handles one input and gives the effects that follow from it.
    ///
    /// # Takes   `now`: Unix milliseconds. Inputs in the order they arrived.
    /// # Gives   effects, to be performed in this order without an `await` between them.
    /// # Errors  `StoreError`: nothing was decided; drop the room, the next event loads it again.
    pub fn handle(&mut self, store: &Store, now: UnixMs, input: Input) -> store::Result<Vec<Effect>> {
        let turn = Turn { store, now };
        let flushes = matches!(input, Input::Flush);
        match input {
            Input::Connect(connect) => self.connect(turn, connect)?,
            Input::Frame { connection, text, random } => self.frame(turn, connection, text, random)?,
            Input::Binary { connection } => self.close(connection, CloseCode::BinaryUnsupported, now),
            Input::Verified { connection, outcome } => {
                let admit = |new: Identity| self.members.ensure_not_refused(&new).map(|()| new);
                take_token(&mut self.connections, connection, outcome.and_then(admit), now);
            }
            Input::Silent { connections } => {
                for connection in connections {
                    self.owe_notices(connection, true);
                    self.close(connection, CloseCode::HeartbeatTimeout, now);
                }
            }
            Input::Slow { connection } => {
                self.counts.slow_sockets = self.counts.slow_sockets.saturating_add(1);
                self.close(connection, CloseCode::SlowConsumer, now);
            }
            Input::Lost { connections } => {
                for connection in connections {
                    self.close(connection, CloseCode::Restart, now);
                }
            }
            Input::Closed { connection, is_clean, stored } => {
                let is_known = !self.wake_missed(stored);
                if !is_clean {
                    self.owe_notices(connection, is_known);
                }
                self.closed(connection, now);
            }
            Input::Pinged(pings) => self.connections.record_pings(&pings),
            Input::Call { caller, call, random } => {
                self.call(Request { turn, caller, connection: None, random }, call)?;
            }
            Input::Flush => {
                self.storage.measure(store, &self.limits);
                self.flush(now);
            }
            Input::Tick => {
                self.tick(now);
                self.save_unheard(turn)?;
            }
            Input::AlarmFired => self.alarm_fired(turn)?,
            Input::Drain => self.take_batch(turn)?,
            Input::Projected { batch, outcome } => self.projected(turn, &batch, outcome)?,
            Input::Notify => self.notify(turn)?,
            Input::Offered { offering, taken } => self.offered(turn, &offering, taken)?,
            Input::AlertReported { at, taken } => self.alert_reported(turn, at, taken)?,
            Input::FilesListed(ids) => self.files_listed(turn, ids)?,
            Input::FilesRemoved { ids, gone } => self.files_removed(turn, &ids, gone)?,
            Input::Refreshed(snapshot) => self.refreshed(turn, snapshot)?,
            Input::Restored(outcome) => self.restored(turn, outcome)?,
            Input::DeletionRequested => self.deletion.begin(turn)?,
            Input::Erased(outcome) => self.erased(turn, outcome)?,
            Input::Recovered { delivered_seq } => self.recovered(store, delivered_seq)?,
            Input::Failed { connection, text } => self.failed(connection, text),
        }
        // A flush that fails is tried again at once: it must not depend on the disk. Another input follows soon.
        if self.reads.has_unheld() && !flushes {
            self.save_reads(store)?;
        }
        self.arm(now);
        self.log.settle();
        self.connections.settle();
        Ok(std::mem::take(&mut self.effects))
    }

    /// Flushes what the inputs before the failed one have left, and gives the head up to which everything is delivered
    /// then. The object calls this before it drops the room; `Input::Recovered` delivers what the failed input wrote.
    pub fn flush_settled(&mut self, now: UnixMs) -> (Vec<Effect>, Seq) {
        self.effects.clear();
        self.connections.drop_unsettled();
        self.flush(now);
        (std::mem::take(&mut self.effects), self.log.settled_head())
    }

    /// When `Input::Tick` is due; `None` in an idle room.
    pub fn deadline(&self) -> Option<UnixMs> {
        let presence = self.presence.deadline(self.connections.has_legacy());
        presence.into_iter().chain(self.reads.deadline()).min()
    }

    /// The bytes of the histories and replays that wait for sockets (HIST-7).
    pub fn first_load_bytes(&self) -> usize {
        self.first_loads.bytes()
    }

    /// Gives back the memory of what newcomers have received.
    pub fn release_first_loads(&self) {
        self.first_loads.release();
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
        std::mem::take(&mut self.counts).plus(&self.outbox.take_counts())
    }

    /// Whether the room is deleted, and what is left here waits to be removed.
    pub fn is_deleted(&self) -> bool {
        self.deletion.is_done()
    }

    pub fn key(&self) -> (TenantId, RoomId) {
        (self.members.tenant().clone(), self.members.room().clone())
    }

    pub fn head(&self) -> Seq {
        self.log.head()
    }

    /// Up to where this person has read.
    pub fn read_seq(&self, user: &UserId) -> Seq {
        self.reads.seq_of(user.as_str())
    }

    /// Whether what waits for Postgres fills a batch.
    pub fn has_a_full_batch(&self) -> bool {
        self.log.lag() >= BATCH_ROWS_MAX
    }

    /// Whether notices should be offered to their queue now.
    pub fn wants_notices(&self, now: UnixMs) -> bool {
        self.notices_due().is_some_and(|at| now >= at)
    }

    /// Whether a batch should be taken now.
    pub fn wants_drain(&self, now: UnixMs) -> bool {
        self.outbox.is_batch_due(now, &self.backlog())
    }

    /// Whether this person may enter, by the room's copy of its members.
    ///
    /// # Errors  `room_not_found`: outsiders do not learn whether the room exists.
    pub fn admit(&self, caller: &Identity) -> Result<(), Refusal> {
        self.authorize(caller, Action::Read)?;
        self.ensure_not_refused(caller)
    }

    /// Whether this person may connect.
    ///
    /// # Errors  those of `admit`; rate_limited soon after a socket was closed for what it sent.
    pub fn admit_connection(&self, caller: &Identity, now: UnixMs) -> Result<(), Refusal> {
        self.admit(caller)?;
        self.rates.ensure_may_connect(caller.user.as_str(), now)
    }

    /// # Errors  forbidden, unauthenticated → tokens of this member, or older ones, are refused (PEOPLE-6, PEOPLE-7).
    pub fn ensure_not_refused(&self, caller: &Identity) -> Result<(), Refusal> {
        self.members.ensure_not_refused(caller)
    }

    /// Whether the room shows the person like this.
    pub fn shows_as(&self, user: &UserId, person: &ShownPerson) -> bool {
        !self.members.shares_receipts() || self.members.shown(user.as_str()) == *person
    }

    /// Whether the room shows the person these notification settings.
    pub fn has_notify(&self, user: &UserId, notify: &Notify) -> bool {
        self.members.has_notify(user.as_str(), notify)
    }

    fn authorize(&self, caller: &Identity, action: Action) -> Result<(), Refusal> {
        self.members.authorize(caller, action)
    }

    /// Sends what is pending. A connection whose token has expired is closed instead.
    fn flush(&mut self, now: UnixMs) {
        for id in self.connections.expired_ids(now) {
            self.close(id, CloseCode::AuthExpired, now);
        }
        let (rates, reads) = (&self.rates, &self.reads);
        let effects = self.connections.flush(|state| {
            if let Some(rates) = rates.get(state.user()) {
                state.rates = *rates;
            }
            state.set_marker(reads.marker(state.user()), reads.due_of(state.user()));
        });
        self.effects.extend(effects.into_iter().map(Effect::Socket));
    }

    fn report(&mut self, entry: Entry) {
        let entry = entry.with("tenant", self.members.tenant()).with("room", self.members.room());
        self.effects.push(Effect::Report(entry));
    }
}
