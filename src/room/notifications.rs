//! Whom a batch must notify: members of whom nothing was heard when a message was sent, from a watermark of its own; and
//! whoever was counted as present and then lost.
//! Not here: levels, snoozes and read markers at the time of the notification (`db::notification_payload`), and the watermark
//! (`log`).

use super::log::Log;
use super::reads::Reads;
use super::store::formats::{ChangeBody, RoomInfo};
use super::store::{Event, Kind, Result, Store};
use super::turn::Turn;
use crate::db::{Notice, Projection, SnapshotMember};
use crate::ids::{Seq, UnixMs};
use crate::limits::*;
use crate::protocol::message::Message;
use crate::protocol::room::NotifyLevel;
use std::collections::HashMap;

#[derive(Debug, Default)]
pub struct Notifications {
    /// People whose client was lost, and when it was last heard of: they may have missed what came within
    /// `NOTIFY_PRESENT_MS` after it. In memory alone.
    owed: Vec<Owed>,
    /// Those of the batch in progress.
    offering: Vec<Owed>,
    /// The queue did not take the last notices; they are not offered again before this. Postgres does not wait for it.
    offer_at: UnixMs,
}

#[derive(Clone, Debug)]
struct Owed {
    user: String,
    heard_ms: UnixMs,
}

impl Owed {
    /// Whether they were counted as present for an event of that time, without having been heard of after it.
    fn missed(&self, at: UnixMs) -> bool {
        at > self.heard_ms && at <= self.heard_ms.saturating_add(NOTIFY_PRESENT_MS)
    }
}

/// The members, and what decides which of them are notified.
pub struct Audience<'a> {
    pub info: &'a RoomInfo,
    /// Who has a socket, and when they were last heard of.
    pub signs: HashMap<&'a str, UnixMs>,
    pub reads: &'a Reads,
}

/// What an event notifies of.
struct Occasion {
    message: Message,
    /// An edit added `@room`.
    calls_all: bool,
    users: Vec<String>,
}

impl Notifications {
    /// When notices of events that are in Postgres are due; `None` if there are none.
    pub fn due(&self, log: &Log) -> Option<UnixMs> {
        let is_due = log.notified() < log.projected() || !self.owed.is_empty() || !self.offering.is_empty();
        is_due.then_some(self.offer_at)
    }

    /// The notices of the events behind the watermark, at most up to `to`.
    ///
    /// # Takes  `to`: where the outbox's watermark is after the batch.
    /// # Gives  also the seq up to which these are all.
    pub fn collect(
        &mut self,
        turn: Turn,
        log: &Log,
        to: Seq,
        audience: &Audience,
    ) -> Result<(Vec<Notice>, Seq)> {
        let from = log.notified();
        if turn.now < self.offer_at {
            return Ok((Vec::new(), from));
        }
        let mut notices = self.collect_owed(turn, from, audience)?;
        let absent = audience.candidates(turn.now, |sign| turn.now > sign.saturating_add(NOTIFY_PRESENT_MS));
        if absent.is_empty() || from >= to {
            return Ok((notices, to.max(from)));
        }
        let events = turn.store.between(from, to, BATCH_ROWS_MAX)?;
        let is_complete = (events.len() as u64) < BATCH_ROWS_MAX;
        let reached = events.last().map_or(to, |last| if is_complete { to } else { last.seq });
        for event in events {
            let Some(occasion) = audience.occasion(turn.store, &event, &absent)? else { continue };
            for (part, users) in occasion.users.chunks(NOTIFY_USERS_MAX).enumerate() {
                let part = u32::try_from(part).unwrap_or(u32::MAX);
                notices.push(audience.notice(&event, &occasion, part, users));
            }
        }
        Ok((notices, reached))
    }

    /// A client of this person is lost that was last heard of at this time.
    pub fn owe(&mut self, user: &str, heard_ms: UnixMs) {
        match self.owed.iter_mut().find(|owed| owed.user == user) {
            // Another client of theirs was heard of later: it has received what came before.
            Some(owed) => owed.heard_ms = owed.heard_ms.max(heard_ms),
            None => self.owed.push(Owed { user: user.to_owned(), heard_ms }),
        }
    }

