//! Who is to be told of what was said while they had no socket: worked out with each batch for Postgres, from a watermark of
//! its own. Not here: levels, mutes and what was read meanwhile, which count when somebody is told (`db::to_tell`).

use super::Room;
use super::edit_delete::ChangeBody;
use super::store::{Event, Kind, Result, Store};
use crate::db::Notice;
use crate::ids::{Seq, UnixMs};
use crate::limits::{BATCH_ROWS_MAX, NOTIFY_USERS_MAX};
use crate::protocol::message::Message;
use crate::protocol::room::NotifyLevel;
use std::collections::BTreeSet;

impl Room {
    /// Events that nobody was notified of, though they are in Postgres.
    pub(super) fn has_pending_notifications(&self) -> bool {
        self.log.notified() < self.log.projected
    }

    /// The notices of the events after the watermark, and up to where that is; none past `to`, where Postgres will stand.
    pub(super) fn notices(&self, store: &Store, now: UnixMs, to: Seq) -> Result<(Vec<Notice>, Seq)> {
        let from = self.log.notified();
        let absent = self.absent(now);
        if absent.is_empty() || from >= to {
            return Ok((Vec::new(), to.max(from)));
        }
        let events = store.between(from, to, BATCH_ROWS_MAX)?;
        let whole = (events.len() as u64) < BATCH_ROWS_MAX;
        let reached = events.last().map_or(to, |last| if whole { to } else { last.seq });
        let mut notices = Vec::new();
        for event in events {
            let Some((message, calls_all, users)) = self.recipients_of(store, &event, &absent)? else {
                continue;
            };
            for (part, users) in users.chunks(NOTIFY_USERS_MAX).enumerate() {
                notices.push(Notice {
                    tenant: self.members.tenant().clone(),
                    room: self.members.room().clone(),
                    seq: message.seq,
                    message: message.id.clone(),
                    event: event.seq,
                    part: u32::try_from(part).unwrap_or(u32::MAX),
                    calls_all,
                    users: users.to_vec(),
                });
            }
        }
        Ok((notices, reached))
    }

    /// Members without a socket, who may want to know of something. What they have set counts again when they are told.
    fn absent(&self, now: UnixMs) -> Vec<&crate::db::SnapshotMember> {
        let here: BTreeSet<&str> = self.connections.iter().map(|c| c.user()).collect();
        let members = self.members.snapshot().members.iter();
        members
            .filter(|m| !here.contains(m.user_id.as_str()) && m.notify.level != NotifyLevel::None)
            .filter(|m| m.notify.notifications_snoozed_until_ms.is_none_or(|until| until <= now))
            .collect()
    }

    /// The message that an event is about, whether it is an edit that calls all, and whom of the absent it concerns.
    fn recipients_of(
        &self,
        store: &Store,
        event: &Event,
        absent: &[&crate::db::SnapshotMember],
    ) -> Result<Option<(Message, bool, Vec<String>)>> {
        let (body, edited) = match event.kind {
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
        let names = |user: &str| message.mentions.iter().any(|known| known == user);
        let calls = |user: &str| message.mentions_room || names(user);
        let calls_all = edited.as_ref().is_some_and(|edit| edit.calls_all && message.mentions_room);
        // Whom it named before the edit, that had told.
        let is_news = |edit: &ChangeBody, user: &str| {
            edit.mentioned.iter().any(|known| known == user) || (calls_all && !names(user))
        };
        let users = absent.iter().filter(|m| {
            let user = m.user_id.as_str();
            user != message.user_id
                && edited.as_ref().is_none_or(|edit| is_news(edit, user))
                && (m.notify.level == NotifyLevel::All || calls(user))
                && self.reads.seq_of(user) < message.seq
        });
        let users: Vec<String> = users.map(|m| m.user_id.as_str().to_owned()).collect();
        Ok(if users.is_empty() { None } else { Some((message, calls_all, users)) })
    }
}
