//! The queue of notifications and its consumer, with the consumer's own code: what the queue takes is delivered, with
//! receivers that fail and deliveries that are done twice.
//! Not here: what a room puts into the queue, and who must have been notified in the end (`log_checks`).

use crate::plan::ROOMS;
use crate::stored;
use crate::world::World;
use crate::world::checker::Checker;
use crate::world::hosts::Host;
use chinwag::db::{DbError, Notices, Postgres, QueueMessage};
use chinwag::notify::{self, Attempt, Notifier, Outcome, Secret, Webhook};
use chinwag::push::Notified;
use serde_json::{Value, json};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// A burst of 1,000 messages is offered in about 10 pieces.
const OFFERS_PER_S_MAX: u32 = 20;

const KEY: &str = "a key of twenty-four bytes";

/// Postgres and the receiver, as the consumer sees them.
struct Outside<'a>(&'a World);

impl Postgres for Outside<'_> {
    /// The notification of a message that Postgres has; a message that it does not have yet is notified to nobody.
    async fn query(&self, _sql: &'static str, input: Value) -> Result<Value, DbError> {
        let world = self.0;
        if world.clock.random().is_multiple_of(16) {
            return Err(DbError { sqlstate: None, message: "connection refused".into() });
        }
        let key = (text(&input, "tenant"), text(&input, "room"));
        let room = ROOMS.iter().position(|known| *known == key);
        let Some(room) = room.filter(|room| !world.backends.is_deleted(*room)) else {
            return Ok(Value::Null);
        };
        let seq = input["seq"].as_u64().unwrap_or_default();
        let author = world.backends.rows(room, |rows| {
            let row = rows.postgres.rows.get(&seq).filter(|row| row.id == text(&input, "message"));
            row.filter(|row| row.deleted_at_ms.is_none()).map(|row| row.user_id.clone())
        });
        let Some(author) = author else {
            if stored::quarantined(world, room).contains(&seq) {
                world.model.unnotifiable.borrow_mut().insert((room, seq));
            }
            return Ok(Value::Null);
        };
        let users: Vec<&str> =
            input["users"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if users.contains(&author.as_str()) {
            let what = format!("{author} is notified of their own {seq}");
            world.recorder.violation(Checker::Notified, what);
        }
        let recipients: Vec<_> =
            users.iter().map(|user| json!({"userId": user, "reason": "message"})).collect();
        let message = json!({"seq": seq, "roomIndex": room});
        Ok(json!({"message": message, "room": {}, "recipients": recipients}))
    }
}

impl Notifier for Outside<'_> {
    async fn post(&self, webhook: &Webhook) -> Option<u16> {
        if self.0.clock.random().is_multiple_of(4) {
            self.0.recorder.count("webhooks failed");
            return Some(500);
        }
        self.0.recorder.count("notifications");
        let body: Value = serde_json::from_str(&webhook.body).unwrap_or_default();
        let message = &body["data"]["message"];
        let room = message["roomIndex"].as_u64().unwrap_or_default() as usize;
        let seq = message["seq"].as_u64().unwrap_or_default();
        for recipient in body["data"]["recipients"].as_array().into_iter().flatten() {
            let user = text(recipient, "userId");
            self.0.model.notified.borrow_mut().insert((room, seq, user.into()));
            let mut first = self.0.model.first_notified.borrow_mut();
            first.entry((room, seq)).or_insert_with(|| self.0.clock.now());
            // Receivers ignore a known id: everybody must be notified of an event under one.
            let event = webhook.id.rsplit_once('.').map_or("", |(event, _)| event);
            let key = (room, event.to_owned(), user.to_owned());
            let mut ids = self.0.model.webhook_ids.borrow_mut();
            let id = ids.entry(key).or_insert_with(|| webhook.id.clone());
            if *id != webhook.id {
                let what = format!("{user} is notified of {event} as {id} and as {}", webhook.id);
                self.0.recorder.violation(Checker::Notified, what);
            }
        }
        Some(204)
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// The result of work that waits for nothing.
fn now<T>(work: impl Future<Output = T>) -> Option<T> {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}

impl World {
    /// A room offers its notices a few times a second, whatever fails meanwhile.
    pub fn check_offers(&self, host: &Host) {
        let (now, (since, count)) = (self.clock.now(), host.offers.get());
        let (since, count) = if now < since + 1_000 { (since, count + 1) } else { (now, 1) };
        host.offers.set((since, count));
        if count > OFFERS_PER_S_MAX {
            let what = format!("{}: notices are offered {count} times within a second", host.name);
            self.recorder.violation(Checker::Bounds, what);
        }
    }

    /// The queue has this message: it is delivered until nothing of it is left.
    pub fn consume(&self, notices: &Notices) {
        let mut queue = vec![json!(QueueMessage::Many(notices.clone()))];
        while let Some(message) = queue.pop() {
            let Ok(parsed) = serde_json::from_value::<QueueMessage>(message.clone()) else {
                let what = format!("not a message of the queue: {message}");
                return self.recorder.violation(Checker::Notified, what);
            };
            match self.consume_once(parsed) {
                // The consumer may end before the queue knows that it is done: all of it comes again.
                Some(left) if !self.clock.random().is_multiple_of(8) => {
                    queue.extend(left.iter().map(|message| json!(message)));
                }
                Some(_) | None => queue.push(message),
            }
        }
    }

    /// What is put back into the queue; `None`: the message is tried again.
    fn consume_once(&self, message: QueueMessage) -> Option<Vec<QueueMessage>> {
        let (outside, secret) = (Outside(self), Secret::parse(KEY)?);
        let attempt = Attempt { now: self.clock.now(), queued_at: 0, random: self.clock.random() };
        match message {
            QueueMessage::Many(notices) => {
                let progress = now(notify::deliver_all(
                    &outside,
                    Some((&outside, &secret)),
                    &notices,
                    attempt,
                    &mut Notified::default(),
                ))?
                .ok()?;
                let failed = progress.failed.into_iter().map(|(notice, _)| QueueMessage::One(notice));
                Some(failed.chain(progress.rest.map(|(rest, _)| QueueMessage::Many(rest))).collect())
            }
            // Nobody here has a device.
            QueueMessage::Push(_) => Some(Vec::new()),
            QueueMessage::One(notice) => {
                match now(notify::deliver(&outside, &outside, &secret, &notice, attempt))? {
                    Outcome::Done | Outcome::Unwanted => Some(Vec::new()),
                    Outcome::Retry(_) => None,
                }
            }
        }
    }
}
