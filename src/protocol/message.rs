//! The message object: as clients see it and as the room's log keeps it (the same JSON text).
//! Not here: how a message comes to be (`room::message`).

use crate::ids::{Seq, UnixMs, iso, parse_iso};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

/// Who reacted, by emoji, in the order they did.
pub type Reactions = BTreeMap<String, Vec<String>>;

/// PROTOCOL.md §3, message object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    pub id: String,
    pub seq: Seq,
    pub tenant_id: String,
    pub room_id: String,
    pub user_id: String,
    pub content: String,
    pub content_type: String,
    pub attachments: Vec<Attachment>,
    pub reactions: Reactions,
    pub client_id: Option<String>,
    pub thread_id: Option<String>,
    pub reply_to_id: Option<String>,
    pub also_to_room: bool,
    pub mentions: Vec<String>,
    pub mentions_room: bool,
    pub version: u64,
    pub reply_count: u64,
    #[serde(with = "time_opt", default)]
    pub last_reply_at: Option<UnixMs>,
    #[serde(with = "time")]
    pub created_at: UnixMs,
    #[serde(with = "time_opt")]
    pub edited_at: Option<UnixMs>,
    #[serde(with = "time_opt")]
    pub deleted_at: Option<UnixMs>,
    /// Of tombstones alone.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub deleted_by: Option<String>,
}

/// A file that stands elsewhere (`url`) or was uploaded (`id`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<String>,
    pub url: String,
    pub name: String,
    pub mime_type: String,
    pub size: u64,
    /// Of uploads alone: hexadecimal, and of pictures whose first bytes say it, in pixels.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub height: Option<u32>,
}

/// What a message's sender attaches.
#[derive(Clone, Debug, PartialEq)]
pub enum Attached {
    /// The id of an upload, not yet looked at.
    Upload(String),
    Link(Attachment),
}

impl Attached {
    /// As it stood in what was sent, for telling a retry from another payload.
    pub fn as_sent(&self) -> String {
        match self {
            Self::Upload(id) => serde_json::json!({"id": id}).to_string(),
            Self::Link(link) => serde_json::to_string(link).unwrap_or_default(),
        }
    }
}

impl From<Attachment> for Attached {
    fn from(attachment: Attachment) -> Self {
        match attachment.id {
            Some(id) => Self::Upload(id),
            None => Self::Link(attachment),
        }
    }
}

mod time {
    use super::*;
    pub fn serialize<S: Serializer>(ms: &UnixMs, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&iso(*ms))
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<UnixMs, D::Error> {
        let text = String::deserialize(d)?;
        parse_iso(&text).ok_or_else(|| serde::de::Error::custom("not a time"))
    }
}

mod time_opt {
    use super::*;
    pub fn serialize<S: Serializer>(ms: &Option<UnixMs>, s: S) -> Result<S::Ok, S::Error> {
        ms.map(iso).serialize(s)
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<UnixMs>, D::Error> {
        let Some(text) = Option::<String>::deserialize(d)? else { return Ok(None) };
        parse_iso(&text).map(Some).ok_or_else(|| serde::de::Error::custom("not a time"))
    }
}
