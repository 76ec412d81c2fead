//! Rates: nobody sends more messages or reads more pages than their bucket holds, and whoever is refused learns when to
//! come again (LIMIT-1, LIMIT-6). Not here: slow mode (`rules`); the limits at the edge (RATE-1) and the quotas of
//! Postgres (RATE-2), which no room knows.

use crate::plan::{PEOPLE, ROOMS};
use crate::requests::HttpRequest;
use crate::stored::{Log, Stored};
use crate::token::token;
use crate::world::World;
use crate::world::checker::{CheckResult, Checker};
use crate::world::clients::room_path;
use crate::world::hosts::Host;
use crate::world::network::HttpOutcome;
use crate::world::recorder::Recorder;
use chinwag::ids::UnixMs;
use serde_json::Value;
use std::cell::Cell;
use std::rc::Rc;

/// The longest wait that a refusal may ask for: the slowest bucket gets five a second.
const RETRY_MAX_MS: u64 = 200;
/// Tokens are compared in floating point.
const ROUNDING: f64 = 0.001;

/// A person's bucket, by a naive model: so many tokens since its last look.
struct Bucket {
    tokens: f64,
    at: UnixMs,
}

impl Bucket {
    /// Takes one; false when there is none.
    fn take(&mut self, per_s: f64, burst: u32, now: UnixMs) -> bool {
        let gained = now.saturating_sub(self.at) as f64 / 1000.0 * per_s;
        self.tokens = (self.tokens + gained).min(f64::from(burst)) - 1.0;
        self.at = now;
        self.tokens > -ROUNDING
    }
}

/// The log has no more messages of anybody than their bucket allowed.
pub fn messages_keep_their_rate(world: &World, room: usize, log: &Log) -> CheckResult {
    let Some(host) = world.hosts.of_room(room) else { return Ok(()) };
    let (per_s, burst) = (world.limits.messages_per_s, world.limits.messages_burst);
    for user in PEOPLE {
        let forgotten = forgotten_at(&host, user);
        let mut bucket = Bucket { tokens: f64::from(burst), at: 0 };
        for message in log.values().filter_map(Stored::message).filter(|m| m.user_id == user) {
            let now = message.created_at;
            if forgotten.iter().any(|at| (bucket.at..=now).contains(at)) {
                bucket.tokens = f64::from(burst);
            }
            if !bucket.take(per_s, burst, now) {
                let what =
                    format!("{user}'s message {} is one more than {burst} and {per_s} a second", message.seq);
                return Err((Checker::Rate, what));
            }
        }
    }
    Ok(())
}

/// When the room lost its memory without a socket that kept this person's rates.
fn forgotten_at(host: &Host, user: &str) -> Vec<UnixMs> {
    let losses = host.memory_losses.borrow();
    losses.iter().filter(|loss| !loss.kept.contains(user)).map(|loss| loss.at).collect()
}

/// A refusal says after how long the operation is accepted.
pub fn check_rate_refusal(refusal: &Value, recorder: &Recorder) -> CheckResult {
    recorder.count("messages refused for their rate");
    check_retry_time(refusal)
}

fn check_retry_time(refusal: &Value) -> CheckResult {
    match refusal["retryAfterMs"].as_u64() {
        Some(1..=RETRY_MAX_MS) => Ok(()),
        _ => Err((Checker::Rate, format!("a refusal without a time to come again: {refusal}"))),
    }
}

impl World {
    /// Requests pages at once; each answer is checked when it comes.
    pub fn read_pages(self: &Rc<Self>, tab: usize, count: usize) {
        let (room, user) = {
            let it = self.clients.tab(tab);
            (it.room, it.user.clone())
        };
        let (asked_at, answered) = (self.clock.now(), Rc::new(Cell::new(0_u32)));
        for _ in 0..count {
            let token = token(ROOMS[room].0, &user, asked_at + 60_000);
            let request = HttpRequest::get(format!("{}/messages?limit=1", room_path(room)), token);
            let (answered, user) = (answered.clone(), user.clone());
            self.request_then(request, move |world, got| match got {
                HttpOutcome::Json(200, _) => {
                    answered.set(answered.get() + 1);
                    let result = world.check_pages(room, asked_at, answered.get());
                    world.recorder.check(|| user, result);
                }
                HttpOutcome::Json(429, body) => {
                    world.recorder.count("pages refused for their rate");
                    let refusal: Value = serde_json::from_str(&body).unwrap_or_default();
                    world.recorder.check(|| user, check_retry_time(&refusal["error"]));
                }
                _ => {}
            });
        }
    }

    /// So many pages were answered since.
    fn check_pages(&self, room: usize, since: UnixMs, pages: u32) -> CheckResult {
        let Some(host) = self.hosts.of_room(room) else { return Ok(()) };
        let (per_s, burst) = (self.limits.pages_per_s, self.limits.pages_burst);
        let gained = (self.clock.now() - since) as f64 / 1000.0 * per_s;
        // Sockets keep what was charged until their person's last frame.
        let is_forgotten = host.memory_losses.borrow().iter().any(|loss| loss.at >= since);
        match is_forgotten || f64::from(pages) <= f64::from(burst) + gained + ROUNDING {
            true => Ok(()),
            false => {
                Err((Checker::Rate, format!("{pages} pages in a burst of {burst} and {per_s} a second")))
            }
        }
    }
}
