//! What every REST request passes before its handler decides: the body's type, the method, cursors, `null`, and the
//! checks of `GET /health`. Not here: tokens (`src/auth/tests`), HTTP itself (`tests/e2e/rest_refusals.rs`).

use crate::bucket::Objects;
use crate::db::{tenant, user};
use chinwag::api::{self, Body, Ports, ROUTES, Reply, Request, RoomOp, RoomRequest};
use chinwag::auth::{AuthConfig, Identity, Role};
use chinwag::db::{DbError, Postgres};
use chinwag::error::{Code, Refusal};
use chinwag::ids::{TenantId, UnixMs};
use chinwag::outbox_alerts::Listed;
use chinwag::room::moderation::{Moderation, Rules};
use chinwag::room::{AdminChange, Patch};
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::timeout;

/// A database in which alice owns the room `r1` and every list is empty. It counts its statements, but not those that ask
/// whether a caller's account is refused, and whom they may meet.
#[derive(Default)]
struct Db {
    queries: Cell<u32>,
    is_stuck: Cell<bool>,
    /// The ids of the rooms that were to be created.
    created: RefCell<Vec<String>>,
    /// Their names.
    names: RefCell<Vec<Value>>,
}

impl Postgres for Db {
    async fn query(&self, sql: &'static str, input: Value) -> Result<Value, DbError> {
        if sql.contains("chat_account_v1") {
            return Ok(Value::Null);
        }
        if sql.contains("chat_meeting_v1") {
            return Ok(json!({"blocked": false}));
        }
        self.queries.set(self.queries.get() + 1);
        if self.is_stuck.get() {
            std::future::pending::<()>().await;
        }
        if input["people"].is_array() {
            self.names.borrow_mut().push(input["name"].clone());
            self.created.borrow_mut().push(input["id"].as_str().expect("an id").to_owned());
            return Ok(json!({"id": input["id"], "inserted": true}));
        }
        let access = json!({"role": "owner", "membersVersion": 1, "lastSeq": 0});
        Ok(json!({"access": access, "room": {"historyVisibility": "all"}, "rooms": [], "next": null,
                  "role": "owner", "membersVersion": 1, "lastSeq": 0}))
    }
}

struct World {
    config: AuthConfig,
    db: Db,
    now: Cell<UnixMs>,
    changes: RefCell<Vec<Patch>>,
}

impl Ports for World {
    type Db = Db;
    type Bucket = Objects;

    fn config(&self) -> &AuthConfig {
        &self.config
    }

    fn now(&self) -> UnixMs {
        self.now.get()
    }

    fn random(&self) -> u128 {
        7
    }

    /// A token is a user's id, with `!` behind it that of a tenant's admin.
    async fn authenticate(&self, token: &str) -> Result<Identity, Refusal> {
        if token.is_empty() || token.contains(' ') {
            return Err(Refusal::new(Code::Unauthenticated, "no token"));
        }
        let tenant_role = token.ends_with('!').then_some(Role::Admin);
        let user = user(token.trim_end_matches('!'));
        Ok(Identity { tenant_role, ..Identity::of(tenant("acme"), user, u64::MAX) })
    }

    fn moderation(&self, tenant: &TenantId) -> Option<Rc<Rules>> {
        let rules = r#"{"*":{"words":{"reject":["damn"],"mask":["heck"]}}}"#;
        Moderation::parse(rules).unwrap().rules_for(tenant.as_str())
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

    async fn call_room(&self, request: &RoomRequest) -> Result<Reply, Refusal> {
        if let RoomOp::Change(AdminChange::Settings(patch)) = &request.op {
            self.changes.borrow_mut().push(patch.clone());
        }
        Ok(Reply::ok(json!({"room": {"historyVisibility": "all"}})))
    }

    async fn outbox_alerts(&self, _: &TenantId) -> Result<Vec<Listed>, Refusal> {
        Ok(Vec::new())
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
    fn new(vars: &[(&str, &str)]) -> Self {
        let secret = "s".repeat(32);
        let var = |name: &str| {
            let var = vars.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            var.or_else(|| (name == "JWT_SECRET").then(|| secret.clone()))
        };
        Self {
            config: AuthConfig::parse(var).expect("a configuration"),
            db: Db::default(),
            now: Cell::new(1_795_424_400_000),
            changes: RefCell::default(),
        }
    }

    async fn reply(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &'static str,
    ) -> Reply {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().expect("a header"));
        }
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let (path, query) = (path.to_owned(), query.to_owned());
        api::handle(self, Request { method, path, query, headers: map, body: Text(body) }).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &'static str,
    ) -> (u16, Value) {
        let path = format!("/api/chat{path}");
        let reply = self.reply(method, &path, headers, body).await;
        let Reply::Json { status, body, .. } = reply else { panic!("{reply:?}") };
        (status, serde_json::from_str(&body).expect("JSON"))
    }
}

