//! Members: changed over REST by the owner, or in Postgres by the tenant's backend. A removed person receives nothing
//! after the answer, and the member events of the log agree with Postgres. Not here: what Postgres does (`postgres`).

use crate::client::shorten;
use crate::plan::{OwnerRequest, PEOPLE, PostgresFault, ROOMS};
use crate::requests::HttpRequest;
use crate::stored::{Log, Stored, has_log, head, log, user_of};
use crate::token::token;
use crate::world::World;
use crate::world::checker::{CheckResult, Checker};
use crate::world::clients::room_path;
use crate::world::network::HttpOutcome;
use chinwag::auth::Role;
use chinwag::ids::{Seq, iso};
use serde_json::json;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Virtual time in which changes that are asked for at once are made.
const CHANGES_MADE_WITHIN_MS: u64 = 10_000;

/// The numbers of topics that are set at once: no other has them.
const AT_ONCE_FROM: u64 = 100;

/// The person of a change; 0 is the first who is not the owner.
fn person(user: usize) -> &'static str {
    PEOPLE[user + 1]
}

impl World {
    /// Sends an owner's request and goes on; its answer is checked when it comes.
    pub fn request_change(self: &Rc<Self>, room: usize, change: OwnerRequest) {
        // An owner whose room Postgres lacks deletes it: 503, and the room may be gone later. No check could tell.
        if matches!(change, OwnerRequest::Delete) && self.backends.is_lost(room) {
            return;
        }
        self.prepare_change(room, change);
        let version_without_bans = self.version_without_bans(room);
        let request = self.change_request(room, change);
        self.request_then(request, move |world, got| {
            let HttpOutcome::Json(status, body) = got else { return };
            world.recorder.trace(|| format!("{change:?} of room {room}: {status} {}", shorten(&body)));
            world.check_change_answer(room, change, status, &body);
            if matches!(change, OwnerRequest::Add) && body.contains("\"banned\"") {
                world.recorder.count("additions refused for a ban");
                if version_without_bans.is_some() && version_without_bans == world.version_without_bans(room)
                {
                    let what = format!("nobody is banned in room {room}: {body}");
                    world.recorder.violation(Checker::People, what);
                }
            }
        });
    }

    /// What the model must know before the request is made.
    fn prepare_change(&self, room: usize, change: OwnerRequest) {
        match change {
            OwnerRequest::Remove { user } | OwnerRequest::Ban { user, .. } => {
                self.expect_removal(room, person(user))
            }
            OwnerRequest::Add => self.expect_additions(room),
            OwnerRequest::Unmute { user } => self.check_mute(room, person(user)),
            OwnerRequest::Delete => {
                self.model.deletion_requested.borrow_mut().insert(room);
                PEOPLE.iter().for_each(|user| self.expect_removal(room, user));
            }
            OwnerRequest::SlowMode { .. } | OwnerRequest::Role { .. } => self.check_slow_mode(room),
            OwnerRequest::Mute { .. } | OwnerRequest::Unban { .. } | OwnerRequest::Topic { .. } => {}
        }
    }

    fn change_request(&self, room: usize, change: OwnerRequest) -> HttpRequest {
        let now = self.clock.now();
        let (method, path, body) = match change {
            OwnerRequest::Remove { user } => ("DELETE", format!("/members/{}", person(user)), None),
            OwnerRequest::Add => ("POST", "/members".into(), Some(json!({"userIds": &PEOPLE[1..]}))),
            OwnerRequest::Role { user, role } => {
                ("PATCH", format!("/members/{}", person(user)), Some(json!({"role": role})))
            }
            OwnerRequest::Ban { user, for_ms } => {
                let until = for_ms.map(|ms| iso(now + ms));
                ("PUT", format!("/bans/{}", person(user)), Some(json!({"until": until})))
            }
            OwnerRequest::Unban { user } => ("DELETE", format!("/bans/{}", person(user)), None),
            OwnerRequest::Mute { user } => ("PUT", format!("/mutes/{}", person(user)), Some(json!({}))),
            OwnerRequest::Unmute { user } => ("DELETE", format!("/mutes/{}", person(user)), None),
            OwnerRequest::SlowMode { seconds } => {
                ("PUT", "/slow-mode".into(), Some(json!({"seconds": seconds})))
            }
            OwnerRequest::Delete => ("DELETE", String::new(), None),
            OwnerRequest::Topic { number } => {
                ("PATCH", String::new(), Some(json!({"topic": format!("topic {number}")})))
            }
        };
        let method = method.parse().expect("a method");
        let path = format!("{}{path}", room_path(room));
        let token = token(ROOMS[room].0, PEOPLE[0], now + 60_000);
        HttpRequest::new(method, path, token, body.map(|body| body.to_string()))
    }

