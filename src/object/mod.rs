//! The object of one room, over whatever runtime: callbacks become inputs, effects are performed, work that takes
//! time runs beside them. A panic stays in its event.
//! Not here: what follows from an input (`room`), and the runtime (`Platform`: workerd in `shell`, or the simulator).

mod platform;
mod requests;
mod sockets;

pub use platform::{Gone, Platform};
pub use requests::Answer;

use crate::db::{self, Projected, Projection};
use crate::error::Refusal;
use crate::ids::{Seq, UnixMs};
use crate::limits::*;
use crate::metrics::Counts;
use crate::mutants::{Mutant, is};
use crate::oplog::Entry;
use crate::protocol::server::CloseCode;
use crate::room::moderation::Moderation;
use crate::room::store::{Store, StoreError};
use crate::room::{ConnectionId, Effect, Input, Room, SocketState};
use sockets::Socket;
use std::cell::{Cell, RefCell, RefMut};
use std::collections::HashMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

pub struct Object<P: Platform> {
    platform: P,
    limits: Limits,
    moderation: Rc<Moderation>,
    room: RefCell<Option<Room>>,
    sockets: RefCell<HashMap<ConnectionId, Socket<P::Socket>>>,
    /// The head when everything was last told to the sockets; `None` until the room was loaded once.
    delivered_seq: Cell<Option<Seq>>,
    flush_is_due: Cell<bool>,
    /// Frames that wait for the turn's end. Handled where they arrive, each would be a commit and a wait for the disk.
    inbox: RefCell<Vec<(ConnectionId, String)>>,
    tick_at: Cell<Option<UnixMs>>,
    /// Since when a drain runs, and since when the log is being opened: leases, as a promise can be lost.
    draining_since: Cell<Option<UnixMs>>,
    opening_since: Cell<Option<UnixMs>>,
    /// How often Postgres was asked: its connection is shut when that stands still.
    asked_db: Cell<u64>,
    swept_at: Cell<UnixMs>,
    /// Larger than all that this making of the object gave.
    next_connection: Cell<ConnectionId>,
    /// What rooms that were lost had counted, and their losses.
    counts: Cell<Counts>,
}

/// What a fed input gives back to its caller.
#[derive(Default)]
pub struct Fed {
    reply: Option<Result<String, Refusal>>,
    project: Option<Rc<Projection>>,
    /// The input was lost to a fault of ours.
    pub failed: bool,
}

impl<P: Platform> Object<P> {
    /// Touches nothing: the room is loaded by the first event that needs it.
    pub fn new(platform: P, limits: Limits, moderation: Rc<Moderation>) -> Rc<Self> {
        Rc::new(Self {
            platform,
            limits,
            moderation,
            room: RefCell::new(None),
            sockets: RefCell::default(),
            delivered_seq: Cell::new(None),
            flush_is_due: Cell::new(false),
            inbox: RefCell::default(),
            tick_at: Cell::new(None),
            draining_since: Cell::new(None),
            opening_since: Cell::new(None),
            asked_db: Cell::new(0),
            swept_at: Cell::new(0),
            next_connection: Cell::new(0),
            counts: Cell::default(),
        })
    }

    pub fn platform(&self) -> &P {
        &self.platform
    }

    // --- Callbacks of the platform (those of the door are in `door`) ------------------------------

    /// A text frame arrived.
    pub fn received(self: &Rc<Self>, connection: ConnectionId, text: String) {
        if is(Mutant::LookUpBeforeSeq) {
            return self.later(async move |object| {
                object.refresh().await;
                object.inbox.borrow_mut().push((connection, text));
                object.flush_later();
            });
        }
        let too_large = text.len() > self.limits.frame_bytes as usize;
        self.inbox.borrow_mut().push((connection, text));
        // What closes its socket anyway isn't kept in memory.
        if too_large { self.process_inbox() } else { self.flush_later() }
    }

    /// A binary frame arrived; nobody looks at it.
    pub fn received_binary(self: &Rc<Self>, connection: ConnectionId) {
        self.feed(Input::Binary { connection });
    }

