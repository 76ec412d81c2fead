//! Clients as they ought to be: one tab or bot each, that resumes by `since` and `epoch`, says again what wasn't acked,
//! and checks everything it hears. Not here: networks (`world`), what must be true of a room as a whole (`oracle`).

use crate::files::file_in;
use crate::network::SimSocket;
use crate::oracle::{Checker, Operation};
use crate::worker::token;
use crate::world::World;
use chinwag::ids::UnixMs;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::rc::Rc;

/// What came of an HTTP request.
pub enum HttpOutcome {
    Upgraded(Rc<SimSocket>),
    Json(u16, String),
    File(Vec<u8>),
    /// No answer, or the connection broke.
    Failed,
}

/// What a request was for.
#[derive(Clone, Debug)]
pub enum Wish {
    Dial,
    Post(String),
}

#[derive(Clone, Debug)]
pub struct Op {
    pub client_id: String,
    pub said: Operation,
    pub frame: String,
    /// On the present connection.
    pub sent_at: Option<UnixMs>,
    /// Not again before this.
    pub not_before: UnixMs,
    /// Said once, and neither refused nor said again: its order counts.
    pub clean: bool,
    /// For its own sake: it was acked before.
    pub again: bool,
}

/// A message as a client knows it.
#[derive(Clone, Debug)]
pub struct Known {
    pub id: String,
    pub user: String,
    pub version: u64,
    pub is_reply: bool,
    pub deleted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Phase {
    Apart,
    Greeted(u8),
    Live,
}

pub struct Tab {
    pub index: usize,
    pub room: usize,
    pub tenant: String,
    pub room_id: String,
    pub user: String,
    /// Apart from the person's other tabs.
    pub number: usize,
    pub batches: bool,
    /// Talks over REST and hears nothing.
    pub bot: bool,
    /// Its tokens last this long.
    pub token_ms: u64,
    /// Wants to be in the room.
    pub wants: bool,
    pub removed: bool,
    pub sock: Option<Rc<SimSocket>>,
    pub wishes: BTreeMap<u64, Wish>,
    pub redial_at: UnixMs,
    pub phase: Phase,
    /// Everything up to here was heard, in this log.
    pub at: Option<(u64, String)>,
    /// The epoch that the present `hello` named.
    pub epoch: String,
    pub resynced: bool,
    pub ops: Vec<Op>,
    pub said: u64,
    /// Messages that can be reacted to, replied to, edited, deleted.
    pub known: Vec<Known>,
    /// How many deletions had been acked when it last dialled.
    pub gone: usize,
    /// Acked seqs of clean messages, in the order in which they were said.
    pub order: Vec<(u64, u64)>,
    pub acked: Vec<Op>,
}

/// A careful client says again what wasn't acked by then.
const AGAIN_MS: u64 = 10_000;

impl Tab {
    pub fn new(
        index: usize,
        (room, tenant, room_id): (usize, &str, &str),
        user: &str,
        number: usize,
    ) -> Self {
        Self {
            index,
            room,
            tenant: tenant.into(),
            room_id: room_id.into(),
            user: user.into(),
            number,
            batches: true,
            bot: false,
            token_ms: 3_600_000,
            wants: false,
            removed: false,
            sock: None,
            wishes: BTreeMap::new(),
            redial_at: 0,
            phase: Phase::Apart,
            at: None,
            epoch: String::new(),
            resynced: false,
            ops: Vec::new(),
            said: 0,
            known: Vec::new(),
            gone: 0,
            order: Vec::new(),
            acked: Vec::new(),
        }
    }

    pub fn has(&self, sock: &Rc<SimSocket>) -> bool {
        self.sock.as_ref().is_some_and(|mine| Rc::ptr_eq(mine, sock))
    }

    pub fn sock(&self) -> Option<Rc<SimSocket>> {
        self.sock.clone()
    }

