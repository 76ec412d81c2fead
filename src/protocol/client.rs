//! What a client sends: each frame is decoded into one closed enum, and its values are checked as far as the frame
//! alone allows.
//! Not here: whether ids exist, and what the sender may do (`room`).

use super::json::Fields;
use super::message::{Attached, Attachment};
use super::visible_text::is_visible;
use crate::error::{Code, Refusal};
use crate::ids::{MessageId, Seq};
use crate::limits::*;
use serde_json::Value;
use sha2::{Digest, Sha256};

#[derive(Clone, Debug, PartialEq)]
pub enum ClientFrame {
    Message(MessageDraft),
    Edit(EditDraft),
    Delete(DeleteDraft),
    Typing { is_typing: bool, thread_id: Option<MessageId> },
    Reaction(ReactionDraft),
    Read { seq: Seq },
    Ping { t: Value },
    Auth { token: String },
}

/// A message to be sent; the same over WebSocket and REST.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageDraft {
    pub content: String,
    pub attachments: Vec<Attached>,
    pub client_id: Option<String>,
    pub thread_id: Option<MessageId>,
    pub reply_to_id: Option<MessageId>,
    pub also_to_room: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ReactionDraft {
    pub message_id: MessageId,
    pub emoji: String,
    pub add: bool,
    pub client_id: Option<String>,
}

/// New content for a message.
#[derive(Clone, Debug, PartialEq)]
pub struct EditDraft {
    pub message_id: MessageId,
    pub content: String,
    /// The version that the author edited.
    pub base_version: Option<u64>,
    pub client_id: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct DeleteDraft {
    pub message_id: MessageId,
    pub client_id: Option<String>,
}

/// A refused frame, with the fields by which its sender recognises it.
#[derive(Debug, PartialEq)]
pub struct BadFrame {
    pub refusal: Refusal,
    pub client_id: Option<String>,
    pub kind: Option<String>,
}

impl ClientFrame {
    /// # Errors  a `BadFrame` with the code of ERR-1. The frame has no effect.
    pub fn decode(text: &str) -> Result<Self, BadFrame> {
        let mut fields =
            Fields::parse(text).map_err(|refusal| BadFrame { refusal, client_id: None, kind: None })?;
        let (kind, client_id) = (fields.peek_text("type"), fields.peek_text("clientId"));
        Self::from_fields(&mut fields).map_err(|refusal| BadFrame { refusal, client_id, kind })
    }

    fn from_fields(fields: &mut Fields) -> Result<Self, Refusal> {
        match fields.text("type")?.as_str() {
            "message" => MessageDraft::from_fields(fields).map(Self::Message),
            "edit" => {
                let message_id = fields.text("messageId")?;
                EditDraft::from_fields(&message_id, fields).map(Self::Edit)
            }
            "delete" => {
                let message_id = fields.text("messageId")?;
                let client_id = client_id(fields)?;
                DeleteDraft::new(&message_id, client_id).map(Self::Delete)
            }
            "typing" => {
                let is_typing = fields.flag("isTyping")?;
                Ok(Self::Typing { is_typing, thread_id: message_id(fields, "threadId")? })
            }
            "reaction" => ReactionDraft::from_fields(fields).map(Self::Reaction),
            "read" => Ok(Self::Read { seq: fields.integer("seq")? }),
            "ping" => Ok(Self::Ping { t: fields.any("t").unwrap_or(Value::Null) }),
            "auth" => Ok(Self::Auth { token: fields.text("token")? }),
            _ => Err(Refusal::new(Code::BadRequest, "unknown type").field("type")),
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Message(_) => "message",
            Self::Edit(_) => "edit",
            Self::Delete(_) => "delete",
            Self::Typing { .. } => "typing",
            Self::Reaction(_) => "reaction",
            Self::Read { .. } => "read",
            Self::Ping { .. } => "ping",
            Self::Auth { .. } => "auth",
        }
    }

