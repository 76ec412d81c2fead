//! A client that keeps sending through faults: resumes by `since` and `epoch`, retries what wasn't acked, and checks
//! every event that it receives.

use super::checks::{Log, seq};
use super::client::{Client, text};
use super::{Tenant, eventually};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};
use testkit::history::Stream;
use tokio::sync::watch;

/// As many as 3 clients can have in flight without a replay of more than 1,000 events.
const IN_FLIGHT_MAX: usize = 50;

/// Applies a reaction to the message as it is shown: at most 20 people react in these tests.
fn apply_reaction(message: &mut Value, event: &Value) {
    let (user, emoji) = (&event["delta"]["userId"], text(&event["delta"]["emoji"]));
    let users = message["reactions"][&emoji].as_array().cloned().unwrap_or_default();
    let mut users: Vec<Value> = users.into_iter().filter(|known| known != user).collect();
    if event["delta"]["action"] == "add" {
        users.push(user.clone());
    }
    if event["count"] == 0 {
        for shown in ["reactions", "reactionCounts"] {
            message[shown].as_object_mut().expect("an object").remove(&emoji);
        }
        return;
    }
    message["reactions"][&emoji] = json!(users);
    message["reactionCounts"][&emoji] = event["count"].clone();
}

/// What a client sends, and how.
#[derive(Clone)]
pub struct LoadClientPlan {
    pub tenant: Tenant,
    pub room: String,
    pub user: String,
    /// Between two messages. A message that wasn't acked is retried on the next connection.
    pub pace: Duration,
    pub stop: watch::Receiver<Phase>,
    /// Counts acks, over all clients.
    pub acked: watch::Sender<u64>,
    /// Counts synced connections, over all clients.
    pub synced: watch::Sender<u64>,
    /// Every fifth operation is a reaction to the newest message.
    pub reacts: bool,
    /// Replies in threads, edits and deletes its own messages.
    pub edits: bool,
    /// A proxy before the stack.
    pub through: Option<String>,
    /// Doesn't retry the oldest unacked message of a connection: whether it is in the log stays unknown.
    pub gives_up: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Phase {
    Send,
    /// Send nothing new, and wait until everything is acked.
    Settle,
    /// Leave once everything up to here is received.
    LeaveAt(u64),
}

/// What a client reports at its end.
#[derive(Default)]
pub struct LoadReport {
    /// `user/clientId` → seq.
    pub acks: BTreeMap<String, u64>,
    pub received: Log,
    /// When an operation was sent first, and how long its ack took.
    pub ack_times: Vec<(Instant, Duration)>,
    pub connections: u32,
    /// `user/clientId` of everything that was ever sent.
    pub invoked: BTreeSet<String>,
    /// Acks of reactions.
    pub reacted: u64,
    /// By the message's id: the newest acked edit's seq and what it says.
    pub edited: BTreeMap<String, (u64, String)>,
    /// Ids of messages whose deletion was acked.
    pub deleted: BTreeSet<String>,
    /// Errors that were received.
    pub refused: u64,
    /// `user/clientId` of what was never acked and not retried.
    pub unknown: BTreeSet<String>,
}

struct LoadClient {
    plan: LoadClientPlan,
    report: LoadReport,
    waiting: VecDeque<(String, Value, Instant)>,
    /// The last seq received and the log's epoch.
    at: Option<(u64, String)>,
    /// What the present connection received.
    stream: Stream,
    sent: u32,
    /// The id of the newest message received.
    newest: Option<Value>,
    /// The id of the newest message received that is in no thread.
    root: Option<Value>,
    /// Ids of my own messages that I may still edit or delete, newest last.
    mine: Vec<String>,
}

/// Talks until report to stop, and has then received everything up to the given head.
pub async fn run_load_client(plan: LoadClientPlan) -> LoadReport {
    let (report, waiting) = (LoadReport::default(), VecDeque::new());
    let (mine, root) = (Vec::new(), None);
    let mut client = LoadClient {
        plan,
        report,
        waiting,
        at: None,
        stream: Stream::new(None),
        sent: 0,
        newest: None,
        root,
        mine,
    };
    loop {
        let socket = client.connect().await;
        if client.run_connection(socket).await {
            return client.report;
        }
    }
}

impl LoadClient {
    async fn connect(&mut self) -> Client {
        let dial = self.plan.tenant.dial(&self.plan.room, &self.plan.user);
        let dial = match &self.at {
            None => dial.and("history=0"),
            Some((since, epoch)) => dial.and(&format!("since={since}&epoch={epoch}")),
        };
        let dial = match &self.plan.through {
            Some(host) => dial.through(host),
            None => dial,
        };
        self.report.connections += 1;
        self.stream = Stream::new(self.at.as_ref().map(|(since, _)| *since));
        if self.plan.gives_up
            && let Some((client_id, ..)) = self.waiting.pop_front()
        {
            self.report.unknown.insert(format!("{}/{client_id}", self.plan.user));
        }
        eventually("the room takes me back", Duration::from_secs(40), || dial.try_open()).await
    }