    pub fn is_live(&self) -> bool {
        self.phase == Phase::Live && self.sock.as_ref().is_some_and(|sock| sock.hears())
    }

    pub fn heard_to(&self) -> Option<(u64, &str)> {
        self.at.as_ref().map(|(seq, epoch)| (*seq, epoch.as_str()))
    }

    pub fn requests(&self) -> impl Iterator<Item = u64> + '_ {
        self.wishes.keys().copied()
    }

    /// What is under way may stay without an answer.
    pub fn forgives(&mut self) {
        self.ops.iter_mut().for_each(|op| {
            op.sent_at = None;
            op.clean = false;
        });
    }

    pub fn token(&self, now: UnixMs) -> String {
        token(&self.tenant, &self.user, now + self.token_ms)
    }

    pub fn ask(&self, said: Operation, again: Option<Op>) -> Op {
        let client_id = again
            .as_ref()
            .map_or_else(|| format!("{}-{}", self.number, self.said), |op| op.client_id.clone());
        let mut frame = match &said {
            Operation::Message { content, thread } => {
                json!({"type": "message", "content": content, "threadId": thread})
            }
            Operation::Edit { message, content, base } => {
                json!({"type": "edit", "messageId": message, "content": content, "baseVersion": base})
            }
            Operation::Delete { message } => json!({"type": "delete", "messageId": message}),
            Operation::Reaction { message, emoji, add } => {
                let action = if *add { "add" } else { "remove" };
                json!({"type": "reaction", "messageId": message, "emoji": emoji, "action": action})
            }
            Operation::Thread | Operation::News { .. } => Value::Null,
        };
        frame["clientId"] = json!(client_id);
        if let Operation::Message { content, .. } = &said
            && let Some(file) = file_in(content)
        {
            frame["attachments"] = json!([{"id": file}]);
        }
        let (frame, clean, again) = (frame.to_string(), again.is_none(), again.is_some());
        Op { client_id, said, frame, sent_at: None, not_before: 0, clean, again }
    }
}

impl World {
    pub fn found(self: &Rc<Self>, tab: usize, found: Result<(), (Checker, String)>) {
        if let Err((checker, what)) = found {
            let who = self.name(tab);
            self.violation(checker, format!("{who}: {what}"));
        }
    }

    pub fn name(&self, tab: usize) -> String {
        let tab = &self.tabs.borrow()[tab];
        format!("{}{}@{}", tab.user, tab.number, tab.room)
    }

    // --- Coming and going -------------------------------------------------------------------------

    /// Does what the tab has to do by now: dial, say what waits.
    pub fn nudge(self: &Rc<Self>, tab: usize) {
        let now = self.now();
        let dial = {
            let tabs = self.tabs.borrow();
            let it = &tabs[tab];
            let dialing = it.wishes.values().any(|wish| matches!(wish, Wish::Dial));
            (it.wants && !it.bot && it.sock.is_none() && !dialing && now >= it.redial_at).then(|| {
                let since = it.at.as_ref().map(|(seq, epoch)| format!("&since={seq}&epoch={epoch}"));
                let room: String = it.room_id.bytes().map(|b| format!("%{b:02x}")).collect();
                (format!("/chat?roomId={room}{}", since.unwrap_or_default()), it.token(now))
            })
        };
        if let Some((path, token)) = dial {
            let room = self.tabs.borrow()[tab].room;
            let gone = self.oracle.borrow().rooms.get(&room).map_or(0, |room| room.words.gone.len());
            self.tabs.borrow_mut()[tab].gone = gone;
            let number = self.request(tab, http::Method::GET, &path, &token, None);
            self.tabs.borrow_mut()[tab].wishes.insert(number, Wish::Dial);
        }
        self.say_what_waits(tab);
    }

