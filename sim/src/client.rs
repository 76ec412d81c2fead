//! Clients that follow the contract: they connect, resume by `since` and `epoch`, and send again what was not acked.
//! Not here: what they check in what they receive (`client_checks`), their state (`world::clients`).

use crate::requests::HttpRequest;
use crate::world::World;
use crate::world::checker::Checker;
use crate::world::clients::{KnownMessage, PendingOp, Phase, Request, Tab, escape};
use crate::world::network::{HttpOutcome, SimSocket};
use crate::world::operation::Operation;
use chinwag::ids::UnixMs;
use serde_json::Value;
use std::rc::Rc;

/// A client sends again what was not acked within this long.
const RESEND_AFTER_MS: u64 = 10_000;
/// A bot tries a refused request again after this long.
const RETRY_AFTER_MS: u64 = 700;

impl World {
    /// Does what the tab has to do by now: connect, send what is pending.
    pub fn drive_tab(self: &Rc<Self>, tab: usize) {
        let connect = self.clients.tab(tab).connect_request(self.clock.now());
        if let Some(request) = connect {
            let room = self.clients.tab(tab).room;
            let deletions = self.model.room(room, |model| model.content.deleted.len());
            self.clients.tab_mut(tab).deletions_at_connect = deletions;
            let number = self.send_request(tab, request);
            self.clients.tab_mut(tab).requests.insert(number, Request::Connect);
        }
        self.send_pending(tab);
    }

    pub fn drive_tab_later(self: &Rc<Self>, tab: usize) {
        self.drive_tab_after(tab, 750);
    }

    pub fn drive_tab_after(self: &Rc<Self>, tab: usize, ms: u64) {
        let world = self.clone();
        self.clock.spawn(async move {
            world.clock.sleep(ms).await;
            world.drive_tab(tab);
        });
    }

    /// Sends the pending operations whose time has come.
    pub fn send_pending(self: &Rc<Self>, tab: usize) {
        let (name, socket) = (self.clients.name(tab), self.clients.socket(tab));
        let frames = self.clients.tab_mut(tab).take_due_frames(self.clock.now());
        for frame in frames {
            self.recorder.trace(|| format!("{name} > {}", shorten(&frame)));
            if let Some(socket) = &socket {
                self.send_frame(socket, frame);
            }
        }
        let post = self.clients.tab(tab).next_post(self.clock.now());
        if let Some(PendingOp { client_id, frame, .. }) = post {
            self.recorder.trace(|| format!("{name} posts {}", shorten(&frame)));
            let mut body: Value = serde_json::from_str(&frame).unwrap_or_default();
            if let Some(body) = body.as_object_mut() {
                body.remove("type");
            }
            let request = {
                let it = self.clients.tab(tab);
                HttpRequest::post(it.room_path("/messages"), it.token(self.clock.now()), body.to_string())
            };
            let number = self.send_request(tab, request);
            self.clients.tab_mut(tab).requests.insert(number, Request::Post(client_id));
        }
    }

    /// Sends something new, now or as soon as the tab can.
    pub fn send_operation(self: &Rc<Self>, tab: usize, operation: Operation) {
        if !self.clients.tab(tab).removed {
            let op = self.clients.tab_mut(tab).new_op(operation);
            self.enqueue(tab, op);
        }
    }

    /// Sends the last acked operation once more.
    pub fn repeat_operation(self: &Rc<Self>, tab: usize) {
        let op = self.clients.tab(tab).repeat_op().filter(|_| !self.clients.tab(tab).removed);
        if let Some(op) = op {
            self.enqueue(tab, op);
        }
    }

    fn enqueue(self: &Rc<Self>, tab: usize, op: PendingOp) {
        let (room, user) = {
            let it = self.clients.tab(tab);
            (it.room, it.user.clone())
        };
        self.model.room(room, |model| model.record_sent(&user, &op.client_id, &op.operation));
        self.clients.tab_mut(tab).pending.push(op);
        self.drive_tab(tab);
    }

    /// Content that nobody has sent before.
    pub fn unique_content(&self, text: &str) -> String {
        format!("{:06} {text}", self.clock.random() % 1_000_000)
    }

    /// The `nth` newest message that this tab knows and that fits.
    pub fn find_known(
        &self,
        tab: usize,
        nth: usize,
        fits: impl Fn(&Tab, &KnownMessage) -> bool,
    ) -> Option<KnownMessage> {
        let it = self.clients.tab(tab);
        it.known.iter().rev().filter(|known| fits(&it, known)).nth(nth).cloned()
    }

    pub fn handle_response(self: &Rc<Self>, tab: usize, number: u64, got: HttpOutcome) {
        let Some(request) = self.clients.tab_mut(tab).requests.remove(&number) else { return };
        match (request, got) {
            (Request::Connect, HttpOutcome::Upgraded(socket)) => self.handle_upgrade(tab, &socket),
            (Request::Connect, got) => {
                let mut it = self.clients.tab_mut(tab);
                it.connect_at = self.clock.now() + 500;
                if let HttpOutcome::Json(_, body) = got
                    && body.contains("room_not_found")
                {
                    it.accept_removal();
                }
            }
            (Request::Post(client_id), HttpOutcome::Json(200, body)) => {
                let answer: Value = serde_json::from_str(&body).unwrap_or_default();
                let message = &answer["message"];
                let seq = message["seq"].as_u64();
                let id = message["id"].as_str().unwrap_or_default().to_owned();
                self.check_ack(tab, &client_id, (seq, id, 1), answer["duplicate"] == true);
            }
            (Request::Post(client_id), HttpOutcome::Json(_, body)) => {
                self.handle_refused_post(tab, &client_id, &body);
            }
            (Request::Post(client_id), _) => self.handle_refused_post(tab, &client_id, ""),
        }
        self.drive_tab_later(tab);
    }

