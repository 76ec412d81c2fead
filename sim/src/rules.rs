//! What stands in the way of talking: words that a tenant doesn't want said, slow mode; and reports. What must be true of
//! them: nobody is shown what was refused or masked, nobody outpaces the slow mode, and what is to stand in the audit log does,
//! whatever broke in between. Not here: mutes and bans (`people`), how a text is judged (`chinwag::room::moderation`).

use crate::client::{HttpOutcome, Tab};
use crate::final_checks::{CheckResult, message};
use crate::oracle::{Checker, Operation};
use crate::plan::{Asked, PEOPLE, ROOMS};
use crate::stored::{Stored, head, log, state};
use crate::world::World;
use chinwag::ids::{Seq, UnixMs};
use chinwag::protocol::message::Message;
use serde_json::Value;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Refused, masked, and noted in the audit log.
pub const WORDS: [&str; 3] = ["verboten", "hush", "gossip"];
pub const MODERATION: &str = r#"{"*":{"words":{"reject":["verboten"],"mask":["hush"],"flag":["gossip"]}}}"#;

/// What others may be shown of these words; `None`: they may not be said.
pub fn allowed(content: &str) -> Option<String> {
    let [refused, masked, _] = WORDS;
    (!content.contains(refused)).then(|| content.replace(masked, &"*".repeat(masked.len())))
}

/// Slow mode in force: seconds, and the head when that was answered.
pub type Slow = (u32, Seq);

impl World {
    /// Says a word of which the tenant has something to say, or edits it into something of one's own.
    pub fn says_word(self: &Rc<Self>, tab: usize, word: usize, edits: bool) {
        let content = self.words(WORDS[word], false);
        let mine = |tab: &Tab, known: &crate::client::Known| known.user == tab.user;
        match self.knows(tab, 0, mine).filter(|_| edits) {
            Some(known) => {
                self.has_to_say(tab, Some(Operation::Edit { message: known.id, content, base: None }))
            }
            None => self.has_to_say(tab, Some(Operation::Message { content, thread: None })),
        }
    }

    /// Words were refused, and were to be.
    pub fn blocked(&self, said: Option<&Operation>) -> CheckResult {
        self.counters.count("words refused");
        match said {
            Some(Operation::Message { content, .. } | Operation::Edit { content, .. })
                if allowed(content).is_some() =>
            {
                Err((Checker::Rules, format!("nobody minds {content:?}, and it was refused")))
            }
            _ => Ok(()),
        }
    }