    /// The `clientId` of an operation that is acked.
    pub fn client_id(&self) -> Option<&str> {
        match self {
            Self::Message(draft) => draft.client_id.as_deref(),
            Self::Edit(draft) => draft.client_id.as_deref(),
            Self::Delete(draft) => draft.client_id.as_deref(),
            Self::Reaction(draft) => draft.client_id.as_deref(),
            Self::Typing { .. } | Self::Read { .. } | Self::Ping { .. } | Self::Auth { .. } => None,
        }
    }
}

impl MessageDraft {
    /// # Errors  by MSG-1 to MSG-4; `field` names the wrong field.
    pub fn from_fields(fields: &mut Fields) -> Result<Self, Refusal> {
        let content = fields.text_opt("content")?;
        let attachments =
            fields.objects("attachments")?.into_iter().map(attachment).collect::<Result<Vec<_>, _>>()?;
        let content = match content {
            Some(content) => content,
            None if attachments.is_empty() => return Err(Refusal::bad_field("content", "text")),
            None => String::new(),
        };
        ensure_not_too_long(&content)?;
        if attachments.is_empty() {
            ensure_not_empty(&content)?;
        }
        match fields.text_opt("contentType")?.as_deref() {
            None | Some("text") => {}
            Some(_) => return Err(Refusal::invalid("contentType", "only \"text\" is known")),
        }
        let thread_id = message_id(fields, "threadId")?;
        let also_to_room = fields.flag_opt("alsoToRoom")?.unwrap_or(false);
        if also_to_room && thread_id.is_none() {
            return Err(Refusal::invalid("alsoToRoom", "only a thread's reply can show in the room too"));
        }
        Ok(Self {
            content,
            attachments,
            client_id: client_id(fields)?,
            thread_id,
            reply_to_id: message_id(fields, "replyToId")?,
            also_to_room,
        })
    }

    /// Distinguishes a retry from another payload under the same `clientId`.
    pub fn digest(&self) -> u64 {
        let files: Vec<String> = self.attachments.iter().map(Attached::as_sent).collect();
        let files = format!("[{}]", files.join(","));
        let of = |id: &Option<MessageId>| id.map(|id| id.to_string()).unwrap_or_default();
        let also = if self.also_to_room { "also" } else { "" };
        digest(&["message", &self.content, &files, &of(&self.thread_id), &of(&self.reply_to_id), also])
    }
}

impl ReactionDraft {
    fn from_fields(fields: &mut Fields) -> Result<Self, Refusal> {
        let message_id = fields.text("messageId")?;
        let emoji = fields.text("emoji")?;
        let add = match fields.text("action")?.as_str() {
            "add" => true,
            "remove" => false,
            _ => return Err(Refusal::invalid("action", "\"add\" or \"remove\"")),
        };
        Self::new(&message_id, emoji, add, client_id(fields)?)
    }

    /// # Errors  `invalid` for an invalid emoji, `message_not_found` for an invalid message id (REACT-1).
    pub fn new(
        message_id: &str,
        emoji: String,
        add: bool,
        client_id: Option<String>,
    ) -> Result<Self, Refusal> {
        if emoji.is_empty() || emoji.len() > EMOJI_BYTES_MAX || emoji.chars().any(char::is_control) {
            return Err(Refusal::invalid("emoji", "1 to 64 bytes without control characters"));
        }
        Ok(Self { message_id: parse_message_id(message_id)?, emoji, add, client_id })
    }

    pub fn digest(&self) -> u64 {
        let action = if self.add { "add" } else { "remove" };
        digest(&["reaction", &self.message_id.to_string(), &self.emoji, action])
    }
}

impl EditDraft {
    /// # Errors  by MSG-1. Whether the content may be empty depends on the message and is checked later (EDIT-4).
    pub fn from_fields(message_id: &str, fields: &mut Fields) -> Result<Self, Refusal> {
        let content = fields.text("content")?;
        ensure_not_too_long(&content)?;
        let base_version = fields.integer_opt("baseVersion")?;
        let client_id = client_id(fields)?;
        Ok(Self { message_id: parse_message_id(message_id)?, content, base_version, client_id })
    }

