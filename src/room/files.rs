//! Files: an upload is noted before its object is made, becomes a message's attachment, and its object is removed when nobody
//! sends it or its message is deleted. An object without a row can't be (after a lost log strays are looked for), so none stays.
//! Not here: the bucket (`shell`), the table (`uploads`), what a file is (`protocol::file`).

use super::outbox::backoff_ms;
use super::store::{Kind, Result, Store};
use super::uploads::STRAYS;
use super::{Effect, Room, RoomError};
use crate::auth::{Action, Identity};
use crate::error::{Code, Refusal};
use crate::ids::{RoomId, TenantId, UnixMs};
use crate::limits::*;
use crate::mutants::{Mutant, is};
use crate::protocol::message::{Attached, Attachment, Message};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

/// What the room knows of its uploads without looking.
#[derive(Debug, Default)]
pub struct Files {
    /// No object is to be removed before this; perhaps none then either.
    due: Option<UnixMs>,
    /// A removal that hasn't come back, and since when.
    under_way: Option<(UnixMs, Vec<String>)>,
    attempts: u32,
    retry_at: UnixMs,
}

impl Files {
    pub fn load(store: &Store) -> Result<Self> {
        Ok(Self { due: store.next_due()?, ..Self::default() })
    }

    fn due_by(&mut self, at: UnixMs) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// When the room is to be woken for its files.
    pub fn due(&self) -> Option<UnixMs> {
        let lease = self.under_way.as_ref().map(|(since, _)| since.saturating_add(REMOVAL_LEASE_MS));
        self.due.map(|due| due.max(self.retry_at).max(lease.unwrap_or(0)))
    }

    fn is_being_removed(&self, id: &str) -> bool {
        self.under_way.as_ref().is_some_and(|(_, ids)| ids.iter().any(|known| known == id))
    }
}

/// The answer to what has none of its own.
const NOTED: &str = r#"{"noted":true}"#;

/// Under this everything of a room stands in the bucket. Injective: no tenant's or room's name holds a bare slash.
pub fn file_prefix(tenant: &TenantId, room: &RoomId) -> String {
    let part = |text: &str| text.replace('%', "%25").replace('/', "%2F");
    format!("{}/{}/", part(tenant.as_str()), part(room.as_str()))
}

/// An upload's public id, `<roomId>.<upload>`, which finds its room.
fn public_id(room: &str, upload: &str) -> String {
    format!("{room}.{upload}")
}

/// The room and the upload of a public id.
pub fn split_id(id: &str) -> Option<(RoomId, &str)> {
    let (room, upload) = id.rsplit_once('.')?;
    Some((RoomId::parse(room)?, upload))
}

fn no_such_file() -> Refusal {
    Refusal::new(Code::AttachmentNotFound, "there is no such attachment")
}

impl Room {
    /// Takes note of an upload that is about to begin. Nothing was stored for whoever is refused.
    pub(super) fn reserve_upload(
        &mut self,
        store: &Store,
        now: UnixMs,
        caller: &Identity,
        (id, size): (&str, u64),
    ) -> std::result::Result<String, RoomError> {
        self.authorize(caller, Action::Talk)?;
        self.members.ensure_not_archived()?;
        let max = self.limits.attachment_bytes;
        if size > max {
            return Err(Refusal::new(Code::TooLarge, format!("a file of at most {max} bytes")).into());
        }
        let dues = store.unsent_dues(caller.user.as_str(), now)?;
        if let Some(first) = dues.first().filter(|_| dues.len() >= self.limits.unsent_uploads as usize) {
            let refusal = Refusal::new(Code::RateLimited, "too many uploads that are in no message");
            return Err(refusal.retry_after_ms(first.saturating_sub(now)).into());
        }
        let due = now.saturating_add(UPLOAD_MAX_MS);
        if is(Mutant::UploadUnnoted) {
            return Ok(NOTED.to_owned());
        }
        store.reserve_upload(id, caller.user.as_str(), due)?;
        self.files.due_by(due);
        Ok(NOTED.to_owned())
    }

