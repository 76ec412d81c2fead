//! The message object: the JSON text that clients receive and that the room's log stores.
//! Not here: how a message is built (`room::message`).

use crate::ids::{Seq, UnixMs, iso, parse_iso};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

/// Per emoji people who reacted with it, in the order in which they did.
pub type Reactions = BTreeMap<String, Vec<String>>;

/// The message object (PROTOCOL.md, "5. Messages").
///
/// Stored format: tests/golden/stored/message.json
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
    /// The first people of each emoji; see `limits::REACTORS_NAMED_MAX`.
    pub reactions: Reactions,
    /// How many people reacted with each emoji.
    #[serde(default)]
    pub reaction_counts: BTreeMap<String, u64>,
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
    /// Who made the last edit; `None`: nobody, or the author.
    #[serde(default)]
    pub edited_by: Option<String>,
    #[serde(with = "time_opt")]
    pub deleted_at: Option<UnixMs>,
    /// Only tombstones have it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub deleted_by: Option<String>,
}

/// A file: a link to another server (`url`) or an upload (`id`).
///
/// Stored format: tests/golden/stored/attachment.json
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<String>,
    pub url: String,
    pub name: String,
    pub mime_type: String,
    pub size: u64,
    /// Only uploads have it, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sha256: Option<String>,
    /// Pixels, of uploaded pictures whose first bytes contain them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub height: Option<u32>,
}

/// One attachment as the sender of a message gave it.
#[derive(Clone, Debug, PartialEq)]
pub enum Attached {
    /// The id of an upload, not yet checked.
    Upload(String),
    Link(Attachment),
}

impl Attached {
    /// The text that goes into the digest that distinguishes a retry from another payload.
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
