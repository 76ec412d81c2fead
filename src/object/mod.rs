//! The object of one room, over any runtime: callbacks become inputs, effects are performed, and work that takes time
//! runs beside them. A panic ends only its own event.
//! Not here: what follows from an input (`room`), and the runtime (`Platform`: workerd in `shell`, or the simulator).
//!
//! No borrow of a `RefCell` crosses an `.await`: clippy's `await_holding_refcell_ref` refuses it.

mod changes;
mod delivery;
mod drain;
mod frames;
mod host;
mod inbox;
mod inbox_questions;
mod lease;
mod memory;
mod platform;
mod pokes;
mod rebuild;
mod requests;
mod schedule;
mod send_queue;
mod sockets;
mod verifying;

pub use inbox::InboxObject;
pub use platform::{Gone, Platform};
pub use requests::Answer;

use crate::auth::Identity;
use crate::db::Projection;
use crate::error::Refusal;
use crate::limits::Limits;
use crate::room::moderation::Moderation;
use crate::room::store::{Store, StoreError};
use crate::room::{ConnectionId, Effect, Input, Room};
use changes::Changes;
use drain::Drain;
use host::{Host, Linger, Parts};
use lease::Lease;
use memory::Memory;
use pokes::Pokes;
use rebuild::Rebuilding;
use schedule::Schedule;
use sockets::Sockets;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use verifying::Verifying;

pub struct Object<P: Platform> {
    platform: P,
    limits: Limits,
    moderation: Rc<Moderation>,
    memory: Memory,
    sockets: Sockets<P::Socket>,
    schedule: Schedule,
    drain: Drain,
    linger: Linger,
    /// Opening the log from Postgres.
    opening: Lease,
    rebuilding: Rebuilding,
    changes: Changes,
    verifying: Verifying,
    pokes: Pokes,
}

impl<P: Platform> Host for Object<P> {
    type Platform = P;

    fn parts(&self) -> Parts<'_, P> {
        let Self { platform, limits, sockets, linger, verifying, .. } = self;
        Parts { platform, limits, sockets, linger, verifying }
    }

    fn take_verified(self: &Rc<Self>, connection: ConnectionId, outcome: Result<Identity, Refusal>) {
        self.feed(Input::Verified { connection, outcome });
    }

    fn take_slow(self: &Rc<Self>, connection: ConnectionId) {
        self.feed(Input::Slow { connection });
    }

    fn delivered(&self) {
        self.memory.look(Room::release_first_loads);
    }
}

/// What an input returns to whoever fed it.
#[derive(Default)]
pub struct Fed {
    reply: Option<Result<String, Refusal>>,
    project: Option<Rc<Projection>>,
    /// The input was lost because of a fault of ours.
    pub failed: bool,
}

impl<P: Platform> Object<P> {
    /// Touches nothing: the first event that needs the room loads it.
    pub fn new(platform: P, limits: Limits, moderation: Rc<Moderation>) -> Rc<Self> {
        Rc::new(Self {
            platform,
            limits,
            moderation,
            memory: Memory::default(),
            sockets: Sockets::new(),
            schedule: Schedule::default(),
            drain: Drain::default(),
            linger: Linger::default(),
            opening: Lease::default(),
            rebuilding: Rebuilding::default(),
            changes: Changes::default(),
            verifying: Verifying::default(),
            pokes: Pokes::default(),
        })
    }

    pub fn platform(&self) -> &P {
        &self.platform
    }

    // --- Callbacks of the platform (requests are in `requests`, closed sockets in `sockets`) ---------

    /// The bytes of the histories and replays that wait for sockets.
    pub fn first_load_bytes(&self) -> usize {
        self.memory.look(Room::first_load_bytes).unwrap_or(0)
    }

    /// A text frame arrived.
    pub fn received(self: &Rc<Self>, connection: ConnectionId, text: String) {
        let is_too_large = text.len() > self.limits.frame_bytes as usize;
        self.schedule.push_frame(connection, text);
        // It closes its socket anyway, so it is not kept in memory until the turn ends.
        if is_too_large { self.process_inbox() } else { self.flush_later() }
    }