    /// Re-arms first, hands the work over and returns at once: an alarm that waits for something lost blocks all later ones.
    pub async fn alarm(self: Rc<Self>) {
        if is(Mutant::AlarmAwaitsDrain) {
            self.draining_since.set(Some(self.platform.now()));
            self.feed(Input::AlarmFired);
            return self.drain().await;
        }
        self.feed(Input::AlarmFired);
    }

    // --- Feeding the machine ----------------------------------------------------------------------

    /// Handles the frames of this turn, in the order they arrived. A fault in one is that one's alone.
    fn process_inbox(self: &Rc<Self>) {
        for (connection, text) in self.inbox.take() {
            let random = self.platform.random();
            if self.feed_one(Input::Frame { connection, text: &text, random }).failed {
                self.feed_one(Input::Failed { connection, text: &text });
            }
        }
    }

    /// Feeds one input, after the frames that arrived before it. The platform's callbacks do it for what they stand for;
    /// tests feed answers that come late.
    pub fn feed(self: &Rc<Self>, input: Input) -> Fed {
        self.process_inbox();
        self.feed_one(input)
    }

    /// Feeds one input and performs what follows, without an `await` between them.
    fn feed_one(self: &Rc<Self>, input: Input) -> Fed {
        let flushes = matches!(input, Input::Flush);
        let outcome = catch_unwind(AssertUnwindSafe(|| self.handle(input)));
        let effects = match outcome {
            Ok(Ok(Some(effects))) => effects,
            // No log here: nobody was ever let in, or the room is gone.
            Ok(Ok(None)) => return Fed::default(),
            Ok(Err(error)) => return self.recover(Some(&error), flushes),
            Err(_) => return self.recover(None, flushes),
        };
        let fed = self.perform_all(effects);
        self.schedule();
        fed
    }

    fn handle(self: &Rc<Self>, input: Input) -> Result<Option<Vec<Effect>>, StoreError> {
        self.platform.strike(&input);
        let mut slot = self.loaded()?;
        let Some(room) = slot.as_mut() else { return Ok(None) };
        let flushes = matches!(input, Input::Flush);
        let store = Store(self.platform.sql());
        let effects = room.handle(&store, self.platform.now(), input)?;
        if flushes {
            self.delivered_seq.set(Some(room.head()));
        }
        Ok(Some(effects))
    }

