//! What a device checks in what it receives, and what it must show: every event of the inbox once and in order, and once
//! the faults end what Postgres says (INBOX-1 to INBOX-6). Not here: what devices do (`inboxes`).

use crate::client::shorten;
use crate::inbox_rows;
use crate::plan::{OwnerRequest, PostgresFault, ROOMS};
use crate::saved_checks::check_saved;
use crate::scheduler::EVICTED_AFTER_MS;
use crate::stored::lag;
use crate::world::World;
use crate::world::checker::{CheckResult, Checker};
use crate::world::devices::{Device, InboxPhase};
use crate::world::operation::Operation;
use chinwag::limits::{INBOX_RENEW_MS, MARKERS_WAIT_MS};
use serde_json::Value;
use std::collections::BTreeMap;
use std::rc::Rc;

/// What changes shows within this, unless a fault is in the way: a poke a second, a question a second.
const SHOWN_WITHIN_MS: u64 = 2_500;
/// PRES-7.
const PRESENT_WITHIN_MS: u64 = 30_000;
/// INBOX-6: after the return of Postgres.
const RIGHT_WITHIN_MS: u64 = 30_000;
/// A tab that sends into each room of the devices' tenant.
const SENDERS: [(usize, usize); 2] = [(0, 0), (2, 7)];

impl World {
    pub fn receive_inbox_frame(self: &Rc<Self>, device: usize, text: &str) {
        self.recorder.trace_frame(text, || format!("device {device} < {}", shorten(text)));
        let events: Vec<Value> = serde_json::from_str(text).unwrap_or_default();
        for event in events {
            let result = match self.devices.get(device) {
                Some(mut it) => it.receive(&event),
                None => return,
            };
            match result {
                Ok(counted) => counted.into_iter().for_each(|name| self.recorder.count(name)),
                Err(what) => self.recorder.violation(Checker::Inbox, format!("device {device}: {what}")),
            }
            if event["type"] == "rooms" {
                self.load_saved(device);
                self.begin_notifications(device);
            }
            if event["type"] == "notification" {
                self.check_notification(device, &event);
            }
            if event["type"] == "resync" {
                return self.reconnect_device(device);
            }
        }
    }

    fn list_of(&self, device: usize) -> Option<BTreeMap<String, Value>> {
        let it = self.devices.get(device)?;
        let rooms = self.backends.rooms.borrow();
        let mine = rooms.iter().filter(|((tenant, _), _)| tenant == it.tenant);
        let mine =
            mine.filter_map(|((_, id), rows)| Some((id.clone(), inbox_rows::room(rows, id, it.user)?)));
        let direct = inbox_rows::direct_room(it.tenant, it.user).map(|room| (text(&room["id"]), room));
        Some(mine.chain(direct).collect())
    }

    /// Every device shows what Postgres says.
    fn shows_the_list(&self) -> CheckResult {
        for device in 0..self.devices.count() {
            let list = self.list_of(device).unwrap_or_default();
            let Some(it) = self.devices.get(device) else { continue };
            if !it.is_live() {
                return Err((Checker::Inbox, format!("device {device} is {:?}", it.phase)));
            }
            if it.rooms != list {
                return Err((Checker::Inbox, format!("device {device}: {}", difference(&it.rooms, &list))));
            }
        }
        Ok(())
    }

    /// The first person's devices show this of the other one, who has one device.
    fn expect_presence_of_bob(self: &Rc<Self>, expected: &str) {
        self.expect_shown(&[0, 1], expected);
    }

    /// All devices show this of the other person.
    fn expect_presence(self: &Rc<Self>, expected: &str) {
        self.expect_shown(&[0, 1, 2], expected);
    }

    fn expect_shown(self: &Rc<Self>, devices: &[usize], expected: &str) {
        let wrong = || {
            devices.iter().find_map(|device| {
                let it = self.devices.get(*device)?;
                let partner = if it.user == "alice" { "bob" } else { "alice" };
                let shown = it.presence.get(partner).map_or("nothing", String::as_str);
                (shown != expected)
                    .then(|| format!("device {device} shows {partner} {shown}, not {expected}"))
            })
        };
        for _ in 0..PRESENT_WITHIN_MS / 250 {
            self.advance(250);
            if wrong().is_none() {
                return;
            }
        }
        if let Some(what) = wrong() {
            self.recorder.violation(Checker::Inbox, what);
        }
    }