const ALICE: (&str, &str) = ("authorization", "Bearer alice");

#[tokio::test]
async fn a_body_is_read_as_json_unless_its_type_says_that_it_is_something_else() {
    let world = World::new(&[]);
    let status = async |headers: &[(&'static str, &str)]| {
        world.ask(Method::PATCH, "/rooms/r1", headers, r#"{"topic":"tea"}"#).await.0
    };
    assert_eq!(status(&[ALICE]).await, 200, "without a type");
    for json in [
        "application/json",
        "Application/JSON; charset=utf-8",
        "text/plain",
        "text/plain;charset=UTF-8",
        "application/merge-patch+json",
        "application/vnd.x+JSON; v=1",
        "",
    ] {
        assert_eq!(status(&[ALICE, ("content-type", json)]).await, 200, "{json}");
    }
    for other in [
        "text/html",
        "text/plainer",
        "application/x-www-form-urlencoded",
        "multipart/form-data; b=+json",
        "json",
    ] {
        assert_eq!(status(&[ALICE, ("content-type", other)]).await, 415, "{other}");
    }
}

#[tokio::test]
async fn head_works_wherever_get_does_and_has_its_status_and_headers() {
    let of = |reply: Reply| match reply {
        Reply::Json { status, body, retry_after_ms, allow } => (status, body, retry_after_ms, allow),
        other => panic!("{other:?}"),
    };
    let mut seen = 0;
    for (_, path, _) in ROUTES.iter().filter(|(method, ..)| *method == Method::GET) {
        let path = path.replace("{room}", "r1").replace(['{', '}'], "");
        for headers in [vec![], vec![ALICE], vec![ALICE, ("upgrade", "websocket")]] {
            let world = World::new(&[]);
            let head = of(world.reply(Method::HEAD, &path, &headers, "").await);
            let upgrade = headers.len() == 2;
            let get = world.reply(Method::GET, &path, &headers[..headers.len() - usize::from(upgrade)], "");
            assert_eq!(head, of(get.await), "{path}");
            assert!(head.0 != 405 && !head.1.contains("no such route"), "{path}: {head:?}");
            seen += 1;
        }
    }
    assert!(seen > 40, "{seen}");
    let allowed = of(World::new(&[]).reply(Method::PUT, "/api/chat/rooms/r1", &[ALICE], "").await).3;
    assert_eq!(allowed.as_deref(), Some("GET, HEAD, PATCH, DELETE"));
}

#[tokio::test]
async fn an_empty_cursor_is_no_cursor() {
    for path in [
        "/rooms/list",
        "/mentions",
        "/saved",
        "/threads",
        "/rooms/r1/members",
        "/rooms/r1/audit",
        "/search?q=tea",
    ] {
        let mark = if path.contains('?') { '&' } else { '?' };
        let answer = async |cursor: &str| {
            World::new(&[]).ask(Method::GET, &format!("{path}{cursor}"), &[ALICE], "").await
        };
        assert_eq!(answer(&format!("{mark}cursor=")).await, answer("").await, "{path}");
        let (status, body) = answer(&format!("{mark}cursor=odd")).await;
        assert_eq!((status, &body["error"]["field"]), (400, &json!("cursor")), "{path}");
    }
}

#[tokio::test]
async fn null_clears_a_rooms_name_and_topic() {
    let world = World::new(&[]);
    let patch = async |body: &'static str| {
        let status = world.ask(Method::PATCH, "/rooms/r1", &[ALICE], body).await.0;
        (status, world.changes.borrow_mut().pop())
    };
    let cleared = Some(String::new());
    let topic = Patch { topic: cleared.clone(), ..Patch::default() };
    for body in [r#"{"topic":null}"#, r#"{"topic":""}"#, r#"{"topic":" ","archived":null}"#] {
        assert_eq!(patch(body).await, (200, Some(topic.clone())), "{body}");
    }
    let both = Patch { name: cleared.clone(), topic: cleared, ..Patch::default() };
    assert_eq!(patch(r#"{"name":null,"topic":null}"#).await, (200, Some(both)));
    for nothing in ["{}", r#"{"archived":null}"#, r#"{"roomMention":null,"historyVisibility":null}"#] {
        assert_eq!(patch(nothing).await, (400, None), "{nothing}");
    }
}

#[tokio::test]
async fn a_path_of_dots_is_nobodys_id() {
    let world = World::new(&[]);
    for (method, path, body, status, code) in [
        (Method::POST, "/rooms/create", r#"{"type":"group","participantIds":["bob","."]}"#, 422, "invalid"),
        (Method::POST, "/rooms/create", r#"{"type":"direct","participantIds":[".."]}"#, 422, "invalid"),
        (Method::POST, "/rooms/r1/members", r#"{"userIds":[".."]}"#, 422, "invalid"),
        (Method::PUT, "/rooms/r1/bans/%2E%2e", "{}", 404, "member_not_found"),
        (Method::GET, "/rooms/%2e", "", 404, "room_not_found"),
    ] {
        let (got, answer) = world.ask(method, path, &[ALICE], body).await;
        assert_eq!((got, &answer["error"]["code"]), (status, &json!(code)), "{path} {body}");
    }
    assert_eq!(world.db.queries.get(), 0);
}

const DEEP: &str = "/health?deep=1";

#[tokio::test]
async fn deep_health_is_for_the_tenants_admin_and_the_health_token_alone() {
    let ask = async |vars: &[(&str, &str)], token: Option<&str>| {
        let world = World::new(vars);
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        let (status, answer) = world.ask(Method::GET, DEEP, &headers, "").await;
        (status, answer["error"]["code"].clone(), world.db.queries.get())
    };
    let token = [("HEALTH_TOKEN", "the health token")];
    for (vars, sent) in [
        (&token[..], None),
        (&token, Some("")),
        (&token, Some("alice")),
        (&token, Some("the health toke")),
        (&token, Some("the health token!")),
        (&[("HEALTH_TOKEN", " ")], Some(" ")),
        (&[], Some("the health token")),
        (&[], None),
    ] {
        let unauthenticated = (401, json!("unauthenticated"), 0);
        assert_eq!(ask(vars, sent).await, unauthenticated, "{sent:?}");
    }
    assert_eq!(ask(&token, Some("the health token")).await, (200, Value::Null, 1));
    assert_eq!(ask(&token, Some("alice!")).await, (200, Value::Null, 0), "answered from what is known");
    let world = World::new(&token);
    let (status, _) =
        world.ask(Method::GET, "/rooms/list", &[("authorization", "Bearer the health token")], "").await;
    assert_eq!(status, 401, "it opens nothing else");
}

#[tokio::test]
async fn deep_health_queries_postgres_once_in_10_seconds() {
    let world = World::new(&[]);
    // Later than in the test above, which may have run on this thread.
    world.now.set(1_795_428_000_000);
    let admin = ("authorization", "Bearer root!");
    let first = world.ask(Method::GET, DEEP, &[admin], "").await;
    let services = json!({
        "status": "ok", "postgres": "ok", "latencyMs": 0, "files": "off", "notifications": "off",
    });
    assert_eq!(first, (200, services));
    for (later_ms, queries) in [(0, 1), (9_999, 1), (10_000, 2), (10_001, 2), (20_000, 3)] {
        world.now.set(1_795_428_000_000 + later_ms);
        assert_eq!(world.ask(Method::GET, DEEP, &[admin], "").await, first);
        assert_eq!(world.db.queries.get(), queries, "{later_ms}");
    }
    assert_eq!(world.ask(Method::GET, "/health", &[], "").await, (200, json!({"status": "ok"})));
    assert_eq!(world.ask(Method::GET, "/health?deep=0", &[], "").await.0, 200);
    assert_eq!(world.db.queries.get(), 3, "the plain one touches nothing");

    // Two at once, and a request that was cancelled while it waited for Postgres.
    world.now.set(1_795_428_100_000);
    world.db.is_stuck.set(true);
    let headers = [admin];
    let stuck = world.ask(Method::GET, DEEP, &headers, "");
    assert!(timeout(Duration::from_millis(10), stuck).await.is_err());
    let (status, answer) = world.ask(Method::GET, DEEP, &[admin], "").await;
    assert_eq!((status, &answer["error"]["retryAfterMs"]), (429, &json!(10_000)));
    assert_eq!(world.db.queries.get(), 4);
    world.db.is_stuck.set(false);
    world.now.set(1_795_428_110_000);
    assert_eq!(world.ask(Method::GET, DEEP, &[admin], "").await, first);
}

#[tokio::test]
async fn a_client_id_gives_a_person_the_same_room_id_each_time() {
    let world = World::new(&[]);
    let id_of = async |who: &str, body: &'static str| {
        let bearer = format!("Bearer {who}");
        let headers = [("authorization", bearer.as_str())];
        let (status, answer) = world.ask(Method::POST, "/rooms/create", &headers, body).await;
        assert_eq!((status, &answer["created"]), (200, &json!(true)), "{answer}");
        world.db.created.borrow_mut().pop().expect("a room")
    };
    let first = r#"{"type":"group","participantIds":["bob"],"clientId":"k1"}"#;
    let id = id_of("alice", first).await;
    assert_eq!(id_of("alice", first).await, id);
    assert_eq!(uuid::Uuid::parse_str(&id).expect("a UUID").get_version_num(), 8);
    assert_eq!(
        id_of("alice", r#"{"type":"group","name":"x","participantIds":[],"clientId":"k1"}"#).await,
        id
    );
    assert_ne!(id_of("bob", first).await, id, "a clientId is a person's own");
    assert_ne!(id_of("alice", r#"{"type":"group","participantIds":["bob"],"clientId":"k2"}"#).await, id);
    // The pair names its room already; a clientId must not give two pairs one id.
    for other in [
        r#"{"type":"direct","participantIds":["bob"],"clientId":"k1"}"#,
        r#"{"type":"group","participantIds":["bob"],"clientId":null}"#,
        r#"{"type":"group","participantIds":["bob"]}"#,
    ] {
        let random = id_of("alice", other).await;
        assert_eq!(uuid::Uuid::parse_str(&random).expect("a UUID").get_version_num(), 7, "{other}");
    }
    for (bad, status) in [
        (r#"{"type":"group","participantIds":[],"clientId":""}"#, 422),
        (
            r#"{"type":"group","participantIds":[],"clientId":"0123456789012345678901234567890123456789012345678901234567890123x"}"#,
            422,
        ),
        (r#"{"type":"direct","participantIds":["bob"],"clientId":7}"#, 400),
    ] {
        let (got, answer) = world.ask(Method::POST, "/rooms/create", &[ALICE], bad).await;
        assert_eq!((got, &answer["error"]["field"]), (status, &json!("clientId")), "{bad}");
    }
}

#[tokio::test]
async fn mod_1_a_room_is_created_under_a_name_that_the_rules_allow() {
    let world = World::new(&[]);
    let create = async |body| world.ask(Method::POST, "/rooms/create", &[ALICE], body).await;
    let (status, answer) = create(r#"{"type":"group","name":"Damn","participantIds":[]}"#).await;
    assert_eq!((status, &answer["error"]["code"]), (422, &json!("moderation_blocked")));
    assert_eq!(answer["error"]["field"], "name");
    assert_eq!(create(r#"{"type":"group","name":"What the heck","participantIds":[]}"#).await.0, 200);
    assert_eq!(*world.db.names.borrow(), [json!("What the ****")]);
}