    fn handle_upgrade(self: &Rc<Self>, tab: usize, socket: &Rc<SimSocket>) {
        {
            let mut it = self.clients.tab_mut(tab);
            it.phase = Phase::Joining(0);
            it.socket = Some(socket.clone());
            it.resend_all();
        }
        self.recorder.trace(|| format!("{} is connected", self.clients.name(tab)));
        self.read_socket(socket);
        if !self.clients.tab(tab).wants_connection {
            self.disconnect(tab);
        }
    }

    fn handle_refused_post(self: &Rc<Self>, tab: usize, client_id: &str, body: &str) {
        let mut it = self.clients.tab_mut(tab);
        for op in it.pending.iter_mut().filter(|op| op.client_id == client_id) {
            (op.not_before, op.ordered) = (self.clock.now() + RETRY_AFTER_MS, false);
        }
        if body.contains("room_not_found") {
            it.accept_removal();
        }
        let is_blocked = body.contains("moderation_blocked");
        if !is_blocked && !body.contains("attachments") {
            return;
        }
        let Some(PendingOp { operation, .. }) = it.take_pending(client_id) else { return };
        drop(it);
        if is_blocked {
            let result = self.check_blocked(Some(&operation));
            self.recorder.check(|| self.clients.name(tab), result);
        } else if let Operation::Message { content, .. } = operation {
            self.check_file_refused(&content);
        }
    }

    /// Closes the connection in good order.
    pub fn disconnect(self: &Rc<Self>, tab: usize) {
        let socket = {
            let mut it = self.clients.tab_mut(tab);
            (it.wants_connection, it.phase) = (it.bot, Phase::Offline);
            it.socket.take()
        };
        if let Some(socket) = socket {
            self.recorder.trace(|| format!("{} disconnects", self.clients.name(tab)));
            if !socket.closing.get() {
                self.close_socket(&socket);
            }
        }
    }

    /// Drops the connection without a close: to the server it looks open.
    pub fn vanish(self: &Rc<Self>, tab: usize) {
        let socket = {
            let mut it = self.clients.tab_mut(tab);
            it.phase = Phase::Offline;
            it.connect_at = self.clock.now() + 1_000;
            it.socket.take()
        };
        if let Some(socket) = socket {
            self.recorder.trace(|| format!("{} vanishes", self.clients.name(tab)));
            socket.cut_at.set(Some(self.clock.now()));
            self.drive_tab_later(tab);
        }
    }

    /// The connection was closed by the server, or broke.
    pub fn handle_close(self: &Rc<Self>, tab: usize, code: u16) {
        self.recorder.trace(|| format!("{} < closed {code}", self.clients.name(tab)));
        {
            let mut it = self.clients.tab_mut(tab);
            (it.phase, it.socket) = (Phase::Offline, None);
            it.connect_at = self.clock.now() + 300;
        }
        match code {
            1000 | 1006 | 1012 | 4401 | 4408 | 4409 | 4420 | 4429 | 4500 => {}
            4403 => self.clients.tab_mut(tab).accept_removal(),
            4410 if self.accept_room_deletion(tab) => return,
            _ => {
                let what = format!("{} closed {code}", self.clients.name(tab));
                self.recorder.violation(Checker::Answered, what);
            }
        }
        self.drive_tab_later(tab);
    }
}

impl Tab {
    pub fn is_connecting(&self) -> bool {
        self.requests.values().any(|request| matches!(request, Request::Connect))
    }

    fn connect_request(&self, now: UnixMs) -> Option<HttpRequest> {
        let due = self.wants_connection && !self.bot && self.socket.is_none() && now >= self.connect_at;
        (due && !self.is_connecting()).then(|| {
            let since = self.position.as_ref().map(|(seq, epoch)| format!("&since={seq}&epoch={epoch}"));
            let path = format!("/chat?roomId={}{}", escape(&self.room_id), since.unwrap_or_default());
            HttpRequest::get(path, self.token(now))
        })
    }

    /// The frames of a live tab that are new, or have been without an answer for long.
    fn take_due_frames(&mut self, now: UnixMs) -> Vec<String> {
        let is_open = self.socket.as_ref().is_some_and(|socket| !socket.closing.get());
        if self.bot || self.phase != Phase::Live || !is_open {
            return Vec::new();
        }
        let mut frames = Vec::new();
        for op in self.pending.iter_mut().filter(|op| now >= op.not_before) {
            if op.sent_at.is_none_or(|at| now - at >= RESEND_AFTER_MS) {
                op.ordered &= op.sent_at.is_none();
                op.sent_at = Some(now);
                frames.push(op.frame.clone());
            }
        }
        frames
    }

    /// The next operation of a bot, which posts one at a time.
    fn next_post(&self, now: UnixMs) -> Option<PendingOp> {
        let posting = self.requests.values().any(|request| matches!(request, Request::Post(_)));
        if !self.bot || !self.wants_connection || posting || self.removed {
            return None;
        }
        self.pending.iter().find(|op| now >= op.not_before).cloned()
    }
}

/// The beginning of a text, for traces.
pub fn shorten(text: &str) -> String {
    text.chars().take(160).collect()
}
