//! Files: an upload is noted before its object exists, becomes a message's attachment, and its object is removed when
//! nobody sends it or its message is deleted. No object is without a row; after a lost log, a listing of the bucket
//! finds the objects whose rows are lost. Not here: the bucket (`shell`), the table (`store`), who may do what
//! (`uploads`).

use super::backoff::Backoff;
use super::effect::{Effect, RoomError};
use super::store::{DueRemovals, Result, Store, Upload};
use super::turn::Turn;
use crate::error::{Code, Refusal};
use crate::ids::{RoomId, TenantId, UnixMs};
use crate::limits::*;
use crate::protocol::message::{Attached, Attachment, Message};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// What the bucket was asked for.
#[derive(Debug, PartialEq, Eq)]
enum Request {
    Listing,
    Removal(Vec<String>),
}

/// What follows from looking for due removals.
pub enum Removals {
    /// Nothing is due yet, or a request is in progress.
    NotDue,
    /// Nothing is due any more: the room may have no file left.
    NoneLeft,
    Ask(Effect),
}

/// The uploads of one room: when removals are due, and what the bucket was asked for.
#[derive(Debug)]
pub struct Files {
    room: RoomId,
    /// Every key of the room in the bucket begins so.
    prefix: String,
    /// No object must be removed before this; perhaps none then either.
    due: Option<UnixMs>,
    in_progress: Option<Request>,
    backoff: Backoff,
    /// No request before this: the lease of the one in progress, or the backoff after a failure.
    not_before: UnixMs,
}

/// The prefix of a room's keys in the bucket. Injective: no escaped name contains a slash.
pub fn file_prefix(tenant: &TenantId, room: &RoomId) -> String {
    let part = |text: &str| text.replace('%', "%25").replace('/', "%2F");
    format!("{}/{}/", part(tenant.as_str()), part(room.as_str()))
}

/// The room and the upload of a public id.
pub fn split_id(id: &str) -> Option<(RoomId, &str)> {
    let (room, upload) = id.rsplit_once('.')?;
    Some((RoomId::parse(room)?, upload))
}

/// The uploads in this message.
pub fn uploads_of(message: &Message) -> Vec<String> {
    let upload = |file: &Attachment| {
        let (room, id) = split_id(file.id.as_deref()?)?;
        (room.as_str() == message.room_id).then(|| id.to_owned())
    };
    message.attachments.iter().filter_map(upload).collect()
}

pub fn no_such_file() -> Refusal {
    Refusal::new(Code::AttachmentNotFound, "there is no such attachment")
}

impl Files {
    pub fn load(store: &Store, tenant: &TenantId, room: &RoomId) -> Result<Self> {
        Ok(Self {
            room: room.clone(),
            prefix: file_prefix(tenant, room),
            due: store.next_due()?,
            in_progress: None,
            backoff: Backoff::default(),
            not_before: 0,
        })
    }

    /// An upload's public id, `<roomId>.<upload>`, which leads to its room.
    pub fn public_id(&self, upload: &str) -> String {
        format!("{}.{upload}", self.room.as_str())
    }

    // --- Uploads --------------------------------------------------------------------------------------

    /// Notes an upload that is about to begin. If it is refused, nothing was stored.
    pub fn reserve(
        &mut self,
        turn: Turn,
        user: &str,
        id: &str,
        limits: &Limits,
    ) -> std::result::Result<(), RoomError> {
        let Turn { store, now } = turn;
        let dues = store.unsent_dues(user, now)?;
        if let Some(first) = dues.first().filter(|_| dues.len() >= limits.unsent_uploads as usize) {
            let refusal = Refusal::new(Code::RateLimited, "too many uploads that are in no message");
            return Err(refusal.retry_after_ms(first.saturating_sub(now)).into());
        }
        let due = now.saturating_add(UPLOAD_MAX_MS);
        store.reserve_upload(id, user, due)?;
        self.due_by(due);
        Ok(())
    }

