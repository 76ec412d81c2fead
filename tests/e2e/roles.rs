//! Permissions on the live stack: every route, requested by every role.
//! Not here: the table of permissions (`src/auth/tests/permission.rs`), and what the routes do.

use crate::people::ranks;
use crate::rig::client::{encoded, text};
use crate::rig::stack::loud;
use crate::rig::{Answer, Tenant};
use chinwag::api::ROUTES;
use serde_json::{Value, json};

/// A stranger, somebody of another tenant, one who left, a member, a moderator, an admin, the owner; and the tenant's
/// admin, as somebody who isn't in the room, and as a member of it.
const EVERYBODY: [&str; 9] = ["eve", "foreigner", "former", "bob", "mo", "anna", "alice", "root", "tina"];
type Statuses = [u16; 9];

/// In no room: it isn't theirs to know that there is one.
const ALL: Statuses = [200; 9];
const MEMBERS: Statuses = [404, 404, 404, 200, 200, 200, 200, 404, 200];
const MODERATORS: Statuses = [404, 404, 404, 403, 200, 200, 200, 404, 200];
const ADMINS: Statuses = [404, 404, 404, 403, 403, 200, 200, 404, 200];
const OWNER: Statuses = [404, 404, 404, 403, 403, 403, 200, 404, 403];
const TENANTS_ADMIN: Statuses = [403, 403, 403, 403, 403, 403, 403, 200, 200];
const OPERATOR: Statuses = [404, 404, 404, 403, 403, 403, 403, 200, 200];

/// What a row is tried on.
#[derive(Clone, Copy, PartialEq)]
enum On {
    /// The room that all rows share.
    Same,
    /// A message of carol's, sent for this.
    Carols,
    /// A message of one's own.
    Own,
    /// Somebody who was added for this.
    Newcomer,
    /// A room made for this.
    Fresh,
}
use On::{Carols, Fresh, Newcomer, Own, Same};