    /// Sets so many topics at once: all are answered, and the log has them in their order (ROOM-11). If a fault is due or
    /// in force, nothing is done.
    pub fn set_topics_at_once(self: &Rc<Self>, room: usize, count: u64) {
        let is_full = self.clock.now() < self.faults.disk_full_until.get();
        let is_fine = self.faults.postgres.get() == PostgresFault::Fine && !is_full;
        let host = self.hosts.of_room(room);
        // A promise that was lost keeps the room's changes waiting, and a room without a log is made first. Whoever asks for
        // a room that Postgres has lost does not find it before the room has put itself back.
        let is_lost = self.backends.is_deleted(room) || self.backends.is_lost(room);
        let is_ready = host
            .is_some_and(|host| self.is_idle(&host) || !self.recorder.happened("promises lost"))
            && has_log(self, room);
        let is_deleted = self.model.deletion_requested.borrow().contains(&room);
        if self.faults.countdowns() != [0; 3] || !is_fine || !is_ready || is_deleted || is_lost {
            return;
        }
        self.recorder.count("changes at once");
        let before = head(self, room);
        let answers: Rc<RefCell<BTreeMap<u64, String>>> = Rc::default();
        for number in AT_ONCE_FROM..AT_ONCE_FROM + count {
            let (request, answers) =
                (self.change_request(room, OwnerRequest::Topic { number }), answers.clone());
            self.request_then(request, move |_, got| {
                let answer = match got {
                    HttpOutcome::Json(200, _) => String::new(),
                    HttpOutcome::Json(_, body) => body,
                    _ => "no answer".into(),
                };
                answers.borrow_mut().insert(number, answer);
            });
        }
        self.advance(CHANGES_MADE_WITHIN_MS);
        let answers = answers.borrow();
        // Between the Worker and the room requests and answers are lost; and the owner's frames may be too many.
        let excuses = ["can't be reached", "rate_limited"];
        let is_refused = |answer: &str| !answer.is_empty() && !excuses.iter().any(|e| answer.contains(e));
        if let Some((number, answer)) = answers.iter().find(|(_, answer)| is_refused(answer)) {
            let what = format!("of {count} topics at once number {number} was answered {answer}");
            self.recorder.violation(Checker::Changes, what);
        }
        let number = |(seq, stored): (&Seq, &Stored)| {
            let topic = stored.json()["topic"].as_str()?.strip_prefix("topic ")?.parse::<u64>().ok();
            topic.filter(|number| *seq > before && stored.kind == 9 && *number >= AT_ONCE_FROM)
        };
        let made: Vec<u64> = log(self, room).iter().filter_map(number).collect();
        let is_lost = answers.iter().any(|(number, answer)| answer.is_empty() && !made.contains(number));
        if is_lost || !made.is_sorted() {
            let what = format!("{count} topics were set at once, and the log has {made:?}");
            self.recorder.violation(Checker::Changes, what);
        }
    }

