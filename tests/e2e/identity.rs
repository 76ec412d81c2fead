//! Identity on the live stack: an issuer's JWKS, a configuration without keys, single-use tickets.
//! Not here: the four ways to authenticate an upgrade (`upgrade`); each check of a token (`src/auth/tests`).

use crate::rig::client::text;
use crate::rig::stack::folder;
use crate::rig::tenant::now_ms;
use crate::rig::{Answer, Dial, PATIENCE, Stack, Tenant, eventually, http, processes};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// An issuer's key pair. The DER around a seed is what PKCS#8 says.
struct Pair {
    kid: &'static str,
    algorithm: Algorithm,
    private: EncodingKey,
}

impl Pair {
    fn es256(kid: &'static str, seed: u8) -> Pair {
        let mut der = vec![0x30, 0x41, 2, 1, 0, 0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
        der.extend([6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7, 4, 0x27, 0x30, 0x25, 2, 1, 1, 4, 0x20]);
        der.extend([seed; 32]);
        Pair { kid, algorithm: Algorithm::ES256, private: EncodingKey::from_ec_der(&der) }
    }

    fn eddsa(kid: &'static str, seed: u8) -> Pair {
        let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        der.extend([seed; 32]);
        Pair { kid, algorithm: Algorithm::EdDSA, private: EncodingKey::from_ed_der(&der) }
    }

    fn rs256(kid: &'static str) -> Pair {
        let text: String = include_str!("../../src/auth/tests/rsa_test_key.txt").split_whitespace().collect();
        let der = EncodingKey::from_base64_secret(&text).expect("base64");
        let private = EncodingKey::from_rsa_der(der.as_bytes());
        Pair { kid, algorithm: Algorithm::RS256, private }
    }

    fn jwk(&self) -> Value {
        let jwk = Jwk::from_encoding_key(&self.private, self.algorithm).expect("a sound key");
        let mut jwk = serde_json::to_value(jwk).expect("JSON");
        jwk["kid"] = json!(self.kid);
        jwk
    }

    fn token(&self, t: &Tenant, user: &str) -> String {
        let mut claims = json!({"sub": user, "exp": now_ms() / 1000 + 3_600, "aud": "chinwag"});
        claims[&t.stack.tenant_claim] = json!(t.id);
        let header = Header { kid: Some(self.kid.to_owned()), ..Header::new(self.algorithm) };
        jsonwebtoken::encode(&header, &claims, &self.private).expect("a token")
    }
}

/// An issuer that serves whatever key set it holds, and counts who asks.
struct Issuer {
    url: String,
    keys: Arc<Mutex<Vec<Value>>>,
    asked: Arc<AtomicU32>,
}

impl Issuer {
    async fn start(keys: Vec<Value>) -> Issuer {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/jwks.json", listener.local_addr().expect("an address"));
        let (keys, asked) = (Arc::new(Mutex::new(keys)), Arc::new(AtomicU32::new(0)));
        let (served, count) = (keys.clone(), asked.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n")
                    && stream.read_buf(&mut request).await.is_ok_and(|n| n > 0)
                {}
                count.fetch_add(1, Ordering::SeqCst);
                let body = json!({"keys": *served.lock().expect("the keys")}).to_string();
                let head =
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                let _ = stream.write_all((head + &body).as_bytes()).await;
            }
        });
        Issuer { url, keys, asked }
    }
}