    /// The upload is in the bucket: from now on it may be sent.
    pub(super) fn upload_done(
        &mut self,
        store: &Store,
        now: UnixMs,
        caller: &Identity,
        (id, file): (&str, Attachment),
    ) -> std::result::Result<String, RoomError> {
        self.authorize(caller, Action::Talk)?;
        if is(Mutant::UploadUnnoted) {
            store.reserve_upload(id, caller.user.as_str(), now.saturating_add(UPLOAD_MAX_MS))?;
        }
        let known = store.upload(id)?;
        let reserved = known.filter(|upload| upload.user_id == caller.user.as_str() && upload.file.is_none());
        reserved.filter(|upload| upload.due.is_some_and(|due| due > now)).ok_or_else(no_such_file)?;
        let public = public_id(self.members.room().as_str(), id);
        let url = format!("/api/chat/attachments/{}", utf8_percent_encode(&public, URL));
        let file = Attachment { id: Some(public), url, ..file };
        let due = now.saturating_add(UPLOAD_UNSENT_MS);
        store.mark_upload_stored(id, &serde_json::to_string(&file).unwrap_or_default(), due)?;
        self.files.due_by(due);
        Ok(json!({"attachment": file}).to_string())
    }

    /// The upload came to nothing, as far as the Worker knows: a `put` that got no answer may still come to its end.
    pub(super) fn upload_failed(
        &mut self,
        store: &Store,
        now: UnixMs,
        caller: &Identity,
        id: &str,
    ) -> std::result::Result<String, RoomError> {
        let known = store.upload(id)?;
        if known.is_some_and(|upload| upload.user_id == caller.user.as_str() && upload.message.is_none()) {
            let due = now.saturating_add(UPLOAD_SETTLES_MS);
            store.schedule_upload_removal(id, due)?;
            self.files.due_by(due);
        }
        Ok(NOTED.to_owned())
    }

    /// What somebody may download now.
    pub(super) fn file(
        &self,
        store: &Store,
        now: UnixMs,
        caller: &Identity,
        id: &str,
    ) -> std::result::Result<String, RoomError> {
        self.authorize(caller, Action::Read)?;
        let known = store.upload(id)?;
        let upload = known.ok_or_else(no_such_file)?;
        let Some(seq) = upload.message else {
            let mine = upload.user_id == caller.user.as_str() && upload.due.is_some_and(|due| due > now);
            return Ok(upload.file.filter(|_| mine).ok_or_else(no_such_file)?);
        };
        let event = store.by_seq(seq)?.filter(|event| event.kind == Kind::Message);
        let visible = event.filter(|event| event.seq > self.members.visible_from(caller.user.as_str()));
        let message = visible.and_then(|event| serde_json::from_str::<Message>(&event.body).ok());
        let public = public_id(self.members.room().as_str(), id);
        let files = message.filter(|m| m.deleted_at.is_none()).map(|m| m.attachments).unwrap_or_default();
        let file = files.into_iter().find(|file| file.id.as_ref() == Some(&public));
        Ok(serde_json::to_string(&file.ok_or_else(no_such_file)?).unwrap_or_default())
    }

    /// What a message carries of what its sender attached, and which uploads it takes up.
    ///
    /// # Errors  `invalid` unless each upload is the sender's own, whole, in no message, and named once.
    pub(super) fn attachments(
        &self,
        store: &Store,
        now: UnixMs,
        caller: &Identity,
        attached: Vec<Attached>,
    ) -> std::result::Result<(Vec<Attachment>, Vec<String>), RoomError> {
        const FIELD: &str = "attachments";
        let max = self.limits.attachments_per_message as usize;
        if attached.len() > max {
            return Err(Refusal::invalid(FIELD, &format!("more than {max}")).into());
        }
        let unknown = || Refusal::invalid(FIELD, "no such upload");
        let (mut files, mut taken) = (Vec::new(), Vec::new());
        for one in attached {
            let public = match one {
                Attached::Upload(id) => id,
                Attached::Link(link) => {
                    files.push(link);
                    continue;
                }
            };
            let (_, id) = split_id(&public)
                .filter(|(room, _)| room.as_str() == self.members.room().as_str())
                .ok_or_else(unknown)?;
            let known = store.upload(id)?;
            let mine =
                known.filter(|upload| upload.user_id == caller.user.as_str() && upload.message.is_none());
            let kept = mine.filter(|upload| upload.due.is_some_and(|due| due > now));
            let file = kept.and_then(|upload| upload.file).ok_or_else(unknown)?;
            if taken.iter().any(|known| known == id) || self.files.is_being_removed(id) {
                return Err(unknown().into());
            }
            taken.push(id.to_owned());
            files.push(serde_json::from_str(&file).map_err(|_| unknown())?);
        }
        Ok((files, taken))
    }