    /// The room in memory, loaded if it wasn't there; `None` inside when there is no log here.
    fn loaded(&self) -> Result<RefMut<'_, Option<Room>>, StoreError> {
        let mut slot = self.room.borrow_mut();
        if slot.is_none() {
            *slot = self.load()?;
        }
        if self.delivered_seq.get().is_none() {
            self.delivered_seq.set(slot.as_ref().map(Room::head));
        }
        Ok(slot)
    }

    /// The room from its storage and its open sockets: after hibernation, a deploy, a panic, a failing store.
    fn load(&self) -> Result<Option<Room>, StoreError> {
        let mut states = Vec::new();
        let mut sockets = self.sockets.borrow_mut();
        sockets.clear();
        for socket in self.platform.sockets() {
            let Some(text) = self.platform.attachment(&socket) else { continue };
            let Ok(attachment) = serde_json::from_str::<SocketState>(&text) else { continue };
            sockets.insert(attachment.id, Socket::new(socket, self.limits.waiting_bytes));
            states.push(attachment);
        }
        drop(sockets);
        let room = Room::load(&Store(self.platform.sql()), states, self.limits.clone())?;
        Ok(room.map(|room| room.with_moderation(&self.moderation)))
    }

    /// The input is lost and with it the memory; the next one finds the room as storage and sockets say it is.
    /// A flush that broke off has told nobody, so all since the last whole one is told from the log.
    ///
    /// # Takes  `error`: the store's; `None`: a panic.
    fn recover(self: &Rc<Self>, error: Option<&StoreError>, flushing: bool) -> Fed {
        let mut dropped = self.room.borrow_mut().take();
        self.report_loss(dropped.as_mut(), error);
        self.flush_is_due.set(false);
        self.tick_at.set(None);
        let now = self.platform.now();
        let rest = dropped
            .filter(|_| !flushing)
            .and_then(|mut room| catch_unwind(AssertUnwindSafe(move || room.flush_settled(now))).ok());
        if let Some((effects, delivered_seq)) = rest {
            self.perform_all(effects);
            self.delivered_seq.set(Some(delivered_seq));
        }
        let recovered = catch_unwind(AssertUnwindSafe(|| {
            // A room that could not even wake up has told nothing and owes nothing: it begins at its head.
            if !is(Mutant::ToldFromNothing) {
                drop(self.loaded()?);
            }
            self.handle(Input::Recovered { delivered_seq: self.delivered_seq.get().unwrap_or_default() })
        }));
        if let Ok(Ok(Some(effects))) = recovered {
            self.perform_all(effects);
            self.schedule();
        } else {
            // It can't even be loaded: the sockets are told to come back.
            self.close_all(CloseCode::Internal);
        }
        Fed { failed: true, ..Fed::default() }
    }

    fn report_loss(&self, room: Option<&mut Room>, error: Option<&StoreError>) {
        let mut entry = match error {
            Some(error) => Entry::error("store_failed").with("why", error),
            None => Entry::error("room_panicked"),
        };
        let mut counts = self.counts.get();
        counts.panics = counts.panics.saturating_add(u64::from(error.is_none()));
        if let Some(room) = room {
            counts = counts.plus(&room.take_counts());
            let (tenant, room) = room.key();
            entry = entry.with("tenant", &tenant).with("room", &room);
        }
        self.counts.set(counts);
        self.platform.report(&entry);
    }

    /// At most once a batch: a data point is billed too.
    fn count(&self) {
        let slot = &mut *self.room.borrow_mut();
        let Some(room) = slot else { return };
        let counts = self.counts.take().plus(&room.take_counts());
        if !counts.is_empty() {
            let (tenant, room) = room.key();
            self.platform.count(&tenant, &room, &counts);
        }
    }

    // --- Performing -------------------------------------------------------------------------------

    fn perform_all(self: &Rc<Self>, effects: Vec<Effect>) -> Fed {
        let mut fed = Fed::default();
        for effect in effects {
            let mutant = match effect {
                Effect::Close { .. } => Mutant::CloseFailureStops,
                _ => Mutant::BroadcastStopsAtFailure,
            };
            // One dead socket must not stop the rest.
            if self.perform(effect, &mut fed).is_err() && is(mutant) {
                break;
            }
        }
        fed
    }

    fn perform(self: &Rc<Self>, effect: Effect, fed: &mut Fed) -> Result<(), Gone> {
        match effect {
            Effect::Send { connection, frame } => self.send(connection, &frame)?,
            Effect::Close { connection, code } => {
                let socket = self.sockets.borrow_mut().remove(&connection);
                socket.map_or(Ok(()), |socket| self.platform.close(&socket.socket, code))?;
            }
            Effect::Attach { connection, attachment } => {
                if let Some(socket) = self.sockets.borrow().get(&connection) {
                    let text = serde_json::to_string(&attachment).unwrap_or_default();
                    self.platform.attach(&socket.socket, &text);
                }
            }
            Effect::Verify { connection, token } => self.later(async move |object| {
                let outcome = object.platform.authenticate(&token).await;
                object.feed(Input::Verified { connection, outcome });
            }),
            Effect::Reply(answer) => fed.reply = Some(answer),
            Effect::Project(batch) => fed.project = Some(batch),
            Effect::Refresh => self.later(async move |object| object.refresh().await),
            Effect::Alarm(at) => self.platform.set_alarm(at),
            Effect::Wiped => {
                *self.room.borrow_mut() = None;
                self.delivered_seq.set(None);
                self.tick_at.set(None);
                self.platform.close_db();
            }
            Effect::ReportAlert(report) => self.later(async move |object| {
                let taken = object.platform.report_alert(&report).await;
                object.feed(Input::AlertReported { at: report.at, taken });
            }),
            Effect::RemoveFiles { ids, keys } => self.later(async move |object| {
                let gone = object.platform.remove_files(&keys).await;
                object.feed(Input::FilesRemoved { ids, gone });
            }),
            Effect::ListFiles(prefix) => self.later(async move |object| {
                let listed = object.platform.list_files(&prefix).await;
                object.feed(Input::FilesListed(listed));
            }),
            Effect::Report(entry) => self.platform.report(&entry),
        }
        Ok(())
    }

    fn close_all(&self, code: CloseCode) {
        for socket in self.platform.sockets() {
            let _ = self.platform.close(&socket, code);
        }
    }

    // --- What is due later ------------------------------------------------------------------------

    /// Does something after this event; the object stays awake for it.
    fn later<F: Future<Output = ()> + 'static>(self: &Rc<Self>, work: impl FnOnce(Rc<Self>) -> F) {
        self.platform.later(work(self.clone()));
    }

    /// The turn's end: what arrives together is committed together and leaves as one frame a socket.
    fn flush_later(self: &Rc<Self>) {
        if self.flush_is_due.replace(true) {
            return;
        }
        self.later(async move |object| {
            object.platform.sleep(0).await;
            if object.flush_is_due.get() {
                // While the flush is still due: what these frames schedule is this one.
                object.process_inbox();
                object.flush_is_due.set(false);
                object.feed_one(Input::Flush);
                object.sweep();
            }
        });
    }

    fn schedule(self: &Rc<Self>) {
        let room = self.room.borrow();
        let Some(room) = room.as_ref() else { return };
        let now = self.platform.now();
        if room.wants_flush() {
            self.flush_later();
        }
        if let Some(at) = room.deadline()
            && self.tick_at.get().is_none_or(|due| at < due)
        {
            self.tick_at.set(Some(at));
            self.later(async move |object| {
                object.platform.sleep(at.saturating_sub(object.platform.now())).await;
                if object.tick_at.get() == Some(at) {
                    object.tick_at.set(None);
                    object.feed(Input::Tick);
                }
            });
        }
        let stuck = |since: UnixMs| now.saturating_sub(since) > 3 * STATEMENT_TIMEOUT_MS;
        if room.wants_drain(now) && self.draining_since.get().is_none_or(stuck) {
            self.draining_since.set(Some(now));
            self.later(async move |object| object.drain().await);
        }
    }

    /// Hands the batch's notices to the queue; true when it took them, or there are none.
    async fn notify(&self, batch: &Projection) -> bool {
        batch.notices.is_empty() || self.platform.notify(&batch.notices).await
    }

    /// Asks Postgres, and keeps the connection a moment for what may follow.
    async fn ask_db<T>(self: &Rc<Self>, room_request: impl AsyncFnOnce(&P::Db) -> T) -> T {
        let answer = room_request(self.platform.db()).await;
        let asked = self.asked_db.get().wrapping_add(1);
        self.asked_db.set(asked);
        self.later(async move |object| {
            object.platform.sleep(CONNECTION_LINGER_MS).await;
            // A statement that is under way has its connection with it, and brings it back for a moment of its own.
            if object.asked_db.get() == asked {
                object.platform.close_db();
            }
        });
        answer
    }

    /// Takes batch after batch to Postgres.
    async fn drain(self: Rc<Self>) {
        loop {
            let fed = self.feed(Input::Drain);
            let Some(batch) = fed.project else {
                // A store that fails is left alone for a while. Asked again within the same turn it spins: workerd never
                // gets to write, and at 10,000 timers every `sleep` panics.
                if fed.failed && !is(Mutant::DrainSpins) {
                    self.platform.sleep(RETRY_MIN_MS).await;
                }
                break;
            };
            self.draining_since.set(Some(self.platform.now()));
            if is(Mutant::NotifiedBeforeProjected) {
                let _ = self.notify(&batch).await;
            }
            let outcome = self.ask_db(async |db| db::project(db, &batch).await).await;
            // Only what is in Postgres is told of: whoever tells looks there.
            let notified = match &outcome {
                _ if is(Mutant::NotifiedBeforeProjected) => true,
                Ok(Projected::Done { .. } | Projected::Ahead { .. }) => self.notify(&batch).await,
                _ => false,
            };
            let failed = self.feed(Input::Projected { batch, outcome, notified }).failed;
            self.count();
            // Gathering is for a trickle: each batch costs a written row. A backlog goes at once.
            if (failed && !is(Mutant::DrainSpins))
                || !self.room.borrow().as_ref().is_some_and(Room::has_a_full_batch)
            {
                self.platform.sleep(DRAIN_GATHER_MS).await;
            }
        }
        self.draining_since.set(None);
        // What came while the last batch was under way.
        self.schedule();
    }
}