#[tokio::test]
async fn an_issuers_keys_prove_tokens_and_rotate() {
    let (rsa, ec, ed) = (Pair::rs256("rsa-1"), Pair::es256("ec-1", 7), Pair::eddsa("ed-1", 7));
    let next = Pair::es256("ec-2", 9);
    let issuer = Issuer::start(vec![rsa.jwk(), ec.jwk(), ed.jwk()]).await;
    let url = format!("JWT_JWKS_URL={}", issuer.url);
    let stack = Stack::start(&["JWT_ALGORITHMS=RS256,ES256,EdDSA", &url, "JWT_AUDIENCE=chinwag"]);
    let t = Tenant::new(&stack);
    let body = json!({"type": "group", "name": "a group", "participantIds": ["alice", "bob"]});
    let made = t.rest_as(&rsa.token(&t, "alice"), "POST", "/rooms/create", Some(body)).await.ok();
    let room = text(&made["room"]["id"]);
    for pair in [&rsa, &ec, &ed] {
        t.rest_as(&pair.token(&t, "bob"), "GET", &format!("/rooms/{room}"), None).await.ok();
        let mut client = Dial::chat_v1(&stack, &room, &pair.token(&t, "alice")).open().await;
        assert_eq!(client.greeting().await.hello["userId"], "alice", "{}", pair.kid);
        client.send(json!({"type": "auth", "token": ed.token(&t, "alice")})).await;
        client.next("auth_ok").await;
        client.leave().await;
    }
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 1, "one key set for all");
    // The secret of the deployment proves nothing where HS256 isn't accepted.
    t.rest("alice", "GET", "/rooms/list", None).await.refusal(401, "unauthenticated");
    // A key of the right name and the wrong pair; and names that nobody knows, which are looked up once a minute.
    let forged = Pair::es256("ec-1", 8);
    t.rest_as(&forged.token(&t, "alice"), "GET", "/rooms/list", None).await.refusal(401, "unauthenticated");
    for kid in ["made-up", "made-up-too", "and-again"] {
        let token = Pair::eddsa(kid, 7).token(&t, "alice");
        t.rest_as(&token, "GET", "/rooms/list", None).await.refusal(401, "unauthenticated");
        Dial::chat_v1(&stack, &room, &token).refused().await.refusal(401, "unauthenticated");
    }
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 2, "six unknown names are one look");

    // Rotation: a new key comes, an old one goes.
    *issuer.keys.lock().expect("the keys") = vec![rsa.jwk(), next.jwk(), ed.jwk()];
    t.rest_as(&ec.token(&t, "alice"), "GET", "/rooms/list", None).await.ok();
    eventually("the new key is accepted", Duration::from_secs(75), || async {
        let answer = t.rest_as(&next.token(&t, "alice"), "GET", "/rooms/list", None).await;
        (answer.status == 200).then_some(())
    })
    .await;
    t.rest_as(&ec.token(&t, "alice"), "GET", "/rooms/list", None).await.refusal(401, "unauthenticated");
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 3);
}

/// A stack that refuses to serve. It never becomes ready, as health is refused too, so it is no `Stack`.
struct Refusing {
    child: std::process::Child,
    host: String,
    dir: std::path::PathBuf,
}

impl Refusing {
    fn start(arguments: &[&str]) -> Refusing {
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr());
        let port = port.expect("a port").port();
        let dir = folder();
        let mut command = Command::new(std::env::var_os("CHINWAG_XTASK").expect("CHINWAG_XTASK"));
        command.args(["dev", "--headless", "--no-build", "--port", &port.to_string(), "--data"]).arg(&dir);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = processes::spawn(command).expect("xtask starts");
        Refusing { child, host: format!("127.0.0.1:{port}"), dir }
    }

    async fn ask(&self, path: &str, headers: &[(&str, &str)]) -> Option<Answer> {
        http::request(&self.host, "GET", path, headers, None).await.ok()
    }

    /// Waits for the first answer.
    async fn health(&self) -> Answer {
        eventually("it answers", Duration::from_secs(60), || self.ask("/api/chat/health", &[])).await
    }

    async fn logs(&self, what: &str) {
        eventually(what, PATIENCE, || async {
            let log = std::fs::read_to_string(self.dir.join("wrangler.log")).unwrap_or_default();
            log.contains(what).then_some(())
        })
        .await;
    }
}