    pub fn digest(&self) -> u64 {
        let base = self.base_version.map(|version| version.to_string()).unwrap_or_default();
        digest(&["edit", &self.message_id.to_string(), &self.content, &base])
    }
}

impl DeleteDraft {
    /// # Errors  `message_not_found` for an invalid message id.
    pub fn new(message_id: &str, client_id: Option<String>) -> Result<Self, Refusal> {
        Ok(Self { message_id: parse_message_id(message_id)?, client_id })
    }

    pub fn digest(&self) -> u64 {
        digest(&["delete", &self.message_id.to_string()])
    }
}

fn ensure_not_too_long(content: &str) -> Result<(), Refusal> {
    if content.chars().count() > CONTENT_CHARS_MAX {
        let message = format!("content: more than {CONTENT_CHARS_MAX} characters");
        return Err(Refusal::new(Code::ContentTooLong, message).field("content"));
    }
    Ok(())
}

/// # Errors  `content_empty` for text that shows nothing, which only a message with attachments may have.
pub fn ensure_not_empty(content: &str) -> Result<(), Refusal> {
    if !is_visible(content) {
        return Err(Refusal::new(Code::ContentEmpty, "content: nothing that shows").field("content"));
    }
    Ok(())
}

/// An invalid id is answered like an unknown one.
pub fn parse_message_id(text: &str) -> Result<MessageId, Refusal> {
    MessageId::parse(text).ok_or_else(|| Refusal::new(Code::MessageNotFound, "no such message"))
}

/// The id that the client gave an operation, so that sending it again has no second effect.
pub fn client_id(fields: &mut Fields) -> Result<Option<String>, Refusal> {
    let Some(id) = fields.text_opt("clientId")? else { return Ok(None) };
    let chars = id.chars().count();
    if chars == 0 || chars > CLIENT_ID_CHARS_MAX || id.chars().any(char::is_control) {
        return Err(Refusal::invalid("clientId", "1 to 64 characters without control characters"));
    }
    Ok(Some(id))
}

fn message_id(fields: &mut Fields, name: &str) -> Result<Option<MessageId>, Refusal> {
    match fields.text_opt(name)? {
        None => Ok(None),
        Some(text) => match MessageId::parse(&text) {
            Some(id) => Ok(Some(id)),
            None => Err(Refusal::invalid(name, "no such message")),
        },
    }
}

fn attachment(mut fields: Fields) -> Result<Attached, Refusal> {
    const FIELD: &str = "attachments";
    let bounded = |text: String, max: usize| match text.chars().count() <= max {
        true if !text.is_empty() => Ok(text),
        _ => Err(Refusal::invalid(FIELD, "url, name or mimeType is empty or too long")),
    };
    let named = |refusal: Refusal| refusal.field(FIELD);
    if let Some(id) = fields.text_opt("id").map_err(named)? {
        return Ok(Attached::Upload(id));
    }
    let url = fields.text("url").map_err(named)?;
    if url.len() > ATTACHMENT_URL_BYTES_MAX {
        return Err(Refusal::invalid(FIELD, "url is longer than 2,048 bytes"));
    }
    let host = url.strip_prefix("https://").unwrap_or_default();
    if host.is_empty() || host.starts_with('/') || url.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(Refusal::invalid(FIELD, "url isn't https"));
    }
    Ok(Attached::Link(Attachment {
        id: None,
        url,
        name: bounded(fields.text("name").map_err(named)?, ATTACHMENT_TEXT_CHARS_MAX)?,
        mime_type: bounded(fields.text("mimeType").map_err(named)?, ATTACHMENT_TEXT_CHARS_MAX)?,
        size: fields.integer("size").map_err(named)?,
        sha256: None,
        width: None,
        height: None,
    }))
}

/// 52 bits of a SHA-256 over the parts: as many as a JavaScript number holds exactly. The digest detects mistakes of a
/// client, not attacks.
pub fn digest(parts: &[&str]) -> u64 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let bytes = hash.finalize();
    bytes.iter().take(8).fold(0u64, |n, byte| n << 8 | u64::from(*byte)) >> 12
}
