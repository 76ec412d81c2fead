//! What must be true of the rooms, by a naive model that knows nothing of the code: what was sent, what was acked,
//! which event each place of the log had, and what owners and members were promised. Not here: the checks that read it.

use super::checker::{CheckResult, Checker};
use super::content_model::{ByClientId, ContentModel, Shown};
use super::operation::{Acked, Fact, Operation};
use chinwag::ids::{Seq, UnixMs};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// Slow mode in force: seconds, and the head when that was answered.
pub type SlowMode = (u32, Seq);

/// The model of all rooms, and of what happens outside their logs.
#[derive(Default)]
pub struct Model {
    rooms: RefCell<BTreeMap<usize, RoomModel>>,
    /// By room and person: the head when the mute was answered.
    pub muted_since: RefCell<BTreeMap<(usize, String), Seq>>,
    pub slow_modes: RefCell<BTreeMap<usize, SlowMode>>,
    /// Reports that were answered: room, and id in the audit log.
    pub reports: RefCell<BTreeSet<(usize, String)>>,
    /// Rooms whose owner asked for their deletion.
    pub deletion_requested: RefCell<BTreeSet<usize>>,
    /// Notifications delivered: room, seq, person.
    pub notified: RefCell<BTreeSet<(usize, Seq, String)>>,
    /// By room and seq: when somebody was first notified.
    pub first_notified: RefCell<BTreeMap<(usize, Seq), UnixMs>>,
    /// The `webhook-id` of each notification: room, event, person.
    pub webhook_ids: RefCell<BTreeMap<(usize, String, String), String>>,
    /// Messages that Postgres refused when their notification came: nobody can be notified of them.
    pub unnotifiable: RefCell<BTreeSet<(usize, Seq)>>,
    /// Uploads that were answered, by id.
    pub uploads: RefCell<BTreeMap<String, Vec<u8>>>,
}

impl Model {
    /// Looks at, or changes, the model of one room.
    pub fn room<T>(&self, room: usize, work: impl FnOnce(&mut RoomModel) -> T) -> T {
        work(self.rooms.borrow_mut().entry(room).or_default())
    }
}

#[derive(Default)]
pub struct RoomModel {
    pub sent: ByClientId<Operation>,
    pub acked: ByClientId<Acked>,
    /// By epoch and seq, as the first client received it.
    pub received: BTreeMap<(String, Seq), Fact>,
    pub content: ContentModel,
    /// By message: whether it was pinned or unpinned last; `None`: that was not answered.
    pub pins: BTreeMap<String, Option<bool>>,
}

impl RoomModel {
    /// A client is about to send this, perhaps again.
    pub fn record_sent(&mut self, user: &str, client_id: &str, operation: &Operation) {
        self.sent.insert((user.to_owned(), client_id.to_owned()), operation.clone());
    }

    /// A client received this at this place.
    pub fn check_received(&mut self, epoch: &str, seq: Seq, fact: &Fact) -> CheckResult {
        self.check_was_sent(fact)?;
        let known = self.received.entry((epoch.to_owned(), seq)).or_insert_with(|| fact.clone());
        if *known != fact.with_emoji_of(known) {
            return Err((Checker::Diverging, format!("seq {seq} was {known:?} and is {fact:?}")));
        }
        Ok(())
    }

    pub fn check_was_sent(&self, fact: &Fact) -> CheckResult {
        let Some(client_id) = &fact.client_id else { return Ok(()) };
        match self.sent.get(&(fact.user.clone(), client_id.clone())) {
            Some(sent) if sent.without_content() == fact.operation => Ok(()),
            Some(sent) => Err((Checker::Diverging, format!("{fact:?} was sent as {sent:?}"))),
            None => Err((Checker::Phantom, format!("nobody sent {fact:?}"))),
        }
    }

    pub fn check_shown(&mut self, shown: &Shown, deletions: usize) -> CheckResult {
        self.content.check_shown(&self.sent, shown, deletions)
    }

    pub fn check_acked(&mut self, user: &str, client_id: &str, acked: Acked) -> CheckResult {
        let key = (user.to_owned(), client_id.to_owned());
        let Some(sent) = self.sent.get(&key) else {
            return Err((Checker::Acked, format!("{user} never sent {client_id}")));
        };
        let about = match sent {
            Operation::Reaction { message, .. }
            | Operation::Edit { message, .. }
            | Operation::Delete { message } => message,
            Operation::Message { .. } | Operation::Thread | Operation::Pins | Operation::RoomEvent { .. } => {
                &acked.id
            }
        };
        if *about != acked.id {
            return Err((Checker::Acked, format!("{client_id} is about {about}, acked as {acked:?}")));
        }
        if let Operation::Edit { base: Some(base), .. } = sent
            && acked.seq.is_some()
            && acked.version != base + 1
        {
            return Err((Checker::Acked, format!("{client_id} edits version {base}, acked as {acked:?}")));
        }
        if let Operation::Delete { message } = sent {
            self.content.deleted.push(message.clone());
        }
        // After a log was lost only messages are still known by their `clientId`.
        let is_message = matches!(sent, Operation::Message { .. });
        // An operation that changed nothing may change something when it is repeated.
        let known = self.acked.entry(key).or_insert_with(|| acked.clone());
        if known.seq.is_none() || (!is_message && known.epoch != acked.epoch) {
            *known = acked.clone();
        }
        if acked.seq.is_some()
            && (known.seq, &known.id, known.version) != (acked.seq, &acked.id, acked.version)
        {
            return Err((Checker::Acked, format!("{user}'s {client_id} acked as {known:?}, then {acked:?}")));
        }
        Ok(())
    }
}