struct Row {
    method: &'static str,
    /// As it stands in the table.
    path: &'static str,
    /// With what stands in braces put in, and a query.
    query: &'static str,
    body: Value,
    on: On,
    expected: Statuses,
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = |method, path, body: Value, on, expected| {
        let (path, query) = path_and_query(path);
        rows.push(Row { method, path, query, body, on, expected });
    };
    row("GET", "/health", Value::Null, Same, ALL);
    row("GET", "/openapi.json", Value::Null, Same, ALL);
    row("GET", "/protocol.json", Value::Null, Same, ALL);
    row("POST", "/ws-ticket", Value::Null, Same, ALL);
    row("POST", "/rooms/create", json!({"type": "direct", "participantIds": ["zoe"]}), Same, ALL);
    row("GET", "/rooms/list", Value::Null, Same, ALL);
    row("GET", "/unread", Value::Null, Same, ALL);
    row("GET", "/mentions", Value::Null, Same, ALL);
    row("GET", "/saved", Value::Null, Same, ALL);
    row("PUT", "/saved/{room}/{message}", Value::Null, Carols, MEMBERS);
    row("DELETE", "/saved/{room}/{message}", Value::Null, Carols, ALL);
    row("GET", "/search?q=treasure", Value::Null, Same, ALL);
    row("GET", "/rooms/{room}", Value::Null, Same, MEMBERS);
    row("PATCH", "/rooms/{room}", json!({"topic": "tea"}), Same, ADMINS);
    row("DELETE", "/rooms/{room}", Value::Null, Fresh, OWNER);
    row("GET", "/rooms/{room}/members", Value::Null, Same, MEMBERS);
    row("POST", "/rooms/{room}/members", json!({"userIds": ["carol"]}), Same, ADMINS);
    row("PATCH", "/rooms/{room}/members/{user}", json!({"role": "moderator"}), Newcomer, ADMINS);
    row("PATCH", "/rooms/{room}/members/{user}", json!({"role": "admin"}), Newcomer, OWNER);
    row("DELETE", "/rooms/{room}/members/{user}", Value::Null, Newcomer, ADMINS);
    let last_owner = [404, 404, 404, 200, 200, 200, 409, 404, 200];
    row("POST", "/rooms/{room}/leave", Value::Null, Fresh, last_owner);
    row("GET", "/rooms/{room}/notification-settings", Value::Null, Same, MEMBERS);
    row("PUT", "/rooms/{room}/notification-settings", json!({"level": "mentions"}), Same, MEMBERS);
    row("PUT", "/rooms/{room}/mutes/{user}", Value::Null, Newcomer, MODERATORS);
    row("DELETE", "/rooms/{room}/mutes/{user}", Value::Null, Newcomer, MODERATORS);
    row("PUT", "/rooms/{room}/bans/{user}", json!({"until": "2031-01-01T00:00:00Z"}), Same, MODERATORS);
    row("DELETE", "/rooms/{room}/bans/{user}", Value::Null, Same, MODERATORS);
    row("PUT", "/rooms/{room}/slow-mode", json!({"seconds": 0}), Same, MODERATORS);
    row("GET", "/rooms/{room}/audit", Value::Null, Same, MODERATORS);
    row("POST", "/rooms/{room}/messages/{message}/report", json!({"reason": "rude"}), Carols, MEMBERS);
    row("GET", "/rooms/{room}/messages", Value::Null, Same, MEMBERS);
    row("POST", "/rooms/{room}/messages", json!({"content": "hi"}), Same, MEMBERS);
    row("PATCH", "/rooms/{room}/messages/{message}", json!({"content": "other"}), Carols, MODERATORS);
    row("PATCH", "/rooms/{room}/messages/{message}", json!({"content": "other"}), Own, MEMBERS);
    row("DELETE", "/rooms/{room}/messages/{message}", Value::Null, Carols, MODERATORS);
    row("DELETE", "/rooms/{room}/messages/{message}", Value::Null, Own, MEMBERS);
    row("GET", "/rooms/{room}/messages/{message}/versions", Value::Null, Carols, MODERATORS);
    row("GET", "/rooms/{room}/messages/{message}/versions", Value::Null, Own, MEMBERS);
    row("PUT", "/rooms/{room}/messages/{message}/reactions/{emoji}", Value::Null, Carols, MEMBERS);
    row("DELETE", "/rooms/{room}/messages/{message}/reactions/{emoji}", Value::Null, Carols, MEMBERS);
    row("GET", "/rooms/{room}/messages/{message}/reactions/{emoji}", Value::Null, Carols, MEMBERS);
    row("GET", "/rooms/{room}/pins", Value::Null, Same, MEMBERS);
    row("PUT", "/rooms/{room}/pins/{message}", Value::Null, Carols, ADMINS);
    row("DELETE", "/rooms/{room}/pins/{message}", Value::Null, Carols, ADMINS);
    row("GET", "/rooms/{room}/messages/{message}/readers", Value::Null, Carols, MEMBERS);
    row("GET", "/rooms/{room}/threads/{root}", Value::Null, Carols, MEMBERS);
    row("POST", "/rooms/{room}/threads/{root}/read", json!({"seq": 1}), Carols, MEMBERS);
    row("GET", "/threads", Value::Null, Same, ALL);
    row("POST", "/rooms/{room}/read", json!({"seq": 1}), Same, MEMBERS);
    row("POST", "/rooms/{room}/unread", json!({"seq": 1}), Same, MEMBERS);
    row("POST", "/rooms/{room}/attachments", json!("a file"), Same, MEMBERS);
    row("GET", "/rooms/{room}/attachments/{attachment}/url", Value::Null, Same, MEMBERS);
    row("GET", "/attachments/{attachment}", Value::Null, Same, MEMBERS);
    row("HEAD", "/attachments/{attachment}", Value::Null, Same, MEMBERS);
    row("GET", "/rooms/{room}/outbox", Value::Null, Same, OPERATOR);
    row("POST", "/rooms/{room}/outbox/retry", Value::Null, Same, OPERATOR);
    // No row is in quarantine that they could discard.
    let nothing = [404, 404, 404, 403, 403, 403, 403, 404, 404];
    row("POST", "/rooms/{room}/outbox/discard", json!({"seq": 1}), Same, nothing);
    rows.append(&mut rows_of_the_tenant());
    rows
}

/// What is about no room.
fn rows_of_the_tenant() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = |method, path, body: Value, on, expected| {
        let (path, query) = path_and_query(path);
        rows.push(Row { method, path, query, body, on, expected });
    };
    row("GET", "/admin/outbox", Value::Null, Same, TENANTS_ADMIN);
    row("GET", "/admin/reports", Value::Null, Same, TENANTS_ADMIN);
    let unknown = [403, 403, 403, 403, 403, 403, 403, 404, 404];
    row("POST", "/admin/reports/{report}/resolve", json!({"action": "dismiss"}), Same, unknown);
    rows.extend(rows_of_people());
    rows
}