    /// The first person's devices show this draft; `None`: it was not sent.
    fn expect_draft(&self, room: usize, written: Option<&str>) {
        let Some(written) = written else { return };
        for device in [0, 1] {
            let Some(it) = self.devices.get(device).filter(|it| it.is_live()) else { continue };
            let shown = it.drafts.get(ROOMS[room].1).map_or("", |(text, _)| text);
            if shown != written {
                let what = format!("device {device} shows the draft {shown:?}, written is {written:?}");
                self.recorder.violation(Checker::Inbox, what);
            }
        }
    }

    fn expect_list(self: &Rc<Self>, within_ms: u64, after: &str) {
        for _ in 0..within_ms / 250 {
            self.advance(250);
            if self.shows_the_list().is_ok() {
                return;
            }
        }
        self.recorder.check(|| after.to_owned(), self.shows_the_list());
    }

    /// The rooms of the devices' tenant that can be sent into.
    pub fn senders(&self) -> Vec<(usize, usize)> {
        SENDERS.into_iter().filter(|(room, _)| !self.backends.is_deleted(*room)).collect()
    }

    fn send_into_each(self: &Rc<Self>) {
        for (_, tab) in self.senders() {
            let content = self.unique_content("for the list");
            self.send_operation(tab, Operation::Message { content, thread: None });
        }
    }

    /// Lets time pass until Postgres has everything; says whether it has.
    fn wait_for_postgres(self: &Rc<Self>, step_ms: u64, steps: u64) -> bool {
        let has_all = || self.senders().iter().all(|(room, _)| lag(self, *room) == 0);
        for _ in 0..steps {
            self.advance(step_ms);
            if has_all() {
                return true;
            }
        }
        false
    }

    fn connect_devices(self: &Rc<Self>) {
        for device in 0..self.devices.count() {
            self.connect_device(device);
        }
        // A new connection compares everything, for all devices of its person.
        [1, 2].into_iter().for_each(|device| self.reconnect_device(device));
    }
}

/// Everybody is connected, and the faults are over.
pub fn check_inboxes(world: &Rc<World>) {
    if world.devices.count() == 0 {
        return;
    }
    world.devices.pokes_are_unreliable.set(false);
    world.connect_devices();
    world.expect_list(60_000, "once the faults have ended");
    world.send_into_each();
    world.advance(50);
    world.wait_for_postgres(250, 240);
    world.expect_list(SHOWN_WITHIN_MS, "after a message");
    world.expect_notified("after a message");
    world.devices.pokes_to_lose.set(4);
    world.send_into_each();
    world.advance(50);
    world.wait_for_postgres(250, 240);
    world.expect_list(3 * SHOWN_WITHIN_MS, "after a lost poke");
    world.expect_notified("after a lost poke");
    // Between the poke and the answer.
    world.send_into_each();
    world.advance(45);
    world.wait_for_postgres(1, 1_000);
    check_outage(world, 3_000);
    // While messages are sent.
    world.faults.postgres.set(PostgresFault::Refuses);
    world.send_into_each();
    check_outage(world, 10_000);
    world.expect_notified("after Postgres was away");
    check_drafts(world);
    check_presence(world);
    // Bob has a tab there, which does not read. The token of a new connection has not expired.
    world.reconnect_device(2);
    world.expect_list(SHOWN_WITHIN_MS, "after a token");
    let read = world.read_in_list(2, SENDERS[0].0);
    for (room, _) in world.senders() {
        world.request_change(room, OwnerRequest::Topic { number: 77 });
    }
    world.advance(500);
    world.wait_for_postgres(250, 240);
    world.expect_list(2 * SHOWN_WITHIN_MS, "after a read and a topic");
    // READ-7.
    world.advance(MARKERS_WAIT_MS);
    world.expect_list(2 * SHOWN_WITHIN_MS, "after the marker is in Postgres");
    let marker = world.backends.rows(SENDERS[0].0, |rows| rows.marker("bob")).map(|marker| marker.seq);
    if read.is_some_and(|seq| marker < Some(seq)) {
        let what = format!("bob has read to {read:?} in the list, in Postgres {marker:?}");
        world.recorder.violation(Checker::Inbox, what);
    }
    world.expect_notified("after it was read");
    check_saved(world);
}

/// INBOX-8: a draft of one device is on the other within a second, over hibernation, and an older one changes nothing.
fn check_drafts(world: &Rc<World>) {
    let room = SENDERS[0].0;
    world.reconnect_device(0);
    world.expect_list(SHOWN_WITHIN_MS, "after a token");
    let written = world.write_draft(0, room, false);
    world.advance(1_000);
    world.expect_draft(room, written.as_deref());
    world.advance(2 * EVICTED_AFTER_MS);
    world.write_draft(1, room, true);
    world.advance(1_000);
    world.expect_draft(room, written.as_deref());
    world.reconnect_device(1);
    world.advance(1_000);
    world.expect_draft(room, written.as_deref());
}

