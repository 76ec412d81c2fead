//! What a client makes of what it hears: the order of a beginning, every seq once, acks and refusals, who is there.
//! Not here: what it wants and says (`client`), what must be true of the room as a whole (`oracle`).

use crate::client::{Known, Op, Phase, Tab, short};
use crate::content_model::Shown;
use crate::oracle::{Acked, Checker, Fact, Operation};
use crate::plan::PEOPLE;
use crate::run::host_of;
use crate::stored::user_of;
use crate::world::World;
use chinwag::ids::UnixMs;
use serde_json::Value;
use std::collections::BTreeSet;
use std::rc::Rc;

/// A frame that isn't answered within this long, on a connection where nothing is wrong, is not answered at all.
const ANSWER_MS: u64 = 3_000;

/// Events about the room and its people.
const NEWS: [&str; 4] = ["member_added", "member_removed", "member_updated", "room_updated"];
/// Events that have a place in the log.
const OF_THE_LOG: [&str; 5] =
    ["new_message", "reaction_update", "message_updated", "message_deleted", "thread_update"];

impl World {
    // --- Hearing ----------------------------------------------------------------------------------

    pub fn hears(self: &Rc<Self>, tab: usize, text: &str) {
        self.fold(text);
        if self.lines.borrow().is_some() {
            let line = format!("{:>8} {} < {}", self.elapsed_ms(), self.name(tab), told(text));
            self.lines.borrow_mut().iter_mut().for_each(|lines| lines.push(line.clone()));
        }
        let events = match serde_json::from_str::<Value>(text) {
            Ok(Value::Array(events)) => events,
            Ok(event) => vec![event],
            Err(_) => return self.violation(Checker::Phantom, format!("no JSON: {}", short(text))),
        };
        for event in events {
            let found = self.event(tab, &event);
            self.found(tab, found);
        }
    }

    pub fn event(self: &Rc<Self>, tab: usize, event: &Value) -> Result<(), (Checker, String)> {
        let kind = event["type"].as_str().unwrap_or_default();
        let phase = self.tabs.borrow()[tab].phase;
        match (phase, kind) {
            (Phase::Greeted(0), "hello") => {
                let mut tabs = self.tabs.borrow_mut();
                let it = &mut tabs[tab];
                it.epoch = event["epoch"].as_str().unwrap_or_default().into();
                (it.phase, it.resynced) = (Phase::Greeted(1), false);
                Ok(())
            }
            (Phase::Greeted(1), "online_users") => {
                self.tabs.borrow_mut()[tab].phase = Phase::Greeted(2);
                self.presence(tab, event)
            }
            (Phase::Greeted(2), "resync") => self.resync(tab, event),
            (Phase::Greeted(2), "synced") => self.synced(tab, event),
            (Phase::Greeted(2) | Phase::Live, kind) if OF_THE_LOG.contains(&kind) || NEWS.contains(&kind) => {
                self.sequenced(tab, event)
            }
            (Phase::Live, "ack") => {
                let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
                let seq = event["seq"].as_u64();
                let version = event["version"].as_u64().unwrap_or(0);
                let acked = (seq, text("messageId"), version);
                self.acked(tab, &text("clientId"), acked, event["duplicate"] == true);
                Ok(())
            }
            (Phase::Live, "error") => self.refused(tab, event),
            (Phase::Live, "online_users") => self.presence(tab, event),
            (Phase::Live, "user_left") => self.left(tab, event),
            (Phase::Live, "typing" | "user_joined" | "read_receipt") => Ok(()),
            _ => Err((Checker::Seam, format!("{kind} while {phase:?}"))),
        }
    }

