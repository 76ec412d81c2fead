//! What a client checks in what it receives: the order of a greeting, every seq once, acks and refusals, who is online.
//! Not here: what it sends (`client`), what must be true of the room as a whole (`world::model`).

use crate::client::shorten;
use crate::plan::PEOPLE;
use crate::rate_checks::check_rate_refusal;
use crate::stored::user_of;
use crate::world::World;
use crate::world::checker::{CheckResult, Checker};
use crate::world::clients::{PendingOp, Phase, Tab};
use crate::world::content_model::Shown;
use crate::world::operation::{Acked, Fact, Operation};
use chinwag::ids::{Seq, UnixMs};
use serde_json::Value;
use std::collections::BTreeSet;
use std::rc::Rc;
use testkit::history::{Position, Rule};

/// A frame must be answered within this long on a healthy connection.
const ANSWER_MS: u64 = 3_000;

/// Events about the room and its members.
const ROOM_EVENTS: [&str; 4] = ["member_added", "member_removed", "member_updated", "room_updated"];
/// Events about messages.
const MESSAGE_EVENTS: [&str; 6] =
    ["new_message", "reaction_update", "message_updated", "message_deleted", "thread_update", "pins_updated"];

impl World {
    pub fn receive_frame(self: &Rc<Self>, tab: usize, text: &str) {
        self.recorder.trace_frame(text, || format!("{} < {}", self.clients.name(tab), summarize(text)));
        let events = match serde_json::from_str::<Value>(text) {
            Ok(Value::Array(events)) => events,
            Ok(event) => vec![event],
            Err(_) => {
                return self.recorder.violation(Checker::Phantom, format!("no JSON: {}", shorten(text)));
            }
        };
        for event in events {
            let result = self.check_event(tab, &event);
            self.recorder.check(|| self.clients.name(tab), result);
        }
    }

    fn check_event(self: &Rc<Self>, tab: usize, event: &Value) -> CheckResult {
        let kind = event["type"].as_str().unwrap_or_default();
        let phase = self.clients.tab(tab).phase;
        match (phase, kind) {
            (Phase::Joining(0), "hello") => {
                let mut it = self.clients.tab_mut(tab);
                it.epoch = event["epoch"].as_str().unwrap_or_default().into();
                (it.phase, it.resynced) = (Phase::Joining(1), false);
                it.history.clear();
                if it.position.is_none() {
                    it.pins = None;
                }
                Ok(())
            }
            (Phase::Joining(1), "online_users") => {
                self.clients.tab_mut(tab).phase = Phase::Joining(2);
                self.check_online_users(tab, event)
            }
            (Phase::Joining(2), "resync") => self.check_resync(tab, event),
            (Phase::Joining(2), "synced") => self.check_synced(tab, event),
            (Phase::Joining(2) | Phase::Live, kind)
                if MESSAGE_EVENTS.contains(&kind) || ROOM_EVENTS.contains(&kind) =>
            {
                self.check_sequenced(tab, event)
            }
            (Phase::Live, "ack") => {
                let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
                let version = event["version"].as_u64().unwrap_or(0);
                let acked = (event["seq"].as_u64(), text("messageId"), version);
                self.check_ack(tab, &text("clientId"), acked, event["duplicate"] == true);
                Ok(())
            }
            (Phase::Live, "error") => self.check_refusal(tab, event),
            (Phase::Live, "online_users") => self.check_online_users(tab, event),
            (Phase::Live, "user_left") => self.check_user_left(tab, event),
            (Phase::Live, "typing" | "user_joined" | "read_receipt" | "mute_updated") => Ok(()),
            _ => Err((Checker::Seam, format!("{kind} while {phase:?}"))),
        }
    }

