//! What the person is notified of while a device is connected (INBOX-11): what the inbox asks of each room, and the events
//! of the answer. Of a room it is one message at a time, the newest.
//! Not here: who is notified of what (the statements of `db`), and what a notification says (`protocol::notification`).

use super::Inbox;
use super::input::Answer;
use super::log::{Logged, Shown};
use super::store::{Store, Touched};
use super::view::{Notified, Pending, RoomView};
use crate::db::{FoundNotice, NoticesAfter, NoticesOfRoom};
use crate::ids::{RoomId, Seq, UnixMs};
use crate::protocol::inbox;
use crate::room::ResumePosition;
use crate::room::store::Result;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

impl Inbox {
    /// What is to be asked of a room.
    pub(super) fn notices_after(&self, room: &RoomId, read: Seq, now: UnixMs) -> NoticesAfter {
        let asked = NoticesAfter { read, ..NoticesAfter::of_unknown(room.clone(), now) };
        match self.views.get(room).and_then(|view| view.notified.as_ref()) {
            None => asked,
            Some(Notified { seq, edited_ms, pending }) => NoticesAfter {
                after: Some(*seq),
                edited_ms: *edited_ms,
                pending: pending.as_ref().map(|pending| pending.seq),
                ..asked
            },
        }
    }

    /// What is to be asked of all known rooms for a connection that resumes at this position.
    pub fn notices_of_all(
        &self,
        store: &Store,
        since: Option<&ResumePosition>,
        now: UnixMs,
    ) -> Result<Vec<NoticesAfter>> {
        let missed = match since {
            Some(since) => self.missed(store, since)?.unwrap_or_default(),
            None => Vec::new(),
        };
        let replayed = missed.into_iter().filter_map(|(_, event)| match event {
            Logged::Notification { room, .. } => Some(room),
            _ => None,
        });
        let replayed: BTreeSet<RoomId> = replayed.collect();
        let asked = self.views.keys().map(|room| NoticesAfter {
            is_replayed: replayed.contains(room),
            ..self.notices_after(room, 0, now)
        });
        Ok(asked.collect())
    }

    /// What the answer has to notify of is an event, and what is read or deleted is withdrawn.
    pub(super) fn compare_notices(
        &mut self,
        now: UnixMs,
        answer: &Answer,
        (events, touched, shown): (&mut Vec<Logged>, &mut Touched, &mut Shown),
    ) {
        let mut by_room: BTreeMap<&RoomId, &NoticesOfRoom> =
            answer.notices.iter().map(|notices| (&notices.room, notices)).collect();
        for id in shown.rooms.keys() {
            let Some(view) = self.views.get_mut(id) else { continue };
            let before = view.notified.clone();
            let notices = by_room.remove(id);
            if let Some(message) = notices.and_then(|notices| Some(&notices.pending.as_ref()?.message)) {
                shown.notices.insert(id.clone(), message.clone());
            }
            let found = notices.and_then(|notices| notices.found.as_ref()).filter(|_| !answer.begins());
            if let Some(withdrawn) = view.advance(notices, answer.begins(), now).filter(|_| found.is_none()) {
                let Pending { message, seq: position } = withdrawn;
                events.push(Logged::Withdrawn { room: id.clone(), message, position });
            }
            if let Some(FoundNotice { reason, message }) = found
                && let Some(pending) = pending_of(message)
            {
                let event = Logged::Notification {
                    room: id.clone(),
                    message: pending.message.clone(),
                    reason: *reason,
                };
                events.push(event);
                shown.notices.insert(id.clone(), message.clone());
                let notified = view.notified.get_or_insert_default();
                // A foreign row in Postgres may be beyond what the room has projected.
                notified.seq = notified.seq.max(pending.seq);
                notified.pending = Some(pending);
            }
            if view.notified != before {
                touched.rooms.insert(id.clone());
            }
        }
    }
}

impl RoomView {
    /// Takes the positions of an answer; gives what is pending no more.
    ///
    /// # Takes  `begins`: nobody was here, and what has come meanwhile is not notified of.
    fn advance(&mut self, notices: Option<&NoticesOfRoom>, begins: bool, now: UnixMs) -> Option<Pending> {
        let (last_seq, read_seq) = (self.last_seq(), self.read_seq());
        let is_new = self.notified.is_none();
        let notified =
            self.notified.get_or_insert_with(|| Notified { edited_ms: now, ..Notified::default() });
        if let Some(notices) = notices {
            notified.seq = notified.seq.max(notices.last_seq);
            notified.edited_ms = notified.edited_ms.max(notices.edited_ms);
        } else if begins || is_new {
            notified.seq = notified.seq.max(last_seq);
        }
        let is_over = |pending: &mut Pending| {
            pending.seq <= read_seq || notices.is_some_and(|notices| notices.pending.is_none())
        };
        notified.pending.take_if(is_over)
    }
}

fn pending_of(message: &Value) -> Option<Pending> {
    let id = inbox::field(message, "id").as_str()?;
    Some(Pending { message: id.to_owned(), seq: inbox::number(message, "seq") })
}