fn rows_of_people() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = |method, path, body: Value, on, expected| {
        rows.push(Row { method, path, query: "", body, on, expected });
    };
    row("PUT", "/people/{user}", json!({"title": "Baker"}), Same, TENANTS_ADMIN);
    let bulk = json!({"people": [{"userId": "nobody", "name": "Nobody"}]});
    row("POST", "/people/bulk", bulk, Same, TENANTS_ADMIN);
    row("POST", "/people/{user}/sign-out", Value::Null, Same, TENANTS_ADMIN);
    // The row before has made the person, in one of the tenants.
    let known = [200, 404, 200, 200, 200, 200, 200, 200, 200];
    row("GET", "/people/{user}", Value::Null, Same, known);
    row("PUT", "/people/{user}/block", Value::Null, Same, known);
    row("DELETE", "/people/{user}/block", Value::Null, Same, ALL);
    row("GET", "/people/me/blocks", Value::Null, Same, ALL);
    row("GET", "/people/me/reports", Value::Null, Same, ALL);
    row("GET", "/people", Value::Null, Same, ALL);
    row("GET", "/people/me", Value::Null, Same, ALL);
    row("PATCH", "/people/me", json!({"timezone": "Europe/Berlin"}), Same, ALL);
    // The shared stack sends no pushes, and nobody has this subscription.
    row("GET", "/push/key", Value::Null, Same, [503; 9]);
    row("GET", "/push/subscriptions", Value::Null, Same, ALL);
    let keys = json!({"p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
                      "auth": "BTBZMqHH6r4Tts7J_aSIgg"});
    let device = json!({"endpoint": "https://push.example.com/1", "keys": keys});
    row("POST", "/push/subscriptions", device, Same, ALL);
    row("DELETE", "/push/subscriptions/{subscription}", Value::Null, Same, [404; 9]);
    rows
}

fn path_and_query(path: &'static str) -> (&'static str, &'static str) {
    path.split_at(path.find('?').unwrap_or(path.len()))
}

struct Matrix {
    t: Tenant,
    other: Tenant,
    room: String,
    attachment: String,
}

impl Matrix {
    fn token(&self, who: &str) -> String {
        match who {
            "foreigner" => self.other.token("alice"),
            "root" | "tina" => self.t.token_with(who, json!({"roles": ["admin"]})),
            _ => self.t.token(who),
        }
    }

    async fn says(&self, who: &str, body: Value) -> String {
        let sent = self.t.rest(who, "POST", &format!("/rooms/{}/messages", self.room), Some(body)).await.ok();
        text(&sent["message"]["id"])
    }

    async fn ask(&self, row: &Row, who: &str, inside: bool) -> Answer {
        let room = if row.on == Fresh { populated(&self.t).await } else { self.room.clone() };
        let message = match row.on {
            Own if inside => self.says(who, json!({"content": "mine"})).await,
            Own | Carols => self.says("carol", json!({"content": "the treasure"})).await,
            _ => String::new(),
        };
        if row.on == Newcomer {
            let path = format!("/rooms/{room}/members");
            let _ = self.t.rest("alice", "DELETE", &format!("{path}/newcomer"), None).await;
            self.t.rest("alice", "POST", &path, Some(json!({"userIds": ["newcomer"]}))).await.ok();
        }
        let user = if row.on == Newcomer { "newcomer" } else { "nobody" };
        let mut path = format!("{}{}", row.path, row.query);
        for (name, value) in [
            ("room", room.as_str()),
            ("user", user),
            ("message", &message),
            ("root", &message),
            ("emoji", "👍"),
            ("report", "unknown"),
            ("subscription", "unknown"),
            ("attachment", &self.attachment),
        ] {
            path = path.replace(&format!("{{{name}}}"), &encoded(value));
        }
        let authorization = format!("Bearer {}", self.token(who));
        let mut headers = vec![("Authorization", authorization.as_str())];
        let body = match &row.body {
            Value::Null => None,
            Value::String(file) => Some(file.clone()),
            json => {
                headers.push(("Content-Type", "application/json"));
                Some(json.to_string())
            }
        };
        self.t.raw(row.method, &path, &headers, body.as_deref().map(str::as_bytes)).await
    }
}

