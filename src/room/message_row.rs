//! A message between its two stored forms: the object that clients see, which is its event's body in the log, and its
//! row in Postgres. Not here: when either is written (`outbox`, `rebuild`).

use super::reactions::Reactors;
use super::store::{Result, Store};
use crate::db::{MessageRow, ReactionRow, VersionRow};
use crate::ids::{MessageId, RoomId, TenantId, UserId};
use crate::protocol::message::{Message, Reactions};

/// Bytes of a reaction's JSON in a batch, besides its emoji and person.
pub const REACTION_BYTES: usize = 160;

/// A message with all of its reactions, from its row in Postgres.
pub fn message_of(tenant: &TenantId, room: &RoomId, row: MessageRow) -> Message {
    let mut reactions = Reactions::new();
    for ReactionRow { emoji, user_id } in row.reactions.unwrap_or_default() {
        reactions.entry(emoji).or_default().push(user_id);
    }
    let count = |(emoji, users): (&String, &Vec<String>)| (emoji.clone(), users.len() as u64);
    let reaction_counts = reactions.iter().map(count).collect();
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
        reaction_counts,
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
        edited_by: row.edited_by,
        deleted_at: row.deleted_at_ms,
        deleted_by: row.deleted_by,
    }
}

/// A message from its row in Postgres, as this person sees it.
pub fn message_for(user: &UserId, tenant: &TenantId, room: &RoomId, row: MessageRow) -> Message {
    let mut message = message_of(tenant, room, row);
    Reactors::of(&message, None).show_to(user.as_str(), &mut message);
    message
}

/// A message as Postgres must have it, from its event's body and its earlier versions; `None` if the body isn't a
/// message.
///
/// # Takes  `has_reactions`: whether all of its reactions go with it.
pub fn row_of(store: &Store, body: &str, has_reactions: bool) -> Result<Option<MessageRow>> {
    let Ok(message) = serde_json::from_str::<Message>(body) else { return Ok(None) };
    let versions = if message.version > 1 { store.versions(message.seq)? } else { Vec::new() };
    let mut reactions = None;
    if has_reactions {
        let reactors = Reactors::of(&message, store.reactors(message.seq)?.as_deref());
        let row = |(emoji, user): (&str, &str)| ReactionRow { emoji: emoji.into(), user_id: user.into() };
        reactions = Some(reactors.pairs().map(row).collect());
    }
    Ok(Some(MessageRow { reactions, ..row(message, versions) }))
}

/// The size of what a row has beside the message's body.
pub fn details_bytes(row: &MessageRow) -> usize {
    let versions: usize = row.versions.iter().map(|version| version.content.len()).sum();
    let reaction =
        |row: &ReactionRow| REACTION_BYTES.saturating_add(row.emoji.len()).saturating_add(row.user_id.len());
    let reactions: usize = row.reactions.iter().flatten().map(reaction).sum();
    versions.saturating_add(reactions)
}

/// A root with replies and each reply name the followers of their thread: their author and whom they mention.
fn row(m: Message, versions: Vec<VersionRow>) -> MessageRow {
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
        edited_by: m.edited_by,
        deleted_at_ms: m.deleted_at,
        deleted_by: m.deleted_by,
        reactions: None,
    }
}
