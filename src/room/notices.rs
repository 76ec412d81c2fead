//! The notices of a stretch of the log: what people are notified of, and who was absent for it. What one call collects
//! fits into one call of the queue, or nearly.
//! Not here: when notices are collected (`notifications`), and levels, snoozes and read markers at the time of the
//! notification (`db::notification_payload`).

use super::reads::Reads;
use super::store::formats::{ChangeBody, RoomInfo};
use super::store::{Event, Kind, Result, Store};
use crate::db::{Absent, NoticeEvent, Notices, SnapshotMember};
use crate::ids::{Seq, UnixMs};
use crate::limits::*;
use crate::protocol::message::Message;
use crate::protocol::room::NotifyLevel;
use std::collections::HashMap;

/// The members, and what decides which of them are notified.
pub struct Audience<'a> {
    pub info: &'a RoomInfo,
    /// Who has a socket, and when they were last heard of.
    pub signs: HashMap<&'a str, UnixMs>,
    pub reads: &'a Reads,
}

/// Somebody whose client was lost, and when it was last heard of: they may have missed what came within
/// `NOTIFY_PRESENT_MS` after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    pub user: String,
    pub heard_ms: UnixMs,
    /// The queue has their notices up to here.
    pub done: Seq,
    /// They counted as absent for what came after this, and are notified of it with everybody else.
    pub until: Seq,
}

/// Notices, and the seq up to which these are all.
#[derive(Debug, PartialEq, Eq)]
pub struct Collected {
    pub notices: Vec<Notices>,
    pub to: Seq,
}

/// A member who may want notifications, and the events for which they were absent.
struct Candidate<'a> {
    member: &'a SnapshotMember,
    read: Seq,
    absence: Absence,
}

#[derive(Clone, Copy)]
enum Absence {
    /// They have no socket.
    Always,
    /// Nothing was heard of them for a while before.
    After(UnixMs),
    /// They counted as present in this time, after one seq and up to the other.
    Missed { heard_ms: UnixMs, done: Seq, until: Seq },
}

/// An event that people are notified of.
struct Occasion {
    event: Seq,
    at: UnixMs,
    message: Message,
    edit: Option<ChangeBody>,
}

impl Owed {
    pub fn new(user: &str, heard_ms: UnixMs, until: Seq) -> Self {
        Self { user: user.to_owned(), heard_ms, done: 0, until }
    }
}

impl<'a> Audience<'a> {
    /// The notices of the events after `from`, at most up to `to`, for the people who were absent.
    pub fn collect_absent(&self, store: &Store, now: UnixMs, (from, to): (Seq, Seq)) -> Result<Collected> {
        let absence = |user: &str| match self.signs.get(user) {
            None => Some(Absence::Always),
            Some(sign) => {
                let end = sign.saturating_add(NOTIFY_PRESENT_MS);
                (now > end).then_some(Absence::After(end))
            }
        };
        let candidates = self.candidates(now, absence);
        self.collect(store, (from, to), candidates, false)
    }

    /// The notices of what lost clients missed up to the watermark `notified`. What is behind it is collected with
    /// everything else, and these people are absent by then.
    pub fn collect_missed(
        &self,
        store: &Store,
        now: UnixMs,
        notified: Seq,
        owed: &[Owed],
    ) -> Result<Collected> {
        let known: HashMap<&str, &Owed> = owed.iter().map(|owed| (owed.user.as_str(), owed)).collect();
        let absence = |user: &str| {
            let owed = known.get(user)?;
            // Whoever is heard of on another socket has received it there, or is owed it when that one ends.
            let is_lost = self.signs.get(user).is_none_or(|sign| *sign < owed.heard_ms);
            is_lost.then_some(Absence::Missed { heard_ms: owed.heard_ms, done: owed.done, until: owed.until })
        };
        let candidates = self.candidates(now, absence);
        let done = owed.iter().map(|owed| owed.done).min().unwrap_or(0);
        let from = notified.saturating_sub(NOTIFY_MISSED_EVENTS).max(done);
        self.collect(store, (from, notified), candidates, true)
    }

    /// Members who may want notifications and have an absence. Their settings are checked again when they are notified.
    fn candidates(&self, now: UnixMs, absence: impl Fn(&str) -> Option<Absence>) -> Vec<Candidate<'a>> {
        let members = self.info.snapshot.members.iter();
        let wants = members.filter(|member| {
            let snoozed_until = member.notify.notifications_snoozed_until_ms;
            member.notify.level != NotifyLevel::None && snoozed_until.is_none_or(|until| until <= now)
        });
        wants
            .filter_map(|member| {
                let user = member.user_id.as_str();
                Some(Candidate { member, read: self.reads.seq_of(user), absence: absence(user)? })
            })
            .collect()
    }

    fn collect(
        &self,
        store: &Store,
        (from, to): (Seq, Seq),
        candidates: Vec<Candidate>,
        missed: bool,
    ) -> Result<Collected> {
        if candidates.is_empty() || from >= to {
            return Ok(Collected { notices: Vec::new(), to: to.max(from) });
        }
        let events = store.between(from, to, BATCH_ROWS_MAX)?;
        let is_complete = (events.len() as u64) < BATCH_ROWS_MAX;
        let mut reached = events.last().map_or(to, |last| if is_complete { to } else { last.seq });
        let (mut occasions, mut shown, mut bytes) = (Vec::new(), Vec::new(), 0usize);
        for event in events {
            let before = event.seq.saturating_sub(1);
            let Some(occasion) = Occasion::of(store, event)? else { continue };
            if !candidates.iter().any(|candidate| candidate.concerns(&occasion)) {
                continue;
            }
            let event = occasion.shown(&candidates);
            bytes = bytes.saturating_add(size_of_json(&event));
            if bytes > NOTICES_EVENTS_BYTES_MAX && !shown.is_empty() {
                reached = before;
                break;
            }
            occasions.push(occasion);
            shown.push(event);
        }
        let absent = candidates.iter().filter_map(|candidate| candidate.absent(&occasions)).collect();
        Ok(Collected { notices: self.split(&shown, absent, missed), to: reached })
    }

    /// The same events for so many people at a time as fit into a message of the queue.
    fn split(&self, events: &[NoticeEvent], absent: Vec<Absent>, missed: bool) -> Vec<Notices> {
        let mut pieces: Vec<Notices> = Vec::new();
        let mut bytes = usize::MAX;
        for one in absent {
            let size = size_of_json(&one);
            bytes = bytes.saturating_add(size);
            if bytes > NOTICES_ABSENT_BYTES_MAX {
                pieces.push(Notices {
                    tenant: self.info.tenant.clone(),
                    room: self.info.id.clone(),
                    events: events.to_vec(),
                    absent: Vec::new(),
                    part: pieces.last().map_or(0, Notices::next_part),
                    missed,
                    done: 0,
                    pauses: 0,
                });
                bytes = size;
            }
            if let Some(piece) = pieces.last_mut() {
                piece.absent.push(one);
            }
        }
        pieces
    }
}

