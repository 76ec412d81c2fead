//! Notifications in an inbox: of each message at most one, of the newest of each room, until it is read (INBOX-11).
//! Not here: how a device applies its other events (`inbox_checks`), and webhooks (`notifications`).

use crate::inbox_rows::notifiable;
use crate::world::World;
use crate::world::checker::{CheckResult, Checker};
use crate::world::devices::Device;
use chinwag::limits::MARKERS_WAIT_MS;
use serde_json::Value;
use std::rc::Rc;

/// READ-7: a marker that a room knows to be further on may be this late in Postgres. Then a poke and a question.
const SHOWN_WITHIN_MS: u64 = MARKERS_WAIT_MS + 10_000;

impl World {
    /// The device has begun with a list, and is notified of what comes from now on.
    pub fn begin_notifications(&self, device: usize) {
        if let Some(mut it) = self.devices.get(device) {
            it.began_at = self.clock.now();
        }
    }

    /// Nobody is notified of their own message.
    pub fn check_notification(&self, device: usize, event: &Value) {
        let Some((tenant, user)) = self.devices.get(device).map(|it| (it.tenant, it.user)) else { return };
        let key = (tenant.to_owned(), event["roomId"].as_str().unwrap_or_default().to_owned());
        let rooms = self.backends.rooms.borrow();
        let row = rooms.get(&key).and_then(|rows| rows.postgres.rows.get(&event["messageSeq"].as_u64()?));
        if row.is_some_and(|row| row.user_id == user) {
            self.recorder.violation(Checker::Notices, format!("device {device}: {event} is their own"));
        }
    }

    /// Each device shows the newest message of others that came after it began and is unread, and nothing that is read.
    fn devices_are_notified(&self) -> CheckResult {
        for device in 0..self.devices.count() {
            let Some(it) = self.devices.get(device).filter(|it| it.is_live()) else { continue };
            let rooms = self.backends.rooms.borrow();
            for (id, rows) in
                rooms.iter().filter(|((tenant, _), _)| tenant == it.tenant).map(|((_, id), rows)| (id, rows))
            {
                if rows.postgres.missing || rows.role(it.user).is_none() {
                    continue;
                }
                let read = rows.marker(it.user).unwrap_or_default().seq;
                let newest = notifiable(rows, it.user, read).next_back();
                let shown = it.pending.get(id);
                let is_right = match newest.filter(|row| row.created_at_ms > it.began_at) {
                    Some(row) => shown == Some(&row.id),
                    None => {
                        shown.is_none_or(|shown| notifiable(rows, it.user, read).any(|row| row.id == *shown))
                    }
                };
                if !is_right {
                    let newest = newest.map(|row| &row.id);
                    let what = format!("device {device} shows {shown:?} of {id}, the newest is {newest:?}");
                    return Err((Checker::Notices, what));
                }
            }
        }
        Ok(())
    }

    pub fn expect_notified(self: &Rc<Self>, after: &str) {
        for _ in 0..SHOWN_WITHIN_MS / 250 {
            if self.devices_are_notified().is_ok() {
                return;
            }
            self.advance(250);
        }
        self.recorder.check(|| after.to_owned(), self.devices_are_notified());
    }
}

impl Device {
    /// Applies an event about a notification.
    pub fn apply_notification(
        &mut self,
        kind: &str,
        room: &str,
        event: &Value,
    ) -> Result<Option<&'static str>, String> {
        let message = event["messageId"].as_str().unwrap_or_default().to_owned();
        if kind == "notification_withdrawn" {
            // Whatever it shows: of those that have replaced it, a replay hides all.
            self.pending.remove(room);
            return Ok(Some("notifications withdrawn"));
        }
        if !self.notified.insert((room.to_owned(), message.clone())) {
            return Err(format!("notified twice: {event}"));
        }
        self.pending.insert(room.to_owned(), message);
        Ok(Some("notifications in an inbox"))
    }
}
