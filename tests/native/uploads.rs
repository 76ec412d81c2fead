//! Uploads and downloads over REST up to the ports: the calls to the room and to the bucket, their order, and what
//! follows when either fails. Not here: the room's decisions (`room/files.rs`), R2 and workerd (`tests/e2e/files.rs`).

use crate::bucket::{Object, Objects};
use crate::db::{tenant, user};
use chinwag::api::{self, Body, Bucket, FileReply, Ports, Put, Reply, Request, RoomOp, RoomRequest};
use chinwag::auth::{AuthConfig, Identity};
use chinwag::db::{DbError, Postgres};
use chinwag::error::{Code, Refusal};
use chinwag::ids::{TenantId, UnixMs};
use chinwag::limits::{FILE_PIECE_BYTES, UPLOAD_MAX_MS};
use chinwag::outbox_alerts::Listed;
use chinwag::protocol::message::Attachment;
use chinwag::room::RoomCall;
use chinwag::room::moderation::Rules;
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Says who is a member: alice alone, or nothing at all. A file is counted, or refused with this SQLSTATE.
#[derive(Default)]
struct Db {
    is_away: bool,
    refuses: Option<&'static str>,
    counted: RefCell<Vec<Value>>,
}

impl Postgres for Db {
    async fn query(&self, _: &'static str, input: Value) -> Result<Value, DbError> {
        let error =
            |state: Option<&str>| DbError { sqlstate: state.map(str::to_owned), message: "no".into() };
        if self.is_away {
            return Err(error(None));
        }
        if input["bytesMax"].is_u64() {
            self.counted.borrow_mut().push(input);
            return self.refuses.map_or(Ok(json!("done")), |state| Err(error(Some(state))));
        }
        let member = input["user"] == "alice" && input["room"] == "r1";
        Ok(if member { json!({"role": "member", "membersVersion": 1, "lastSeq": 0}) } else { Value::Null })
    }
}

/// A bucket that fails on demand.
struct Bound {
    objects: Objects,
    fails: Option<&'static str>,
    writes: Rc<RefCell<Vec<usize>>>,
}

struct Writing {
    object: Object,
    fails: Option<&'static str>,
    writes: Rc<RefCell<Vec<usize>>>,
}

fn away(fails: Option<&str>, at: &str) -> Result<(), Refusal> {
    match fails == Some(at) {
        true => Err(Refusal::new(Code::UpstreamUnavailable, "the bucket is away")),
        false => Ok(()),
    }
}

impl Bucket for Bound {
    type Put = Writing;

    async fn put(&self, key: &str, size: u64) -> Result<Writing, Refusal> {
        away(self.fails, "begin")?;
        let object = self.objects.put(key, size).await?;
        Ok(Writing { object, fails: self.fails, writes: self.writes.clone() })
    }
}

impl Put for Writing {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        away(self.fails, "write")?;
        self.writes.borrow_mut().push(bytes.len());
        self.object.write(bytes).await
    }

    async fn finish(self) -> Result<(), Refusal> {
        away(self.fails, "finish")?;
        self.object.finish().await
    }
}

/// A room that refuses one kind of call, and everything around it.
struct World {
    db: Db,
    config: AuthConfig,
    bucket: Option<Bound>,
    refuses: Option<&'static str>,
    asked: RefCell<Vec<RoomCall>>,
    now: Rc<Cell<UnixMs>>,
}

impl World {
    fn new() -> Self {
        let secret = |name: &str| (name == "JWT_SECRET").then(|| "s".repeat(32));
        let bucket = Bound { objects: Objects::default(), fails: None, writes: Rc::default() };
        Self {
            db: Db::default(),
            config: AuthConfig::parse(secret).expect("a configuration"),
            bucket: Some(bucket),
            refuses: None,
            asked: RefCell::default(),
            now: Rc::new(Cell::new(1_795_424_400_000)),
        }
    }

    fn failing(at: &'static str) -> Self {
        let mut world = Self::new();
        world.bucket.as_mut().expect("a bucket").fails = Some(at);
        world
    }

    fn refusing(call: &'static str) -> Self {
        Self { refuses: Some(call), ..Self::new() }
    }

    fn stored(&self) -> Vec<Vec<u8>> {
        let bucket = self.bucket.as_ref().expect("a bucket");
        bucket.objects.0.borrow().values().cloned().collect()
    }

