//! The operator's routes: who may use them, what the Worker asks of a room, and the tenant's list of outbox alerts.
//! Not here: what a room does when asked (`room/outbox_alert.rs`).

use crate::bucket::Objects;
use crate::db::{group, tenant, user};
use crate::postgres::{Database, NativePostgres};
use crate::rig::Rig;
use chinwag::api::{self, Body, Ports, Reply, Request, RoomOp, RoomRequest};
use chinwag::auth::{AuthConfig, Identity, Role};
use chinwag::db::{DbError, Postgres};
use chinwag::error::{Code, Refusal};
use chinwag::ids::{RoomId, TenantId, UnixMs};
use chinwag::metrics::Counts;
use chinwag::outbox_alerts::{Listed, OutboxAlerts};
use chinwag::room::moderation::Rules;
use chinwag::room::{OutboxProblem, OutboxReport, OutboxState, RoomCall};
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use testkit::Sqlite;

const NOW: UnixMs = 1_795_424_400_000;

/// Postgres, until it is away.
struct Db {
    postgres: NativePostgres,
    away: Cell<bool>,
}

impl Postgres for Db {
    async fn query(&self, sql: &'static str, input: Value) -> Result<Value, DbError> {
        match self.away.get() {
            true => Err(DbError { sqlstate: None, message: "away".into() }),
            false => self.postgres.query(sql, input).await,
        }
    }
}

struct World {
    config: AuthConfig,
    db: Db,
    list: Sqlite,
    asked: RefCell<Vec<RoomRequest>>,
}

impl Ports for World {
    type Db = Db;
    type Bucket = Objects;

    fn config(&self) -> &AuthConfig {
        &self.config
    }

    fn now(&self) -> UnixMs {
        NOW
    }

    fn random(&self) -> u128 {
        7
    }

    /// A token is `tenant/user`, with `!` behind it that of a tenant's admin.
    async fn authenticate(&self, token: &str) -> Result<Identity, Refusal> {
        let no = || Refusal::new(Code::Unauthenticated, "no token");
        let (t, u) = token.split_once('/').ok_or_else(no)?;
        let tenant_role = u.ends_with('!').then_some(Role::Admin);
        let user = user(u.trim_end_matches('!'));
        Ok(Identity { tenant_role, ..Identity::of(tenant(t), user, NOW + 1_000) })
    }

    fn moderation(&self, _tenant: &TenantId) -> Option<Rc<Rules>> {
        None
    }

    fn db(&self) -> &Db {
        &self.db
    }

    fn fail_fast_db(&self) -> &Db {
        &self.db
    }

    fn bucket(&self) -> Result<&Objects, Refusal> {
        Err(Refusal::fault())
    }

    async fn call_room(&self, ask: &RoomRequest) -> Result<Reply, Refusal> {
        self.asked.borrow_mut().push(ask.clone());
        Ok(Reply::ok(json!({"asked": true})))
    }

    async fn outbox_alerts(&self, tenant: &TenantId) -> Result<Vec<Listed>, Refusal> {
        assert_eq!(tenant.as_str(), "acme", "each tenant has a list of its own");
        OutboxAlerts(&self.list).list().map_err(|_| Refusal::fault())
    }

    async fn create_ticket(&self, _: &Identity) -> Result<String, Refusal> {
        Err(Refusal::fault())
    }

    async fn redeem_ticket(&self, _: &str) -> Result<Option<Identity>, Refusal> {
        Ok(None)
    }
}