    fn check_change_answer(&self, room: usize, change: OwnerRequest, status: u16, body: &str) {
        match (change, status) {
            (OwnerRequest::Remove { user } | OwnerRequest::Ban { user, .. }, 200) => {
                self.recorder.count("people removed over REST");
                self.check_removed(room, person(user));
            }
            (OwnerRequest::Mute { user }, 200) => self.start_mute(room, person(user)),
            // It was asked for before a mute that was made first: when the mute ended, no check can tell.
            (OwnerRequest::Unmute { user }, 200) => {
                self.model.muted_since.borrow_mut().remove(&(room, person(user).to_owned()));
            }
            (OwnerRequest::SlowMode { seconds }, 200) => self.start_slow_mode(room, seconds),
            (OwnerRequest::Delete, 200) => self.check_deletion_answered(room),
            // It would have ended before it began.
            (OwnerRequest::Ban { for_ms: Some(_), .. }, 422) => {}
            (OwnerRequest::Add, _) if body.contains("\"banned\"") => {}
            (_, 200 | 404 | 409 | 500 | 503) => {}
            _ => self.recorder.violation(Checker::Answered, format!("{change:?}: {status} {body}")),
        }
    }

    /// The version of the members, if no ban is in force.
    fn version_without_bans(&self, room: usize) -> Option<u64> {
        if self.backends.is_deleted(room) {
            return None;
        }
        self.backends.rows(room, |rows| {
            let is_banned = rows.bans(self.clock.now()).next().is_some();
            (!is_banned).then_some(rows.room.members_version)
        })
    }

    /// A person's tabs may be removed from here on.
    fn expect_removal(&self, room: usize, user: &str) {
        let mut tabs = self.clients.all_mut();
        tabs.iter_mut().filter(|tab| tab.room == room && tab.user == user).for_each(|tab| tab.removed = true);
    }

    /// Removed people may be members again from here on.
    fn expect_additions(&self, room: usize) {
        // A new membership is not muted.
        PEOPLE.iter().for_each(|user| self.check_mute(room, user));
        self.clients.all_mut().iter_mut().filter(|tab| tab.room == room).for_each(|tab| tab.removed = false);
    }

    /// A mute was answered: it is checked from here on, unless another request was faster.
    fn start_mute(&self, room: usize, user: &str) {
        if !self.backends.is_deleted(room) && self.backends.rows(room, |rows| rows.is_muted(user)) {
            self.recorder.count("people muted");
            self.model.muted_since.borrow_mut().insert((room, user.to_owned()), head(self, room));
        }
    }

    /// A mute may be about to end: until now its person must have sent nothing.
    fn check_mute(&self, room: usize, user: &str) {
        let since = self.model.muted_since.borrow_mut().remove(&(room, user.to_owned()));
        let Some(since) = since else { return };
        let is_sent =
            |(seq, stored): (&Seq, &Stored)| *seq > since && stored.user == user && stored.kind <= 3;
        if log(self, room).iter().any(is_sent) {
            let what = format!("{user} sends in room {room}, muted since {since}");
            self.recorder.violation(Checker::People, what);
        }
    }

    /// Ends all mutes.
    pub fn end_mutes(self: &Rc<Self>) {
        let muted: Vec<(usize, String)> = self.model.muted_since.borrow().keys().cloned().collect();
        muted.iter().for_each(|(room, user)| self.check_mute(*room, user));
        for room in self.backends.existing_rooms() {
            for user in 0..PEOPLE.len() - 1 {
                if self.backends.rows(room, |rows| rows.is_muted(person(user))) {
                    self.request_change(room, OwnerRequest::Unmute { user });
                    self.advance(2_000);
                }
            }
        }
    }

    /// A removal was answered: no connection of the person is left, unless they were added again.
    fn check_removed(&self, room: usize, user: &str) {
        let Some(host) = self.hosts.of_room(room) else { return };
        if !self.backends.is_deleted(room) && self.backends.rows(room, |rows| rows.role(user).is_some()) {
            return;
        }
        let is_theirs = |attachment: &Option<String>| user_of(attachment).is_some_and(|of| of == user);
        let sockets = host.sockets.borrow();
        if sockets.iter().any(|s| !s.closing.get() && is_theirs(&s.attachment.borrow())) {
            let what = format!("{user} still has a socket in room {room} after the answer");
            self.recorder.violation(Checker::Removed, what);
        }
    }

