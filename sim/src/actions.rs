//! What each action of a plan does. Not here: how the world reacts.

use crate::client::shorten;
use crate::plan::{Action, PEOPLE, ROOMS};
use crate::requests::HttpRequest;
use crate::stored;
use crate::token::admin_token;
use crate::world::World;
use crate::world::checker::Checker;
use crate::world::clients::{KnownMessage, Tab, room_path};
use crate::world::hosts::Host;
use crate::world::network::HttpOutcome;
use crate::world::operation::Operation;
use chinwag::db::MessageRow;
use std::rc::Rc;
use testkit::POISON;

const EMOJI: [&str; 3] = ["👍", "🎉", "😀"];

impl World {
    pub fn act(self: &Rc<Self>, action: &Action) {
        if action.room().is_some_and(|room| self.backends.is_deleted(room)) {
            return;
        }
        match *action {
            Action::SendMessage { tab, bytes, poison } => self.send_message(tab, bytes, poison),
            Action::Burst { tab, count } => self.send_burst(tab, count),
            Action::React { tab, nth, emoji, add } => self.send_reaction(tab, nth, EMOJI[emoji], add),
            Action::Reply { tab, nth } => self.send_reply(tab, nth),
            Action::Edit { tab, nth, based, poison } => self.send_edit(tab, nth, based, poison),
            Action::Delete { tab, nth } => self.send_delete(tab, nth),
            Action::Pin { tab, nth, pin } => self.set_pin(tab, nth, pin),
            Action::MarkUnread { tab, back } => self.move_marker_back(tab, back),
            Action::Repeat { tab } => self.repeat_operation(tab),
            Action::Typing { tab } => self.send_if_live(tab, r#"{"type":"typing","isTyping":true}"#),
            Action::Read { tab } => self.send_read(tab),
            Action::Connect { tab } => self.connect(tab),
            Action::Disconnect { tab } => self.disconnect(tab),
            Action::Reload { tab } => self.reload(tab),
            Action::Vanish { tab } => self.vanish(tab),
            Action::Reading { tab, reads } => self.set_tab_reading(tab, reads),
            Action::Wait { ms } => self.wait(ms),
            Action::Kill { effects } => self.faults.kill_in.set(effects),
            Action::Panic { statements } => self.faults.panic_in.set(statements),
            Action::DiskFails { statements } => self.faults.disk_error_in.set(statements),
            Action::DiskFull { ms } => self.faults.disk_full_until.set(self.clock.now() + ms),
            Action::Abort => self.abort_instance(),
            Action::Deploy => self.redeploy(),
            Action::PostgresFault(fault) => {
                self.faults.postgres.set(fault);
                self.recorder.count("Postgres faults");
            }
            Action::Hibernate { room } => drop(self.hosts.of_room(room).map(|host| self.hibernate(&host))),
            Action::LoseStorage { room } => self.lose_storage_if_projected(room),
            Action::RestoreBackup { room, rows } => self.restore_backup(room, rows),
            Action::LoseChanges { room, changes } => self.lose_changes(room, changes),
            Action::LoseRoom { room } => self.lose_room(room),
            Action::InsertForeignRow { room } => self.insert_foreign_row(room),
            Action::RemoveInPostgres { room, user } => self.remove_in_postgres(room, user),
            Action::AddAllInPostgres { room } => self.add_all_in_postgres(room),
            Action::Request { room, request } => self.request_change(room, request),
            Action::RetryQuarantined { room } => self.retry_quarantined(room),
            Action::AlertList { unavailable } => self.faults.alerts_unavailable.set(unavailable),
            Action::FinalHalt => self.faults.final_halt.set(true),
            Action::Upload { tab } => self.upload(tab),
            Action::ModeratedWord { tab, word, edits } => self.send_moderated_word(tab, word, edits),
            Action::Report { tab, nth } => self.report_message(tab, nth),
            Action::ReadPages { tab, count } => self.read_pages(tab, count),
            Action::TopicsAtOnce { room, count } => self.set_topics_at_once(room, count),
            Action::ConnectDevice { device } => self.connect_device(device),
            Action::DisconnectDevice { device } => self.disconnect_device(device),
            Action::VanishDevice { device } => self.vanish_device(device),
            Action::ReadInList { device, room } => _ = self.read_in_list(device, room),
            Action::WriteDraft { device, room, back } => _ = self.write_draft(device, room, back),
            Action::Save { device, room, saves } => self.save_message(device, room, saves),
            Action::Direct(action) => self.act_direct(action),
            Action::HibernateInbox { device } => self.hibernate_inbox(device),
            Action::LoseInboxStorage { device } => self.lose_inbox_storage(device),
            Action::LoseLease { device } => self.lose_lease(device),
            Action::Bucket { unavailable } => self.faults.bucket_unavailable.set(unavailable),
            Action::AlarmTwice { room } => self.tamper_with_alarm(room, |host| self.fire_alarm(host)),
            Action::AlarmLost { room } => self.tamper_with_alarm(room, |host| host.alarm.set(None)),
            Action::AlarmLate { room, ms } => self.tamper_with_alarm(room, |host| {
                host.alarm.set(host.alarm.get().map(|at| at + ms));
            }),
        }
    }

    fn send_message(self: &Rc<Self>, tab: usize, bytes: usize, poison: bool) {
        let content = self.content(&"x".repeat(bytes), poison);
        self.send_operation(tab, Operation::Message { content, thread: None });
    }

    /// Content that nobody has sent before; poison is what Postgres refuses.
    fn content(&self, text: &str, poison: bool) -> String {
        self.unique_content(&format!("{}{text}", if poison { POISON } else { "" }))
    }

    fn send_burst(self: &Rc<Self>, tab: usize, count: usize) {
        (0..count).for_each(|_| self.send_message(tab, 10, false));
        self.clients.bursting.set(true);
    }

    fn send_reaction(self: &Rc<Self>, tab: usize, nth: usize, emoji: &str, add: bool) {
        if let Some(KnownMessage { id: message, .. }) = self.find_known(tab, nth, |_, _| true) {
            self.send_operation(tab, Operation::Reaction { message, emoji: emoji.into(), add });
        }
    }

    fn send_reply(self: &Rc<Self>, tab: usize, nth: usize) {
        if let Some(root) = self.find_known(tab, nth, |_, known| !known.is_reply && !known.deleted) {
            let content = self.content("reply", false);
            self.send_operation(tab, Operation::Message { content, thread: Some(root.id) });
        }
    }

    fn send_edit(self: &Rc<Self>, tab: usize, nth: usize, based: bool, poison: bool) {
        if let Some(known) = self.find_known(tab, nth, may_change) {
            let (content, base) = (self.content("edit", poison), based.then_some(known.version));
            self.send_operation(tab, Operation::Edit { message: known.id, content, base });
        }
    }

    fn send_delete(self: &Rc<Self>, tab: usize, nth: usize) {
        if let Some(known) = self.find_known(tab, nth, may_change) {
            self.send_operation(tab, Operation::Delete { message: known.id });
        }
    }

    /// Sets this person's read marker back over REST.
    fn move_marker_back(self: &Rc<Self>, tab: usize, back: u64) {
        let (name, seq, request) = {
            let it = self.clients.tab(tab);
            let seq = it.received_to().saturating_sub(back);
            let (path, token) = (it.room_path("/unread"), it.token(self.clock.now()));
            (it.name(), seq, HttpRequest::post(path, token, format!(r#"{{"seq":{seq}}}"#)))
        };
        let Some(HttpOutcome::Json(200, answer)) = self.request_and_wait(request) else { return };
        self.recorder.count("markers moved back");
        let body: serde_json::Value = serde_json::from_str(&answer).unwrap_or_default();
        if body["lastReadSeq"].as_u64().is_none_or(|marker| marker >= seq.max(1)) {
            let what = format!("{name} set the marker back to {seq}: {}", shorten(&answer));
            self.recorder.violation(Checker::Marker, what);
        }
    }

    fn send_read(self: &Rc<Self>, tab: usize) {
        let seq = self.clients.tab(tab).received_to();
        self.send_if_live(tab, &format!(r#"{{"type":"read","seq":{seq}}}"#));
    }

    fn send_if_live(self: &Rc<Self>, tab: usize, frame: &str) {
        if let Some(socket) = self.clients.socket(tab).filter(|_| self.clients.tab(tab).is_live()) {
            self.send_frame(&socket, frame.to_owned());
        }
    }

    fn connect(self: &Rc<Self>, tab: usize) {
        {
            let mut it = self.clients.tab_mut(tab);
            it.wants_connection = !it.removed;
        }
        self.drive_tab(tab);
    }

    fn set_tab_reading(self: &Rc<Self>, tab: usize, reads: bool) {
        if let Some(socket) = self.clients.socket(tab) {
            self.set_reading(&socket, reads);
        }
    }

    fn reload(self: &Rc<Self>, tab: usize) {
        if self.clients.tab(tab).is_connecting() {
            return;
        }
        self.disconnect(tab);
        (self.clients.tab_mut(tab).position, self.clients.tab_mut(tab).connect_at) = (None, 0);
        self.connect(tab);
    }

    /// Lets time pass; after a burst it records how far Postgres is behind.
    fn wait(self: &Rc<Self>, ms: u64) {
        self.advance(ms);
        if self.clients.bursting.replace(false) {
            let lags = self.backends.existing_rooms().into_iter().map(|room| stored::lag(self, room));
            self.recorder.count_peak("outbox peak", lags.max().unwrap_or(0));
        }
    }

    fn tamper_with_alarm(&self, room: usize, change: impl FnOnce(&Rc<Host>)) {
        if let Some(host) = self.hosts.of_room(room).filter(|host| host.alarm.get().is_some()) {
            self.recorder.count("alarms tampered with");
            change(&host);
        }
    }

    /// The tenant's admin has the quarantined rows tried again.
    pub fn retry_quarantined(self: &Rc<Self>, room: usize) {
        let token = admin_token(ROOMS[room].0, "root", self.clock.now() + 60_000);
        let path = format!("{}/outbox/retry", room_path(room));
        let request = HttpRequest::new(http::Method::POST, path, token, None);
        if let Some(HttpOutcome::Json(200, _)) = self.request_and_wait(request) {
            self.recorder.count("quarantined rows retried");
        }
    }

    /// Loses the storage if Postgres has everything: the rest would be lost, and that is not promised.
    fn lose_storage_if_projected(self: &Rc<Self>, room: usize) {
        let Some(host) = self.hosts.of_room(room) else { return };
        let rows = |work: fn(&mut crate::world::backends::RoomRows) -> bool| self.backends.rows(room, work);
        if rows(|rows| rows.foreign_rows.is_empty() && rows.postgres.last_seq > 0)
            && self.knows_people(room)
            && stored::lag(self, room) == 0
            && stored::quarantined(self, room).is_empty()
            && stored::is_all_notified(self, room)
            && stored::is_all_audited(self, room)
            && !self.model.deletion_requested.borrow().contains(&room)
            && self.is_idle(&host)
        {
            self.lose_storage(&host);
        }
    }

    /// Restores Postgres from a backup that lacks the last rows.
    fn restore_backup(&self, room: usize, rows: u64) {
        // A log that is lost too, and not yet rebuilt, would be lost for good.
        if !stored::has_log(self, room) {
            return;
        }
        self.backends.rows(room, |room| room.postgres.set_back(room.postgres.last_seq.saturating_sub(rows)));
        self.recorder.count("restored backups");
    }

    /// Whether the room's copy of its people is that of Postgres, so that neither alone knows anything.
    pub fn knows_people(&self, room: usize) -> bool {
        let known = stored::state(self, room, 2)["snapshot"]["membersVersion"].as_u64();
        self.backends.rows(room, |rows| !rows.postgres.missing && known == Some(rows.room.members_version))
    }

    /// Restores Postgres from a backup that lacks the last changes of people and settings.
    fn lose_changes(&self, room: usize, changes: usize) {
        if !stored::has_log(self, room) || !self.knows_people(room) {
            return;
        }
        let is_set_back = self.backends.rows(room, |rows| {
            let is_set_back = rows.membership.set_back(&mut rows.room, changes);
            rows.postgres.members_version = rows.room.members_version;
            is_set_back
        });
        if is_set_back {
            self.recorder.count("changes of people lost");
        }
    }

    /// Restores Postgres from a backup that lacks the room.
    fn lose_room(&self, room: usize) {
        let is_ours = self.backends.rows(room, |rows| rows.foreign_rows.is_empty());
        // A deletion that was not answered may still be made then.
        let is_kept = !self.model.deletion_requested.borrow().contains(&room);
        if !stored::has_log(self, room) || !self.knows_people(room) || !is_ours || !is_kept {
            return;
        }
        self.backends.rows(room, |rows| {
            rows.postgres.set_back(0);
            (rows.postgres.missing, rows.postgres.epoch) = (true, None);
        });
        self.recorder.count("restored backups");
        self.recorder.count("rooms lost in Postgres");
    }

    /// Inserts somebody else's row at the log's next seq in Postgres.
    fn insert_foreign_row(&self, room: usize) {
        let has_log = stored::has_log(self, room);
        self.backends.rows(room, |rows| {
            let seq = rows.postgres.last_seq + 1;
            if rows.postgres.rows.contains_key(&seq) || rows.postgres.last_seq == 0 || !has_log {
                return;
            }
            let row = serde_json::json!({
                "seq": seq, "id": format!("stranger-{seq}"), "userId": "mallory", "content": "not ours",
                "contentType": "text", "attachments": [], "clientId": null, "threadId": null, "replyToId": null,
                "alsoToRoom": false, "mentions": [], "mentionsRoom": false, "version": 1, "replyCount": 0,
                "createdAtMs": 0, "editedAtMs": null, "deletedAtMs": null, "deletedBy": null, "reactions": []});
            if let Ok(row) = serde_json::from_value::<MessageRow>(row) {
                rows.foreign_rows.insert(seq, row.id.clone());
                rows.postgres.rows.insert(seq, row);
                self.recorder.count("foreign rows");
            }
        });
    }
}

/// People change their own messages, and the owner everybody's.
fn may_change(tab: &Tab, known: &KnownMessage) -> bool {
    known.user == tab.user || tab.user == PEOPLE[0]
}