    pub fn resync(self: &Rc<Self>, tab: usize, event: &Value) -> Result<(), (Checker, String)> {
        self.counters.count("resyncs");
        let mut tabs = self.tabs.borrow_mut();
        let it = &mut tabs[tab];
        let since = it.at.take();
        it.resynced = true;
        let head = event["seq"].as_u64().unwrap_or(0);
        let other_log = since.as_ref().is_some_and(|(_, epoch)| *epoch != it.epoch);
        let far = since.as_ref().is_some_and(|(seq, _)| head.saturating_sub(*seq) > 100);
        match event["reason"].as_str() {
            Some("epoch") if other_log => Ok(()),
            Some("too_many") if far => Ok(()),
            Some("ahead") => Err((Checker::Lost, format!("the log went back: {since:?} is ahead of {head}"))),
            reason => {
                Err((Checker::Seam, format!("resync {reason:?} without reason, from {since:?} to {head}")))
            }
        }
    }

    pub fn synced(self: &Rc<Self>, tab: usize, event: &Value) -> Result<(), (Checker, String)> {
        let head = event["seq"].as_u64().unwrap_or(0);
        let heard = {
            let mut tabs = self.tabs.borrow_mut();
            let it = &mut tabs[tab];
            it.phase = Phase::Live;
            let heard = it.at.replace((head, it.epoch.clone()));
            heard.filter(|_| !it.resynced).map(|(seq, _)| seq)
        };
        self.later_nudge(tab);
        self.say_what_waits(tab);
        match heard {
            Some(seq) => {
                self.counters.count("replays");
                if seq == head {
                    Ok(())
                } else {
                    Err((Checker::Seam, format!("replayed to {seq}, synced {head}")))
                }
            }
            None => Ok(()),
        }
    }

    /// An event of the log, live, replayed or as history.
    pub fn sequenced(self: &Rc<Self>, tab: usize, event: &Value) -> Result<(), (Checker, String)> {
        let seq = event["seq"].as_u64().unwrap_or(0);
        let fact = fact(event);
        let mut tabs = self.tabs.borrow_mut();
        let it = &mut tabs[tab];
        let stranger =
            event["message"]["tenantId"] != *it.tenant || event["message"]["roomId"] != *it.room_id;
        if event["type"] == "new_message" && stranger {
            return Err((Checker::Phantom, format!("of another room: {fact:?}")));
        }
        let (message, gone) = (&event["message"], if it.phase == Phase::Live { 0 } else { it.gone });
        if message.is_object() {
            it.learns(message);
        } else if event["type"] == "message_deleted" {
            it.known.iter_mut().filter(|known| known.id == fact.id).for_each(|known| known.deleted = true);
        }
        let history = it.phase != Phase::Live && (it.at.is_none() || it.resynced);
        if !history {
            let Some((at, _)) = &mut it.at else { return Err((Checker::Seam, "live before synced".into())) };
            if seq <= *at {
                return Err((Checker::Duplicated, format!("heard {seq} after {at}")));
            }
            if seq != *at + 1 {
                return Err((Checker::Seam, format!("heard {seq} after {at}")));
            }
            *at = seq;
        }
        let epoch = it.epoch.clone();
        let room = it.room;
        drop(tabs);
        let mut oracle = self.oracle.borrow_mut();
        let model = oracle.rooms.entry(room).or_default();
        if message.is_object() {
            model.shows(&Shown::of(message), gone)?;
        }
        model.hears(&epoch, seq, &fact)
    }