    /// Runs one connection; true when everything is sent, acked and received.
    async fn run_connection(&mut self, mut client: Client) -> bool {
        let mut next = tokio::time::interval(self.plan.pace);
        next.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut stop = self.plan.stop.clone();
        let mut synced = false;
        loop {
            let now = *stop.borrow_and_update();
            let received = self.at.as_ref().map_or(0, |(seq, _)| *seq);
            if synced && self.waiting.is_empty() && matches!(now, Phase::LeaveAt(head) if received >= head) {
                client.leave().await;
                return true;
            }
            tokio::select! {
                event = client.event_or_closed() => {
                    let Some(event) = event else { return false };
                    self.receive(&event);
                    if event["type"] == "error" {
                        self.report.refused += 1;
                        if self.refused_for_good(&event) {
                            continue;
                        }
                        // An operation failed; the next connection retries what isn't acked.
                        client.leave().await;
                        return false;
                    }
                    if event["type"] == "synced" {
                        synced = true;
                        self.plan.synced.send_modify(|count| *count += 1);
                        for (_, frame, _) in &self.waiting {
                            client.send(frame.clone()).await;
                        }
                    }
                }
                _ = next.tick(), if synced && now == Phase::Send && self.waiting.len() < IN_FLIGHT_MAX => {
                    let frame = self.next_operation();
                    client.send(frame).await;
                }
                changed = stop.changed() => changed.expect("the test still runs"),
            }
        }
    }

    fn next_operation(&mut self) -> Value {
        self.sent += 1;
        if let Some(id) = self.newest.take_if(|_| self.plan.reacts && self.sent.is_multiple_of(5)) {
            let client_id = format!("r{}", self.sent);
            let action = if self.sent.is_multiple_of(10) { "remove" } else { "add" };
            let frame = json!({"type": "reaction", "messageId": id, "emoji": "👍", "action": action, "clientId": client_id});
            self.waiting.push_back((client_id, frame.clone(), Instant::now()));
            return frame;
        }
        if let Some(frame) = self.next_edit_or_deletion() {
            return frame;
        }
        let client_id = format!("c{}", self.sent);
        self.report.invoked.insert(format!("{}/{client_id}", self.plan.user));
        let content = format!("{} says {}", self.plan.user, self.sent);
        let mut frame = json!({"type": "message", "content": content, "clientId": client_id});
        if let Some(root) = self.root.as_ref().filter(|_| self.plan.edits && self.sent.is_multiple_of(4)) {
            frame["threadId"] = root.clone();
        }
        self.waiting.push_back((client_id, frame.clone(), Instant::now()));
        frame
    }

    fn next_edit_or_deletion(&mut self) -> Option<Value> {
        let edits = self.plan.edits && self.mine.len() > 3;
        let (client_id, frame) = if edits && self.sent.is_multiple_of(11) {
            // From the middle, so that it often has replies and reactions already.
            let id = self.mine.remove(self.mine.len() / 2);
            let client_id = format!("d{}", self.sent);
            (client_id.clone(), json!({"type": "delete", "messageId": id, "clientId": client_id}))
        } else if edits && self.sent.is_multiple_of(3) {
            let id = &self.mine[self.sent as usize % self.mine.len()];
            let client_id = format!("e{}", self.sent);
            let content = format!("{} says rather {}", self.plan.user, self.sent);
            (
                client_id.clone(),
                json!({"type": "edit", "messageId": id, "content": content, "clientId": client_id}),
            )
        } else {
            return None;
        };
        self.waiting.push_back((client_id, frame.clone(), Instant::now()));
        Some(frame)
    }

    /// Forgets an operation about a message that was deleted meanwhile.
    fn refused_for_good(&mut self, event: &Value) -> bool {
        let gone = event["code"] == "message_not_found" || event["field"] == "threadId";
        let place = self.waiting.iter().position(|(id, ..)| event["clientId"] == **id).filter(|_| gone);
        let Some((client_id, ..)) = place.and_then(|place| self.waiting.remove(place)) else { return false };
        self.report.invoked.remove(&format!("{}/{client_id}", self.plan.user));
        true
    }

