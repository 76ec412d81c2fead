//! The room as a pure machine: an input goes in, effects come out. Each part owns its state; `Room` feeds the parts and
//! is the only one who knows all of them. Clients' operations are in files of their own; `background` has the rest.
//! Not here: a clock, randomness, a socket, the runtime. They are arguments and effects; `object` and `shell` have them.
//!
//! Memory is a cache of the store and the sockets; only presence and typing exist in memory alone. So recovery is the
//! same as start-up: after hibernation, a panic, a deploy or a storage error, `Room::load` creates the room again.

mod admin_changes;
mod alarm;
mod audit;
mod background;
mod backoff;
mod calls;
pub mod connection;
mod deletion;
mod edit_delete;
mod effect;
mod files;
mod frames;
mod input;
mod log;
mod members;
mod message;
mod message_row;
pub mod moderation;
mod notifications;
mod operator;
mod outbox;
mod presence;
mod rate;
mod reads;
mod rebuild;
mod replay;
mod send_checks;
mod session;
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
pub use message_row::message_of;
pub use rebuild::Rebuild;
pub use store::formats::{OutboxProblem, OutboxReport, OutboxState, RoomInfo};

use crate::auth::{Action, Identity, Role};
use crate::db::Marker;
use crate::error::Refusal;
use crate::ids::{RoomId, Seq, TenantId, UnixMs};
use crate::limits::{BATCH_ROWS_MAX, CONNECTIONS_PER_MS, Limits};
use crate::metrics::Counts;
use crate::mutants::{Mutant, is};
use crate::oplog::Entry;
use crate::protocol::server::{CloseCode, EventText};
use alarm::Alarm;
use audit::AuditNotes;
use connection::{Connection, Frames};
use deletion::Deletion;
use files::Files;
use log::Log;
use moderation::{Moderation, RecentSends, Rules};
use notifications::Notifications;
use outbox::Outbox;
use presence::Presence;
use rate::Rates;
use reads::Reads;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use store::{StateRow, Store, decode};
use turn::Turn;

pub struct Room {
    log: Log,
    info: RoomInfo,
    members: HashMap<String, Role>,
    limits: Limits,
    connections: BTreeMap<ConnectionId, Connection>,
    next_connection: ConnectionId,
    presence: Presence,
    rates: HashMap<String, Rates>,
    reads: Reads,
    /// When who last said something, as far as it is known; kept while slow mode is on.
    said_at: HashMap<String, UnixMs>,
    /// What the tenant doesn't want said, and who said what of late.
    rules: Option<Rc<Rules>>,
    recent_sends: HashMap<String, RecentSends>,
    audit: AuditNotes,
    deletion: Deletion,
    outbox: Outbox,
    notifications: Notifications,
    alarm: Alarm,
    files: Files,
    counts: Counts,
    effects: Vec<Effect>,
    #[cfg(feature = "mutants")]
    unwritten: Vec<store::Event>,
}