    pub fn acked(
        self: &Rc<Self>,
        tab: usize,
        client_id: &str,
        (seq, id, version): (Option<u64>, String, u64),
        duplicate: bool,
    ) {
        let found = {
            let mut tabs = self.tabs.borrow_mut();
            let it = &mut tabs[tab];
            let Some(place) = it.ops.iter().position(|op| op.client_id == client_id) else {
                // A second ack of what was said twice.
                return;
            };
            let op = it.ops.remove(place);
            if duplicate {
                self.counters.count("dedupe hits");
            } else if op.again && seq.is_some() && matches!(op.said, Operation::Message { .. }) {
                drop(tabs);
                let what = format!("{}: {client_id} was acked before, and is no duplicate", self.name(tab));
                return self.violation(Checker::Duplicated, what);
            }
            if let (true, Some(seq), Operation::Message { .. }) = (op.clean && !duplicate, seq, &op.said) {
                let number = op.client_id.rsplit('-').next().and_then(|n| n.parse().ok()).unwrap_or(0);
                it.order.push((number, seq));
            }
            it.acked.push(op);
            let (room, user) = (it.room, it.user.clone());
            self.counters.count(match it.acked.last().map(|op| &op.said) {
                Some(Operation::Edit { .. }) => "edits acked",
                Some(Operation::Delete { .. }) => "deletions acked",
                Some(Operation::Message { thread: Some(_), .. }) => "replies acked",
                _ => "acks",
            });
            let acked = Acked { epoch: it.epoch.clone(), seq, id, version };
            drop(tabs);
            self.oracle.borrow_mut().rooms.entry(room).or_default().acks(&user, client_id, acked)
        };
        self.found(tab, found);
        self.later_nudge(tab);
    }

    pub fn refused(self: &Rc<Self>, tab: usize, event: &Value) -> Result<(), (Checker, String)> {
        let now = self.now();
        let code = event["code"].as_str().unwrap_or_default();
        let client_id = event["clientId"].as_str().unwrap_or_default();
        let mut tabs = self.tabs.borrow_mut();
        let it = &mut tabs[tab];
        let after_ms = event["retryAfterMs"].as_u64().unwrap_or(400) + 50;
        for op in it.ops.iter_mut().filter(|op| op.client_id == client_id) {
            (op.sent_at, op.clean, op.not_before) = (None, false, now + after_ms);
        }
        let known = match code {
            "internal" | "rate_limited" | "muted" => true,
            "slow_mode" => {
                self.counters.count("messages slowed down");
                it.user != PEOPLE[0]
            }
            "moderation_blocked" => {
                let place = it.ops.iter().position(|op| op.client_id == client_id);
                let said = place.map(|place| it.ops.remove(place).said);
                self.blocked(said.as_ref())?;
                true
            }
            "room_not_found" => {
                it.turned_away();
                true
            }
            // Its message is deleted, edited meanwhile, or was in a log that is gone.
            "message_not_found" | "version_conflict" | "invalid" => {
                let refused = it.ops.iter().find(|op| op.client_id == client_id).map(|op| op.said.clone());
                if let (Some(Operation::Message { content, .. }), "invalid") = (refused, code) {
                    self.file_refused(&content);
                }
                it.ops.retain(|op| op.client_id != client_id);
                true
            }
            _ => false,
        };
        drop(tabs);
        let world = self.clone();
        self.spawn(async move {
            world.sleep(after_ms).await;
            world.nudge(tab);
        });
        if known { Ok(()) } else { Err((Checker::Answered, format!("refused {client_id}: {code}"))) }
    }

    /// Every frame is answered: an ack, an error, or the end of the connection.
    pub fn every_frame_is_answered(self: &Rc<Self>) {
        let now = self.now();
        let late: Vec<(usize, String)> = {
            let tabs = self.tabs.borrow();
            let live = tabs.iter().filter(|tab| tab.is_live());
            live.flat_map(|tab| {
                let late = |op: &&Op| op.sent_at.is_some_and(|at| now - at > ANSWER_MS);
                tab.ops.iter().filter(late).map(|op| (tab.index, op.client_id.clone()))
            })
            .collect()
        };
        for (tab, client_id) in late {
            self.violation(Checker::Answered, format!("{}: {client_id} has no answer", self.name(tab)));
            self.tabs.borrow_mut()[tab].forgives();
        }
    }

