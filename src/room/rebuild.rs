//! Making a room's log: an empty one for a new room, or again from Postgres when the object's storage is
//! gone or was set back. Not here: asking Postgres (`shell`).

use super::outbox::LogState;
use super::store::mutations::Mutation;
use super::store::{Event, Kind, Result, SCHEMA_STEPS, StateRow, Store};
use crate::db::{MessageRow, ReactionRow, RoomSnapshot, VersionRow};
use crate::ids::{MessageId, RoomId, Seq, TenantId, UnixMs};
use crate::limits::{REBUILD_PAGE, UPLOAD_MAX_MS};
use crate::mutants::{Mutant, is};
use crate::protocol::client::MessageDraft;
use crate::protocol::message::{Attached, Message, Reactions};
use crate::protocol::server;
use serde::{Deserialize, Serialize};

/// Which room this is, and what Postgres last told of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoomInfo {
    pub tenant: TenantId,
    pub id: RoomId,
    pub snapshot: RoomSnapshot,
}

/// A log in the making. Until `finish`, what stood before still counts, so a crash leaves nothing half.
pub struct Rebuild {
    info: RoomInfo,
    epoch: String,
    imported: Seq,
}

impl Rebuild {
    /// Begins the log `epoch`. What a whole log here holds that Postgres doesn't (rows set aside) stays.
    pub fn begin(store: &Store, info: RoomInfo, epoch: String) -> Result<Self> {
        match store.exists()? {
            true => store.upgrade(0)?,
            false => store.create()?,
        }
        Ok(Self { info, epoch, imported: 0 })
    }

    /// After which seq Postgres is to be asked for the next page; `None`: it has no more.
    pub fn wants(&self) -> Option<Seq> {
        (self.imported < self.info.snapshot.last_seq).then_some(self.imported)
    }

    /// Takes over a page of messages.
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
            let message = message_of(&self.info.tenant, &self.info.id, row);
            store.import(&event(&message))?;
            store.import_uploads(&message)?;
        }
        if last {
            self.imported = self.info.snapshot.last_seq;
        }
        Ok(())
    }

    /// From here on the log is whole, and goes on at the seq after Postgres' last.
    pub fn finish(self, store: &Store, now: UnixMs) -> Result<()> {
        let last_seq = self.info.snapshot.last_seq;
        let log = LogState {
            epoch: self.epoch,
            projected: last_seq,
            floor: last_seq,
            reads_saved: 0,
            schema: SCHEMA_STEPS,
            notified: Some(last_seq),
        };
        store.set_state(StateRow::Room, serde_json::to_string(&self.info).unwrap_or_default())?;
        // What the lost log had told its tenant's list is unknown: the list is to hear how it stands now.
        if self.info.snapshot.epoch.is_some() {
            store.set_state(StateRow::OutboxProblem, "{}".to_owned())?;
        }
        // Uploads that it knew and no message names have no row now. Those under way end before this.
        if last_seq > 0 && !is(Mutant::StraysForgotten) {
            store.expect_strays(now.saturating_add(UPLOAD_MAX_MS))?;
        }
        store.set_state(StateRow::Log, serde_json::to_string(&log).unwrap_or_default())
    }
}

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
    // What was edited or deleted isn't what was sent any more: any payload counts as the same.
    // What moderation may have masked isn't what was sent, either.
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

/// A message as clients see it, out of what Postgres has of it.
pub fn message_of(tenant: &TenantId, room: &RoomId, row: MessageRow) -> Message {
    let mut reactions = Reactions::new();
    for ReactionRow { emoji, user_id } in row.reactions {
        reactions.entry(emoji).or_default().push(user_id);
    }
    let attachment = |value| serde_json::from_value(value).ok();
    Message {
        id: row.id,
        seq: row.seq,
        tenant_id: tenant.as_str().to_owned(),
        room_id: room.as_str().to_owned(),
        user_id: row.user_id,
        content: row.content,
        content_type: row.content_type,
        attachments: row.attachments.into_iter().filter_map(attachment).collect(),
        reactions,
        client_id: row.client_id,
        thread_id: row.thread_id,
        reply_to_id: row.reply_to_id,
        also_to_room: row.also_to_room,
        mentions: row.mentions,
        mentions_room: row.mentions_room,
        version: u64::from(row.version),
        reply_count: u64::from(row.reply_count),
        last_reply_at: row.last_reply_at_ms,
        created_at: row.created_at_ms,
        edited_at: row.edited_at_ms,
        deleted_at: row.deleted_at_ms,
        deleted_by: row.deleted_by,
    }
}

/// A message as Postgres is to have it. Who follows a thread is told with what made them: its root once there is a reply,
/// and each reply.
pub fn row(m: Message, versions: Vec<VersionRow>) -> MessageRow {
    let by_emoji = |(emoji, users): (String, Vec<String>)| {
        users.into_iter().map(move |user_id| ReactionRow { emoji: emoji.clone(), user_id })
    };
    let attachment = |a| serde_json::to_value(a).unwrap_or_default();
    let thread_seq = m.thread_id.as_deref().and_then(MessageId::parse).map(MessageId::seq);
    let mut followers = Vec::new();
    if thread_seq.is_some() || m.reply_count > 0 {
        followers.push(m.user_id.clone());
        followers.extend(m.mentions.iter().filter(|user| **user != m.user_id).cloned());
    }
    MessageRow {
        seq: m.seq,
        id: m.id,
        user_id: m.user_id,
        content: m.content,
        content_type: m.content_type,
        attachments: m.attachments.into_iter().map(attachment).collect(),
        client_id: m.client_id,
        thread_id: m.thread_id,
        thread_seq,
        reply_to_id: m.reply_to_id,
        also_to_room: m.also_to_room,
        mentions: m.mentions,
        mentions_room: m.mentions_room,
        version: u32::try_from(m.version).unwrap_or(u32::MAX),
        versions,
        reply_count: u32::try_from(m.reply_count).unwrap_or(u32::MAX),
        last_reply_at_ms: m.last_reply_at,
        followers,
        created_at_ms: m.created_at,
        edited_at_ms: m.edited_at,
        deleted_at_ms: m.deleted_at,
        deleted_by: m.deleted_by,
        reactions: m.reactions.into_iter().flat_map(by_emoji).collect(),
    }
}