impl Room {
    /// The room as its storage and its open sockets say it is; `None` when there is no whole log here.
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
        let info: RoomInfo = decode(&room)?;
        let mut loaded = Self {
            log,
            members: HashMap::new(),
            limits,
            connections: BTreeMap::new(),
            next_connection: 1,
            presence: Presence::default(),
            rates: HashMap::new(),
            reads,
            said_at: HashMap::new(),
            rules: None,
            recent_sends: HashMap::new(),
            audit: AuditNotes::load(store)?,
            deletion: Deletion::load(store)?,
            outbox: Outbox::load(store)?,
            notifications: Notifications::default(),
            alarm: Alarm::default(),
            files: Files::load(store, &info.tenant, &info.id)?,
            info,
            counts: Counts::default(),
            effects: Vec::new(),
            #[cfg(feature = "mutants")]
            unwritten: Vec::new(),
        };
        loaded.index_members();
        for state in sockets {
            // A fault ended the deletion before they were closed: the first input closes them.
            if loaded.deletion.is_done() && !is(Mutant::GoneButOpen) {
                loaded.effects.push(Effect::Close { connection: state.id, code: CloseCode::RoomGone });
                continue;
            }
            let user = state.identity.user.as_str().to_owned();
            loaded.presence.wake(&user);
            loaded.rates.entry(user.clone()).or_default().merge(&state.rates);
            let marker = Marker { generation: state.read_generation, seq: state.read_seq };
            loaded.reads.remember(&user, marker);
            loaded.next_connection = loaded.next_connection.max(state.id.saturating_add(1));
            loaded.connections.insert(state.id, Connection::wake(state));
        }
        let backlog = loaded.backlog();
        loaded.outbox.load_alert(store, &backlog)?;
        Ok(Some(loaded))
    }

    /// The room of a tenant who doesn't want everything said.
    pub fn with_moderation(mut self, moderation: &Moderation) -> Self {
        self.rules = moderation.of(self.info.tenant.as_str());
        self
    }

    /// Takes one input and returns the effects that follow from it.
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
            Input::Connect(connect) => self.connect(store, now, connect)?,
            Input::Frame { connection, text, random } => self.frame(store, now, connection, text, random)?,
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
            Input::Closed { connection } => {
                self.save_reads(store)?;
                self.remove_connection(connection, now);
                if !is(Mutant::AlarmTrusted) {
                    self.alarm.expire(now);
                }
            }
            Input::Call { caller, call, random } => match self.call(store, now, caller, call, random) {
                Ok(()) => {}
                Err(RoomError::Refused(refusal)) => self.effects.push(Effect::Reply(Err(refusal))),
                Err(RoomError::Store(error)) => return Err(error),
            },
            Input::Flush => self.flush(now),
            Input::Tick => self.tick(now),
            Input::AlarmFired => self.alarm_fired(turn)?,
            Input::Drain => self.take_batch(turn)?,
            Input::Projected { batch, outcome, notified } => {
                self.projected(turn, &batch, (outcome, notified))?;
            }
            Input::AlertReported { at, taken } => self.alert_reported(turn, at, taken)?,
            Input::FilesListed(ids) => self.files_listed(turn, ids)?,
            Input::FilesRemoved { ids, gone } => self.files_removed(turn, &ids, gone)?,
            Input::Refreshed(snapshot) => self.refreshed(store, snapshot, now)?,
            Input::DeletionRequested => self.deletion.begin(turn)?,
            Input::Recovered { delivered_seq } => self.recovered(store, delivered_seq)?,
            Input::Failed { connection, text } => self.failed(connection, text),
        }
        self.arm(now);
        self.log.settle();
        self.connections.values_mut().for_each(|c| c.settled = c.pending.len());
        Ok(std::mem::take(&mut self.effects))
    }

    /// What the inputs before the one that failed had still to tell, and the head up to which all is told then.
    /// The shell calls it before it drops the room; what the failed input did is told by `Input::Recovered`.
    pub fn flush_settled(&mut self, now: UnixMs) -> (Vec<Effect>, Seq) {
        self.effects.clear();
        self.connections.values_mut().for_each(|c| c.pending.truncate(c.settled));
        self.flush(now);
        (std::mem::take(&mut self.effects), self.log.settled_head())
    }

    /// When `Input::Tick` is due; `None` in an idle room.
    pub fn deadline(&self) -> Option<UnixMs> {
        let legacy_listens = self.connections.values().any(|c| !c.state.batches);
        self.presence.deadline(legacy_listens).into_iter().chain(self.reads.deadline()).min()
    }

    /// Whether anything waits for `Input::Flush`.
    pub fn wants_flush(&self) -> bool {
        self.connections.values().any(|c| !c.pending.is_empty() || c.changed)
    }

    /// Larger than any before it, those included that are closing and that a room which was loaded again knows nothing
    /// of: their late close would else end another's connection.
    pub fn next_connection(&self, now: UnixMs) -> ConnectionId {
        if is(Mutant::ConnectionIdTwice) {
            return self.next_connection;
        }
        self.next_connection.max(now.saturating_mul(CONNECTIONS_PER_MS))
    }

    /// When this connection last sent a frame.
    pub fn last_frame_ms(&self, id: ConnectionId) -> Option<UnixMs> {
        self.connections.get(&id).map(|connection| connection.state.last_frame_ms)
    }

    pub fn members_version(&self) -> u64 {
        self.info.snapshot.members_version
    }

    /// What happened since it was last asked.
    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts).plus(&self.outbox.take_counts())
    }

    pub fn key(&self) -> (TenantId, RoomId) {
        (self.info.tenant.clone(), self.info.id.clone())
    }

    pub fn head(&self) -> Seq {
        self.log.head()
    }

    /// Whether what waits for Postgres fills a batch.
    pub fn has_a_full_batch(&self) -> bool {
        self.log.lag() >= BATCH_ROWS_MAX
    }

    /// Whether a batch should be taken now.
    pub fn wants_drain(&self, now: UnixMs) -> bool {
        self.outbox.is_batch_due(now, &self.backlog())
    }

    /// Whether this person may enter, by the membership the room knows.
    ///
    /// # Errors  `room_not_found`: existence isn't revealed to those outside.
    pub fn admit(&self, caller: &Identity) -> Result<(), Refusal> {
        self.authorize(caller, Action::Read)
    }

    // --- Leaving: to sockets --------------------------------------------------------------------

    /// Everything gathered leaves: an array of events a socket, or an event a frame for seed clients.
    fn flush(&mut self, now: UnixMs) {
        let expired = |c: &&Connection| !c.pending.is_empty() && c.expired(now);
        let expired: Vec<_> = self.connections.values().filter(expired).map(|c| c.state.id).collect();
        for id in expired {
            self.close(id, CloseCode::AuthExpired, now);
        }
        let mut frames = Frames::default();
        // The texts must outlive the walk: their addresses tell equal frames apart.
        let mut sent = Vec::new();
        for (id, connection) in &mut self.connections {
            let pending = std::mem::take(&mut connection.pending);
            let shared = if connection.state.batches { frames.of(&pending) } else { pending.as_slice() };
            let send = |frame: &EventText| Effect::Send { connection: *id, frame: frame.clone() };
            self.effects.extend(shared.iter().map(send));
            if std::mem::take(&mut connection.changed) {
                if let Some(rates) = self.rates.get(connection.user()) {
                    connection.state.rates = *rates;
                }
                connection.remember_read(self.reads.marker(connection.user()));
                let attachment = Box::new(connection.state.clone());
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

    fn report(&mut self, entry: Entry) {
        let entry = entry.with("tenant", &self.info.tenant).with("room", &self.info.id);
        self.effects.push(Effect::Report(entry));
    }
}