    fn check_resync(&self, tab: usize, event: &Value) -> CheckResult {
        self.recorder.count("resyncs");
        let mut it = self.clients.tab_mut(tab);
        let since = it.position.take();
        (it.resynced, it.pins) = (true, None);
        let head = event["seq"].as_u64().unwrap_or(0);
        let other_log = since.as_ref().is_some_and(|(_, epoch)| *epoch != it.epoch);
        let since_seq = since.as_ref().map_or(0, |(seq, _)| *seq);
        match event["reason"].as_str() {
            Some("epoch") if other_log => Ok(()),
            Some("too_many") if self.may_be_too_many(it.room, since_seq, head) => Ok(()),
            Some("ahead") => Err((Checker::Lost, format!("the log went back: {since:?} is ahead of {head}"))),
            reason => {
                Err((Checker::Seam, format!("resync {reason:?} without reason, from {since:?} to {head}")))
            }
        }
    }

    fn check_synced(self: &Rc<Self>, tab: usize, event: &Value) -> CheckResult {
        let head = event["seq"].as_u64().unwrap_or(0);
        let replayed_to = {
            let mut it = self.clients.tab_mut(tab);
            it.phase = Phase::Live;
            let position = (head, it.epoch.clone());
            let before = it.position.replace(position);
            if before.is_none() && !it.resynced {
                self.check_history(&it, event)?;
            }
            before.filter(|_| !it.resynced).map(|(seq, _)| seq)
        };
        self.drive_tab_later(tab);
        self.send_pending(tab);
        let Some(seq) = replayed_to else { return Ok(()) };
        self.recorder.count("replays");
        match seq == head {
            true => Ok(()),
            false => Err((Checker::Seam, format!("replayed to {seq}, synced {head}"))),
        }
    }

    /// An event of the log, live, replayed or as history.
    fn check_sequenced(&self, tab: usize, event: &Value) -> CheckResult {
        let seq = event["seq"].as_u64().unwrap_or(0);
        let (fact, message) = (fact(event), &event["message"]);
        let mut it = self.clients.tab_mut(tab);
        let is_foreign = message["tenantId"] != *it.tenant || message["roomId"] != *it.room_id;
        if event["type"] == "new_message" && is_foreign {
            return Err((Checker::Phantom, format!("of another room: {fact:?}")));
        }
        let deletions = if it.phase == Phase::Live { 0 } else { it.deletions_at_connect };
        if message.is_object() {
            it.learn(message);
        } else if event["type"] == "message_deleted" {
            it.known.iter_mut().filter(|known| known.id == fact.id).for_each(|known| known.deleted = true);
            it.pins.iter_mut().for_each(|pins| pins.retain(|id| *id != fact.id));
        } else if event["type"] == "pins_updated" {
            let ids = event["messageIds"].as_array().into_iter().flatten();
            it.pins = Some(ids.filter_map(|id| id.as_str().map(str::to_owned)).collect());
        }
        if event["type"] == "new_message" && it.is_history() {
            it.history.push(seq);
        }
        it.check_next_seq(seq)?;
        let (room, epoch) = (it.room, it.epoch.clone());
        drop(it);
        self.model.room(room, |model| {
            if let Operation::Reaction { message, emoji, .. } = &fact.operation {
                model.content.check_replayed_reaction(message, emoji, deletions)?;
            }
            if message.is_object() {
                model.check_shown(&Shown::from_json(message), deletions)?;
            }
            model.check_received(&epoch, seq, &fact)
        })
    }

    pub fn check_ack(
        self: &Rc<Self>,
        tab: usize,
        client_id: &str,
        (seq, id, version): (Option<Seq>, String, u64),
        duplicate: bool,
    ) {
        let mut it = self.clients.tab_mut(tab);
        // A second ack of what was sent twice.
        let Some(op) = it.take_pending(client_id) else { return };
        let is_message = matches!(op.operation, Operation::Message { .. });
        if duplicate {
            self.recorder.count("dedupe hits");
        } else if op.repeated && seq.is_some() && is_message {
            let what = format!("{}: {client_id} was acked before, and is no duplicate", it.name());
            drop(it);
            return self.recorder.violation(Checker::Duplicated, what);
        }
        if let (true, Some(seq)) = (is_message && op.ordered && !duplicate, seq) {
            let number = op.client_id.rsplit('-').next().and_then(|n| n.parse().ok()).unwrap_or(0);
            it.order.push((number, seq));
        }
        self.recorder.count(match &op.operation {
            Operation::Edit { .. } => "edits acked",
            Operation::Delete { .. } => "deletions acked",
            Operation::Message { thread: Some(_), .. } => "replies acked",
            _ => "acks",
        });
        it.acked.push(op);
        let (room, user) = (it.room, it.user.clone());
        let acked = Acked { epoch: it.epoch.clone(), seq, id, version };
        drop(it);
        let result = self.model.room(room, |model| model.check_acked(&user, client_id, acked));
        self.recorder.check(|| self.clients.name(tab), result);
        self.drive_tab_later(tab);
    }

