//! A tenant's rules about content, slow mode, and reports. No client receives rejected or unmasked content, no member
//! outpaces the slow mode, and the audit log is complete. Not here: mutes and bans (`people`), the moderation itself
//! (`chinwag::room::moderation`).

use crate::client::shorten;
use crate::plan::{OwnerRequest, PEOPLE};
use crate::requests::HttpRequest;
use crate::stored::{Log, Stored, head, log, state};
use crate::world::World;
use crate::world::checker::{CheckResult, Checker};
use crate::world::clients::{KnownMessage, Tab};
use crate::world::content_model::{WORDS, moderated};
use crate::world::network::HttpOutcome;
use crate::world::operation::Operation;
use chinwag::ids::{Seq, UnixMs};
use chinwag::protocol::message::Message;
use serde_json::Value;
use std::collections::BTreeMap;
use std::rc::Rc;

impl World {
    /// Sends a word of the tenant's rules, or edits it into a message of one's own.
    pub fn send_moderated_word(self: &Rc<Self>, tab: usize, word: usize, edits: bool) {
        let content = self.unique_content(WORDS[word]);
        let is_own = |tab: &Tab, known: &KnownMessage| known.user == tab.user;
        let operation = match self.find_known(tab, 0, is_own).filter(|_| edits) {
            Some(known) => Operation::Edit { message: known.id, content, base: None },
            None => Operation::Message { content, thread: None },
        };
        self.send_operation(tab, operation);
    }

    /// Checks that what was refused as content had to be refused.
    pub fn check_blocked(&self, operation: Option<&Operation>) -> CheckResult {
        self.recorder.count("messages refused by moderation");
        match operation {
            Some(Operation::Message { content, .. } | Operation::Edit { content, .. })
                if moderated(content).is_some() =>
            {
                Err((Checker::Rules, format!("no rule rejects {content:?}, and it was refused")))
            }
            _ => Ok(()),
        }
    }

    /// Reports a message to the moderators.
    pub fn report_message(self: &Rc<Self>, tab: usize, nth: usize) {
        let Some(known) = self.find_known(tab, nth, |tab, _| !tab.removed) else { return };
        let (room, user, request) = {
            let it = self.clients.tab(tab);
            let path = it.room_path(&format!("/messages/{}/report", known.id));
            let request = HttpRequest::post(path, it.token(self.clock.now()), r#"{"reason":"rude"}"#.into());
            (it.room, it.user.clone(), request)
        };
        self.request_then(request, move |world, got| match got {
            HttpOutcome::Json(200, _) => {
                world.recorder.count("messages reported");
                world.model.reports.borrow_mut().insert((room, format!("report.{}.{user}", known.id)));
            }
            HttpOutcome::Json(401 | 404 | 429 | 500 | 503, _) | HttpOutcome::Failed => {}
            HttpOutcome::Json(status, body) => {
                world.recorder.violation(Checker::Answered, format!("{status} {}", shorten(&body)));
            }
            HttpOutcome::Upgraded(_) | HttpOutcome::File(_) => {}
        });
    }

    /// A slow mode was answered: it is checked from here on, unless another request was faster.
    pub fn start_slow_mode(&self, room: usize, seconds: u32) {
        let is_in_force = || self.backends.rows(room, |rows| rows.room.slow_mode_s) == seconds;
        if seconds > 0 && !self.backends.is_deleted(room) && is_in_force() {
            self.recorder.count("slow modes");
            self.model.slow_modes.borrow_mut().insert(room, (seconds, head(self, room)));
        }
    }

    /// The pace, or whom it binds, may be about to change: until now members must have kept it.
    pub fn check_slow_mode(&self, room: usize) {
        let Some((seconds, since)) = self.model.slow_modes.borrow_mut().remove(&room) else { return };
        if self.backends.is_deleted(room) {
            return;
        }
        let log = log(self, room);
        // A request of the same moment that was answered after this one.
        let sets_other_pace = |stored: &Stored| {
            stored.json()["slowModeS"].as_u64().is_some_and(|pace| pace != u64::from(seconds))
        };
        if log.range(since + 1..).any(|(_, stored)| sets_other_pace(stored)) {
            return;
        }
        for user in PEOPLE.iter().filter(|user| self.is_bound_by_pace(room, &log, since, user)) {
            let messages = log.range(since + 1..).filter_map(|(_, stored)| stored.message());
            let own = messages.filter(|message| message.user_id == **user);
            let times: Vec<UnixMs> = own.map(|message| message.created_at).collect();
            if let Some(pair) = times.windows(2).find(|pair| pair[1] < pair[0] + u64::from(seconds) * 1_000) {
                let what = format!("{user} sent at {pair:?} in room {room}, with a slow mode of {seconds} s");
                self.recorder.violation(Checker::Rules, what);
            }
        }
    }

    /// Whether somebody has been a plain member since then, by Postgres and by the room.
    fn is_bound_by_pace(&self, room: usize, log: &Log, since: Seq, user: &str) -> bool {
        let is_about = |value: &Value| value["userId"] == user;
        let is_change = |stored: &Stored| stored.kind >= 6 && is_about(&stored.json());
        let changed = log.range(since + 1..).any(|(_, stored)| is_change(stored));
        let copy = state(self, room, 2);
        let mut members = copy["snapshot"]["members"].as_array().into_iter().flatten();
        let in_copy =
            members.find(|member| is_about(member)).is_some_and(|member| member["role"] == "member");
        !changed && in_copy && self.backends.rows(room, |rows| rows.role(user) == Some("member"))
    }

    /// Ends all slow modes.
    pub fn end_slow_modes(self: &Rc<Self>) {
        for room in self.backends.existing_rooms() {
            self.check_slow_mode(room);
            if self.backends.rows(room, |rows| rows.room.slow_mode_s) > 0 {
                self.request_change(room, OwnerRequest::SlowMode { seconds: 0 });
                self.advance(2_000);
            }
        }
    }
}

/// Flagged content, moderators' changes of others' messages, and reports are in Postgres' audit log.
pub fn audit_log_is_complete(world: &World, room: usize, log: &Log, floor: Seq, epoch: &str) -> CheckResult {
    let messages = log.values().filter_map(Stored::message);
    let messages: BTreeMap<&str, &Message> = messages.map(|message| (&*message.id, message)).collect();
    let flagged =
        messages.values().filter(|m| m.content.contains(WORDS[2])).map(|m| format!("flag.{}", m.id));
    let changes = log.iter().filter(|(seq, stored)| **seq > floor && matches!(stored.kind, 3 | 4));
    let by_moderators = changes.filter_map(|(seq, stored)| {
        let author = &messages.get(stored.json()["messageId"].as_str()?)?.user_id;
        let action = if stored.kind == 3 { "edit" } else { "delete" };
        (*author != stored.user).then(|| format!("{epoch}.{seq}.{action}"))
    });
    let reports = world.model.reports.borrow();
    let reported = reports.iter().filter(|(known, _)| *known == room).map(|(_, id)| id.clone());
    let listed: Vec<String> = flagged.chain(reported).collect();
    let expected: Vec<String> = by_moderators.chain(listed.iter().cloned()).collect();
    world.backends.rows(room, |rows| {
        if let Some(id) = listed.iter().find(|id| !rows.postgres.reports.contains_key(*id)) {
            return Err((Checker::Rules, format!("{id} is not in the tenant's list of reports")));
        }
        match expected.iter().find(|id| !rows.postgres.audit.contains_key(*id)) {
            Some(id) => Err((Checker::Rules, format!("{id} is not in the audit log"))),
            None => Ok(()),
        }
    })
}
