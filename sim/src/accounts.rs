//! Two people of a direct room: the one blocks the other, and the tenant's admin deactivates that one, while requests are
//! lost and objects die. What is answered is in force (PEOPLE-6, PEOPLE-8).
//! Not here: what is known from answers (`world::accounts`), and Postgres' side (`account_rows`).

use crate::plan::{DirectAction, PostgresFault};
use crate::requests::{HttpRequest, TIMEOUT_MS};
use crate::stored::user_of;
use crate::token::{admin_token, token};
use crate::world::World;
use crate::world::accounts::{DIRECT, FIRST, OTHER, Switch, TENANT};
use crate::world::checker::Checker;
use crate::world::hosts::Host;
use crate::world::network::HttpOutcome;
use chinwag::api::object_name;
use chinwag::ids::{RoomId, TenantId};
use http::Method;
use serde_json::json;
use std::rc::Rc;

/// Each of a request's statements may be this late, and done all the same.
const DONE_WITHIN_MS: u64 = 60_000;
/// Once the faults are over.
const RIGHT_WITHIN_MS: u64 = 60_000;

/// What a request of the other one came to.
enum Outcome {
    Accepted,
    Blocked,
    Forbidden,
    /// Refused for another reason, or without an answer.
    Other,
}

impl Outcome {
    fn of(got: &HttpOutcome) -> Self {
        match got {
            HttpOutcome::Json(200, _) | HttpOutcome::Upgraded(_) => Self::Accepted,
            HttpOutcome::Json(403, body) if body.contains("blocked") => Self::Blocked,
            HttpOutcome::Json(403, _) => Self::Forbidden,
            _ => Self::Other,
        }
    }
}

impl World {
    pub fn act_direct(self: &Rc<Self>, action: DirectAction) {
        match action {
            DirectAction::Block { blocks } => self.set_block(blocks),
            DirectAction::Deactivate { deactivates } => self.set_deactivated(deactivates),
            DirectAction::Post => self.post_direct(),
            DirectAction::Connect { inbox } => self.connect_direct(inbox),
            DirectAction::Hibernate => self.hibernate_direct(),
        }
    }

    fn set_block(self: &Rc<Self>, blocks: bool) {
        let method = if blocks { Method::PUT } else { Method::DELETE };
        let token = token(TENANT, FIRST, self.clock.now() + 600_000);
        let request = HttpRequest::new(method, format!("/api/chat/people/{OTHER}/block"), token, None);
        self.turn(|world| &world.accounts.blocked, blocks, request);
        if self.accounts.blocked.known() == Some(true) {
            self.recorder.count("blocks");
        }
    }

    fn set_deactivated(self: &Rc<Self>, deactivates: bool) {
        let token = admin_token(TENANT, "root", self.clock.now() + 600_000);
        let body = json!({"deactivated": deactivates}).to_string();
        let request = HttpRequest::new(Method::PUT, format!("/api/chat/people/{OTHER}"), token, Some(body));
        self.turn(|world| &world.accounts.deactivated, deactivates, request);
        if self.accounts.deactivated.known() == Some(true) {
            self.recorder.count("people deactivated");
            self.check_no_socket();
        }
    }

    fn turn(self: &Rc<Self>, switch: impl Fn(&Self) -> &Switch, is_on: bool, request: HttpRequest) {
        let begun = self.clock.now();
        switch(self).begin();
        let got = self.request_and_wait(request);
        let turned = match got {
            Some(HttpOutcome::Json(200, _)) => Some(is_on),
            Some(HttpOutcome::Json(429 | 500 | 503, _) | HttpOutcome::Failed) | None => None,
            Some(HttpOutcome::Json(status, body)) => {
                let what = format!("turning it to {is_on}: {status} {body}");
                return self.recorder.violation(Checker::Accounts, what);
            }
            Some(_) => None,
        };
        switch(self).end(turned, (begun, self.clock.now() + DONE_WITHIN_MS));
        self.drop_closed_sockets();
    }

    /// PEOPLE-6: nobody who is deactivated has a socket when that is answered.
    fn check_no_socket(&self) {
        for host in self.hosts.all() {
            let is_theirs = |attachment: &Option<String>| user_of(attachment).as_deref() == Some(OTHER);
            let sockets = host.sockets.borrow();
            if sockets.iter().any(|socket| !socket.closing.get() && is_theirs(&socket.attachment.borrow())) {
                let what = format!("{OTHER} is deactivated and has a socket in {}", host.name);
                self.recorder.violation(Checker::Accounts, what);
            }
        }
    }

    fn post_direct(self: &Rc<Self>) {
        self.request_of_other(self.post_request());
    }

    fn connect_direct(self: &Rc<Self>, inbox: bool) {
        let path = if inbox { "/chat/inbox".to_owned() } else { format!("/chat?roomId={DIRECT}") };
        self.request_of_other(HttpRequest::get(path, token(TENANT, OTHER, self.clock.now() + 600_000)));
    }

    fn post_request(&self) -> HttpRequest {
        let number = self.accounts.posts.get() + 1;
        self.accounts.posts.set(number);
        let body = json!({"content": format!("hello {number}"), "clientId": format!("direct-{number}")});
        let token = token(TENANT, OTHER, self.clock.now() + 600_000);
        HttpRequest::post(format!("/api/chat/rooms/{DIRECT}/messages"), token, body.to_string())
    }