    fn check_refusal(self: &Rc<Self>, tab: usize, event: &Value) -> CheckResult {
        let code = event["code"].as_str().unwrap_or_default();
        let client_id = event["clientId"].as_str().unwrap_or_default();
        let after_ms = event["retryAfterMs"].as_u64().unwrap_or(400) + 50;
        let mut it = self.clients.tab_mut(tab);
        for op in it.pending.iter_mut().filter(|op| op.client_id == client_id) {
            (op.sent_at, op.ordered, op.not_before) = (None, false, self.clock.now() + after_ms);
        }
        let is_expected = match code {
            "rate_limited" => {
                check_rate_refusal(event, &self.recorder)?;
                true
            }
            "internal" | "muted" => true,
            "slow_mode" => {
                self.recorder.count("messages refused by slow mode");
                it.user != PEOPLE[0]
            }
            "moderation_blocked" => {
                let op = it.take_pending(client_id);
                self.check_blocked(op.as_ref().map(|op| &op.operation))?;
                true
            }
            "room_not_found" => {
                it.accept_removal();
                true
            }
            // The message is deleted, was edited meanwhile, or was in a log that is lost.
            "message_not_found" | "version_conflict" | "invalid" => {
                let op = it.take_pending(client_id);
                if let (Some(PendingOp { operation: Operation::Message { content, .. }, .. }), "invalid") =
                    (op, code)
                {
                    self.check_file_refused(&content);
                }
                true
            }
            _ => false,
        };
        drop(it);
        self.drive_tab_after(tab, after_ms);
        match is_expected {
            true => Ok(()),
            false => Err((Checker::Answered, format!("refused {client_id}: {code}"))),
        }
    }

    /// Every frame is answered: by an ack, an error, or the end of the connection.
    pub fn check_frames_answered(&self) {
        let now = self.clock.now();
        // A client that begins to read has first to receive what waits for it.
        let is_late =
            |op: &PendingOp, since: UnixMs| op.sent_at.is_some_and(|at| now - at.max(since) > ANSWER_MS);
        let late: Vec<(usize, String)> = {
            let tabs = self.clients.all();
            let live = tabs.iter().filter(|tab| tab.is_live());
            let late = live.flat_map(|tab| {
                let since = tab.socket.as_ref().map_or(0, |socket| socket.reading_since.get());
                let late = tab.pending.iter().filter(move |op| is_late(op, since));
                late.map(|op| (tab.index, op.client_id.clone()))
            });
            late.collect()
        };
        for (tab, client_id) in late {
            let what = format!("{}: {client_id} has no answer", self.clients.name(tab));
            self.recorder.violation(Checker::Answered, what);
            self.clients.tab_mut(tab).excuse_answers();
        }
    }