    /// What the room was asked, by name.
    fn asked(&self) -> Vec<&'static str> {
        self.asked.borrow().iter().map(name).collect()
    }

    async fn ask(
        &self,
        who: &str,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Pieces,
    ) -> Reply {
        let mut map = HeaderMap::new();
        for (name, value) in headers.iter().chain(&[("authorization", format!("Bearer {who}").as_str())]) {
            let name: http::HeaderName = name.parse().expect("a name");
            map.insert(name, value.parse().expect("a value"));
        }
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let (path, query) = (format!("/api/chat{path}"), query.to_owned());
        api::handle(self, Request { method, path, query, headers: map, body }).await
    }

    /// Uploads these pieces under this length.
    async fn upload(&self, who: &str, length: Option<&str>, pieces: &[&[u8]]) -> (u16, Value, bool) {
        let read = Rc::new(Cell::new(false));
        let each_ms = if pieces.len() > 3 { UPLOAD_MAX_MS / 2 } else { 0 };
        let pieces = pieces.iter().map(|piece| piece.to_vec()).collect();
        let body = Pieces { pieces, read: read.clone(), now: self.now.clone(), each_ms };
        let mut headers = vec![("x-file-name", "..%2Fcat%0A.png"), ("content-type", "text/html")];
        headers.extend(length.map(|length| ("content-length", length)));
        let reply = self.ask(who, Method::POST, "/rooms/r1/attachments", &headers, body).await;
        let Reply::Json { status, body, .. } = reply else { panic!("{reply:?}") };
        (status, serde_json::from_str(&body).expect("JSON"), read.get())
    }
}

fn name(call: &RoomCall) -> &'static str {
    match call {
        RoomCall::Reserve { .. } => "reserve",
        RoomCall::Uploaded { .. } => "uploaded",
        RoomCall::UploadFailed { .. } => "failed",
        RoomCall::File { .. } => "file",
        _ => "other",
    }
}

impl Ports for World {
    type Db = Db;
    type Bucket = Bound;

    fn config(&self) -> &AuthConfig {
        &self.config
    }

    fn now(&self) -> UnixMs {
        self.now.get()
    }

    fn random(&self) -> u128 {
        7
    }

    async fn authenticate(&self, token: &str) -> Result<Identity, Refusal> {
        Ok(Identity::of(tenant("acme"), user(token), self.now() + 1_000))
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

    fn bucket(&self) -> Result<&Bound, Refusal> {
        self.bucket.as_ref().ok_or_else(|| Refusal::new(Code::UpstreamUnavailable, "no bucket"))
    }

    async fn call_room(&self, ask: &RoomRequest) -> Result<Reply, Refusal> {
        let RoomOp::Call(call) = &ask.op else { panic!("{ask:?}") };
        self.asked.borrow_mut().push(call.clone());
        if self.refuses == Some(name(call)) {
            let code = if name(call) == "reserve" { Code::Archived } else { Code::RoomNotFound };
            return Ok(Reply::refused(&Refusal::new(code, "refused")));
        }
        Ok(match call {
            RoomCall::Uploaded { file, .. } => Reply::ok(json!({"attachment": file})),
            RoomCall::File { .. } => Reply::ok(json!(file())),
            _ => Reply::ok(json!({})),
        })
    }

    async fn outbox_alerts(&self, _: &TenantId) -> Result<Vec<Listed>, Refusal> {
        Err(Refusal::fault())
    }

    async fn create_ticket(&self, _: &Identity) -> Result<String, Refusal> {
        Err(Refusal::fault())
    }

    async fn redeem_ticket(&self, _: &str) -> Result<Option<Identity>, Refusal> {
        Ok(None)
    }
}

fn file() -> Attachment {
    let file = json!({"id": "r1.07", "url": "/api/chat/attachments/r1.07", "name": "a.html", "mimeType": "text/html",
                      "size": 10, "sha256": "00ff"});
    serde_json::from_value(file).expect("an attachment")
}

/// A body in pieces, which take their time.
struct Pieces {
    pieces: std::collections::VecDeque<Vec<u8>>,
    read: Rc<Cell<bool>>,
    now: Rc<Cell<UnixMs>>,
    each_ms: u64,
}

impl Pieces {
    fn none() -> Self {
        Self { pieces: Default::default(), read: Rc::default(), now: Rc::default(), each_ms: 0 }
    }
}

impl Body for Pieces {
    async fn read(self, _: usize) -> Result<Vec<u8>, Refusal> {
        Ok(self.pieces.into_iter().flatten().collect())
    }