    /// These uploads' rows say that their objects are to be removed.
    pub(super) fn schedule_removal(&mut self, now: UnixMs, ids: Vec<String>) {
        if ids.is_empty() {
            return;
        }
        self.files.due_by(now);
        // Otherwise they go when what is under way comes back, or by the alarm.
        if self.files.under_way.is_none() && now >= self.files.retry_at {
            self.remove(now, ids);
        }
    }

    /// Asks for the removal of what is due.
    pub(super) fn remove_due_files(&mut self, store: &Store, now: UnixMs) -> Result<()> {
        if self.files.due().is_none_or(|due| due > now) {
            return Ok(());
        }
        let ids = store.due_uploads(now, REMOVED_AT_ONCE_MAX)?;
        if ids.is_empty() {
            (self.files.due, self.files.under_way) = (store.next_due()?, None);
            self.wipe_when_settled(store)?;
        } else if ids.iter().any(|id| id == STRAYS) {
            self.files.under_way = Some((now, vec![STRAYS.to_owned()]));
            self.effects.push(Effect::ListFiles(file_prefix(self.members.tenant(), self.members.room())));
        } else {
            self.remove(now, ids);
        }
        Ok(())
    }

    fn remove(&mut self, now: UnixMs, ids: Vec<String>) {
        let prefix = file_prefix(self.members.tenant(), self.members.room());
        let keys = ids.iter().map(|id| format!("{prefix}{id}")).collect();
        self.files.under_way = Some((now, ids.clone()));
        self.effects.push(Effect::RemoveFiles { ids, keys });
    }

    /// Whether the bucket has removed these.
    pub(super) fn files_removed(
        &mut self,
        store: &Store,
        now: UnixMs,
        ids: &[String],
        gone: bool,
    ) -> Result<()> {
        if self.files.under_way.take_if(|(_, under_way)| under_way == ids).is_none() {
            return Ok(());
        }
        if !gone && !is(Mutant::RemovalTakenForGranted) {
            self.try_bucket_later(now);
            return Ok(());
        }
        store.0.atomically(&mut || ids.iter().try_for_each(|id| store.forget_upload(id)))?;
        self.bucket_answered(store, now)
    }

    /// The room is deleted: all its objects go.
    pub(super) fn schedule_all_removals(&mut self, store: &Store, now: UnixMs) -> Result<()> {
        self.files.due = store.next_due()?;
        if self.files.under_way.is_none() { self.remove_due_files(store, now) } else { Ok(()) }
    }

    /// The bucket did what it was asked to: on to what is due next.
    fn bucket_answered(&mut self, store: &Store, now: UnixMs) -> Result<()> {
        (self.files.attempts, self.files.retry_at) = (0, 0);
        self.files.due = store.next_due()?;
        self.wipe_when_settled(store)?;
        self.remove_due_files(store, now)
    }

    fn try_bucket_later(&mut self, now: UnixMs) {
        let delay_ms = backoff_ms(&mut self.files.attempts, REMOVAL_RETRY_MIN_MS, REMOVAL_RETRY_MAX_MS);
        self.files.retry_at = now.saturating_add(delay_ms);
    }

    /// What the bucket holds of this room; `None`: it didn't say. What no row tells of is to be removed.
    pub(super) fn files_listed(
        &mut self,
        store: &Store,
        now: UnixMs,
        ids: Option<Vec<String>>,
    ) -> Result<()> {
        if self.files.under_way.take_if(|(_, under_way)| under_way.as_slice() == [STRAYS]).is_none() {
            return Ok(());
        }
        let Some(ids) = ids else {
            self.try_bucket_later(now);
            return Ok(());
        };
        store.0.atomically(&mut || {
            for id in &ids {
                if store.upload(id)?.is_none() {
                    store.reserve_upload(id, "", now)?;
                }
            }
            store.forget_upload(STRAYS)
        })?;
        self.bucket_answered(store, now)
    }
}

impl Store<'_> {
    /// The uploads of a message that was taken over from Postgres.
    pub fn import_uploads(&self, message: &Message) -> Result<()> {
        uploads_of(message).iter().try_for_each(|id| self.import_upload(id, &message.user_id, message.seq))
    }
}

/// The uploads that this message carries.
pub fn uploads_of(message: &Message) -> Vec<String> {
    let upload = |file: &Attachment| {
        let (room, id) = split_id(file.id.as_deref()?)?;
        (room.as_str() == message.room_id).then(|| id.to_owned())
    };
    message.attachments.iter().filter_map(upload).collect()
}

/// What may stand in a path's segment.
const URL: &percent_encoding::AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