    /// Whoever has had a socket for a while must be in the list.
    fn check_online_users(&self, tab: usize, event: &Value) -> CheckResult {
        let listed: Vec<&str> =
            event["users"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        // A slow reader reads an old list.
        let is_slow = self.clients.socket(tab).is_some_and(|socket| socket.was_slow.get());
        let online = if is_slow { BTreeSet::new() } else { self.online_since(tab, self.clock.now()) };
        match online.iter().find(|user| !listed.contains(&user.as_str())) {
            Some(user) => Err((Checker::Presence, format!("{user} is online, the list is {listed:?}"))),
            None => Ok(()),
        }
    }

    fn check_user_left(&self, tab: usize, event: &Value) -> CheckResult {
        let user = event["userId"].as_str().unwrap_or_default();
        let left_at = event["timestamp"].as_u64().unwrap_or(0);
        match self.online_since(tab, left_at).contains(user) {
            true => Err((Checker::Presence, format!("{user} is online, and a user_left came"))),
            false => Ok(()),
        }
    }

    /// The people who had had an open socket for a second by then, and still have it.
    fn online_since(&self, tab: usize, by: UnixMs) -> BTreeSet<String> {
        let room = self.clients.tab(tab).room;
        let Some(host) = self.hosts.of_room(room) else { return BTreeSet::new() };
        let sockets = host.sockets.borrow();
        let old = sockets.iter().filter(|s| !s.closing.get() && s.opened_at + 1_000 < by);
        old.filter_map(|socket| user_of(&socket.attachment.borrow())).collect()
    }
}

impl Tab {
    /// Whether what comes now is history.
    fn is_history(&self) -> bool {
        self.phase != Phase::Live && (self.position.is_none() || self.resynced)
    }

    /// Live and replayed events come without gaps; history has none of the client's seqs.
    fn check_next_seq(&mut self, seq: Seq) -> CheckResult {
        if self.is_history() {
            return Ok(());
        }
        let Some((at, _)) = &mut self.position else {
            return Err((Checker::Seam, "live before synced".into()));
        };
        let mut position = Position::after(*at);
        position.advance(seq).map_err(|violation| match violation.rule {
            Rule::Once => (Checker::Duplicated, violation.what),
            _ => (Checker::Seam, violation.what),
        })?;
        *at = position.last();
        Ok(())
    }
}

fn fact(event: &Value) -> Fact {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let about = |user: &Value, id: &Value, operation: Operation| Fact {
        user: text(user),
        client_id: None,
        id: text(id),
        operation,
    };
    let (message, delta) = (&event["message"], &event["delta"]);
    match event["type"].as_str().unwrap_or_default() {
        "new_message" => Fact {
            user: text(&message["userId"]),
            client_id: message["clientId"].as_str().map(str::to_owned),
            id: text(&message["id"]),
            operation: Operation::Message {
                content: String::new(),
                thread: message["threadId"].as_str().map(str::to_owned),
            },
        },
        "message_updated" => {
            let edit = Operation::Edit { message: text(&message["id"]), content: String::new(), base: None };
            about(&Value::Null, &message["id"], edit)
        }
        "message_deleted" => {
            let delete = Operation::Delete { message: text(&event["messageId"]) };
            about(&event["deletedBy"], &event["messageId"], delete)
        }
        "pins_updated" => about(&event["by"], &Value::Null, Operation::Pins),
        "thread_update" => about(&Value::Null, &event["threadId"], Operation::Thread),
        kind if ROOM_EVENTS.contains(&kind) => {
            about(&event["by"], &Value::Null, Operation::RoomEvent { event: event.to_string() })
        }
        _ => {
            let reaction = Operation::Reaction {
                message: text(&event["messageId"]),
                emoji: text(&delta["emoji"]),
                add: delta["action"] == "add",
            };
            about(&delta["userId"], &event["messageId"], reaction)
        }
    }
}

/// What a reader of a trace needs of a frame.
fn summarize(text: &str) -> String {
    const FIELDS: [&str; 7] = ["users", "userId", "reason", "code", "duplicate", "noop", "delta"];
    let summary = |event: &Value| {
        let client = event["clientId"].as_str().map(|id| format!(" #{id}")).unwrap_or_default();
        let fields = FIELDS.iter().filter(|name| !event[**name].is_null());
        let fields: String = fields.map(|name| format!(" {}", event[*name])).collect();
        let seq = event["seq"].as_u64().map(|seq| format!(" {seq}")).unwrap_or_default();
        format!("{}{seq}{client}{fields}", event["type"].as_str().unwrap_or("?"))
    };
    match serde_json::from_str(text) {
        Ok(Value::Array(events)) => events.iter().map(summary).collect::<Vec<_>>().join(", "),
        Ok(event) => summary(&event),
        Err(_) => shorten(text),
    }
}
