//! Creating a room's log: an empty one for a new room, or from Postgres when the object's storage is lost or was set
//! back. Not here: asking Postgres (`object`).

use super::files::uploads_of;
use super::log::Log;
use super::message_row::message_of;
use super::reactions::Reactors;
use super::store::formats::{AlertRow, RoomInfo};
use super::store::mutations::Mutation;
use super::store::{Event, Kind, Result, StateRow, Store, encode};
use crate::db::MessageRow;
use crate::ids::{MessageId, Seq, UnixMs};
use crate::limits::{REBUILD_PAGE, UPLOAD_MAX_MS};
use crate::protocol::client::MessageDraft;
use crate::protocol::message::{Attached, Message};
use crate::protocol::server;

/// A log that is being built. Until `finish`, the log that was there before counts, so a crash leaves no partial log.
pub struct Rebuild {
    info: RoomInfo,
    epoch: String,
    imported: Seq,
}

impl Rebuild {
    /// Begins the log `epoch`. What a complete log here has and Postgres has not (quarantined rows) stays.
    pub fn begin(store: &Store, info: RoomInfo, epoch: String) -> Result<Self> {
        match store.exists()? {
            true => store.upgrade(0)?,
            false => store.create()?,
        }
        Ok(Self { info, epoch, imported: 0 })
    }

    /// The seq after which the next page of messages begins; `None`: Postgres has no more.
    pub fn wants(&self) -> Option<Seq> {
        (self.imported < self.info.snapshot.last_seq).then_some(self.imported)
    }

    /// Stores a page of messages.
    pub fn page(&mut self, store: &Store, rows: Vec<MessageRow>) -> Result<()> {
        let last = (rows.len() as u64) < REBUILD_PAGE;
        for row in rows {
            self.imported = self.imported.max(row.seq);
            if row.deleted_at_ms.is_some() {
                store.append(&[], &[Mutation::Purge { seq: row.seq }])?;
            }
            for version in &row.versions {
                store.keep_version(row.seq, None, version)?;
            }
            let mut message = message_of(&self.info.tenant, &self.info.id, row);
            let others = Reactors::of(&message, None).show_in(&mut message);
            store.import(&event(&message))?;
            if let Some(others) = &others {
                let (seq, body, others) = (message.seq, &*server::body(&message), Some(others.as_str()));
                store.append(&[], &[Mutation::Reactions { seq, body, others }])?;
            }
            store.import_uploads(&uploads_of(&message), &message.user_id, message.seq)?;
        }
        if last {
            self.imported = self.info.snapshot.last_seq;
        }
        Ok(())
    }

    /// The log is complete and continues at the seq after the last one of Postgres.
    pub fn finish(self, store: &Store, now: UnixMs) -> Result<()> {
        let last_seq = self.info.snapshot.last_seq;
        store.set_state(StateRow::Room, encode(&self.info)?)?;
        // What the lost log had reported to its tenant's list is unknown: a row without a report causes one.
        if self.info.snapshot.epoch.is_some() {
            store.set_state(StateRow::Alert, encode(&AlertRow::default())?)?;
        }
        // Uploads that only the lost log knew have no row now. Those in progress end before the listing.
        if last_seq > 0 {
            store.schedule_listing(now.saturating_add(UPLOAD_MAX_MS))?;
        }
        // Last: a crash before leaves no complete log, or the old one.
        Log::store_rebuilt(store, self.epoch, last_seq)
    }
}

/// The message's event in the log.
fn event(message: &Message) -> Event {
    let id = |id: &Option<String>| id.as_deref().and_then(MessageId::parse);
    let draft = MessageDraft {
        content: message.content.clone(),
        attachments: message.attachments.iter().cloned().map(Attached::from).collect(),
        client_id: message.client_id.clone(),
        thread_id: id(&message.thread_id),
        reply_to_id: id(&message.reply_to_id),
        also_to_room: message.also_to_room,
    };
    // The digest of what was sent is unknown if the message was edited, deleted or perhaps masked by moderation: then
    // any payload counts as the same.
    let masked = message.content.contains('*');
    let as_sent = message.version == 1 && message.deleted_at.is_none() && !masked;
    Event {
        seq: message.seq,
        kind: Kind::Message,
        at: message.created_at,
        user_id: message.user_id.clone(),
        client_id: draft.client_id.clone(),
        digest: as_sent.then(|| draft.digest()),
        target: None,
        thread: draft.thread_id.map(MessageId::seq),
        body: server::body(message),
    }
}