    async fn next(&mut self) -> Option<Result<Vec<u8>, Refusal>> {
        self.read.set(true);
        self.now.set(self.now.get() + self.each_ms);
        self.pieces.pop_front().map(Ok)
    }
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x02\0\0\0\x03\x08\x02\0\0\0";

#[tokio::test]
async fn a_file_goes_to_the_bucket_between_the_rooms_two_notes_and_is_what_its_bytes_say() {
    let world = World::new();
    let large = vec![7; FILE_PIECE_BYTES];
    let size = (PNG.len() + large.len() + 1).to_string();
    let (status, answer, _) = world.upload("alice", Some(&size), &[PNG, &large, b"!"]).await;
    assert_eq!((status, world.asked()), (200, vec!["reserve", "uploaded"]), "{answer}");
    let whole = [PNG, &large, b"!"].concat();
    assert_eq!(world.stored(), [whole]);
    let writes = world.bucket.as_ref().expect("a bucket").writes.borrow().clone();
    assert_eq!(writes, [PNG.len() + large.len(), 1], "gathered to pieces of a size");
    let file = &answer["attachment"];
    assert_eq!(
        (&file["mimeType"], &file["width"], &file["height"]),
        (&json!("image/png"), &json!(2), &json!(3))
    );
    assert_eq!(file["name"], "cat.png");
    assert_eq!(file["size"].to_string(), size);
}

#[tokio::test]
async fn what_is_refused_beforehand_is_not_read_and_the_bucket_hears_nothing_of_it() {
    let odd = ["", "x", "-1", "1.5", "99999999999999999999"];
    for length in odd.into_iter().map(Some).chain([None]) {
        let world = World::new();
        let (status, answer, read) = world.upload("alice", length, &[b"abc"]).await;
        let error = &answer["error"];
        assert_eq!(
            (status, &error["code"], &error["field"]),
            (400, &json!("bad_request"), &json!("Content-Length"))
        );
        assert!(!read && world.asked().is_empty() && world.stored().is_empty(), "{length:?}");
    }
    for (world, who, code, asked) in [
        (World::new(), "eve", "room_not_found", vec![]),
        (World { bucket: None, ..World::new() }, "alice", "upstream_unavailable", vec![]),
        (World::refusing("reserve"), "alice", "archived", vec!["reserve"]),
    ] {
        let (_, answer, read) = world.upload(who, Some("3"), &[b"abc"]).await;
        assert_eq!((&answer["error"]["code"], world.asked()), (&json!(code), asked));
        assert!(!read, "{code}");
    }
}

/// RATE-3.
#[tokio::test]
async fn a_file_is_counted_before_it_is_read_and_one_over_the_quota_is_not_read() {
    let world = World::new();
    let (status, ..) = world.upload("alice", Some("3"), &[b"abc"]).await;
    let counted = json!({"tenant": "acme", "user": "alice", "room": "r1", "file": format!("{:032x}", 7), "bytes": 3,
                         "bytesMax": 10u64 << 30});
    assert_eq!((status, world.db.counted.take()), (200, vec![counted]));
    for (state, code) in [("CW003", "rate_limited"), ("57014", "upstream_unavailable")] {
        let db = Db { refuses: Some(state), ..Db::default() };
        let world = World { db, ..World::new() };
        let (_, answer, read) = world.upload("alice", Some("3"), &[b"abc"]).await;
        assert_eq!((&answer["error"]["code"], read), (&json!(code), false), "{answer}");
        assert_eq!(answer["error"]["retryAfterMs"].is_u64(), code == "rate_limited", "{answer}");
        assert_eq!(world.asked(), ["reserve", "failed"], "the room releases what may have been counted");
    }
    let world = World { db: Db { is_away: true, ..Db::default() }, ..World::new() };
    let (status, ..) = world.upload("alice", Some("3"), &[b"abc"]).await;
    assert_eq!((status, world.asked()), (200, vec!["reserve", "uploaded"]), "files work without Postgres");
}

#[tokio::test]
async fn a_broken_upload_leaves_no_object_that_counts_and_the_room_learns_of_it() {
    let slow: Vec<&[u8]> = vec![b"a", b"b", b"c", b"d"];
    for (world, length, pieces, code) in [
        (World::new(), "4", vec![b"abc".as_slice()], "bad_request"),
        (World::new(), "2", vec![b"abc".as_slice()], "bad_request"),
        (World::new(), "4", slow, "bad_request"),
        (World::failing("begin"), "3", vec![b"abc".as_slice()], "upstream_unavailable"),
        (World::failing("write"), "3", vec![b"abc".as_slice()], "upstream_unavailable"),
        (World::failing("finish"), "3", vec![b"abc".as_slice()], "upstream_unavailable"),
    ] {
        let (_, answer, _) = world.upload("alice", Some(length), &pieces).await;
        assert_eq!(answer["error"]["code"], code, "{answer}");
        assert_eq!(world.asked(), ["reserve", "failed"], "{answer}");
        assert!(world.stored().is_empty());
    }
    // The room has gone, or forgotten it: the object is its to remove.
    let world = World::refusing("uploaded");
    let (status, ..) = world.upload("alice", Some("3"), &[b"abc"]).await;
    assert_eq!((status, world.asked()), (404, vec!["reserve", "uploaded", "failed"]));
}

#[tokio::test]
async fn a_download_asks_the_room_and_hands_out_what_it_may() {
    let get = async |world: &World, method: Method, path: &str, headers: &[(&str, &str)]| {
        world.ask("alice", method, path, headers, Pieces::none()).await
    };
    let is = |reply: &Reply| match reply {
        Reply::File(file) => (file.status, file.from.as_ref().map(|(_, first, count)| (*first, *count))),
        Reply::Json { status, .. } => (*status, None),
        Reply::Upgrade(_) | Reply::OpenInbox(_) => panic!("{reply:?}"),
    };
    let world = World::new();
    let path = "/attachments/r1.07";
    for (method, headers, expected) in [
        (Method::GET, vec![], (200, Some((0, 10)))),
        (Method::HEAD, vec![], (200, None)),
        (Method::GET, vec![("range", "bytes=2-4")], (206, Some((2, 3)))),
        (Method::GET, vec![("range", "bytes=10-")], (416, None)),
        (Method::GET, vec![("range", "bytes=2-4"), ("if-range", "\"other\"")], (200, Some((0, 10)))),
        (Method::GET, vec![("if-none-match", "W/\"00ff\"")], (304, None)),
    ] {
        assert_eq!(is(&get(&world, method, path, &headers).await), expected, "{headers:?}");
    }
    let Reply::File(whole) = get(&world, Method::GET, path, &[]).await else { panic!("no file") };
    let FileReply { headers, .. } = *whole;
    let header =
        |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
    assert_eq!(header("content-security-policy"), Some("sandbox; default-src 'none'"));
    assert!(
        header("content-disposition").is_some_and(|value| value.starts_with("attachment")),
        "{headers:?}"
    );
    assert_eq!(world.asked().len(), 7, "each time anew");

    for (world, path, code) in [
        (World::new(), "/attachments/nothing", "attachment_not_found"),
        (World::new(), "/attachments/r2.07", "attachment_not_found"),
        (World::refusing("file"), path, "attachment_not_found"),
        (World { bucket: None, ..World::new() }, path, "upstream_unavailable"),
    ] {
        let Reply::Json { body, .. } = get(&world, Method::GET, path, &[]).await else { panic!("{path}") };
        assert!(body.contains(code), "{path}: {body}");
    }
}

#[tokio::test]
async fn a_signed_download_needs_no_token_and_does_not_ask_postgres() {
    let world = World::new();
    let json =
        async |who: &str, path: &str| match world.ask(who, Method::GET, path, &[], Pieces::none()).await {
            Reply::Json { status, body, .. } => (status, serde_json::from_str::<Value>(&body).expect("JSON")),
            other => panic!("{other:?}"),
        };
    let (status, signed) = json("alice", "/rooms/r1/attachments/r1.07/url").await;
    assert_eq!((status, &signed["expiresAt"]), (200, &json!("2026-11-23T09:05:00.000Z")), "{signed}");
    let url = signed["url"].as_str().expect("a URL").strip_prefix("/api/chat").expect("a path").to_owned();
    assert!(url.starts_with("/attachments/r1.07?grant="), "{url}");
    for (who, path) in
        [("alice", "/rooms/r2/attachments/r1.07/url"), ("alice", "/rooms/r1/attachments/x/url")]
    {
        assert_eq!(json(who, path).await.1["error"]["code"], "attachment_not_found", "{path}");
    }
    assert_eq!(json("eve", "/rooms/r1/attachments/r1.07/url").await.0, 404);

    // Whoever sends it: the grant counts, and not the header.
    for (headers, status, from) in
        [(vec![], 200, Some((0, 10))), (vec![("range", "bytes=2-4")], 206, Some((2, 3)))]
    {
        let Reply::File(file) = world.ask("eve", Method::GET, &url, &headers, Pieces::none()).await else {
            panic!("no file")
        };
        assert_eq!((file.status, file.from.map(|(_, first, count)| (first, count))), (status, from));
        assert!(file.headers.contains(&("cross-origin-resource-policy", "cross-origin".to_owned())));
        assert!(file.headers.contains(&("cache-control", "private, no-cache".to_owned())));
    }
    let other_file = url.replace("r1.07", "r1.08");
    assert_eq!(json("alice", &other_file).await.1["error"]["code"], "unauthenticated");
    assert_eq!(json("alice", "/attachments/r1.07?grant=").await.1["error"]["code"], "unauthenticated");
    world.now.set(world.now.get() + 300_000);
    assert_eq!(json("alice", &url).await.1["error"]["code"], "token_expired");
}