    /// Who has had a socket for a while must be told to be there.
    pub fn presence(self: &Rc<Self>, tab: usize, event: &Value) -> Result<(), (Checker, String)> {
        let online: Vec<&str> =
            event["users"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        // A slow reader hears old news.
        let slow = self.tabs.borrow()[tab].sock().is_some_and(|sock| sock.was_slow());
        let there = if slow { BTreeSet::new() } else { self.there(tab, self.now()) };
        match there.iter().find(|user| !online.contains(&user.as_str())) {
            Some(user) => Err((Checker::Presence, format!("{user} is there, online were {online:?}"))),
            None => Ok(()),
        }
    }

    pub fn left(self: &Rc<Self>, tab: usize, event: &Value) -> Result<(), (Checker, String)> {
        let user = event["userId"].as_str().unwrap_or_default();
        let told_at = event["timestamp"].as_u64().unwrap_or(0);
        match self.there(tab, told_at).contains(user) {
            true => Err((Checker::Presence, format!("{user} is there, and was told to have left"))),
            false => Ok(()),
        }
    }

    /// The people who had had an open socket for a second by then, and still have it.
    fn there(&self, tab: usize, by: UnixMs) -> BTreeSet<String> {
        let room = self.tabs.borrow()[tab].room;
        let Some(host) = host_of(self, room) else { return BTreeSet::new() };
        let sockets = host.sockets.borrow();
        let old = sockets.iter().filter(|s| !s.closing.get() && s.opened_at() + 1_000 < by);
        old.filter_map(|sock| user_of(&sock.attachment.borrow())).collect()
    }
}

impl Tab {
    fn learns(&mut self, message: &Value) {
        let shown = Shown::of(message);
        let known = Known {
            id: shown.id.to_owned(),
            user: shown.user.to_owned(),
            version: shown.version,
            is_reply: message["threadId"].is_string(),
            deleted: shown.deleted,
        };
        match self.known.iter_mut().find(|before| before.id == known.id) {
            Some(before) => *before = known,
            None => self.known.push(known),
        }
    }
}

fn fact(event: &Value) -> Fact {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let about = |user: &Value, id: &Value, said: Operation| Fact {
        user: text(user),
        client_id: None,
        id: text(id),
        said,
    };
    let (message, delta) = (&event["message"], &event["delta"]);
    match event["type"].as_str().unwrap_or_default() {
        "new_message" => Fact {
            user: text(&message["userId"]),
            client_id: message["clientId"].as_str().map(str::to_owned),
            id: text(&message["id"]),
            said: Operation::Message {
                content: String::new(),
                thread: message["threadId"].as_str().map(str::to_owned),
            },
        },
        "message_updated" => {
            let said = Operation::Edit { message: text(&message["id"]), content: String::new(), base: None };
            about(&Value::Null, &message["id"], said)
        }
        "message_deleted" => {
            let said = Operation::Delete { message: text(&event["messageId"]) };
            about(&event["deletedBy"], &event["messageId"], said)
        }
        "thread_update" => about(&Value::Null, &event["threadId"], Operation::Thread),
        kind if NEWS.contains(&kind) => {
            about(&event["by"], &Value::Null, Operation::News { event: event.to_string() })
        }
        _ => {
            let said = Operation::Reaction {
                message: text(&event["messageId"]),
                emoji: text(&delta["emoji"]),
                add: delta["action"] == "add",
            };
            about(&delta["userId"], &event["messageId"], said)
        }
    }
}

/// A frame in the words that somebody who reads a history needs.
fn told(text: &str) -> String {
    let told = |event: &Value| {
        let client = event["clientId"].as_str().map(|id| format!(" #{id}")).unwrap_or_default();
        let rest = ["users", "userId", "reason", "code", "duplicate", "noop", "delta"];
        let rest =
            rest.iter().filter(|name| !event[**name].is_null()).map(|name| format!(" {}", event[*name]));
        let seq = event["seq"].as_u64().map(|seq| format!(" {seq}")).unwrap_or_default();
        format!("{}{seq}{client}{}", event["type"].as_str().unwrap_or("?"), rest.collect::<String>())
    };
    match serde_json::from_str(text) {
        Ok(Value::Array(events)) => events.iter().map(told).collect::<Vec<_>>().join(", "),
        Ok(event) => told(&event),
        Err(_) => short(text),
    }
}
