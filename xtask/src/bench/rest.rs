//! `cargo xtask bench --rest`: how long each route takes to answer, one request after the other, on bare `workerd
//! serve` with a Postgres beside it, for somebody with an ordinary number of rooms.
//! Not here: sockets (`bench.rs`), and whether the answers are right (tests/).

use super::report::machine;
use super::server::{Server, our_config};
use super::{ANSWER_MAX, Rig};
use crate::log::say;
use crate::{dev, inputs, process, root};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

const ROOMS: usize = 50;
const PEOPLE: usize = 5;
/// In each room but the deep one.
const MESSAGES: usize = 40;
const DEEP_MESSAGES: usize = 2_000;
/// Of each route, after as many as this to warm it up.
const REQUESTS: usize = 200;
const WARM_UP: usize = 20;
/// The target of every route except search.
const P95_MAX: Duration = Duration::from_millis(20);
/// The target of search (docs/SEARCH.md).
const SEARCH_P95_MAX: Duration = Duration::from_millis(50);

struct Caller {
    base: String,
    authorization: String,
    agent: ureq::Agent,
}

impl Caller {
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.base));
        let request = request.header("Authorization", &self.authorization);
        let mut answer = match body {
            Some(body) => {
                self.agent.run(request.header("Content-Type", "application/json").body(body.to_string())?)
            }
            None => self.agent.run(request.body(())?),
        }
        .with_context(|| format!("{method} {path}"))?;
        let (status, text) = (answer.status().as_u16(), answer.body_mut().read_to_string()?);
        ensure!(status == 200, "{method} {path}: {status} {text}");
        serde_json::from_str(&text).with_context(|| format!("{method} {path}"))
    }
}

/// What the requests are about.
struct Ground {
    rooms: Vec<String>,
    deep: String,
    /// Ids of messages of the deep room, oldest first.
    messages: Vec<String>,
    root: String,
    /// Rooms that are left, or deleted.
    passing: Vec<String>,
}

/// Where the n-th guest is spoken of.
fn guest(ground: &Ground, what: &str, n: usize) -> String {
    format!("/rooms/{}/{what}/guest-{n}", ground.rooms[n % ROOMS])
}