struct Text(&'static str);

impl Body for Text {
    async fn read(self, _: usize) -> Result<Vec<u8>, Refusal> {
        Ok(self.0.as_bytes().to_vec())
    }

    async fn next(&mut self) -> Option<Result<Vec<u8>, Refusal>> {
        None
    }
}

impl World {
    async fn new(database: &Database) -> Self {
        let postgres = database.connect().await;
        group(&postgres, "acme", "r1", "alice", &["bob"]).await;
        let secret = |name: &str| (name == "JWT_SECRET").then(|| "s".repeat(32));
        Self {
            config: AuthConfig::parse(secret).expect("a configuration"),
            db: Db { postgres, away: Cell::new(false) },
            list: Sqlite::new(),
            asked: RefCell::default(),
        }
    }

    async fn ask(&self, token: &str, method: Method, path: &str, body: &'static str) -> (u16, Value) {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", format!("Bearer {token}").parse().expect("a header"));
        let path = format!("/api/chat{path}");
        let request = Request { method, path, query: String::new(), headers, body: Text(body) };
        let Reply::Json { status, body, .. } = api::handle(self, request).await else { panic!("no upgrade") };
        (status, serde_json::from_str(&body).expect("JSON"))
    }
}

const ROUTES: [(&str, &str, &str); 3] =
    [("GET", "outbox", ""), ("POST", "outbox/retry", ""), ("POST", "outbox/discard", r#"{"seq":3}"#)];

#[tokio::test]
async fn a_rooms_outbox_is_its_tenants_admins_alone() {
    let database = Database::new().await;
    let world = World::new(&database).await;
    for away in [false, true] {
        world.db.away.set(away);
        for (method, path, body) in ROUTES {
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            let answers = [
                ("acme/root!", 200, ""),
                ("acme/alice!", 200, ""),
                // With Postgres away nobody knows who is a member, and existence isn't revealed.
                (
                    "acme/alice",
                    if away { 404 } else { 403 },
                    if away { "room_not_found" } else { "forbidden" },
                ),
                ("acme/bob", if away { 404 } else { 403 }, if away { "room_not_found" } else { "forbidden" }),
                ("acme/mallory", 404, "room_not_found"),
                ("other/mallory", 404, "room_not_found"),
                ("nobody", 401, "unauthenticated"),
            ];
            for (token, status, code) in answers {
                let before = world.asked.borrow().len();
                let (answered, answer) =
                    world.ask(token, method.clone(), &format!("/rooms/r1/{path}"), body).await;
                assert_eq!(
                    (answered, answer["error"]["code"].as_str().unwrap_or("")),
                    (status, code),
                    "{token}"
                );
                let asked = world.asked.borrow().len() - before;
                assert_eq!(
                    asked,
                    usize::from(status == 200),
                    "{token} {path}: only who may is let to the room"
                );
            }
        }
        // Another tenant's admin: the room of his own tenant's name says that there is none, or that Postgres lost it.
        let (status, _) = world.ask("other/root!", Method::GET, "/rooms/r1/outbox", "").await;
        assert_eq!(status, 200, "away: {away}");
    }
    let asked = world.asked.borrow();
    let last = asked.iter().rev().find(|ask| ask.caller.tenant.as_str() == "acme").expect("asked");
    assert!(matches!(&last.op, RoomOp::Call(RoomCall::Discard { seq: 3 })));
}

#[tokio::test]
async fn discard_wants_a_seq_from_who_may() {
    let database = Database::new().await;
    let world = World::new(&database).await;
    let bodies =
        [("", "bad_json"), ("[]", "bad_request"), ("{}", "bad_request"), (r#"{"seq":-1}"#, "bad_request")];
    for (body, code) in bodies {
        let (status, answer) = world.ask("acme/root!", Method::POST, "/rooms/r1/outbox/discard", body).await;
        assert_eq!((status, &answer["error"]["code"]), (400, &json!(code)), "{body}");
        let (status, _) = world.ask("acme/mallory", Method::POST, "/rooms/r1/outbox/discard", body).await;
        assert_eq!(status, 404, "strangers learn nothing");
    }
    assert!(world.asked.borrow().is_empty());
}

fn report(room: &str, at: UnixMs, problem: Option<OutboxProblem>) -> OutboxReport {
    OutboxReport { tenant: tenant("acme"), room: RoomId::parse(room).expect("an id"), at, problem }
}

fn halted(lag: u64, oldest_at_ms: UnixMs, quarantined: u64) -> Option<OutboxProblem> {
    Some(OutboxProblem { lag, oldest_at_ms, state: OutboxState::Halted, quarantined, storage_percent: None })
}

#[tokio::test]
async fn the_tenants_list_is_its_admins_and_says_how_long_rooms_wait() {
    let database = Database::new().await;
    let world = World::new(&database).await;
    let get = async |token| world.ask(token, Method::GET, "/admin/outbox", "").await;
    assert_eq!(get("acme/root!").await, (200, json!({"rooms": []})));
    assert!(world.list.rows("SELECT name FROM sqlite_master", []).is_empty(), "looking makes no table");
    let take = |a| OutboxAlerts(&world.list).take(&a).expect("taken");
    take(report("r1", NOW - 9_000, halted(3, NOW - 8_000, 0)));
    take(report("r2", NOW - 7_000, halted(0, 0, 2)));
    take(report("r3", NOW - 6_000, halted(1, NOW - 50_000, 0)));
    let row = |room: &str, lag: u64, oldest: u64, aside: u64| json!({"roomId": room, "lag": lag, "oldestMs": oldest, "state": "halted", "setAside": aside, "storagePercent": null});
    let all = json!({"rooms": [row("r3", 1, 50_000, 0), row("r1", 3, 8_000, 0), row("r2", 0, 0, 2)]});
    assert_eq!(get("acme/root!").await, (200, all));
    take(report("r3", NOW - 5_000, None));
    take(report("r1", NOW - 4_000, halted(4, NOW - 8_000, 1)));
    // A late report from before is ignored.
    take(report("r3", NOW - 5_500, halted(1, NOW - 50_000, 0)));
    assert_eq!(get("acme/root!").await.1, json!({"rooms": [row("r1", 4, 8_000, 1), row("r2", 0, 0, 2)]}));
    for token in ["acme/alice", "acme/mallory"] {
        assert_eq!(get(token).await.0, 403);
    }
    assert_eq!(get("nobody").await.0, 401);
    take(report("r2", NOW, None));
    take(report("r1", NOW + 3_700_000, None));
    assert_eq!(get("acme/root!").await.1, json!({"rooms": []}));
    let left = world.list.rows("SELECT room FROM outbox_alerts", []).len();
    assert_eq!(left, 1, "rooms that are well are forgotten after an hour");
}

#[test]
fn what_happens_is_counted_once_and_an_idle_room_counts_nothing() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nbob join");
    rig.counts = Counts::default();
    rig.prepare(
        "alice > message \"a\" #c1\nalice > message \"a\" #c1\nbob > react 👍 1 #r1\nbob > message \"b\"",
    );
    let counted = std::mem::take(&mut rig.counts);
    assert_eq!(
        (counted.acks, counted.batches, counted.retries, counted.rows_quarantined),
        (3, 3, 0, 0),
        "{counted:?}"
    );
    rig.prepare(
        "(Postgres fails)\nalice > message \"poison\" #c2\n(2 s pass)\n(Postgres recovers)\n(9 s pass)",
    );
    // The object reports what it has counted with each batch.
    rig.prepare("bob lag\nalice > message \"c\"");
    let counted = std::mem::take(&mut rig.counts);
    assert_eq!((counted.acks, counted.rows_quarantined, counted.slow_sockets), (1, 1, 1), "{counted:?}");
    assert!(counted.retries >= 2 && counted.batches > counted.retries, "{counted:?}");
    rig.prepare("(60 s pass)");
    assert!(rig.counts.is_empty());
    let order = Counts { acks: 1, batches: 2, retries: 3, rows_quarantined: 4, panics: 5, slow_sockets: 6 };
    assert_eq!(order.plus(&order).in_order(), [2, 4, 6, 8, 10, 12], "graphs are read by this order");
}