    /// What somebody's screen would show: everything received, applied in its order.
    fn apply(&mut self, event: &Value) {
        let id = if event["threadId"].is_string() { &event["threadId"] } else { &event["messageId"] };
        let changed = &event["message"];
        let id = if changed.is_object() { &changed["id"] } else { id };
        if event["type"] == "message_deleted" {
            self.mine.retain(|mine| *id != **mine);
            self.root.take_if(|root| root == id);
            self.newest.take_if(|newest| newest == id);
        }
        let Some(message) = self.report.received.values_mut().find(|message| message["id"] == *id) else {
            return;
        };
        match event["type"].as_str().unwrap_or_default() {
            "message_updated" => *message = changed.clone(),
            "message_deleted" => {
                let gone = json!({"content": "", "attachments": [], "mentions": [], "mentionsRoom": false, "reactions": {}, "reactionCounts": {}, "editedBy": null});
                for (name, value) in gone.as_object().expect("an object") {
                    message[name] = value.clone();
                }
                message["deletedBy"] = event["deletedBy"].clone();
                // The event doesn't say when.
                message["deletedAt"] = json!(true);
            }
            "reaction_update" => apply_reaction(message, event),
            _ => {
                (message["replyCount"], message["lastReplyAt"]) =
                    (event["replyCount"].clone(), event["lastReplyAt"].clone());
            }
        }
    }

    fn receive(&mut self, event: &Value) {
        let me = &self.plan.user;
        self.stream.receive(event).unwrap_or_else(|wrong| panic!("{me}: {wrong}"));
        match event["type"].as_str().unwrap_or_default() {
            "hello" => {
                let epoch = text(&event["epoch"]);
                let known = self.at.as_ref().map_or(&epoch, |(_, epoch)| epoch);
                assert_eq!(&epoch, known, "{me}: the log is another one");
            }
            "new_message" => {
                self.report.received.insert(seq(event), event["message"].clone());
                let message = &event["message"];
                if message["deletedAt"].is_null() {
                    self.newest = Some(message["id"].clone());
                    self.root =
                        self.newest.clone().filter(|_| message["threadId"].is_null()).or(self.root.take());
                    if message["userId"] == **me {
                        self.mine.push(text(&message["id"]));
                    }
                }
                self.at.as_mut().expect("after synced").0 = seq(event);
                // After a reconnect the ack may have gone to the socket that broke.
                let mine = event["message"]["userId"] == **me && self.report.connections == 1;
                let unacked = self.waiting.iter().any(|(id, ..)| event["clientId"] == **id);
                assert!(!(mine && unacked), "{me}: an ack comes before its message: {event}");
            }
            "reaction_update" | "message_updated" | "message_deleted" | "thread_update" | "member_added"
            | "member_removed" | "member_updated" | "room_updated" => {
                self.at.as_mut().expect("after synced").0 = seq(event);
                self.apply(event);
            }
            "ack" => self.acked(event),
            "error" if event["retryable"] == true || self.plan.edits => {}
            "error" | "resync" => panic!("{me}: {event}"),
            _ => {}
        }
        if self.at.is_none() && event["type"] == "hello" {
            self.at = Some((seq(event), text(&event["epoch"])));
        }
    }

    fn acked(&mut self, ack: &Value) {
        let client_id = text(&ack["clientId"]);
        if let Some(place) = self.waiting.iter().position(|(id, ..)| *id == client_id) {
            let (_, _, sent) = self.waiting.remove(place).expect("it is there");
            self.report.ack_times.push((sent, sent.elapsed()));
            self.plan.acked.send_modify(|count| *count += 1);
        }
        let id = text(&ack["messageId"]);
        match client_id.chars().next() {
            Some('r') => return self.report.reacted += 1,
            Some('d') => {
                self.report.deleted.insert(id);
                return;
            }
            Some('e') => {
                let newest = self.report.edited.entry(id).or_default();
                let content = format!("{} says rather {}", self.plan.user, &client_id[1..]);
                return *newest = std::mem::take(newest).max((seq(ack), content));
            }
            _ => {}
        }
        let before = self.report.acks.insert(format!("{}/{client_id}", self.plan.user), seq(ack));
        assert!(before.is_none_or(|before| before == seq(ack)), "acked at another seq: {ack}");
    }
}