    /// The upload is in the bucket and may be sent from now on.
    pub fn complete(
        &mut self,
        turn: Turn,
        user: &str,
        id: &str,
        file: Attachment,
    ) -> std::result::Result<Attachment, RoomError> {
        let Turn { store, now } = turn;
        let reserved = store.upload(id)?.filter(|upload| is_by(upload, user) && upload.file.is_none());
        reserved.filter(|upload| is_kept(upload, now)).ok_or_else(no_such_file)?;
        let public = self.public_id(id);
        let url = format!("/api/chat/attachments/{}", utf8_percent_encode(&public, PATH_SEGMENT));
        let file = Attachment { id: Some(public), url, ..file };
        let due = now.saturating_add(UPLOAD_UNSENT_MS);
        store.mark_upload_stored(id, &serde_json::to_string(&file).unwrap_or_default(), due)?;
        self.due_by(due);
        Ok(file)
    }

    /// The upload has failed, as far as the Worker knows. A `put` without an answer may still succeed, so its object is
    /// removed later.
    pub fn fail(&mut self, turn: Turn, user: &str, id: &str) -> Result<()> {
        let upload = turn.store.upload(id)?;
        if upload.is_some_and(|upload| is_by(&upload, user) && upload.message.is_none()) {
            let due = turn.now.saturating_add(UPLOAD_SETTLES_MS);
            turn.store.schedule_upload_removal(id, due)?;
            self.due_by(due);
        }
        Ok(())
    }

    /// What a message has as attachments, and which uploads are among them.
    ///
    /// # Errors  `invalid` unless each upload is the sender's own, complete, in no message, and named once.
    pub fn attach(
        &self,
        turn: Turn,
        user: &str,
        attached: Vec<Attached>,
        attachments_max: u32,
    ) -> std::result::Result<(Vec<Attachment>, Vec<String>), RoomError> {
        const FIELD: &str = "attachments";
        if attached.len() > attachments_max as usize {
            return Err(Refusal::invalid(FIELD, &format!("more than {attachments_max}")).into());
        }
        let unknown = || Refusal::invalid(FIELD, "no such upload");
        let (mut files, mut uploads) = (Vec::new(), Vec::new());
        for one in attached {
            let public = match one {
                Attached::Upload(id) => id,
                Attached::Link(link) => {
                    files.push(link);
                    continue;
                }
            };
            let own = split_id(&public).filter(|(room, _)| room.as_str() == self.room.as_str());
            let (_, id) = own.ok_or_else(unknown)?;
            let unsent =
                turn.store.upload(id)?.filter(|upload| is_by(upload, user) && upload.message.is_none());
            let kept = unsent.filter(|upload| is_kept(upload, turn.now));
            let file = kept.and_then(|upload| upload.file).ok_or_else(unknown)?;
            if uploads.iter().any(|known| known == id) || self.is_being_removed(id) {
                return Err(unknown().into());
            }
            uploads.push(id.to_owned());
            files.push(serde_json::from_str(&file).map_err(|_| unknown())?);
        }
        Ok((files, uploads))
    }

    // --- Removals -------------------------------------------------------------------------------------

    fn due_by(&mut self, at: UnixMs) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// Whether the bucket may hold a file of the room.
    pub fn has_any(&self) -> bool {
        self.due.is_some()
    }

    /// When the room must look for removals that are due.
    pub fn due(&self) -> Option<UnixMs> {
        self.due.map(|due| due.max(self.not_before))
    }

    fn is_being_removed(&self, id: &str) -> bool {
        matches!(&self.in_progress, Some(Request::Removal(ids)) if ids.iter().any(|known| known == id))
    }

    /// The rows of these uploads say that their objects must be removed: at once, if the bucket is free. Otherwise the
    /// next answer of the bucket or the alarm leads here.
    pub fn remove_now(&mut self, now: UnixMs, ids: Vec<String>) -> Option<Effect> {
        if ids.is_empty() {
            return None;
        }
        self.due_by(now);
        (self.in_progress.is_none() && now >= self.not_before).then(|| self.remove(now, ids))
    }

