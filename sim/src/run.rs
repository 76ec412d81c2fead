//! One run: the plan's actions done one after the other, then the faults end and everything must become well.
//! Not here: what "well" is (`ending`).

use crate::client::{HttpOutcome, Known, Tab};
use crate::executor::STRUCK;
use crate::fake_postgres::POISON;
use crate::final_checks;
use crate::hosts::Host;
use crate::oracle::{Checker, Operation, Violation};
use crate::plan::{Action, PEOPLE, Plan, ROOMS, TABS};
use crate::postgres::Table;
use crate::stored;
use crate::world::World;
use chinwag::api::object_name;
use chinwag::db::{MessageRow, Notice};
use chinwag::ids::{RoomId, TenantId};
use chinwag::limits::Limits;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

pub struct Outcome {
    pub violations: Vec<Violation>,
    pub counters: BTreeMap<&'static str, u64>,
    pub hash: u64,
    pub lines: Vec<String>,
}

const EMOJI: [&str; 3] = ["👍", "🎉", "😀"];

/// Runs a plan to its end.
///
/// # Gives  the same for the same seed and plan, trace and hash included.
pub fn run(seed: u64, plan: &Plan, keeps_lines: bool) -> Outcome {
    let world = world(seed, plan, keeps_lines);
    let ran = catch_unwind(AssertUnwindSafe(|| {
        for action in &plan.actions {
            // A run that has gone wrong once isn't looked at further.
            if !world.violations.borrow().is_empty() {
                return;
            }
            world.trace(|| format!("({action:?})"));
            world.act(action);
            world.every_frame_is_answered();
        }
        if world.violations.borrow().is_empty() {
            final_checks::all_is_well(&world);
        }
    }));
    if let Err(panic) = ran {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        world.violation(Checker::Panic, text.to_owned());
    }
    let outcome = Outcome {
        violations: world.violations.take(),
        counters: world.counters.take(),
        hash: world.hash(),
        lines: world.lines.take().unwrap_or_default(),
    };
    world.forget_all();
    outcome
}

fn world(seed: u64, plan: &Plan, keeps_lines: bool) -> Rc<World> {
    let mut limits = Limits { waiting_bytes: 16 * 1024, sockets_per_person: 4, ..Limits::default() };
    if !plan.strict_limits {
        (limits.messages_per_s, limits.messages_burst) = (1e6, 100_000);
        (limits.reactions_per_s, limits.reactions_burst) = (1e6, 100_000);
        (limits.frames_per_s, limits.frames_burst) = (1e6, 100_000);
    }
    let world = World::new(seed, limits, keeps_lines);
    for (tenant, room) in ROOMS {
        world.server.borrow_mut().rooms.insert((tenant.into(), room.into()), Table::new(&PEOPLE));
    }
    for (index, (room, user, number, bot)) in TABS.into_iter().enumerate() {
        let (tenant, id) = ROOMS[room];
        let mut tab = Tab::new(index, (room, tenant, id), user, number);
        tab.token_ms = plan.token_ms;
        tab.batches = !plan.seed_tabs.contains(&index);
        tab.bot = bot;
        world.tabs.borrow_mut().push(tab);
    }
    world
}

/// The object of a room of the plan, if it was ever made.
pub fn host_of(world: &World, room: usize) -> Option<Rc<Host>> {
    let (tenant, id) = ROOMS[room];
    let (tenant, id) = (TenantId::parse(tenant)?, RoomId::parse(id)?);
    world.hosts.borrow().get(&object_name(&tenant, &id)).cloned()
}

impl World {
    pub fn table<T>(&self, room: usize, look: impl FnOnce(&mut Table) -> T) -> T {
        let (tenant, id) = ROOMS[room];
        let mut server = self.server.borrow_mut();
        look(server.rooms.get_mut(&(tenant.to_owned(), id.to_owned())).expect("all rooms are there"))
    }

    /// The consumer of the queue: tells what Postgres has, and never the author.
    pub fn notify(&self, notice: &Notice) {
        let key = (notice.tenant.as_str(), notice.room.as_str());
        let Some(room) = ROOMS.iter().position(|known| *known == key) else { return };
        if self.is_gone(room) {
            return;
        }
        let author = self.table(room, |table| {
            let row = table.ledger.rows.get(&notice.seq).filter(|row| row.id == notice.message);
            row.filter(|row| row.deleted_at_ms.is_none()).map(|row| row.user_id.clone())
        });
        let Some(author) = author else {
            if stored::aside(self, room).contains(&notice.seq) {
                self.untellable.borrow_mut().insert((room, notice.seq));
            }
            return;
        };
        self.counters.count("notices");
        for user in &notice.users {
            if *user == author {
                self.violation(Checker::Notified, format!("{user} is told of their own {}", notice.seq));
            }
            self.notified.borrow_mut().insert((room, notice.seq, user.clone()));
        }
    }