    /// Removes somebody in Postgres; after a request that read it they receive nothing any more.
    pub fn remove_in_postgres(self: &Rc<Self>, room: usize, user: usize) {
        let user = person(user);
        if self.faults.postgres.get() != PostgresFault::Fine || !self.knows_people(room) {
            return;
        }
        let remove = |rows: &mut crate::world::backends::RoomRows| {
            rows.change(|room| room.members.retain(|member| member.user_id.as_str() != user));
        };
        self.backends.rows(room, remove);
        self.recorder.count("members removed in Postgres");
        self.expect_removal(room, user);
        let before = self.faults.countdowns();
        let answered = self.read_page(room, "alice", 0);
        if answered.is_some() && before == self.faults.countdowns() {
            self.check_removed(room, user);
        }
    }

    /// Adds everybody in Postgres who is not a member.
    pub fn add_all_in_postgres(&self, room: usize) {
        let is_missing = |user: &&&str| self.backends.rows(room, |rows| rows.role(user).is_none());
        let missing: Vec<&&str> = PEOPLE.iter().filter(is_missing).collect();
        let now = self.clock.now();
        for user in missing {
            let mut member = testkit::cast::group(&[user]).members.remove(0);
            (member.role, member.joined_at_ms) = (Role::Member, now);
            self.backends.rows(room, |rows| {
                rows.change(|room| {
                    room.bans.retain(|ban| ban.user_id.as_str() != *user);
                    room.members.push(member);
                    room.members.sort_by(|a, b| a.user_id.cmp(&b.user_id));
                });
            });
        }
        self.expect_additions(room);
    }
}

/// The naive model: whoever is added was no member, whoever is removed or changed was one; and in the end everybody
/// named by an event is what the last one says.
pub fn member_events_agree(world: &World, room: usize, log: &Log, floor: Seq) -> CheckResult {
    let wrong = |what: String| Err((Checker::People, what));
    // A rebuilt log does not say who was a member when it began.
    let mut roles: BTreeMap<String, Option<String>> = BTreeMap::new();
    if floor == 0 {
        let role = |(i, user): (usize, &&str)| (user.to_string(), Some(["owner", "member"][i.min(1)].into()));
        roles = PEOPLE.iter().enumerate().map(role).collect();
    }
    let mut topic = None;
    for (seq, stored) in log.iter().filter(|(seq, stored)| **seq > floor && (6..10).contains(&stored.kind)) {
        let body = stored.json();
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        let (user, role) = (text("userId").unwrap_or_default(), text("role"));
        let known = roles.get(&user).cloned();
        let fits = match (stored.kind, &known) {
            (9, _) => {
                topic = Some(text("topic"));
                continue;
            }
            (_, None) => true,
            (6, Some(known)) => known.is_none(),
            (7, Some(known)) => *known == role,
            (_, Some(known)) => known.is_some() && *known != role,
        };
        if !fits {
            return wrong(format!("{seq}: kind {} of {user} as {role:?}, who was {known:?}", stored.kind));
        }
        roles.insert(user, role.filter(|_| stored.kind != 7));
    }
    // The room was never opened.
    if world.hosts.of_room(room).is_none() || log.is_empty() {
        return Ok(());
    }
    world.backends.rows(room, |rows| {
        for (user, role) in &roles {
            if rows.role(user) != role.as_deref() {
                return wrong(format!("{user} is {:?}, the events say {role:?}", rows.role(user)));
            }
        }
        match topic {
            Some(topic) if topic != rows.room.topic => {
                wrong(format!("the topic is {:?}, the events say {topic:?}", rows.room.topic))
            }
            _ => Ok(()),
        }
    })
}
