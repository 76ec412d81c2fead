//! What members ask about files: who may upload, send and download. Not here: what becomes of an upload (`files`).

use super::files::{is_own_and_kept, no_such_file};
use super::store::Kind;
use super::turn::Request;
use super::{Room, RoomError};
use crate::auth::Action;
use crate::error::{Code, Refusal};
use crate::protocol::message::{Attached, Attachment, Message};
use serde_json::json;

/// The answer to an operation that returns nothing else.
const NOTED: &str = r#"{"noted":true}"#;

impl Room {
    /// `POST /rooms/:id/attachments`, before a byte is stored.
    pub(super) fn reserve_upload(
        &mut self,
        request: Request,
        id: &str,
        size: u64,
    ) -> Result<String, RoomError> {
        self.authorize(request.caller, Action::Talk)?;
        self.members.ensure_not_archived()?;
        self.storage.ensure_not_full()?;
        let max = self.limits.attachment_bytes;
        if size > max {
            return Err(Refusal::new(Code::TooLarge, format!("a file of at most {max} bytes")).into());
        }
        self.files.reserve(request.turn, request.user(), id, &self.limits)?;
        Ok(NOTED.to_owned())
    }

    /// The upload's file is in the bucket.
    pub(super) fn upload_done(
        &mut self,
        request: Request,
        id: &str,
        file: Attachment,
    ) -> Result<String, RoomError> {
        self.authorize(request.caller, Action::Talk)?;
        let file = self.files.complete(request.turn, request.user(), id, file)?;
        Ok(json!({"attachment": file}).to_string())
    }

    /// The upload's file is not in the bucket.
    pub(super) fn upload_failed(&mut self, request: Request, id: &str) -> Result<String, RoomError> {
        self.files.fail(request.turn, request.user(), id)?;
        Ok(NOTED.to_owned())
    }

    /// `GET /attachments/:id`: the file, if this person may download it now.
    pub(super) fn file(&self, request: Request, id: &str) -> Result<String, RoomError> {
        self.authorize(request.caller, Action::Read)?;
        let (store, user) = (request.turn.store, request.user());
        let upload = store.upload(id)?.ok_or_else(no_such_file)?;
        let Some(seq) = upload.message else {
            let is_own = is_own_and_kept(&upload, user, request.turn.now);
            return Ok(upload.file.filter(|_| is_own).ok_or_else(no_such_file)?);
        };
        let event = store.by_seq(seq)?.filter(|event| event.kind == Kind::Message);
        let visible = event.filter(|event| event.seq > self.members.visible_from(user));
        let message = visible.and_then(|event| serde_json::from_str::<Message>(&event.body).ok());
        let public = self.files.public_id(id);
        let files = message.filter(|m| m.deleted_at.is_none()).map(|m| m.attachments).unwrap_or_default();
        let file = files.into_iter().find(|file| file.id.as_ref() == Some(&public));
        Ok(serde_json::to_string(&file.ok_or_else(no_such_file)?).unwrap_or_default())
    }

    /// What a message has as attachments, and which uploads are among them.
    ///
    /// # Errors  `invalid` unless each upload is the sender's own, complete, in no message, and named once.
    pub(super) fn attachments(
        &self,
        request: Request,
        attached: Vec<Attached>,
    ) -> Result<(Vec<Attachment>, Vec<String>), RoomError> {
        let max = self.limits.attachments_per_message;
        self.files.attach(request.turn, request.user(), attached, max)
    }
}