    /// Looks for removals that are due.
    pub fn remove_due(&mut self, turn: Turn) -> Result<Removals> {
        let Turn { store, now } = turn;
        if self.due().is_none_or(|due| due > now) {
            return Ok(Removals::NotDue);
        }
        Ok(match store.due_removals(now, REMOVAL_BATCH_MAX)? {
            DueRemovals::Nothing => {
                (self.due, self.in_progress) = (store.next_due()?, None);
                Removals::NoneLeft
            }
            DueRemovals::Listing => {
                self.begin(now, Request::Listing);
                Removals::Ask(Effect::ListFiles(self.prefix.clone()))
            }
            DueRemovals::Objects(ids) => Removals::Ask(self.remove(now, ids)),
        })
    }

    fn remove(&mut self, now: UnixMs, ids: Vec<String>) -> Effect {
        let keys = ids.iter().map(|id| format!("{}{id}", self.prefix)).collect();
        self.begin(now, Request::Removal(ids.clone()));
        Effect::RemoveFiles { ids, keys }
    }

    /// Until its lease ends, this is the only request.
    fn begin(&mut self, now: UnixMs, request: Request) {
        (self.in_progress, self.not_before) = (Some(request), now.saturating_add(REMOVAL_LEASE_MS));
    }

    /// Takes the bucket's answer to a removal; true if it did what it was asked for.
    pub fn removed(&mut self, turn: Turn, ids: &[String], gone: bool) -> Result<bool> {
        let is_expected = |request: &Request| matches!(request, Request::Removal(asked) if asked == ids);
        if self.in_progress.take_if(|request| is_expected(request)).is_none() {
            return Ok(false);
        }
        if !gone {
            self.retry_later(turn.now);
            return Ok(false);
        }
        turn.store.forget_uploads(ids)?;
        self.answered(turn.store)?;
        Ok(true)
    }

    /// Takes the bucket's answer to a listing, `None` if it failed; true if it did what it was asked for. Objects
    /// without a row must be removed.
    pub fn listed(&mut self, turn: Turn, ids: Option<Vec<String>>) -> Result<bool> {
        if self.in_progress.take_if(|request| *request == Request::Listing).is_none() {
            return Ok(false);
        }
        let Some(ids) = ids else {
            self.retry_later(turn.now);
            return Ok(false);
        };
        turn.store.take_listing(&ids, turn.now)?;
        self.answered(turn.store)?;
        Ok(true)
    }

    fn answered(&mut self, store: &Store) -> Result<()> {
        self.backoff.succeed();
        self.not_before = 0;
        self.due = store.next_due()?;
        Ok(())
    }

    fn retry_later(&mut self, now: UnixMs) {
        self.not_before = now.saturating_add(self.backoff.fail(REMOVAL_RETRY_MIN_MS, REMOVAL_RETRY_MAX_MS));
    }

    /// The room is deleted, and the rows of all its objects are due.
    ///
    /// # Gives  whether to look for them now; otherwise the answer to the request in progress leads there.
    pub fn schedule_all(&mut self, store: &Store) -> Result<bool> {
        self.due = store.next_due()?;
        Ok(self.in_progress.is_none())
    }
}

fn is_by(upload: &Upload, user: &str) -> bool {
    upload.user_id.as_deref() == Some(user)
}

/// Whether nothing has scheduled the object's removal for now.
pub fn is_kept(upload: &Upload, now: UnixMs) -> bool {
    upload.due.is_some_and(|due| due > now)
}

/// Whether this person may download an upload that is in no message.
pub fn is_own_and_kept(upload: &Upload, user: &str, now: UnixMs) -> bool {
    is_by(upload, user) && is_kept(upload, now)
}

/// Characters that may stand in a segment of a path.
const PATH_SEGMENT: &percent_encoding::AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
