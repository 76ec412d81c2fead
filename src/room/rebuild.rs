//! Creating a room's log: an empty one for a new room, or from Postgres when the object's storage is lost or was set
//! back. A rebuild is a job: its progress is stored with each page, so whoever continues it begins after the last page.
//! Not here: asking Postgres, and when the job's next step is taken (`object`).

use super::files::uploads_of;
use super::log::Log;
use super::message_row::message_of;
use super::pins::rebuilt;
use super::reactions::Reactors;
use super::store::formats::{AlertRow, PinsRow, RebuildState, RoomInfo};
use super::store::mutations::Mutation;
use super::store::{Event, Kind, Result, StateRow, Store, decode, encode};
use crate::db::{MessagePage, MessageRow, RoomSnapshot};
use crate::ids::{MessageId, RoomId, Seq, TenantId, UnixMs};
use crate::limits::{REBUILD_RETRY_AFTER_MS, UPLOAD_MAX_MS};
use crate::protocol::client::MessageDraft;
use crate::protocol::message::{Attached, Message};
use crate::protocol::server;

/// A log that is being built. Until `finish` there is no log, so nobody can write to it.
pub struct Rebuild {
    info: RoomInfo,
    state: RebuildState,
}

/// What a step of the job has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RebuildStep {
    /// The next step follows.
    Progress,
    /// Another task has done this step. Nothing was written.
    Overtaken,
    /// The log is complete.
    Finished,
}

impl Rebuild {
    /// The job that is in the storage.
    pub fn load(store: &Store) -> Result<Option<Self>> {
        let Some(state) = store.stored_state(StateRow::Rebuild)? else { return Ok(None) };
        // An older version of this code may have completed the log and left the row.
        let (None, Some(info)) = (store.state(StateRow::Log)?, store.state(StateRow::Room)?) else {
            return Ok(None);
        };
        Ok(Some(Self { info: decode(&info)?, state: decode(&state)? }))
    }

    /// Begins the log `epoch`, unless a job is in the storage: that one goes on. `None`: the room has no messages, and
    /// its log is complete.
    ///
    /// What a log that was here has and Postgres has not (quarantined rows) stays, but from here on it is no log.
    pub fn begin(store: &Store, info: RoomInfo, epoch: String, now: UnixMs) -> Result<Option<Self>> {
        if let Some(job) = Self::load(store)? {
            return Ok(Some(job));
        }
        let state = RebuildState { epoch, imported: 0, last_seq: info.snapshot.last_seq, began_at_ms: now };
        let job = Self { info, state };
        store.0.atomically(&mut || {
            match store.exists()? {
                true => store.upgrade(0)?,
                false => store.create()?,
            }
            if job.is_imported() {
                return job.complete(store, &job.info, now);
            }
            store.clear_state(StateRow::Log)?;
            store.set_state(StateRow::Room, encode(&job.info)?)?;
            store.set_state(StateRow::Rebuild, encode(&job.state)?)
        })?;
        Ok((!job.is_imported()).then_some(job))
    }

    pub fn room(&self) -> (&TenantId, &RoomId) {
        (&self.info.tenant, &self.info.id)
    }

    /// Up to where Postgres has the log.
    pub fn last_seq(&self) -> Seq {
        self.state.last_seq
    }

    /// The seq after which the next page of messages begins; `None`: all are here, and `finish` is next.
    pub fn wants(&self) -> Option<Seq> {
        (!self.is_imported()).then_some(self.state.imported)
    }

    /// Whether the job has stored a page.
    pub fn has_begun(&self) -> bool {
        self.state.imported > 0
    }

    fn is_imported(&self) -> bool {
        self.state.imported >= self.state.last_seq
    }

    /// When a caller should ask again: the time that the rest takes at the speed so far.
    pub fn retry_after_ms(&self, now: UnixMs) -> u64 {
        let rest = self.state.last_seq.saturating_sub(self.state.imported);
        let passed_ms = now.saturating_sub(self.state.began_at_ms);
        let rest_ms = passed_ms.saturating_mul(rest).checked_div(self.state.imported).unwrap_or(0);
        rest_ms.clamp(*REBUILD_RETRY_AFTER_MS.start(), *REBUILD_RETRY_AFTER_MS.end())
    }