    fn act(self: &Rc<Self>, action: &Action) {
        if action.room().is_some_and(|room| self.is_gone(room)) {
            return;
        }
        match *action {
            Action::Say { tab, bytes, poison } => self.says(tab, bytes, poison),
            Action::Burst { tab, count } => {
                (0..count).for_each(|_| self.says(tab, 10, false));
                self.bursting.set(true);
            }
            Action::React { tab, nth, emoji, add } => {
                if let Some(Known { id: message, .. }) = self.knows(tab, nth, |_, _| true) {
                    let said = Operation::Reaction { message, emoji: EMOJI[emoji].into(), add };
                    self.has_to_say(tab, Some(said));
                }
            }
            Action::Reply { tab, nth } => {
                if let Some(root) = self.knows(tab, nth, |_, known| !known.is_reply && !known.deleted) {
                    let content = self.words("reply", false);
                    self.has_to_say(tab, Some(Operation::Message { content, thread: Some(root.id) }));
                }
            }
            Action::Edit { tab, nth, based, poison } => {
                if let Some(known) = self.knows(tab, nth, may_change) {
                    let (content, base) = (self.words("edit", poison), based.then_some(known.version));
                    self.has_to_say(tab, Some(Operation::Edit { message: known.id, content, base }));
                }
            }
            Action::Delete { tab, nth } => {
                if let Some(known) = self.knows(tab, nth, may_change) {
                    self.has_to_say(tab, Some(Operation::Delete { message: known.id }));
                }
            }
            Action::Unread { tab, back } => self.unreads(tab, back),
            Action::Repeat { tab } => self.has_to_say(tab, None),
            Action::Typing { tab } => self.sends(tab, r#"{"type":"typing","isTyping":true}"#),
            Action::Read { tab } => {
                let seq = self.tabs.borrow()[tab].heard_to().map_or(0, |(seq, _)| seq);
                self.sends(tab, &format!(r#"{{"type":"read","seq":{seq}}}"#));
            }
            Action::Join { tab } => {
                let removed = self.tabs.borrow()[tab].removed;
                self.tabs.borrow_mut()[tab].wants = !removed;
                self.nudge(tab);
            }
            Action::Leave { tab } => self.hangs_up(tab),
            Action::Vanish { tab } => self.goes_dark(tab),
            Action::Reading { tab, reads } => {
                let sock = self.tabs.borrow()[tab].sock();
                if let Some(sock) = sock {
                    self.set_reading(&sock, reads);
                }
            }
            Action::Pass { ms } => {
                self.pass(ms);
                if self.bursting.replace(false) {
                    let lag =
                        self.rooms_there().into_iter().map(|room| stored::lag(self, room)).max().unwrap_or(0);
                    self.counters.at_least("outbox peak", lag);
                }
            }
            Action::Die { effects } => self.dies_in.set(effects),
            Action::Panic { statements } => self.panics_in.set(statements),
            Action::DiskFails { statements } => self.disk_fails_in.set(statements),
            Action::DiskFull { ms } => self.disk_full_until.set(self.now() + ms),
            Action::Abort => self.abort(),
            Action::Deploy => self.redeploy(),
            Action::PostgresFault(weather) => {
                self.server.borrow_mut().weather = weather;
                self.counters.count("changes of weather");
            }
            Action::Hibernate { room } => drop(host_of(self, room).map(|host| self.hibernate(&host))),
            Action::LoseDisk { room } => self.may_lose_disk(room),
            Action::SetBack { room, rows } => self.set_back(room, rows),
            Action::Stranger { room } => self.stranger(room),
            Action::Remove { room, user } => self.remove_past_us(room, PEOPLE[user + 1]),
            Action::Add { room } => self.add_all_past_us(room),
            Action::Asks { room, change } => self.asks(room, change),
            Action::TryAgain { room } => self.tries_again(room),
            Action::List { away } => self.list_is_away.set(away),
            Action::HaltsAtNight => self.halts_at_night.set(true),
            Action::Upload { tab } => self.uploads(tab),
            Action::Word { tab, word, edits } => self.says_word(tab, word, edits),
            Action::Report { tab, nth } => self.reports(tab, nth),
            Action::Bucket { away } => self.bucket_is_away.set(away),
            Action::AlarmTwice { room } => self.alarm(room, |host| self.fire_alarm(host)),
            Action::AlarmLost { room } => self.alarm(room, |host| host.alarm.set(None)),
            Action::AlarmLate { room, ms } => {
                self.alarm(room, |host| host.alarm.set(host.alarm.get().map(|at| at + ms)));
            }
        }
    }

    fn alarm(self: &Rc<Self>, room: usize, strike: impl FnOnce(&Rc<Host>)) {
        if let Some(host) = host_of(self, room).filter(|host| host.alarm.get().is_some()) {
            self.counters.count("alarms tampered with");
            strike(&host);
        }
    }

    pub fn says(self: &Rc<Self>, tab: usize, bytes: usize, poison: bool) {
        let content = self.words(&"x".repeat(bytes), poison);
        self.has_to_say(tab, Some(Operation::Message { content, thread: None }));
    }

    /// Words that nobody has said before.
    pub fn words(&self, text: &str, poison: bool) -> String {
        let n = self.random() % 1_000_000;
        format!("{n:06} {}{text}", if poison { POISON } else { "" })
    }

    /// The `nth` newest message that this tab knows and that fits.
    pub fn knows(&self, tab: usize, nth: usize, fits: impl Fn(&Tab, &Known) -> bool) -> Option<Known> {
        let it = &self.tabs.borrow()[tab];
        it.known.iter().rev().filter(|known| fits(it, known)).nth(nth).cloned()
    }

    /// Sets this person's marker back over REST.
    fn unreads(self: &Rc<Self>, tab: usize, back: u64) {
        let (path, token, seq) = {
            let it = &self.tabs.borrow()[tab];
            let room: String = it.room_id.bytes().map(|b| format!("%{b:02x}")).collect();
            let seq = it.heard_to().map_or(0, |(seq, _)| seq).saturating_sub(back);
            (format!("/api/chat/rooms/{room}/unread"), it.token(self.now()), seq)
        };
        let body = Some(format!(r#"{{"seq":{seq}}}"#));
        let Some(HttpOutcome::Json(200, answer)) = self.ask_with(http::Method::POST, &path, &token, body)
        else {
            return;
        };
        self.counters.count("markers set back");
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap_or_default();
        if answer["lastReadSeq"].as_u64().is_none_or(|marker| marker >= seq.max(1)) {
            self.violation(Checker::Marker, format!("{} set back to {seq}: {answer}", self.name(tab)));
        }
    }

    fn sends(self: &Rc<Self>, tab: usize, frame: &str) {
        let sock = Some(tab).filter(|tab| self.tabs.borrow()[*tab].is_live());
        if let Some(sock) = sock.and_then(|tab| self.tabs.borrow()[tab].sock()) {
            self.send_frame(&sock, frame.to_owned());
        }
    }

    /// The tenant's admin has what was set aside tried again.
    fn tries_again(self: &Rc<Self>, room: usize) {
        let (tenant, id) = ROOMS[room];
        let id: String = id.bytes().map(|b| format!("%{b:02x}")).collect();
        let token = format!("{}|admin", crate::worker::token(tenant, "root", self.now() + 60_000));
        let path = format!("/api/chat/rooms/{id}/outbox/retry");
        if let Some(HttpOutcome::Json(200, _)) = self.ask_once(http::Method::POST, &path, &token) {
            self.counters.count("rows tried again");
        }
    }

    /// Only when Postgres has everything: what it hadn't got would be lost, and that is not promised.
    fn may_lose_disk(self: &Rc<Self>, room: usize) {
        let Some(host) = host_of(self, room) else { return };
        let strangers = !self.table(room, |table| table.strangers.is_empty());
        if !strangers
            && stored::lag(self, room) == 0
            && self.table(room, |table| table.ledger.last_seq) > 0
            && stored::aside(self, room).is_empty()
            && stored::all_notified(self, room)
            && stored::all_noted(self, room)
            && !self.doomed.borrow().contains(&room)
            && self.is_idle(&host)
        {
            self.lose_disk(&host);
        }
    }

    /// Restored from an older backup.
    fn set_back(self: &Rc<Self>, room: usize, rows: u64) {
        // A log that is lost too, and not yet made anew, would be lost for good.
        if !stored::has_log(self, room) {
            return;
        }
        self.table(room, |table| {
            let to = table.ledger.last_seq.saturating_sub(rows);
            table.ledger.set_back(to);
        });
        self.counters.count("set-backs");
    }

    fn stranger(self: &Rc<Self>, room: usize) {
        let there = stored::has_log(self, room);
        self.table(room, |table| {
            let seq = table.ledger.last_seq + 1;
            if table.ledger.rows.contains_key(&seq) || table.ledger.last_seq == 0 || !there {
                return;
            }
            let row = serde_json::json!({
                "seq": seq, "id": format!("stranger-{seq}"), "userId": "mallory", "content": "not ours",
                "contentType": "text", "attachments": [], "clientId": null, "threadId": null, "replyToId": null,
                "alsoToRoom": false, "mentions": [], "mentionsRoom": false, "version": 1, "replyCount": 0,
                "createdAtMs": 0, "editedAtMs": null, "deletedAtMs": null, "deletedBy": null, "reactions": []});
            if let Ok(row) = serde_json::from_value::<MessageRow>(row) {
                table.strangers.insert(seq, row.id.clone());
                table.ledger.rows.insert(seq, row);
                self.counters.count("strangers' rows");
            }
        });
    }

    /// Whether anything was due to break meanwhile.
    pub fn counters_of_faults(&self) -> (u32, u32, u32) {
        (self.dies_in.get(), self.panics_in.get(), self.disk_fails_in.get())
    }
}

/// One's own messages, and the owner everybody's.
fn may_change(tab: &Tab, known: &Known) -> bool {
    known.user == tab.user || tab.user == PEOPLE[0]
}

/// Panics of ours are silent; others are defects, and are told by the run.
pub fn quiet_panics() {
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.payload().downcast_ref::<&str>() != Some(&STRUCK) && std::env::var_os("SIM_LOUD").is_some() {
            loud(info);
        }
    }));
}
