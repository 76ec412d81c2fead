//! The room as a pure machine: what happened goes in, what follows comes out. All control flow of a room.
//! Not here: a clock, randomness, a socket, the runtime. They are arguments and effects; `shell` has them.
//!
//! Memory is a cache of the store plus the sockets; only presence and typing live in memory alone.
//! Recovery is start-up: hibernation, a panic, a deploy and a storage error all go through `Room::load`.

mod admin_changes;
pub mod calls;
pub mod connection;
mod deletion;
mod edit_delete;
mod files;
mod frames;
mod members;
mod message;
pub mod moderation;
mod notifications;
mod operator;
mod outbox;
mod presence;
mod rate;
mod reads;
mod rebuild;
mod replay;

mod outbox_alert;
mod send_checks;
mod session;
pub mod store;
mod thread;
mod uploads;

pub use admin_changes::{AdminChange, Patch};
pub use calls::{PageQuery, RoomCall};
pub use connection::{ConnectionId, SocketState};
pub use files::{file_prefix, split_id};
pub use outbox_alert::{OutboxProblem, OutboxReport};
pub use rebuild::{Rebuild, RoomInfo, message_of};
pub use session::Connect;

use crate::auth::{Action, Identity, Role};
use crate::db::{DbError, Marker, Projected, Projection, RoomSnapshot};
use crate::error::Refusal;
use crate::ids::{RoomId, Seq, TenantId, UnixMs};
use crate::limits::{CONNECTIONS_PER_MS, Limits};
use crate::metrics::Counts;
use crate::mutants::{Mutant, is};
use crate::oplog::Entry;
use crate::protocol::server::{CloseCode, EventText};
use connection::{Connection, Frames};
use deletion::PendingDeletion;
use files::Files;
use moderation::{Moderation, RecentSends, Rules};
use outbox::{LogState, Outbox};
use outbox_alert::AlertState;
use presence::Presence;
use rate::Rates;
use reads::Reads;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use store::{SCHEMA_STEPS, StateRow, Store, StoreError};

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
        caller: &'a Identity,
        call: RoomCall,
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
        /// The queue of notifications has taken the batch's notices.
        notified: bool,
    },
    /// Whether the tenant's list took the `Effect::Announce` made at that time.
    AlertReported {
        at: UnixMs,
        taken: bool,
    },
    /// Whether the bucket removed the `Effect::RemoveFiles` of these uploads.
    FilesRemoved {
        ids: Vec<String>,
        gone: bool,
    },
    /// The uploads of `Effect::ListFiles`; `None`: the bucket didn't say.
    FilesListed(Option<Vec<String>>),
    /// The room and its members as Postgres has them now; `None`: it is deleted.
    Refreshed(Option<RoomSnapshot>),
    /// Its owner wants the room deleted; Postgres is about to hear of it.
    DeletionRequested,
    /// Memory was lost under open sockets (a panic, a failing store). Whatever came after `told`, the head
    /// at the last flush, was committed and not heard.
    Recovered {
        delivered_seq: Seq,
    },
    /// This connection's frame could not be dealt with, for a fault of ours.
    Failed {
        connection: ConnectionId,
        text: &'a str,
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
        attachment: Box<SocketState>,
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
    /// The room is deleted and its storage empty: nothing of it is to stay in memory.
    Wiped,
    /// Tell the tenant's list of rooms in trouble; come back with `Input::Announced`.
    ReportAlert(OutboxReport),
    /// Remove these objects from the bucket; come back with `Input::FilesRemoved`.
    RemoveFiles {
        ids: Vec<String>,
        keys: Vec<String>,
    },
    /// Say which uploads' objects stand under this prefix; come back with `Input::FilesListed`.
    ListFiles(String),
    /// A line for the operator's log.
    Report(Entry),
}

/// Why something was not done.
pub(crate) enum RoomError {
    /// The sender is told; nothing happened.
    Refused(Refusal),
    Store(StoreError),
}

impl From<Refusal> for RoomError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for RoomError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

