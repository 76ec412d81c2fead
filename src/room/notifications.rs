//! Whom a batch must notify: members who had no socket when a message was sent, from a watermark of its own.
//! Not here: levels, snoozes and read markers at the time of the notification (`db::notification_payload`), and the watermark
//! (`log`).

use super::log::Log;
use super::reads::Reads;
use super::store::formats::{ChangeBody, RoomInfo};
use super::store::{Event, Kind, Result, Store};
use super::turn::Turn;
use crate::db::{Notice, Projection, SnapshotMember};
use crate::ids::{Seq, UnixMs};
use crate::limits::{BATCH_ROWS_MAX, NOTIFY_OFFER_MS, NOTIFY_USERS_MAX};
use crate::protocol::message::Message;
use crate::protocol::room::NotifyLevel;
use std::collections::BTreeSet;

#[derive(Debug, Default)]
pub struct Notifications {
    /// The queue did not take the last notices; they are not offered again before this. Postgres does not wait for it.
    offer_at: UnixMs,
}

/// The members, and what decides which of them are notified.
pub struct Audience<'a> {
    pub info: &'a RoomInfo,
    /// Who has a socket.
    pub connected: BTreeSet<&'a str>,
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
        (log.notified() < log.projected()).then_some(self.offer_at)
    }

    /// The notices of the events behind the watermark, at most up to `to`.
    ///
    /// # Takes  `to`: where the outbox's watermark is after the batch.
    /// # Gives  also the seq up to which these are all.
    pub fn collect(&self, turn: Turn, log: &Log, to: Seq, audience: &Audience) -> Result<(Vec<Notice>, Seq)> {
        let from = log.notified();
        if turn.now < self.offer_at {
            return Ok((Vec::new(), from));
        }
        let absent = audience.absent(turn.now);
        if absent.is_empty() || from >= to {
            return Ok((Vec::new(), to.max(from)));
        }
        let events = turn.store.between(from, to, BATCH_ROWS_MAX)?;
        let is_complete = (events.len() as u64) < BATCH_ROWS_MAX;
        let reached = events.last().map_or(to, |last| if is_complete { to } else { last.seq });
        let mut notices = Vec::new();
        for event in events {
            let Some(occasion) = audience.occasion(turn.store, &event, &absent)? else { continue };
            for (part, users) in occasion.users.chunks(NOTIFY_USERS_MAX).enumerate() {
                notices.push(Notice {
                    tenant: audience.info.tenant.clone(),
                    room: audience.info.id.clone(),
                    seq: occasion.message.seq,
                    message: occasion.message.id.clone(),
                    event: event.seq,
                    part: u32::try_from(part).unwrap_or(u32::MAX),
                    calls_all: occasion.calls_all,
                    users: users.to_vec(),
                });
            }
        }
        Ok((notices, reached))
    }

    /// Whether the queue took the batch's notices.
    ///
    /// # Gives  up to where it has notifications now; `None`: as far as before.
    pub fn offered(&mut self, now: UnixMs, batch: &Projection, taken: bool) -> Option<Seq> {
        if taken {
            return Some(batch.notices_to);
        }
        if !batch.notices.is_empty() {
            self.offer_at = now.saturating_add(NOTIFY_OFFER_MS);
        }
        None
    }
}

impl<'a> Audience<'a> {
    /// Members without a socket who may want notifications. Their settings are checked again when they are notified.
    fn absent(&self, now: UnixMs) -> Vec<&'a SnapshotMember> {
        let members = self.info.snapshot.members.iter();
        members
            .filter(|m| !self.connected.contains(m.user_id.as_str()) && m.notify.level != NotifyLevel::None)
            .filter(|m| m.notify.notifications_snoozed_until_ms.is_none_or(|until| until <= now))
            .collect()
    }

    /// The message that the event is about, and whom of the absent it concerns; `None`: nobody.
    fn occasion(&self, store: &Store, event: &Event, absent: &[&SnapshotMember]) -> Result<Option<Occasion>> {
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
        let users = absent.iter().filter(|m| {
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