/// PRES-7 to PRES-9: the direct partner's devices show who comes, goes, and does nothing, also when a poke is lost.
fn check_presence(world: &Rc<World>) {
    world.reconnect_device(0);
    world.reconnect_device(2);
    world.expect_list(SHOWN_WITHIN_MS, "after a token");
    world.expect_presence("online");
    // What was done on a socket counts until it is closed, and the close of the one before may come late.
    world.advance(SHOWN_WITHIN_MS);
    world.say_active(2, false);
    world.expect_presence_of_bob("away");
    world.advance(2 * EVICTED_AFTER_MS);
    world.say_active(2, true);
    world.expect_presence_of_bob("online");
    world.devices.pokes_to_lose.set(1);
    world.disconnect_device(2);
    world.expect_presence_of_bob("offline");
    world.connect_device(2);
    world.expect_presence_of_bob("online");
    world.faults.postgres.set(PostgresFault::Refuses);
    world.disconnect_device(2);
    world.advance(RIGHT_WITHIN_MS);
    world.faults.postgres.set(PostgresFault::Fine);
    world.advance(RIGHT_WITHIN_MS);
    world.expect_presence_of_bob("offline");
    world.connect_device(2);
    world.expect_presence("online");
}

/// Postgres is away from now on, and comes back.
fn check_outage(world: &Rc<World>, ms: u64) {
    world.faults.postgres.set(PostgresFault::Refuses);
    world.advance(ms);
    world.faults.postgres.set(PostgresFault::Fine);
    world.expect_list_at(RIGHT_WITHIN_MS);
}

impl World {
    /// After this time the list is right, with everything that was sent.
    fn expect_list_at(self: &Rc<Self>, ms: u64) {
        self.advance(ms);
        let result = match self.senders().into_iter().find(|(room, _)| lag(self, *room) > 0) {
            Some((room, _)) => Err((Checker::Inbox, format!("Postgres lacks events of room {room}"))),
            None => self.shows_the_list(),
        };
        self.recorder.check(|| "after Postgres was away".into(), result);
    }
}

/// Nobody is in a room, and nothing happens any more.
pub fn check_inboxes_at_rest(world: &Rc<World>) {
    if world.devices.count() == 0 || world.recorder.has_violation() {
        return;
    }
    (0..world.devices.count()).for_each(|device| world.connect_device(device));
    world.expect_list(60_000, "at rest");
    let room = SENDERS[1].0;
    world.request_change(room, OwnerRequest::Remove { user: 0 });
    world.advance(500);
    world.expect_list(SHOWN_WITHIN_MS, "after a removal");
    // A change that pokes nobody is found by the next renewal.
    (0..world.devices.count()).for_each(|device| world.lose_lease(device));
    world.request_change(room, OwnerRequest::Topic { number: 78 });
    world.request_change(SENDERS[0].0, OwnerRequest::Remove { user: 0 });
    world.advance(INBOX_RENEW_MS);
    world.expect_list(RIGHT_WITHIN_MS, "after a renewal");
    // PRES-8: nobody has done anything for longer than that.
    world.expect_presence("away");
    leave(world);
}

/// INBOX-5: without a device nothing is left that could cost anything.
fn leave(world: &Rc<World>) {
    for host in world.hosts.all().iter().filter(|host| host.is_inbox()) {
        let open: Vec<_> = host.sockets.borrow().iter().cloned().collect();
        open.iter()
            .filter(|socket| socket.cut_at.get().is_some())
            .for_each(|socket| world.close_socket(socket));
    }
    (0..world.devices.count()).for_each(|device| world.disconnect_device(device));
    world.advance(RIGHT_WITHIN_MS);
    let leases = world.backends.leases.borrow().clone();
    if !leases.is_empty() {
        world.recorder.violation(Checker::Inbox, format!("leases of nobody: {leases:?}"));
    }
    world.advance(INBOX_RENEW_MS);
    for host in world.hosts.all().iter().filter(|host| host.is_inbox()) {
        let awake = !world.recorder.happened("promises lost") && host.is_awake();
        if awake || host.alarm.get().is_some() {
            let what = format!("{}: awake {awake}, alarm {:?}", host.name, host.alarm.get());
            world.recorder.violation(Checker::Idle, what);
        }
    }
}

fn difference(shown: &BTreeMap<String, Value>, list: &BTreeMap<String, Value>) -> String {
    for (id, room) in list {
        match shown.get(id) {
            None => return format!("{id} is missing"),
            Some(shown) if shown != room => return format!("{id} is {shown}, in the list {room}"),
            Some(_) => {}
        }
    }
    format!("shows {:?}, the list has {:?}", shown.keys(), list.keys())
}