pub struct Room {
    log: LogState,
    head: Seq,
    /// The head after the last input that went well.
    settled_head: Seq,
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
    /// Notes for the audit log that Postgres hasn't got.
    audit_waits: bool,
    /// Its owner wants it deleted, and what came of it isn't known: since when, and when that is looked into.
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
        let corrupt_column =
            |e: serde_json::Error| StoreError(format!("state: {:?} at column {}", e.classify(), e.column()));
        let mut log: LogState = serde_json::from_str(&log).map_err(corrupt_column)?;
        if log.schema < SCHEMA_STEPS {
            store.upgrade(log.schema)?;
            log.schema = SCHEMA_STEPS;
            store.set_state(StateRow::Log, serde_json::to_string(&log).map_err(corrupt_column)?)?;
        }
        let reads = Reads::load(store.state(StateRow::Reads)?.as_deref(), log.reads_saved);
        // The tail of a log made anew may be reactions, which aren't events here any more.
        let newest = if is(Mutant::SeqFromMemory) { 0 } else { store.newest()? };
        let head = newest.max(log.projected).max(log.floor);
        let mut loaded = Self {
            head,
            settled_head: head,
            log,
            info: serde_json::from_str(&room).map_err(corrupt_column)?,
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
        loaded.index_members();
        for state in sockets {
            // A fault ended the deletion before they were told: with the first input they are.
            if loaded.is_deletion_done() && !is(Mutant::GoneButOpen) {
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
        loaded.load_alert(store)?;
        Ok(Some(loaded))
    }

    /// The room of a tenant who doesn't want everything said.
    pub fn with_moderation(mut self, moderation: &Moderation) -> Self {
        self.rules = moderation.of(self.info.tenant.as_str());
        self
    }

    /// Takes one thing that happened to the room and says what follows from it.
    ///
    /// # Takes   `now`: Unix milliseconds. Inputs in the order they arrived.
    /// # Gives   effects, to be performed in this order without an `await` between them.
    /// # Errors  `StoreError`: nothing was decided; drop the room, the next event loads it again.
    pub fn handle(&mut self, store: &Store, now: UnixMs, input: Input) -> store::Result<Vec<Effect>> {
        #[cfg(feature = "mutants")]
        if !matches!(input, Input::Flush) {
            std::mem::take(&mut self.unwritten).iter().try_for_each(|event| store.insert(event))?;
        }
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
                if let Some(row) = self.reads.take_unsaved() {
                    store.set_state(StateRow::Reads, row)?;
                }
                self.remove_connection(connection, now);
                if !is(Mutant::AlarmTrusted) {
                    self.outbox.expire_alarm(now);
                }
            }
            Input::Call { caller, call, random } => match self.call(store, now, caller, call, random) {
                Ok(()) => {}
                Err(RoomError::Refused(refusal)) => self.effects.push(Effect::Reply(Err(refusal))),
                Err(RoomError::Store(error)) => return Err(error),
            },
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
            Input::Refreshed(snapshot) => self.refreshed(store, snapshot, now)?,
            Input::DeletionRequested => self.begin_deletion(store, now)?,
            Input::Recovered { delivered_seq } => self.recovered(store, delivered_seq)?,
            Input::Failed { connection, text } => self.failed(connection, text),
        }
        self.arm(now);
        self.settled_head = self.head;
        self.connections.values_mut().for_each(|c| c.settled = c.pending.len());
        Ok(std::mem::take(&mut self.effects))
    }

    /// What the inputs before the one that failed had still to tell, and the head up to which all is told then.
    /// The shell calls it before it drops the room; what the failed input did is told by `Input::Recovered`.
    pub fn flush_settled(&mut self, now: UnixMs) -> (Vec<Effect>, Seq) {
        self.effects.clear();
        self.connections.values_mut().for_each(|c| c.pending.truncate(c.settled));
        self.flush(now);
        (std::mem::take(&mut self.effects), self.settled_head)
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
        std::mem::take(&mut self.counts)
    }

    pub fn key(&self) -> (TenantId, RoomId) {
        (self.info.tenant.clone(), self.info.id.clone())
    }

    pub fn head(&self) -> Seq {
        self.head
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