impl Drop for Refusing {
    fn drop(&mut self) {
        processes::signal(self.child.id().cast_signed(), processes::SIGINT);
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

#[tokio::test]
async fn without_a_secret_nothing_is_served() {
    let stack = Refusing::start(&["--jwt-secret", ""]);
    let mut answers = vec![stack.health().await];
    let token = chinwag::auth::mint_hs256("", &json!({"sub": "a", "tenantId": "t", "exp": now_ms()})).ok();
    let bearer = format!("Bearer {}", token.unwrap_or_else(|| "x.y.z".into()));
    answers.extend(stack.ask("/api/chat/rooms/list", &[("Authorization", &bearer)]).await);
    let upgrade = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Authorization", bearer.as_str()),
    ];
    answers.extend(stack.ask("/chat?roomId=r", &upgrade).await);
    assert_eq!(answers.len(), 3);
    for answer in &answers {
        answer.refusal(503, "upstream_unavailable");
    }
    stack.logs("JWT_SECRET: ").await;
}

#[tokio::test]
async fn an_unsafe_configuration_is_not_served_and_the_log_names_the_variable() {
    let jwks = "JWT_JWKS_URL=https://issuer.invalid/jwks.json";
    for (variable, vars) in [
        ("NOTIFY_WEBHOOK_URL", vec!["NOTIFY_WEBHOOK_URL=http://hooks.invalid/chat"]),
        ("JWT_AUDIENCE", vec!["JWT_ALGORITHMS=RS256", jwks]),
        ("LIMITS", vec![r#"LIMITS={"messagePerS":5}"#]),
    ] {
        let arguments: Vec<&str> = vars.into_iter().flat_map(|var| ["--var", var]).collect();
        let stack = Refusing::start(&arguments);
        stack.health().await.refusal(503, "upstream_unavailable");
        stack.logs(&format!("{variable}: ")).await;
    }
}

#[tokio::test]
async fn tickets_that_nobody_issued_and_used_ones_leave_nothing_behind() {
    let stack = Stack::start(&[]);
    let t = Tenant::new(&stack);
    let room = t.group(&["alice"]).await;
    let dial = |ticket: &str| Dial::bare(&stack, &format!("roomId={room}&ticket={ticket}"));
    for unknown in ["x", &"0".repeat(64), &"f".repeat(64), &"a1".repeat(32), "..%2F..%2Fmetadata"] {
        dial(unknown).refused().await.refusal(401, "unauthenticated");
    }
    assert_eq!(stack.object_files("WsTicket").len(), 0, "a guess makes no object");
    let issued = t.rest("alice", "POST", "/ws-ticket", None).await.ok();
    let ticket = text(&issued["ticket"]);
    let mut client = dial(&ticket).open().await;
    client.greeting().await;
    for _ in 0..3 {
        dial(&ticket).refused().await.refusal(401, "unauthenticated");
    }
    let files = stack.object_files("WsTicket");
    assert_eq!(files.len(), 1, "only the one that was issued");
    let rows = || {
        let db = rusqlite::Connection::open(&files[0]).ok()?;
        let count = |table: &str| {
            let sql = format!("SELECT count(*) FROM {table}");
            db.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap_or(0)
        };
        (count("_cf_KV") == 0).then_some(())
    };
    eventually("a used ticket's storage is empty", PATIENCE, || async { rows() }).await;
    // Many guesses at a room cost no room either.
    let rooms = stack.room_files().len();
    for n in 0..20 {
        t.dial(&format!("guess-{n}"), "alice").refused().await.refusal(404, "room_not_found");
    }
    assert_eq!(stack.room_files().len(), rooms);
}

#[tokio::test]
async fn a_room_that_cannot_be_loaded_closes_its_sockets_with_4500_and_comes_back() {
    let stack = Stack::start(&[]);
    let t = Tenant::new(&stack);
    let room = t.group(&["alice", "bob"]).await;
    let [mut alice, mut bob] = t.together(&room, ["alice", "bob"]).await;
    alice.say("c1", "before").await;
    t.drained(&room, PATIENCE).await;
    let file = stack.room_files().into_iter().next().expect("the room's database");
    let db = rusqlite::Connection::open(&file).expect("its SQLite");
    db.busy_timeout(PATIENCE).expect("patience");
    let log: String =
        db.query_row("SELECT value FROM state WHERE id = 1", [], |row| row.get(0)).expect("a log");
    let set = |value: &str| db.execute("UPDATE state SET value = ?1 WHERE id = 1", [value]).expect("written");
    set("{}");
    // Whatever makes it load: it finds a storage that it can't read.
    alice.send_text(r#"{"type":"test_panic"}"#).await;
    assert_eq!(bob.close_code().await, (4500, "internal".to_owned()));
    assert_eq!(alice.close_code().await, (4500, "internal".to_owned()));
    t.dial(&room, "alice").refused().await.refusal(500, "internal");
    set(&log);
    let mut back = t.dial(&room, "bob").open().await;
    assert_eq!(back.greeting().await.between[0]["message"]["content"], "before");
    back.say("c2", "after").await;
    t.drained(&room, PATIENCE).await;
}
