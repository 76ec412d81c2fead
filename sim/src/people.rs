//! Who is in the rooms: changed over REST as the owner, or in Postgres past us; and what must be true of it: who was removed
//! hears nothing after the answer, and the events of the log add up to what Postgres says, each told once.
//! Not here: what Postgres makes of a change (`postgres`).

use crate::client::HttpOutcome;
use crate::final_checks::{self, CheckResult};
use crate::oracle::Checker;
use crate::plan::{Asked, PEOPLE, ROOMS};
use crate::postgres::PostgresFault;
use crate::run::host_of;
use crate::stored::{Stored, head, log, user_of};
use crate::worker::token;
use crate::world::World;
use chinwag::ids::{Seq, iso};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::rc::Rc;

impl World {
    /// Asks and goes on; what comes of it is looked at when the answer is there.
    pub fn asks(self: &Rc<Self>, room: usize, asked: Asked) {
        let user = |user: usize| PEOPLE[user + 1];
        let (method, path, body) = match asked {
            Asked::Remove { user: n } => ("DELETE", format!("members/{}", user(n)), None),
            Asked::Add => ("POST", "members".into(), Some(json!({"userIds": &PEOPLE[1..]}))),
            Asked::Role { user: n, role } => {
                ("PATCH", format!("members/{}", user(n)), Some(json!({"role": role})))
            }
            Asked::Ban { user: n, for_ms } => {
                let until = for_ms.map(|ms| iso(self.now() + ms));
                ("PUT", format!("bans/{}", user(n)), Some(json!({"until": until})))
            }
            Asked::Unban { user: n } => ("DELETE", format!("bans/{}", user(n)), None),
            Asked::Mute { user: n } => ("PUT", format!("mutes/{}", user(n)), Some(json!({}))),
            Asked::Unmute { user: n } => ("DELETE", format!("mutes/{}", user(n)), None),
            Asked::SlowMode { seconds } => ("PUT", "slow-mode".into(), Some(json!({"seconds": seconds}))),
            Asked::Delete => ("DELETE", String::new(), None),
            Asked::Topic { number } => {
                ("PATCH", String::new(), Some(json!({"topic": format!("topic {number}")})))
            }
        };
        let (tenant, id) = ROOMS[room];
        let id: String = id.bytes().map(|b| format!("%{b:02x}")).collect();
        let path = format!("/api/chat/rooms/{id}/{path}");
        let path = path.trim_end_matches('/').to_owned();
        match asked {
            Asked::Remove { user: n } | Asked::Ban { user: n, .. } => self.may_be_removed(room, user(n)),
            Asked::Add => self.may_be_back(room),
            Asked::Unmute { user: n } => self.may_talk(room, user(n)),
            Asked::Delete => {
                self.doomed.borrow_mut().insert(room);
                PEOPLE.iter().for_each(|user| self.may_be_removed(room, user));
            }
            Asked::SlowMode { .. } | Asked::Role { .. } => self.pace_was_kept(room),
            _ => {}
        }
        let unbanned = self.version_without_bans(room);
        let method = method.parse().expect("a method");
        let token = token(tenant, PEOPLE[0], self.now() + 60_000);
        self.ask_and(method, &path, &token, body.map(|body| body.to_string()), move |world, got| {
            let HttpOutcome::Json(status, body) = got else { return };
            world.trace(|| format!("{asked:?} of room {room}: {status} {}", crate::client::short(&body)));
            match (asked, status) {
                (Asked::Remove { user: n } | Asked::Ban { user: n, .. }, 200) => {
                    world.counters.count("people removed over REST");
                    world.hears_nothing(room, user(n));
                }
                (Asked::Mute { user: n }, 200) => world.says_nothing(room, user(n)),
                (Asked::SlowMode { seconds }, 200) => world.slows_down(room, seconds),
                (Asked::Delete, 200) => world.was_deleted(room),
                // It would have ended before it began.
                (Asked::Ban { for_ms: Some(_), .. }, 422) => {}
                (Asked::Add, _) if body.contains("\"banned\"") => {
                    world.counters.count("additions refused for a ban");
                    if unbanned.is_some() && unbanned == world.version_without_bans(room) {
                        world.violation(Checker::People, format!("nobody is banned in room {room}: {body}"));
                    }
                }
                (_, 200 | 404 | 409 | 500 | 503) => {}
                _ => world.violation(Checker::Answered, format!("{asked:?}: {status} {body}")),
            }
        });
    }

    /// The version of the members, if no ban is in force there.
    fn version_without_bans(&self, room: usize) -> Option<u64> {
        if self.is_gone(room) {
            return None;
        }
        self.table(room, |table| {
            let banned = table.bans(self.now()).next().is_some();
            (!banned).then_some(table.room.members_version)
        })
    }

    fn may_be_removed(self: &Rc<Self>, room: usize, user: &str) {
        for tab in self.tabs.borrow_mut().iter_mut().filter(|tab| tab.room == room && tab.user == user) {
            tab.removed = true;
        }
    }

