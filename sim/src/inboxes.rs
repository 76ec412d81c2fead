//! Devices that follow the contract: they connect to their person's inbox, resume, and apply what they receive; and how
//! pokes travel. Not here: what they check (`inbox_checks`), their state (`world::devices`).

use crate::plan::{PEOPLE, ROOMS};
use crate::requests::{HttpRequest, TIMEOUT_MS};
use crate::world::World;
use crate::world::checker::Checker;
use crate::world::devices::{Device, InboxPhase};
use crate::world::executor::Slot;
use crate::world::hosts::Host;
use crate::world::network::{HttpOutcome, SimSocket};
use chinwag::api::{InboxRequest, Poke, Reply, RoomRequest};
use chinwag::error::Refusal;
use chinwag::ids::{Seq, UnixMs};
use chinwag::limits::{INBOX_ROOM_EVERY_MS, OBJECT_TIMEOUT_MS};
use chinwag::object::Answer;
use std::rc::Rc;

impl World {
    pub fn connect_device(self: &Rc<Self>, device: usize) {
        if let Some(mut it) = self.devices.get(device) {
            it.wants_connection = true;
        }
        self.drive_device(device);
    }

    /// Connects the device if it is due.
    pub fn drive_device(self: &Rc<Self>, device: usize) {
        let number = self.devices.number_request();
        let request = {
            let Some(mut it) = self.devices.get(device) else { return };
            let request = it.connect_request(self.clock.now());
            if request.is_some() {
                it.request = Some(number);
            }
            request
        };
        let Some(request) = request else { return };
        self.request_then(request, move |world, got| world.handle_inbox_response(device, number, got));
        let world = self.clone();
        self.clock.spawn(async move {
            world.clock.sleep(TIMEOUT_MS).await;
            world.handle_inbox_response(device, number, HttpOutcome::Failed);
        });
    }

    fn drive_device_after(self: &Rc<Self>, device: usize, ms: u64) {
        if let Some(mut it) = self.devices.get(device) {
            it.connect_at = self.clock.now() + ms;
        }
        let world = self.clone();
        self.clock.spawn(async move {
            world.clock.sleep(ms).await;
            world.drive_device(device);
        });
    }

    fn handle_inbox_response(self: &Rc<Self>, device: usize, number: u64, got: HttpOutcome) {
        let is_awaited = self.devices.get(device).is_some_and(|it| it.request == Some(number));
        match got {
            HttpOutcome::Upgraded(socket) if is_awaited => {
                let wants = self.devices.get(device).is_some_and(|mut it| {
                    (it.request, it.phase) = (None, InboxPhase::Opening);
                    it.socket = Some(socket.clone());
                    it.wants_connection
                });
                self.recorder.trace(|| format!("device {device} is connected"));
                self.read_socket(&socket);
                if !wants {
                    self.disconnect_device(device);
                }
            }
            // The client gave up.
            HttpOutcome::Upgraded(socket) => self.close_socket(&socket),
            _ if is_awaited => {
                if let Some(mut it) = self.devices.get(device) {
                    it.request = None;
                }
                self.drive_device_after(device, 500);
            }
            _ => {}
        }
    }

    /// Fails the upgrades under way: the process that had them is gone.
    pub fn fail_inbox_requests(self: &Rc<Self>) {
        for device in 0..self.devices.count() {
            let number = self.devices.get(device).and_then(|it| it.request);
            if let Some(number) = number {
                self.handle_inbox_response(device, number, HttpOutcome::Failed);
            }
        }
    }

    /// Closes the connection in good order.
    pub fn disconnect_device(self: &Rc<Self>, device: usize) {
        if let Some(mut it) = self.devices.get(device) {
            it.wants_connection = false;
        }
        if let Some(socket) = self.take_inbox_socket(device).filter(|socket| !socket.closing.get()) {
            self.close_socket(&socket);
        }
    }

    /// Closes the connection and opens another one.
    pub fn reconnect_device(self: &Rc<Self>, device: usize) {
        self.disconnect_device(device);
        if let Some(mut it) = self.devices.get(device) {
            it.wants_connection = true;
        }
        self.drive_device_after(device, 100);
    }

    /// Drops the connection without a close: to the server it looks open.
    pub fn vanish_device(self: &Rc<Self>, device: usize) {
        if let Some(socket) = self.take_inbox_socket(device) {
            socket.cut_at.set(Some(self.clock.now()));
            self.drive_device_after(device, 1_000);
        }
    }