    /// The notices of what lost clients missed, up to the watermark `notified`. What is behind it is collected with
    /// everything else, and these people are absent by then.
    fn collect_owed(&mut self, turn: Turn, notified: Seq, audience: &Audience) -> Result<Vec<Notice>> {
        // Those of a batch that was given up are offered again.
        self.offering.append(&mut self.owed);
        let mut notices = Vec::new();
        if self.offering.is_empty() {
            return Ok(notices);
        }
        let from = notified.saturating_sub(NOTIFY_MISSED_EVENTS);
        let events = turn.store.between(from, notified, NOTIFY_MISSED_EVENTS)?;
        for owed in &self.offering {
            // Whoever is heard of on another socket has received it there, or is owed it when that one ends.
            let candidates = audience.candidates(turn.now, |sign| sign < owed.heard_ms);
            let theirs: Vec<Candidate> =
                candidates.into_iter().filter(|c| c.member.user_id.as_str() == owed.user).collect();
            for event in events.iter().filter(|event| !theirs.is_empty() && owed.missed(event.at)) {
                let Some(occasion) = audience.occasion(turn.store, event, &theirs)? else { continue };
                notices.push(audience.notice(event, &occasion, missed_part(&owed.user), &occasion.users));
            }
        }
        Ok(notices)
    }

    /// Whether the queue took the batch's notices.
    ///
    /// # Gives  up to where it has notifications now; `None`: as far as before.
    pub fn offered(&mut self, now: UnixMs, batch: &Projection, taken: bool) -> Option<Seq> {
        if taken {
            self.offering.clear();
            return Some(batch.notices_to);
        }
        if !batch.notices.is_empty() {
            self.offer_at = now.saturating_add(NOTIFY_OFFER_MS);
        }
        None
    }
}

/// A member, and when they were last heard of, if they have a socket.
struct Candidate<'a> {
    member: &'a SnapshotMember,
    heard_ms: Option<UnixMs>,
}

impl Candidate<'_> {
    /// Whether nothing was heard of them for a while at that time.
    fn is_absent(&self, at: UnixMs) -> bool {
        self.heard_ms.is_none_or(|heard_ms| heard_ms.saturating_add(NOTIFY_PRESENT_MS) < at)
    }
}

/// The part of a notice for somebody whose client was lost, apart from those of everybody who was absent: FNV-1a of the
/// person, so that a notice that is sent again has the same id.
fn missed_part(user: &str) -> u32 {
    let hash =
        user.bytes().fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash | 0x8000_0000
}

impl<'a> Audience<'a> {
    /// Members who may want notifications and have no socket, or one that was last heard of at a time for which
    /// `is_lost` holds. Their settings are checked again when they are notified.
    fn candidates(&self, now: UnixMs, is_lost: impl Fn(UnixMs) -> bool) -> Vec<Candidate<'a>> {
        let members = self.info.snapshot.members.iter();
        members
            .filter(|m| m.notify.level != NotifyLevel::None)
            .filter(|m| m.notify.notifications_snoozed_until_ms.is_none_or(|until| until <= now))
            .map(|member| Candidate { member, heard_ms: self.signs.get(member.user_id.as_str()).copied() })
            .filter(|candidate| candidate.heard_ms.is_none_or(&is_lost))
            .collect()
    }

    fn notice(&self, event: &Event, occasion: &Occasion, part: u32, users: &[String]) -> Notice {
        Notice {
            tenant: self.info.tenant.clone(),
            room: self.info.id.clone(),
            seq: occasion.message.seq,
            message: occasion.message.id.clone(),
            event: event.seq,
            part,
            calls_all: occasion.calls_all,
            users: users.to_vec(),
        }
    }

    /// The message that the event is about, and whom of the absent it concerns; `None`: nobody.
    fn occasion(&self, store: &Store, event: &Event, absent: &[Candidate]) -> Result<Option<Occasion>> {
        let (body, edit) = match event.kind {
            Kind::Message => (event.body.clone(), None),
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
        if message.deleted_at.is_some() {
            return Ok(None);
        }
        let mentions = |user: &str| message.mentions.iter().any(|mentioned| mentioned == user);
        let calls = |user: &str| message.mentions_room || mentions(user);
        let calls_all = edit.as_ref().is_some_and(|edit| edit.calls_all && message.mentions_room);
        // Whom the message mentioned before the edit was notified then.
        let is_new = |edit: &ChangeBody, user: &str| {
            edit.mentioned.iter().any(|mentioned| mentioned == user) || (calls_all && !mentions(user))
        };
        let absent = absent.iter().filter(|candidate| candidate.is_absent(event.at)).map(|c| c.member);
        let users = absent.filter(|m| {
            let user = m.user_id.as_str();
            user != message.user_id
                && edit.as_ref().is_none_or(|edit| is_new(edit, user))
                && (m.notify.level == NotifyLevel::All || calls(user))
                && self.reads.seq_of(user) < message.seq
        });
        let users: Vec<String> = users.map(|m| m.user_id.as_str().to_owned()).collect();
        Ok((!users.is_empty()).then_some(Occasion { message, calls_all, users }))
    }
}