    /// Somebody reports a message to the moderators.
    pub fn reports(self: &Rc<Self>, tab: usize, nth: usize) {
        let Some(known) = self.knows(tab, nth, |tab, _| !tab.removed) else { return };
        let (room, user, token) = {
            let it = &self.tabs.borrow()[tab];
            (it.room, it.user.clone(), it.token(self.now()))
        };
        let (_, id) = ROOMS[room];
        let id: String = id.bytes().map(|b| format!("%{b:02x}")).collect();
        let path = format!("/api/chat/rooms/{id}/messages/{}/report", known.id);
        let body = Some(r#"{"reason":"rude"}"#.to_owned());
        self.ask_and(http::Method::POST, &path, &token, body, move |world, got| match got {
            HttpOutcome::Json(200, _) => {
                world.counters.count("messages reported");
                world.reported.borrow_mut().insert((room, format!("report.{}.{user}", known.id)));
            }
            HttpOutcome::Json(401 | 404 | 429 | 500 | 503, _) | HttpOutcome::Failed => {}
            HttpOutcome::Json(status, body) => world.violation(Checker::Answered, format!("{status} {body}")),
            HttpOutcome::Upgraded(_) | HttpOutcome::File(_) => {}
        });
    }

    /// From here on, unless somebody else was faster.
    pub fn slows_down(self: &Rc<Self>, room: usize, seconds: u32) {
        if seconds > 0 && !self.is_gone(room) && self.table(room, |t| t.room.slow_mode_s) == seconds {
            self.counters.count("slow modes");
            self.slow.borrow_mut().insert(room, (seconds, head(self, room)));
        }
    }

    /// Somebody may be about to change the pace, or whom it binds; until now members must have kept it.
    pub fn pace_was_kept(self: &Rc<Self>, room: usize) {
        let Some((seconds, since)) = self.slow.borrow_mut().remove(&room) else { return };
        if self.is_gone(room) {
            return;
        }
        let log = log(self, room);
        // Asked for at the same moment as this one, and answered after it.
        let another_pace = |stored: &Stored| {
            let body: Value = serde_json::from_str(&stored.body).unwrap_or_default();
            body["slowModeS"].as_u64().is_some_and(|now| now != u64::from(seconds))
        };
        if log.range(since + 1..).any(|(_, stored)| another_pace(stored)) {
            return;
        }
        for user in PEOPLE.iter().filter(|user| self.is_bound(room, &log, since, user)) {
            let said = log.range(since + 1..).filter_map(|(_, stored)| message(stored));
            let times: Vec<UnixMs> = said.filter(|m| m.user_id == **user).map(|m| m.created_at).collect();
            if let Some(pair) = times.windows(2).find(|pair| pair[1] < pair[0] + u64::from(seconds) * 1_000) {
                let what = format!("{user} spoke at {pair:?} in room {room}, slowed down to {seconds} s");
                self.violation(Checker::Rules, what);
            }
        }
    }

    /// Whether somebody has been a member and nothing more since then, as Postgres and the room know.
    fn is_bound(&self, room: usize, log: &BTreeMap<Seq, Stored>, since: Seq, user: &str) -> bool {
        let is_of = |value: &Value| value["userId"] == user;
        let of_them = |stored: &Stored| serde_json::from_str(&stored.body).is_ok_and(|body| is_of(&body));
        let changed = log.range(since + 1..).any(|(_, stored)| stored.kind >= 6 && of_them(stored));
        let copy = state(self, room, 2);
        let mut known = copy["snapshot"]["members"].as_array().into_iter().flatten();
        let known = known.find(|member| is_of(member)).is_some_and(|member| member["role"] == "member");
        !changed && known && self.table(room, |table| table.role(user) == Some("member"))
    }

    /// The end of all slow modes.
    pub fn all_may_hurry(self: &Rc<Self>) {
        for room in self.rooms_there() {
            self.pace_was_kept(room);
            if self.table(room, |table| table.room.slow_mode_s) > 0 {
                self.asks(room, Asked::SlowMode { seconds: 0 });
                self.pass(2_000);
            }
        }
    }
}

/// What was flagged, what moderators did to others' messages and what was reported stands in Postgres' audit log.
pub fn audit_adds_up(
    world: &World,
    room: usize,
    log: &BTreeMap<Seq, Stored>,
    floor: Seq,
    epoch: &str,
) -> CheckResult {
    let messages: BTreeMap<String, Message> =
        log.values().filter_map(message).map(|message| (message.id.clone(), message)).collect();
    let flagged =
        messages.values().filter(|m| m.content.contains(WORDS[2])).map(|m| format!("flag.{}", m.id));
    let by_others = log.iter().filter(|(seq, stored)| **seq > floor && matches!(stored.kind, 3 | 4));
    let by_others = by_others.filter_map(|(seq, stored)| {
        let body: Value = serde_json::from_str(&stored.body).ok()?;
        let author = &messages.get(body["messageId"].as_str()?)?.user_id;
        let action = if stored.kind == 3 { "edit" } else { "delete" };
        (*author != stored.user).then(|| format!("{epoch}.{seq}.{action}"))
    });
    let reported = world.reported.borrow();
    let reported = reported.iter().filter(|(known, _)| *known == room).map(|(_, id)| id.clone());
    let expected: Vec<String> = flagged.chain(by_others).chain(reported).collect();
    world.table(room, |table| match expected.iter().find(|id| !table.ledger.audit.contains_key(*id)) {
        Some(id) => Err((Checker::Rules, format!("{id} isn't in the audit log"))),
        None => Ok(()),
    })
}