    /// From here on, unless somebody else was faster.
    fn says_nothing(self: &Rc<Self>, room: usize, user: &str) {
        if !self.is_gone(room) && self.table(room, |table| table.is_muted(user)) {
            self.counters.count("people muted");
            self.muted.borrow_mut().insert((room, user.to_owned()), head(self, room));
        }
    }

    /// Somebody may be about to let them talk; until now they must have been silent.
    fn may_talk(self: &Rc<Self>, room: usize, user: &str) {
        let Some(since) = self.muted.borrow_mut().remove(&(room, user.to_owned())) else { return };
        let said = |(seq, stored): (&Seq, &Stored)| *seq > since && stored.user == user && stored.kind <= 3;
        if log(self, room).iter().any(said) {
            self.violation(Checker::People, format!("{user} talks in room {room}, muted since {since}"));
        }
    }

    /// The end of all mutes.
    pub fn all_may_talk(self: &Rc<Self>) {
        let muted: Vec<(usize, String)> = self.muted.borrow().keys().cloned().collect();
        muted.iter().for_each(|(room, user)| self.may_talk(*room, user));
        for room in self.rooms_there() {
            for user in 0..PEOPLE.len() - 1 {
                if self.table(room, |table| table.is_muted(PEOPLE[user + 1])) {
                    self.asks(room, Asked::Unmute { user });
                    self.pass(2_000);
                }
            }
        }
    }

    fn may_be_back(self: &Rc<Self>, room: usize) {
        // Who comes anew isn't muted.
        PEOPLE.iter().for_each(|user| self.may_talk(room, user));
        for tab in self.tabs.borrow_mut().iter_mut().filter(|tab| tab.room == room && tab.removed) {
            tab.removed = false;
        }
    }

    /// Unless somebody has let them in again.
    fn hears_nothing(self: &Rc<Self>, room: usize, user: &str) {
        let Some(host) = host_of(self, room) else { return };
        if !self.is_gone(room) && self.table(room, |table| table.role(user).is_some()) {
            return;
        }
        let of_them = |text: &Option<String>| user_of(text).is_some_and(|of| of == user);
        let open = host.sockets.borrow().iter().any(|s| !s.closing.get() && of_them(&s.attachment.borrow()));
        if open {
            let what = format!("{user} still has a socket in room {room} after the answer");
            self.violation(Checker::Removed, what);
        }
    }

    /// Removes somebody in Postgres; once a request that knew of it was answered, they hear nothing any more.
    pub fn remove_past_us(self: &Rc<Self>, room: usize, user: &str) {
        if self.server.borrow().weather != PostgresFault::Fine {
            return;
        }
        self.table(room, |table| table.change(|room| room.members.retain(|m| m.user_id.as_str() != user)));
        self.counters.count("removals");
        self.may_be_removed(room, user);
        let before = self.counters_of_faults();
        let answered = final_checks::read_page(self, ROOMS[room], "alice", 0);
        if answered.is_some() && before == self.counters_of_faults() {
            self.hears_nothing(room, user);
        }
    }

    pub fn add_all_past_us(self: &Rc<Self>, room: usize) {
        let missing: Vec<&&str> =
            PEOPLE.iter().filter(|user| self.table(room, |table| table.role(user).is_none())).collect();
        let now = self.now();
        for user in missing {
            self.table(room, |table| {
                table.change(|room| {
                    room.bans.retain(|ban| ban.user_id.as_str() != *user);
                    let mut member = crate::fixtures::group(&[user]).members.remove(0);
                    (member.role, member.joined_at_ms) = ("member".into(), now);
                    room.members.push(member);
                    room.members.sort_by(|a, b| a.user_id.cmp(&b.user_id));
                });
            });
        }
        self.may_be_back(room);
    }
}

/// The naive model: who comes wasn't there, who goes or changes was; and whoever an event was about is in the end what it said.
pub fn people_add_up(world: &World, room: usize, log: &BTreeMap<Seq, Stored>, floor: Seq) -> CheckResult {
    let wrong = |what: String| Err((Checker::People, what));
    // A log made anew doesn't say who was there when it began.
    let mut roles: BTreeMap<String, Option<String>> = BTreeMap::new();
    if floor == 0 {
        let role =
            |(i, user): (usize, &&str)| (user.to_string(), Some(["owner", "member"][i.min(1)].to_owned()));
        roles = PEOPLE.iter().enumerate().map(role).collect();
    }
    let mut topic = None;
    for (seq, stored) in log.iter().filter(|(seq, stored)| **seq > floor && stored.kind >= 6) {
        let body: Value = serde_json::from_str(&stored.body).unwrap_or_default();
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
    // Nobody ever opened it.
    if host_of(world, room).is_none() || log.is_empty() {
        return Ok(());
    }
    world.table(room, |table| {
        for (user, role) in &roles {
            if table.role(user) != role.as_deref() {
                return wrong(format!("{user} is {:?}, the events say {role:?}", table.role(user)));
            }
        }
        match topic {
            Some(topic) if topic != table.room.topic => {
                wrong(format!("the topic is {:?}, the events say {topic:?}", table.room.topic))
            }
            _ => Ok(()),
        }
    })
}