async fn populated(t: &Tenant) -> String {
    let room = ranks(t).await;
    let path = format!("/rooms/{room}/members");
    t.rest("alice", "POST", &path, Some(json!({"userIds": ["former", "tina"]}))).await.ok();
    t.rest("alice", "DELETE", &format!("{path}/former"), None).await.ok();
    room
}

#[tokio::test]
async fn everybody_may_do_what_the_table_says_on_every_route_and_nothing_else() {
    let stack = loud();
    let (t, other) = (Tenant::new(&stack), Tenant::new(&stack));
    let room = populated(&t).await;
    let mut m = Matrix { t, other, room, attachment: String::new() };
    let upload = format!("/rooms/{}/attachments", m.room);
    let bearer = format!("Bearer {}", m.t.token("carol"));
    let up = m.t.raw("POST", &upload, &[("Authorization", &bearer)], Some(b"the treasure")).await.ok();
    m.attachment = text(&up["attachment"]["id"]);
    m.says("carol", json!({"content": "the treasure @room", "attachments": [{"id": m.attachment}]})).await;

    let rows = rows();
    for (method, path, _) in ROUTES.iter().filter(|(_, path, _)| path.starts_with("/api/chat")) {
        let path = path.trim_start_matches("/api/chat");
        let is_tried = rows.iter().any(|row| (row.method, row.path) == (method.as_str(), path));
        assert!(is_tried, "nobody tries {method} {path}: give it a row");
    }
    for row in &rows {
        for (who, status) in EVERYBODY.into_iter().zip(row.expected) {
            let inside = !["eve", "foreigner", "former", "root"].contains(&who);
            let answer = m.ask(row, who, inside).await;
            let what = format!("{who}: {} {}{}", row.method, row.path, row.query);
            assert_eq!(answer.status, status, "{what}: {answer:?}");
            let code = match status {
                403 => "forbidden",
                409 => "last_owner",
                404 if row.path.ends_with("/discard") && ["root", "tina"].contains(&who) => {
                    "message_not_found"
                }
                404 if row.path.starts_with("/admin/reports") || row.path.starts_with("/push") => "not_found",
                404 if row.path.starts_with("/people") => "person_not_found",
                404 if row.path.starts_with("/attachments") => "attachment_not_found",
                404 => "room_not_found",
                _ => "",
            };
            if !code.is_empty() && row.method != "HEAD" {
                answer.refusal(status, code);
            }
            // The tenant's admins see what was reported in whatever room.
            let is_report_list = row.path == "/admin/reports" && status == 200;
            // Taking back what one has saved repeats the caller's own ids.
            let is_echo = (row.method, row.path) == ("DELETE", "/saved/{room}/{message}");
            if !inside && !row.path.contains("outbox") && !is_report_list && !is_echo {
                let hints = [m.room.as_str(), "treasure"];
                assert!(!hints.iter().any(|hint| answer.body.contains(hint)), "{what}: {answer:?}");
            }
        }
    }
    for (who, status) in EVERYBODY.into_iter().zip(MEMBERS) {
        let of = if who == "foreigner" { &m.other } else { &m.t };
        let user = if who == "foreigner" { "alice" } else { who };
        match status {
            200 => drop(of.dial(&m.room, user).open().await),
            _ => drop(of.dial(&m.room, user).refused().await.refusal(404, "room_not_found")),
        }
    }
    // The effective role is returned.
    let seen = m.t.rest_as(&m.token("tina"), "GET", &format!("/rooms/{}", m.room), None).await.ok();
    assert_eq!(seen["room"]["me"]["role"], "admin");
    // PEOPLE-6: an account that is deactivated may nothing at once, whatever it was.
    let path = "/people/tina";
    m.t.rest_as(&m.token("root"), "PUT", path, Some(json!({"deactivated": true}))).await.ok();
    for row in rows.iter().filter(|row| !["/health", "/openapi.json", "/protocol.json"].contains(&row.path)) {
        let answer = m.ask(row, "tina", false).await;
        assert_eq!(answer.status, 403, "{} {}: {answer:?}", row.method, row.path);
    }
}