    /// A binary frame arrived; its content does not matter.
    pub fn received_binary(self: &Rc<Self>, connection: ConnectionId) {
        self.feed(Input::Binary { connection });
    }

    /// Sets the next alarm, starts the work and returns at once: an alarm that awaits something lost blocks all later ones.
    pub async fn alarm(self: Rc<Self>) {
        if !self.alarm_rebuilds() {
            self.feed(Input::AlarmFired);
        }
    }

    // --- Feeding the room -----------------------------------------------------------------------------

    /// Handles the frames of this turn in the order they arrived. A fault in one concerns that one alone.
    fn process_inbox(self: &Rc<Self>) {
        for (connection, text) in self.schedule.take_frames() {
            let random = self.platform.random();
            if self.feed_one(Input::Frame { connection, text: &text, random }).failed {
                self.feed_one(Input::Failed { connection, text: &text });
            }
        }
    }

    /// Feeds one input, after the frames that arrived before it. Tests feed answers that come late.
    pub fn feed(self: &Rc<Self>, input: Input) -> Fed {
        self.process_inbox();
        self.feed_one(input)
    }

    /// Feeds one input and performs its effects, without an `await` between them.
    fn feed_one(self: &Rc<Self>, input: Input) -> Fed {
        let flushes = matches!(input, Input::Flush);
        let outcome = catch_unwind(AssertUnwindSafe(|| self.handle(input)));
        let effects = match outcome {
            Ok(Ok(Some(effects))) => effects,
            // There is no log: nobody was ever admitted, or the room is deleted.
            Ok(Ok(None)) => return Fed::default(),
            Ok(Err(error)) => return self.recover(Some(&error), flushes),
            Err(_) => return self.recover(None, flushes),
        };
        let fed = self.perform_all(effects);
        self.schedule_next();
        fed
    }

    /// The effects of an input; `None` if there is no log.
    fn handle(self: &Rc<Self>, input: Input) -> Result<Option<Vec<Effect>>, StoreError> {
        self.platform.strike(&input);
        let mut slot = self.loaded()?;
        let Some(room) = slot.as_mut() else { return Ok(None) };
        let flushes = matches!(input, Input::Flush);
        let store = Store(self.platform.sql());
        let effects = room.handle(&store, self.platform.now(), input)?;
        if flushes {
            self.memory.delivered(room.head());
        }
        Ok(Some(effects))
    }

    // --- Performing effects ---------------------------------------------------------------------------

    fn perform_all(self: &Rc<Self>, effects: Vec<Effect>) -> Fed {
        let mut fed = Fed::default();
        for effect in effects {
            // One dead socket must not stop the rest.
            let _ = self.perform(effect, &mut fed);
        }
        self.deliver();
        fed
    }

    fn perform(self: &Rc<Self>, effect: Effect, fed: &mut Fed) -> Result<(), Gone> {
        match effect {
            Effect::Socket(effect) => self.sockets.perform(&self.platform, effect),
            Effect::Close { connection, code } => {
                self.sockets.close(&self.platform, &self.limits, connection, code)?
            }
            Effect::Verify { connection, token } => self.verify_later(connection, token),
            Effect::Reply(answer) => fed.reply = Some(answer),
            Effect::Project(batch) => fed.project = Some(batch),
            Effect::Offer(offering) => self.later(async move |object| object.offer(offering).await),
            Effect::Refresh => self.later(async move |object| {
                object.refresh().await;
            }),
            Effect::Alarm(at) => self.platform.set_alarm(at),
            Effect::Restore => self.later(async move |object| object.restore_room().await),
            Effect::Erase => self.later(async move |object| object.erase_piece().await),
            Effect::Wipe => {
                self.platform.delete_all();
                self.memory.forget();
                self.schedule.cancel_tick();
                self.platform.close_db();
            }
            Effect::ReportAlert(report) => self.later(async move |object| {
                let taken = object.platform.report_alert(&report).await;
                object.feed(Input::AlertReported { at: report.at, taken });
            }),
            Effect::RemoveFiles { ids, keys } => self.later(async move |object| {
                let gone = object.remove_files(&ids, &keys).await;
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
}