    /// Stores the page of messages that `wants` has asked for, and the progress with it: both or neither.
    pub fn page(&mut self, store: &Store, page: MessagePage) -> Result<RebuildStep> {
        let newest = page.messages.last().map(|row| row.seq).filter(|_| page.has_more);
        let next = RebuildState { imported: newest.unwrap_or(self.state.last_seq), ..self.state.clone() };
        let (mut rows, pins) = (page.messages.into_iter(), page.pins);
        self.step(store, &mut |job| {
            rows.try_for_each(|row| job.import(store, row))?;
            // Those of the last page remain; a message of theirs may be on a later page.
            store.set_state(StateRow::Pins, encode(&PinsRow { changed_at: 0, pins: pins.clone() })?)?;
            store.set_state(StateRow::Rebuild, encode(&next)?)
        })
    }

    /// Completes the log, which continues at the next seq. If Postgres has got more since the pages began, they are taken
    /// again: a batch that was late may have changed any of them.
    ///
    /// # Takes  the room as it is in Postgres now; `None`: Postgres has lost it or knows of its deletion, and the room
    /// keeps what the job began with.
    pub fn finish(
        &mut self,
        store: &Store,
        snapshot: Option<RoomSnapshot>,
        now: UnixMs,
    ) -> Result<RebuildStep> {
        let snapshot = snapshot.unwrap_or_else(|| self.info.snapshot.clone());
        if snapshot.last_seq > self.state.last_seq {
            let next = RebuildState { imported: 0, last_seq: snapshot.last_seq, ..self.state.clone() };
            return self.step(store, &mut |_| store.set_state(StateRow::Rebuild, encode(&next)?));
        }
        let info = RoomInfo { snapshot, ..self.info.clone() };
        self.step(store, &mut |job| {
            store.clear_state(StateRow::Rebuild)?;
            job.complete(store, &info, now)
        })
    }

    /// Does a step in one transaction, unless another task has done it.
    fn step(&mut self, store: &Store, work: &mut dyn FnMut(&Self) -> Result<()>) -> Result<RebuildStep> {
        let stored = |store: &Store| match store.stored_state(StateRow::Rebuild)? {
            Some(state) => decode::<RebuildState>(&state).map(Some),
            None => Ok(None),
        };
        if stored(store)?.as_ref() != Some(&self.state) {
            return Ok(RebuildStep::Overtaken);
        }
        store.0.atomically(&mut || work(self))?;
        Ok(match stored(store)? {
            Some(state) => {
                self.state = state;
                RebuildStep::Progress
            }
            None => RebuildStep::Finished,
        })
    }

    /// Stores a message in place of what was at its seq.
    fn import(&self, store: &Store, row: MessageRow) -> Result<()> {
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
            store.append(&[], &[Mutation::Reactions { seq, event: None, body, others }])?;
        }
        store.import_uploads(&uploads_of(&message), &message.user_id, message.seq)
    }

    fn complete(&self, store: &Store, info: &RoomInfo, now: UnixMs) -> Result<()> {
        let (floor, projected) = (self.state.last_seq, info.snapshot.last_seq);
        store.set_state(StateRow::Room, encode(info)?)?;
        // What the lost log had reported to its tenant's list is unknown: a row without a report causes one.
        if info.snapshot.epoch.is_some() {
            store.set_state(StateRow::Alert, encode(&AlertRow::default())?)?;
        }
        self.complete_pins(store)?;
        // Uploads that only the lost log knew have no row now. Those in progress end before the listing.
        if floor > 0 {
            store.schedule_listing(now.saturating_add(UPLOAD_MAX_MS))?;
        }
        Log::store_rebuilt(store, self.state.epoch.clone(), floor, projected)
    }

    fn complete_pins(&self, store: &Store) -> Result<()> {
        let floor = self.state.last_seq;
        if floor == 0 {
            return store.clear_state(StateRow::Pins);
        }
        let found: PinsRow =
            store.state(StateRow::Pins)?.map(|row| decode(&row)).transpose()?.unwrap_or_default();
        store.set_state(StateRow::Pins, encode(&rebuilt(store, found.pins, floor)?)?)
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