    fn take_inbox_socket(&self, device: usize) -> Option<Rc<SimSocket>> {
        let mut it = self.devices.get(device)?;
        it.phase = InboxPhase::Offline;
        it.socket.take()
    }

    /// The connection was closed by the server, or broke.
    pub fn handle_inbox_close(self: &Rc<Self>, device: usize, code: u16) {
        self.recorder.trace(|| format!("device {device} < closed {code}"));
        drop(self.take_inbox_socket(device));
        if !matches!(code, 1000 | 1006 | 1012 | 4401 | 4408 | 4409 | 4420 | 4500) {
            self.recorder.violation(Checker::Answered, format!("device {device} closed {code}"));
        }
        self.drive_device_after(device, 300);
    }

    /// Reads a room as far as the device shows it; gives the seq.
    pub fn read_in_list(self: &Rc<Self>, device: usize, room: usize) -> Option<Seq> {
        let sent = {
            let it = self.devices.get(device).filter(|it| it.is_live())?;
            // Who is absent from the last room is notified of its messages (`log_checks`).
            let is_absent = it.user == PEOPLE[0] && room + 1 == ROOMS.len();
            let seq = it.rooms.get(ROOMS[room].1).filter(|_| ROOMS[room].0 == it.tenant && !is_absent);
            seq.and_then(|shown| shown["lastSeq"].as_u64()).zip(it.socket.clone())
        };
        let (seq, socket) = sent?;
        self.recorder.count("rooms read in a list");
        let id = ROOMS[room].1;
        self.send_frame(&socket, format!(r#"{{"type":"read","roomId":"{id}","seq":{seq}}}"#));
        Some(seq)
    }

    /// Writes a draft, newer than the one that the device shows, or older; gives its text.
    pub fn write_draft(self: &Rc<Self>, device: usize, room: usize, is_older: bool) -> Option<String> {
        let text = self.draft_text();
        let (rev, socket) = {
            let it = self.devices.get(device).filter(|it| it.is_live() && ROOMS[room].0 == it.tenant)?;
            let rev = it.drafts.get(ROOMS[room].1).map_or(1, |(_, rev)| *rev);
            // INBOX-8: a draft that was cleared is not among those that a new device gets.
            let newer = self.clock.now().max(rev + 1);
            (if is_older { rev.saturating_sub(1) } else { newer }, it.socket.clone()?)
        };
        self.recorder.count("drafts");
        let id = ROOMS[room].1;
        let frame = format!(r#"{{"type":"draft","roomId":"{id}","text":"{text}","rev":{rev}}}"#);
        self.send_frame(&socket, frame);
        Some(text)
    }

    /// The person saves the newest message that the device shows of the room, or saves it no more.
    pub fn save_message(self: &Rc<Self>, device: usize, room: usize, saves: bool) {
        let asked = self.devices.get(device).filter(|it| ROOMS[room].0 == it.tenant).and_then(|it| {
            let shown = it.rooms.get(ROOMS[room].1)?["lastMessage"]["id"].as_str()?.to_owned();
            Some((shown, it.token(self.clock.now())))
        });
        let Some((message, token)) = asked else { return };
        let path = format!("/api/chat/saved/{}/{message}", ROOMS[room].1);
        let method = if saves { http::Method::PUT } else { http::Method::DELETE };
        self.request_then(HttpRequest::new(method, path, token, None), move |world, got| match got {
            HttpOutcome::Json(200, _) => world.recorder.count("messages saved"),
            HttpOutcome::Json(401 | 404 | 429 | 500 | 503, _) | HttpOutcome::Failed => {}
            HttpOutcome::Json(status, body) => {
                let what = format!("saving {message}: {status} {body}");
                world.recorder.violation(Checker::Answered, what);
            }
            HttpOutcome::Upgraded(_) | HttpOutcome::File(_) => {}
        });
    }

    /// The device says whether its person is active.
    pub fn say_active(self: &Rc<Self>, device: usize, is_active: bool) {
        let socket = self.devices.get(device).filter(|it| it.is_live()).and_then(|it| it.socket.clone());
        let Some(socket) = socket else { return };
        self.send_frame(&socket, format!(r#"{{"type":"active","active":{is_active}}}"#));
    }

    fn draft_text(&self) -> String {
        match self.devices.random() % 4 {
            0 => String::new(),
            n => format!("draft {n} {}", self.devices.random() % 1_000),
        }
    }

    /// The host of the device's inbox.
    pub fn inbox_host(&self, device: usize) -> Option<Rc<Host>> {
        let (tenant, user) = self.devices.get(device)?.person();
        self.hosts.of_inbox(&tenant, &user)
    }

    pub fn hibernate_inbox(&self, device: usize) {
        if let Some(host) = self.inbox_host(device) {
            self.hibernate(&host);
        }
    }

    pub fn lose_inbox_storage(self: &Rc<Self>, device: usize) {
        if let Some(host) = self.inbox_host(device) {
            self.lose_storage(&host);
        }
    }

    /// Postgres forgets that the person's inbox is open.
    pub fn lose_lease(&self, device: usize) {
        let Some(key) = self.devices.get(device).map(|it| (it.tenant.to_owned(), it.user.to_owned())) else {
            return;
        };
        if self.backends.leases.borrow_mut().remove(&key).is_some() {
            self.recorder.count("leases lost");
        }
    }

    /// A poke from a room or an inbox to an inbox, which may be lost, late, or done without an answer.
    pub async fn carry_poke(self: Rc<Self>, from: Option<&Host>, poke: InboxRequest) -> bool {
        match (&poke, from) {
            (InboxRequest::Poke(poke), Some(from)) => self.check_poke_rate(from, poke),
            (InboxRequest::SavedPoke { .. }, _) => self.recorder.count("saves poked"),
            _ => self.recorder.count("partners poked"),
        }
        self.recorder.count("pokes");
        let is_unreliable = self.devices.pokes_are_unreliable.get();
        let fate = if is_unreliable { self.devices.random() >> 33 & 7 } else { 7 };
        let to_lose = self.devices.pokes_to_lose.get();
        self.devices.pokes_to_lose.set(to_lose.saturating_sub(1));
        if fate == 0 || to_lose > 0 {
            self.recorder.count("pokes lost");
            return false;
        }
        let slot: Slot<bool> = Slot::new();
        let (world, answer) = (self.clone(), slot.clone());
        self.clock.spawn(async move {
            world.clock.sleep(if fate == 1 { 3_000 } else { 1 }).await;
            let (tenant, user) = poke.owner();
            let (tenant, user) = (tenant.clone(), user.clone());
            let answered = world.request_inbox(&tenant, &user, poke).await;
            if fate == 2 {
                world.recorder.count("pokes doubled");
            }
            answer.put_if_empty(answered.is_ok() && fate != 2);
        });
        self.put_later(&slot, false);
        slot.get().await
    }

    /// What an inbox asks a room for.
    pub async fn ask_room_for_inbox(self: Rc<Self>, request: RoomRequest) -> Result<Reply, Refusal> {
        let slot: Slot<Result<Reply, Refusal>> = Slot::new();
        let (world, answer) = (self.clone(), slot.clone());
        self.clock.spawn(async move {
            answer.put_if_empty(match world.request_room(request).await {
                Ok(Answer::Reply(reply)) => Ok(reply),
                Ok(Answer::Upgraded { .. }) => Err(Refusal::fault()),
                Err(refusal) => Err(refusal),
            });
        });
        self.put_later(&slot, Err(Refusal::fault()));
        slot.get().await
    }

    /// The outcome of a request between objects that is not answered.
    fn put_later<T: 'static>(self: &Rc<Self>, slot: &Slot<T>, outcome: T) {
        let (world, slot) = (self.clone(), slot.clone());
        self.clock.spawn(async move {
            world.clock.sleep(OBJECT_TIMEOUT_MS).await;
            slot.put_if_empty(outcome);
        });
    }

    /// INBOX-5: an instance of a room pokes an inbox once a second at most.
    fn check_poke_rate(&self, from: &Host, poke: &Poke) {
        let now = self.clock.now();
        let key = (from.name.clone(), from.instance.get(), poke.user.to_string());
        let before = self.devices.poked_at.borrow_mut().insert(key, now);
        if before.is_some_and(|at: UnixMs| now < at + INBOX_ROOM_EVERY_MS) {
            let what = format!("{} pokes {} again after {before:?}", from.name, poke.user);
            self.recorder.violation(Checker::Inbox, what);
        }
    }
}

impl Device {
    fn connect_request(&self, now: UnixMs) -> Option<HttpRequest> {
        let is_idle = self.socket.is_none() && self.request.is_none();
        (self.wants_connection && is_idle && now >= self.connect_at).then(|| {
            let since = self.position.as_ref().map(|(seq, epoch)| format!("?since={seq}&epoch={epoch}"));
            HttpRequest::get(format!("/chat/inbox{}", since.unwrap_or_default()), self.token(now))
        })
    }
}