    pub fn say_what_waits(self: &Rc<Self>, tab: usize) {
        let now = self.now();
        let (mut frames, mut posts) = (Vec::new(), Vec::new());
        let sock = {
            let mut tabs = self.tabs.borrow_mut();
            let it = &mut tabs[tab];
            let live = it.phase == Phase::Live && it.sock.as_ref().is_some_and(|sock| !sock.closing.get());
            let posted: Vec<&String> = it
                .wishes
                .values()
                .filter_map(|w| if let Wish::Post(id) = w { Some(id) } else { None })
                .collect();
            let posted: Vec<String> = posted.into_iter().cloned().collect();
            for op in it.ops.iter_mut().filter(|op| now >= op.not_before) {
                let silent = op.sent_at.is_none_or(|at| now - at >= AGAIN_MS);
                if it.bot && it.wants && posted.is_empty() && posts.is_empty() && !it.removed {
                    posts.push(op.clone());
                } else if !it.bot && live && silent {
                    op.clean &= op.sent_at.is_none();
                    op.sent_at = Some(now);
                    frames.push(op.clone());
                }
            }
            it.sock.clone()
        };
        for op in frames {
            self.trace(|| format!("{} > {}", self.name(tab), short(&op.frame)));
            if let Some(sock) = &sock {
                self.send_frame(sock, op.frame);
            }
        }
        for op in posts {
            let (path, token) = {
                let it = &self.tabs.borrow()[tab];
                let room: String = it.room_id.bytes().map(|b| format!("%{b:02x}")).collect();
                (format!("/api/chat/rooms/{room}/messages"), it.token(now))
            };
            self.trace(|| format!("{} posts {}", self.name(tab), short(&op.frame)));
            let mut body: Value = serde_json::from_str(&op.frame).unwrap_or_default();
            if let Some(body) = body.as_object_mut() {
                body.remove("type");
            }
            let number = self.request(tab, http::Method::POST, &path, &token, Some(body.to_string()));
            self.tabs.borrow_mut()[tab].wishes.insert(number, Wish::Post(op.client_id));
        }
    }

    /// Has something new to say, or one thing that was acked to say again.
    pub fn has_to_say(self: &Rc<Self>, tab: usize, said: Option<Operation>) {
        {
            let mut tabs = self.tabs.borrow_mut();
            let it = &mut tabs[tab];
            if it.removed {
                return;
            }
            let op = match said {
                Some(said) => {
                    it.said += 1;
                    it.ask(said, None)
                }
                None => match it.acked.last().cloned() {
                    Some(op) if !it.ops.iter().any(|known| known.client_id == op.client_id) => {
                        it.ask(op.said.clone(), Some(op))
                    }
                    _ => return,
                },
            };
            let mut oracle = self.oracle.borrow_mut();
            oracle.rooms.entry(it.room).or_default().says(&it.user, &op.client_id, &op.said);
            it.ops.push(op);
        }
        self.nudge(tab);
    }