impl Device {
    /// Applies an event; gives what is to be counted.
    fn receive(&mut self, event: &Value) -> Result<Option<&'static str>, String> {
        let kind = event["type"].as_str().unwrap_or_default();
        let seq = event["seq"].as_u64().unwrap_or(0);
        if kind == "presence" && matches!(self.phase, InboxPhase::Greeted(_) | InboxPhase::Live) {
            self.presence.insert(text(&event["userId"]), text(&event["presence"]));
            return Ok(Some("presence received"));
        }
        match (self.phase, kind) {
            (InboxPhase::Opening, "hello") => {
                self.epoch = event["epoch"].as_str().unwrap_or_default().into();
                self.phase = InboxPhase::Greeted(seq);
                Ok(None)
            }
            (InboxPhase::Greeted(head), "rooms") if self.position.is_none() => {
                self.position = Some((head, self.epoch.clone()));
                let rooms = event["rooms"].as_array().into_iter().flatten();
                self.rooms = rooms.map(|room| (text(&room["id"]), room.clone())).collect();
                self.drafts.clear();
                (self.pending, self.notified) = Default::default();
                event["drafts"].as_array().into_iter().flatten().for_each(|draft| self.put_draft(draft));
                Ok(None)
            }
            (InboxPhase::Greeted(_), "resync") => {
                let before = self.position.take();
                let is_other = before.as_ref().is_some_and(|(_, epoch)| *epoch != self.epoch);
                match event["reason"] == "epoch" && is_other {
                    true => Ok(Some("inboxes resynced")),
                    false => Err(format!("{event} without reason, from {before:?}")),
                }
            }
            (InboxPhase::Greeted(_), "synced") => {
                self.phase = InboxPhase::Live;
                let position = self.position.clone();
                match position == Some((seq, self.epoch.clone())) {
                    true => Ok(None),
                    false => Err(format!("{position:?} before synced {seq} of {}", self.epoch)),
                }
            }
            (InboxPhase::Live, "error") => match event["code"].as_str() {
                Some("room_not_found" | "upstream_unavailable" | "rate_limited" | "internal") => Ok(None),
                _ => Err(event.to_string()),
            },
            (InboxPhase::Greeted(_) | InboxPhase::Live, _) if self.position.is_some() => {
                let known = self.position.as_mut().map_or(0, |(known, _)| std::mem::replace(known, seq));
                if seq != known + 1 {
                    return Err(format!("{kind} {seq} after {known}"));
                }
                self.apply(kind, event)
            }
            _ => Err(format!("{kind} while {:?}", self.phase)),
        }
    }

    fn put_draft(&mut self, draft: &Value) {
        self.drafts
            .insert(text(&draft["roomId"]), (text(&draft["text"]), draft["rev"].as_u64().unwrap_or(0)));
    }

    fn apply(&mut self, kind: &str, event: &Value) -> Result<Option<&'static str>, String> {
        let (id, is_live) = (text(&event["roomId"]), self.phase == InboxPhase::Live);
        let counted = if is_live { "inbox events" } else { "inbox events replayed" };
        match kind {
            "room_added" => {
                self.rooms.insert(text(&event["room"]["id"]), event["room"].clone());
                return Ok(Some("rooms added to a list"));
            }
            "room_removed" => {
                self.rooms.remove(&id);
                self.drafts.remove(&id);
                self.pending.remove(&id);
                return Ok(Some("rooms removed from a list"));
            }
            // The room was removed again.
            "draft" => {
                self.put_draft(event);
                return Ok(Some("drafts received"));
            }
            "saved" => {
                let key = (id, text(&event["messageId"]));
                let _ = if event["saved"] == true { self.saved.insert(key) } else { self.saved.remove(&key) };
                return Ok(Some("saves received"));
            }
            "notification" | "notification_withdrawn" => return self.apply_notification(kind, &id, event),
            "hidden" if !is_live => return Ok(Some(counted)),
            _ => {}
        }
        let Some(room) = self.rooms.get_mut(&id) else { return Err(format!("of an unknown room: {event}")) };
        let own = ["lastReadSeq", "notify", "role"];
        for (name, value) in event.as_object().into_iter().flatten() {
            match name.as_str() {
                "type" | "seq" | "roomId" => {}
                name if own.contains(&name) => room["me"][name] = value.clone(),
                name => room[name] = value.clone(),
            }
        }
        Ok(Some(counted))
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