    /// Makes a request that is judged by what was answered before it, unless that has changed meanwhile.
    fn request_of_other(self: &Rc<Self>, request: HttpRequest) {
        let known = |world: &Self| {
            let Self { accounts, .. } = world;
            let (blocked, deactivated) = (&accounts.blocked, &accounts.deactivated);
            (blocked.known(), deactivated.known(), blocked.changes.get(), deactivated.changes.get())
        };
        let (before, is_post) = (known(self), request.is_post());
        self.request_then(request, move |world, got| {
            let outcome = Outcome::of(&got);
            if let HttpOutcome::Upgraded(socket) = got {
                world.accounts.sockets.borrow_mut().push(socket);
            }
            if known(world) == before {
                world.judge((before.0, before.1), is_post, &outcome);
            }
            world.drop_closed_sockets();
        });
    }

    fn judge(&self, (blocked, deactivated): (Option<bool>, Option<bool>), is_post: bool, outcome: &Outcome) {
        let wrong = |what: &str| self.recorder.violation(Checker::Accounts, format!("{OTHER} {what}"));
        match outcome {
            Outcome::Accepted if deactivated == Some(true) => wrong("is deactivated, and was let in"),
            Outcome::Accepted if is_post && blocked == Some(true) => wrong("is blocked, and has written"),
            Outcome::Blocked if blocked == Some(false) => wrong("is not blocked, and was refused as if"),
            Outcome::Blocked => self.recorder.count("messages refused for a block"),
            Outcome::Forbidden if deactivated == Some(true) => {
                self.recorder.count("requests of deactivated people refused");
            }
            _ => {}
        }
    }

    /// What the server has closed is closed by the client too.
    fn drop_closed_sockets(self: &Rc<Self>) {
        let all = self.accounts.sockets.take();
        let (closed, open): (Vec<_>, Vec<_>) = all.into_iter().partition(|socket| socket.closing.get());
        *self.accounts.sockets.borrow_mut() = open;
        closed.iter().for_each(|socket| self.close_socket(socket));
    }

    fn direct_host(&self) -> Option<Rc<Host>> {
        self.hosts.find(&object_name(&TenantId::parse(TENANT)?, &RoomId::parse(DIRECT)?))
    }

    fn hibernate_direct(self: &Rc<Self>) {
        if let Some(host) = self.direct_host() {
            self.hibernate(&host);
        }
    }

    /// A message of the other one comes to this within a while.
    fn expect_outcome(self: &Rc<Self>, expected: &str, is_expected: impl Fn(&Outcome) -> bool) {
        for _ in 0..RIGHT_WITHIN_MS / 1_000 {
            let outcome = self.request_and_wait(self.post_request()).map(|got| Outcome::of(&got));
            if outcome.as_ref().is_some_and(&is_expected) {
                return;
            }
            self.advance(1_000);
        }
        let what = format!("a message of {OTHER} is not {expected}");
        self.recorder.violation(Checker::Accounts, what);
    }

    /// Until it is answered.
    fn turn_for_sure(self: &Rc<Self>, turn: impl Fn(&Rc<Self>), switch: impl Fn(&Self) -> &Switch) {
        for _ in 0..5 {
            turn(self);
            if switch(self).known().is_some() {
                return;
            }
            self.advance(2 * TIMEOUT_MS);
        }
        self.recorder.violation(Checker::Accounts, "a request has no answer though nothing breaks".into());
    }
}

/// The faults are over: each switch does what it says, over hibernation and without Postgres.
pub fn check_accounts(world: &Rc<World>) {
    if !world.accounts.exists.get() {
        return;
    }
    let blocks = |on| world.turn_for_sure(move |world| world.set_block(on), |world| &world.accounts.blocked);
    let deactivates =
        |on| world.turn_for_sure(move |world| world.set_deactivated(on), |world| &world.accounts.deactivated);
    deactivates(false);
    blocks(false);
    world.expect_outcome("accepted", |outcome| matches!(outcome, Outcome::Accepted));
    blocks(true);
    world.hibernate_direct();
    world.expect_outcome("blocked", |outcome| matches!(outcome, Outcome::Blocked));
    world.faults.postgres.set(PostgresFault::Refuses);
    world.expect_outcome("blocked without Postgres", |outcome| matches!(outcome, Outcome::Blocked));
    world.faults.end_all();
    blocks(false);
    world.expect_outcome("accepted again", |outcome| matches!(outcome, Outcome::Accepted));
    [true, false].into_iter().for_each(|inbox| world.connect_direct(inbox));
    world.advance(1_000);
    deactivates(true);
    world.hibernate_direct();
    world.expect_outcome("forbidden", |outcome| matches!(outcome, Outcome::Forbidden));
    world.faults.postgres.set(PostgresFault::Refuses);
    world.expect_outcome("forbidden without Postgres", |outcome| matches!(outcome, Outcome::Forbidden));
    world.faults.end_all();
    deactivates(false);
    world.expect_outcome("accepted in the end", |outcome| matches!(outcome, Outcome::Accepted));
    world.advance(1_000);
    let left = world.accounts.sockets.take();
    left.iter().for_each(|socket| world.close_socket(socket));
    world.advance(RIGHT_WITHIN_MS);
}