fn size_of_json<T: serde::Serialize>(value: &T) -> usize {
    serde_json::to_string(value).map_or(usize::MAX, |text| text.len().saturating_add(1))
}

impl Candidate<'_> {
    fn user(&self) -> &str {
        self.member.user_id.as_str()
    }

    fn is_absent(&self, event: Seq, at: UnixMs) -> bool {
        match self.absence {
            Absence::Always => true,
            Absence::After(end) => at > end,
            Absence::Missed { heard_ms, done, until } => {
                event > done
                    && event <= until
                    && at > heard_ms
                    && at <= heard_ms.saturating_add(NOTIFY_PRESENT_MS)
            }
        }
    }

    /// Whether they are notified of it, as far as the room knows.
    fn concerns(&self, occasion: &Occasion) -> bool {
        let Occasion { message, event, at, .. } = occasion;
        self.read < message.seq
            && self.is_absent(*event, *at)
            && self.user() != message.user_id
            && (self.member.notify.level == NotifyLevel::All || occasion.calls(self.user()))
            && occasion.is_new_to(self.user())
    }

    /// The events of these for which they were absent; `None`: none that concerns them.
    fn absent(&self, occasions: &[Occasion]) -> Option<Absent> {
        let mut theirs = occasions.iter().filter(|occasion| self.concerns(occasion)).map(|o| o.event);
        let from = theirs.next()?;
        let (first, last) = (occasions.first().map(|o| o.event), occasions.last().map(|o| o.event));
        let to = match self.absence {
            Absence::Missed { .. } => theirs.next_back().unwrap_or(from),
            Absence::Always | Absence::After(_) => last?,
        };
        Some(Absent {
            id: self.user().to_owned(),
            from: (Some(from) != first).then_some(from),
            to: (Some(to) != last).then_some(to),
        })
    }
}

impl Occasion {
    /// What the event notifies people of; `None`: of nothing.
    fn of(store: &Store, event: Event) -> Result<Option<Self>> {
        let (body, edit) = match event.kind {
            Kind::Message => (event.body, None),
            Kind::Edit => {
                let edit: ChangeBody = serde_json::from_str(&event.body).unwrap_or_default();
                let target = event.target.filter(|_| edit.calls_all || !edit.mentioned.is_empty());
                let Some(target) = target.map(|seq| store.by_seq(seq)).transpose()?.flatten() else {
                    return Ok(None);
                };
                (target.body, Some(edit))
            }
            _ => return Ok(None),
        };
        let Ok(message) = serde_json::from_str::<Message>(&body) else { return Ok(None) };
        let is_deleted = message.deleted_at.is_some();
        Ok((!is_deleted).then_some(Self { event: event.seq, at: event.at, message, edit }))
    }

    fn mentions(&self, user: &str) -> bool {
        self.message.mentions.iter().any(|mentioned| mentioned == user)
    }

    fn calls(&self, user: &str) -> bool {
        self.message.mentions_room || self.mentions(user)
    }

    /// An edit added `@room`.
    fn calls_all(&self) -> bool {
        self.edit.as_ref().is_some_and(|edit| edit.calls_all && self.message.mentions_room)
    }

    /// Whom the message mentioned before the edit was notified then.
    fn is_new_to(&self, user: &str) -> bool {
        let Some(edit) = &self.edit else { return true };
        edit.mentioned.iter().any(|mentioned| mentioned == user) || (self.calls_all() && !self.mentions(user))
    }

    fn shown(&self, candidates: &[Candidate]) -> NoticeEvent {
        let is_left_out = |user: &str| user == self.message.user_id || !self.is_new_to(user);
        let named = |holds: &dyn Fn(&str) -> bool| -> Vec<String> {
            let users = candidates.iter().map(Candidate::user);
            users.filter(|user| holds(user)).map(str::to_owned).collect()
        };
        let concerns_all = self.edit.is_none() || self.calls_all();
        NoticeEvent {
            seq: self.message.seq,
            message: self.message.id.clone(),
            event: self.event,
            calls_all: self.calls_all(),
            only: (!concerns_all).then(|| named(&|user| !is_left_out(user))),
            except: if concerns_all { named(&is_left_out) } else { Vec::new() },
        }
    }
}