/// A route as it is asked: the n-th request's method, path and body.
type Ask = fn(&Ground, usize) -> (&'static str, String, Option<Value>);

const ROUTES: &[(&str, Ask)] = &[
    ("GET /rooms/list", |_, _| ("GET", "/rooms/list".into(), None)),
    ("GET /rooms/:id", |g, n| ("GET", format!("/rooms/{}", g.rooms[n % ROOMS]), None)),
    ("GET …/members", |g, n| ("GET", format!("/rooms/{}/members", g.rooms[n % ROOMS]), None)),
    ("GET …/messages, the newest 50", |g, _| ("GET", format!("/rooms/{}/messages", g.deep), None)),
    ("GET …/messages?around, anywhere", |g, n| {
        ("GET", format!("/rooms/{}/messages?around={}", g.deep, 1 + n * 7_919 % DEEP_MESSAGES), None)
    }),
    ("GET …/threads/:root", |g, _| ("GET", format!("/rooms/{}/threads/{}", g.deep, g.root), None)),
    ("POST …/messages", |g, n| {
        let body = json!({"content": format!("one more {n}"), "clientId": format!("m{n}")});
        ("POST", format!("/rooms/{}/messages", g.deep), Some(body))
    }),
    ("PATCH …/messages/:mid", |g, n| {
        (
            "PATCH",
            format!("/rooms/{}/messages/{}", g.deep, g.messages[n]),
            Some(json!({"content": format!("rather {n}")})),
        )
    }),
    ("GET …/messages/:mid/versions", |g, n| {
        ("GET", format!("/rooms/{}/messages/{}/versions", g.deep, g.messages[n]), None)
    }),
    ("PUT …/reactions/:emoji", |g, n| {
        ("PUT", format!("/rooms/{}/messages/{}/reactions/%F0%9F%91%8D", g.deep, g.messages[500 + n]), None)
    }),
    ("DELETE …/reactions/:emoji", |g, n| {
        ("DELETE", format!("/rooms/{}/messages/{}/reactions/%F0%9F%91%8D", g.deep, g.messages[500 + n]), None)
    }),
    ("POST …/messages/:mid/report", |g, n| {
        let path = format!("/rooms/{}/messages/{}/report", g.deep, g.messages[500 + n]);
        ("POST", path, Some(json!({"reason": "not nice"})))
    }),
    ("DELETE …/messages/:mid", |g, n| {
        ("DELETE", format!("/rooms/{}/messages/{}", g.deep, g.messages[1_000 + n]), None)
    }),
    ("POST …/read", |g, n| {
        ("POST", format!("/rooms/{}/read", g.rooms[n % ROOMS]), Some(json!({"seq": 1 + n / ROOMS})))
    }),
    ("POST …/unread", |g, n| {
        ("POST", format!("/rooms/{}/unread", g.rooms[n % ROOMS]), Some(json!({"seq": 1 + n / ROOMS})))
    }),
    ("GET /unread", |_, _| ("GET", "/unread".into(), None)),
    ("GET /mentions", |_, _| ("GET", "/mentions".into(), None)),
    ("GET …/notification-settings", |g, n| {
        ("GET", format!("/rooms/{}/notification-settings", g.rooms[n % ROOMS]), None)
    }),
    ("PUT …/notification-settings", |g, n| {
        let level = ["all", "mentions"][n / ROOMS % 2];
        ("PUT", format!("/rooms/{}/notification-settings", g.rooms[n % ROOMS]), Some(json!({"level": level})))
    }),
    ("PATCH /rooms/:id", |g, n| {
        ("PATCH", format!("/rooms/{}", g.rooms[n % ROOMS]), Some(json!({"topic": format!("topic {n}")})))
    }),
    ("POST …/members", |g, n| {
        (
            "POST",
            format!("/rooms/{}/members", g.rooms[n % ROOMS]),
            Some(json!({"userIds": [format!("guest-{n}")]})),
        )
    }),
    ("PATCH …/members/:user", |g, n| ("PATCH", guest(g, "members", n), Some(json!({"role": "moderator"})))),
    ("PUT …/mutes/:user", |g, n| ("PUT", guest(g, "mutes", n), Some(json!({})))),
    ("DELETE …/mutes/:user", |g, n| ("DELETE", guest(g, "mutes", n), None)),
    ("DELETE …/members/:user", |g, n| ("DELETE", guest(g, "members", n), None)),
    ("PUT …/bans/:user", |g, n| ("PUT", guest(g, "bans", n), Some(json!({"reason": "spam"})))),
    ("DELETE …/bans/:user", |g, n| ("DELETE", guest(g, "bans", n), None)),
    ("PUT …/slow-mode", |g, n| {
        ("PUT", format!("/rooms/{}/slow-mode", g.rooms[n % ROOMS]), Some(json!({"seconds": n / ROOMS % 2})))
    }),
    ("GET …/audit", |g, n| ("GET", format!("/rooms/{}/audit", g.rooms[n % ROOMS]), None)),
    ("POST /rooms/create", |_, n| {
        let body = json!({"type": "group", "name": format!("new {n}"), "participantIds": ["user-1"]});
        ("POST", "/rooms/create".into(), Some(body))
    }),
    ("POST /ws-ticket", |_, _| ("POST", "/ws-ticket".into(), None)),
    ("GET /search", |_, n| ("GET", format!("/search?q=number+{n}"), None)),
    ("POST …/leave", |g, n| ("POST", format!("/rooms/{}/leave", g.passing[n]), None)),
    ("DELETE /rooms/:id", |g, n| ("DELETE", format!("/rooms/{}", g.passing[n]), None)),
];

pub async fn run(rig: &Rig<'_>) -> Result<()> {
    let dir = rig.dir.join("rest");
    std::fs::create_dir_all(dir.join("storage"))?;
    dev::copy_worker(rig.worker, &dir)?;
    let port = process::free_port()?;
    inputs::write_atomically(&dir.join("workerd.capnp"), &our_config(rig, port)?)?;
    let server = Server::start(&dir, port, rig.cores.map(|(server, _)| server)).await?;
    // Nothing else runs on this thread meanwhile.
    let measured = measure(rig, port);
    server.stop().await;
    let (report, late) = measured?;
    println!("\n{report}");
    let path = root().join("bench/results/rest.md");
    std::fs::write(&path, &report)?;
    say(&format!("written to {}", path.display()));
    ensure!(late.is_empty(), "past the goal of p95: {late:?}");
    Ok(())
}

fn measure(rig: &Rig, port: u16) -> Result<(String, Vec<&'static str>)> {
    let config = ureq::Agent::config_builder().timeout_global(Some(ANSWER_MAX)).http_status_as_error(false);
    let caller = Caller {
        base: format!("http://127.0.0.1:{port}/api/chat"),
        authorization: format!("Bearer {}", rig.token("user-0")?),
        agent: config.build().into(),
    };
    let mut ground = prepare(&caller)?;
    let mut report = format!(
        "Somebody in {ROOMS} rooms of {PEOPLE} people with {MESSAGES} messages each, one of them with {DEEP_MESSAGES}; \
         {REQUESTS} requests a route, one after the other:\n\n| route | p50 | p95 | slowest |\n|--|--:|--:|--:|\n"
    );
    let mut late = Vec::new();
    for (name, ask) in ROUTES {
        // Only now: more rooms would be more to list, and these would fall asleep.
        if ["POST …/leave", "DELETE /rooms/:id"].contains(name) {
            ground.passing = passing(&caller, name.starts_with("POST"))?;
        }
        let mut times = Vec::new();
        // The warm-up's requests are the last ones, so that each is asked once.
        for n in (REQUESTS..REQUESTS + WARM_UP).chain(0..REQUESTS) {
            let (method, path, body) = ask(&ground, n);
            let start = Instant::now();
            caller.ask(method, &path, body.as_ref())?;
            times.push(start.elapsed());
        }
        times.drain(..WARM_UP);
        times.sort_unstable();
        let ms = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e3;
        writeln!(report, "| `{name}` | {:.1} ms | {:.1} ms | {:.1} ms |", ms(50), ms(95), ms(100))?;
        let goal = if name.ends_with("/search") { SEARCH_P95_MAX } else { P95_MAX };
        if ms(95) > goal.as_secs_f64() * 1e3 {
            late.push(*name);
        }
    }
    writeln!(report, "\n{}", machine("cargo xtask bench --rest")?)?;
    Ok((report, late))
}

fn prepare(caller: &Caller) -> Result<Ground> {
    let people: Vec<String> = (0..PEOPLE).map(|n| format!("user-{n}")).collect();
    let text = |value: &Value| value.as_str().map(str::to_owned).context("an id");
    let say = |room: &str, n: usize| {
        let content = format!("message number {n} for <@user-1>");
        let answer =
            caller.ask("POST", &format!("/rooms/{room}/messages"), Some(&json!({"content": content})))?;
        text(&answer["message"]["id"])
    };
    let (mut rooms, mut messages) = (Vec::new(), Vec::new());
    for n in 0..ROOMS {
        let body = json!({"type": "group", "name": format!("room {n}"), "participantIds": people});
        let room = text(&caller.ask("POST", "/rooms/create", Some(&body))?["room"]["id"])?;
        for n in 0..if n == 0 { DEEP_MESSAGES } else { MESSAGES } {
            messages.push(say(&room, n)?);
        }
        rooms.push(room);
    }
    let deep = rooms[0].clone();
    messages.truncate(DEEP_MESSAGES);
    let root = messages[DEEP_MESSAGES - 1].clone();
    for n in 0..MESSAGES {
        let reply = json!({"content": format!("reply {n}"), "threadId": root});
        caller.ask("POST", &format!("/rooms/{deep}/messages"), Some(&reply))?;
    }
    Ok(Ground { rooms, deep, messages, root, passing: Vec::new() })
}

/// Rooms with a message: those of another owner, which may be left, or one's own.
fn passing(caller: &Caller, given_away: bool) -> Result<Vec<String>> {
    let one = |n: usize| {
        let body = json!({"type": "group", "name": format!("passing {n}"), "participantIds": ["user-1"]});
        let room = caller.ask("POST", "/rooms/create", Some(&body))?["room"]["id"].clone();
        let room = room.as_str().context("an id")?;
        caller.ask("POST", &format!("/rooms/{room}/messages"), Some(&json!({"content": "hello"})))?;
        if given_away {
            let heir = format!("/rooms/{room}/members/user-1");
            caller.ask("PATCH", &heir, Some(&json!({"role": "owner"})))?;
        }
        Ok(room.to_owned())
    };
    (0..REQUESTS + WARM_UP).map(one).collect()
}