    pub fn answered(self: &Rc<Self>, tab: usize, number: u64, got: HttpOutcome) {
        let Some(wish) = self.tabs.borrow_mut()[tab].wishes.remove(&number) else { return };
        match (wish, got) {
            (Wish::Dial, HttpOutcome::Upgraded(sock)) => {
                let mut tabs = self.tabs.borrow_mut();
                let it = &mut tabs[tab];
                it.phase = Phase::Greeted(0);
                it.sock = Some(sock.clone());
                it.ops.iter_mut().for_each(|op| {
                    op.clean &= op.sent_at.is_none();
                    op.sent_at = None;
                });
                drop(tabs);
                self.trace(|| format!("{} is connected", self.name(tab)));
                self.pump(&sock);
                if !self.tabs.borrow()[tab].wants {
                    self.hangs_up(tab);
                }
            }
            (Wish::Dial, got) => {
                let mut tabs = self.tabs.borrow_mut();
                let it = &mut tabs[tab];
                it.redial_at = self.now() + 500;
                if let HttpOutcome::Json(_, body) = got
                    && body.contains("room_not_found")
                {
                    it.turned_away();
                }
            }
            (Wish::Post(client_id), HttpOutcome::Json(200, body)) => {
                let answer: Value = serde_json::from_str(&body).unwrap_or_default();
                let message = &answer["message"];
                let seq = message["seq"].as_u64();
                let id = message["id"].as_str().unwrap_or_default().to_owned();
                self.acked(tab, &client_id, (seq, id, 1), answer["duplicate"] == true);
            }
            (Wish::Post(client_id), got) => {
                let now = self.now();
                let mut tabs = self.tabs.borrow_mut();
                let it = &mut tabs[tab];
                for op in it.ops.iter_mut().filter(|op| op.client_id == client_id) {
                    (op.not_before, op.clean) = (now + 700, false);
                }
                let body = if let HttpOutcome::Json(_, body) = got { body } else { String::new() };
                if body.contains("room_not_found") {
                    it.turned_away();
                }
                if body.contains("moderation_blocked")
                    && let Some(place) = it.ops.iter().position(|op| op.client_id == client_id)
                {
                    let said = it.ops.remove(place).said;
                    drop(tabs);
                    let found = self.blocked(Some(&said));
                    self.found(tab, found);
                } else if body.contains("attachments")
                    && let Some(place) = it.ops.iter().position(|op| op.client_id == client_id)
                    && let Operation::Message { content, .. } = it.ops.remove(place).said
                {
                    drop(tabs);
                    self.file_refused(&content);
                }
            }
        }
        self.later_nudge(tab);
    }

    pub fn later_nudge(self: &Rc<Self>, tab: usize) {
        let world = self.clone();
        self.spawn(async move {
            world.sleep(750).await;
            world.nudge(tab);
        });
    }

    /// Leaves in good order.
    pub fn hangs_up(self: &Rc<Self>, tab: usize) {
        let sock = {
            let mut tabs = self.tabs.borrow_mut();
            let it = &mut tabs[tab];
            (it.wants, it.phase) = (it.bot, Phase::Apart);
            it.sock.take()
        };
        if let Some(sock) = sock {
            self.trace(|| format!("{} leaves", self.name(tab)));
            if !sock.closing.get() {
                self.leave(&sock);
            }
        }
    }

    /// Goes without a word; its connection looks open to the server.
    pub fn goes_dark(self: &Rc<Self>, tab: usize) {
        let sock = {
            let mut tabs = self.tabs.borrow_mut();
            tabs[tab].phase = Phase::Apart;
            tabs[tab].redial_at = self.now() + 1_000;
            tabs[tab].sock.take()
        };
        if let Some(sock) = sock {
            self.trace(|| format!("{} vanishes", self.name(tab)));
            self.vanish(&sock);
            self.later_nudge(tab);
        }
    }

    pub fn closed(self: &Rc<Self>, tab: usize, code: u16) {
        self.trace(|| format!("{} < closed {code}", self.name(tab)));
        {
            let mut tabs = self.tabs.borrow_mut();
            let it = &mut tabs[tab];
            (it.phase, it.sock) = (Phase::Apart, None);
            it.redial_at = self.now() + 300;
            match code {
                1000 | 1006 | 1012 | 4401 | 4408 | 4409 | 4420 | 4429 | 4500 => {}
                4403 => it.turned_away(),
                _ => {
                    drop(tabs);
                    if code == 4410 && self.closed_out(tab) {
                        return;
                    }
                    self.violation(Checker::Answered, format!("{} closed {code}", self.name(tab)));
                }
            }
        }
        self.later_nudge(tab);
    }
}

impl Tab {
    /// Is no member any more, as far as the server says.
    pub fn turned_away(&mut self) {
        if self.removed {
            self.wants = false;
            self.ops.clear();
        }
    }
}

pub fn short(text: &str) -> String {
    text.chars().take(160).collect()
}
