//! What REST refuses: always with a code of the table and the error envelope, never with a 500.

use crate::rig::client::text;
use crate::rig::tenant::now_ms;
use crate::rig::{Answer, Tenant};
use serde_json::{Value, json};

const JSON: (&str, &str) = ("Content-Type", "application/json");

async fn post(t: &Tenant, path: &str, body: &str) -> Answer {
    let authorization = format!("Bearer {}", t.token("alice"));
    let headers = [("Authorization", authorization.as_str()), JSON];
    t.raw("POST", path, &headers, Some(body.as_bytes())).await
}

/// Every route that wants a token, with a room's id put in.
fn guarded(room: &str) -> Vec<(&'static str, String)> {
    vec![
        ("POST", "/rooms/create".into()),
        ("GET", "/rooms/list".into()),
        ("GET", format!("/rooms/{room}")),
        ("GET", format!("/rooms/{room}/messages")),
        ("POST", format!("/rooms/{room}/messages")),
        ("GET", format!("/rooms/{room}/outbox")),
        ("POST", "/ws-ticket".into()),
    ]
}

#[tokio::test]
async fn without_a_good_token_nothing_is_answered() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let now_s = now_ms() / 1000;
    let expired = t.token_with("alice", json!({"exp": now_s - 31}));
    let within_leeway = t.token_with("alice", json!({"exp": now_s - 5}));
    let future = t.token_with("alice", json!({"nbf": now_s + 120}));
    let claims = json!({"sub": "alice", "exp": now_s + 60, (t.stack.tenant_claim.clone()): t.id});
    let forged = chinwag::auth::mint_hs256("another secret of more than 32 bytes", &claims).expect("a token");
    let no_tenant = chinwag::auth::mint_hs256(&t.stack.secret, &json!({"sub": "alice", "exp": now_s + 60}));
    let no_exp = t.token_with("alice", json!({"exp": null}));
    let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.".to_owned();
    let bad = [future, forged, no_tenant.expect("a token"), no_exp, unsigned, "x".into(), String::new()];
    for (method, path) in guarded(&room) {
        let body = (method == "POST").then(|| json!({}));
        t.raw(method, &path, &[], None).await.refusal(401, "unauthenticated");
        t.rest_as(&expired, method, &path, body.clone()).await.refusal(401, "token_expired");
        for token in &bad {
            t.rest_as(token, method, &path, body.clone()).await.refusal(401, "unauthenticated");
        }
    }
    t.rest_as(&within_leeway, "GET", "/rooms/list", None).await.ok();
    let cookie = format!("chat_token={}", t.token("alice"));
    t.raw("GET", "/rooms/list", &[("Cookie", &cookie)], None).await.refusal(401, "unauthenticated");
}

#[tokio::test]
async fn strangers_foreigners_and_dreamers_hear_the_same_404() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let foreign = Tenant::new(&t.stack);
    let body = |method: &str| (method == "POST").then(|| json!({"content": "let me in"}));
    let mut answers = Vec::new();
    for (method, path) in guarded(&room).into_iter().filter(|(_, path)| path.contains(&room)) {
        for answer in [
            t.rest("mallory", method, &path, body(method)).await,
            foreign.rest("alice", method, &path, body(method)).await,
            t.rest("alice", method, &path.replace(&room, "no-such-room"), body(method)).await,
            t.rest("alice", method, &path.replace(&room, "%00"), body(method)).await,
            t.rest("alice", method, &path.replace(&room, &"x".repeat(200)), body(method)).await,
        ] {
            answers.push((path.clone(), answer));
        }
    }
    let mut messages = Vec::new();
    for (path, answer) in &answers {
        if path.ends_with("/outbox") && answer.status == 403 {
            panic!("a member's 403 is for members: {path} {answer:?}");
        }
        messages.push(text(&answer.refusal(404, "room_not_found")["message"]));
    }
    messages.dedup();
    assert_eq!(messages.len(), 1, "nobody can tell them apart: {messages:?}");
}

#[tokio::test]
async fn unknown_paths_and_methods_have_their_codes() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    for path in ["", "/", "/nothing", "/rooms", "/rooms/list/x", "/rooms/a/b/c/d", "/rooms/x/nothing"] {
        t.rest("alice", "GET", path, None).await.refusal(404, "not_found");
    }
    for (method, path, allowed) in [
        ("GET", "/rooms/create".to_owned(), "POST"),
        ("DELETE", "/rooms/list".to_owned(), "GET, HEAD"),
        ("PUT", format!("/rooms/{room}/messages"), "GET, HEAD, POST"),
        ("POST", "/health".to_owned(), "GET, HEAD"),
        ("GET", "/ws-ticket".to_owned(), "POST"),
        ("POST", format!("/rooms/{room}/outbox"), "GET, HEAD"),
    ] {
        let answer = t.rest("alice", method, &path, None).await;
        answer.refusal(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
    }
}

#[tokio::test]
async fn what_is_no_json_is_bad_json() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let deep = format!("{{\"content\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let broken = [
        "",
        "{",
        "nonsense",
        "{\"content\":\"a\",}",
        "{\"content\":\"a\",\"content\":\"b\"}",
        "{\"content\":\"\\ud800\"}",
        "{\"content\":1e}",
        &deep,
    ];
    for path in ["/rooms/create".to_owned(), format!("/rooms/{room}/messages")] {
        for body in broken {
            post(&t, &path, body).await.refusal(400, "bad_json");
        }
        for body in ["[]", "null", "1", "\"x\""] {
            post(&t, &path, body).await.refusal(400, "bad_request");
        }
    }
    let authorization = format!("Bearer {}", t.token("alice"));
    let headers = [("Authorization", authorization.as_str())];
    let path = format!("/rooms/{room}/messages");
    t.raw("POST", &path, &headers, Some(b"{\"content\":\"\xff\xfe\"}")).await.refusal(400, "bad_json");
    // Without a type, and with the type that `fetch` gives a string, it is read as JSON; as another type not at all.
    t.raw("POST", &path, &headers, Some(b"{\"content\":\"plain\"}")).await.ok();
    let of_fetch = [headers[0], ("Content-Type", "text/plain;charset=UTF-8")];
    t.raw("POST", &path, &of_fetch, Some(b"{\"content\":\"plain\"}")).await.ok();
    for kind in ["text/html", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let headers = [headers[0], ("Content-Type", kind)];
        let answer = t.raw("POST", &path, &headers, Some(b"{\"content\":\"x\"}")).await;
        answer.refusal(415, "unsupported_media_type");
    }
    let headers = [headers[0], ("Content-Type", "application/json; charset=utf-8")];
    t.raw("POST", &path, &headers, Some(b"{\"content\":\"typed\"}")).await.ok();
}

#[tokio::test]
async fn a_field_that_is_wrong_is_named() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let (create, say) = ("/rooms/create".to_owned(), format!("/rooms/{room}/messages"));
    let long_name = "n".repeat(101);
    let crowd: Vec<String> = (0..500).map(|i| format!("u{i}")).collect();
    let cases = [
        (&create, json!({"participantIds": ["bob"]}), 400, "bad_request", "type"),
        (&create, json!({"type": 1, "participantIds": ["bob"]}), 400, "bad_request", "type"),
        (&create, json!({"type": "party", "participantIds": ["bob"]}), 422, "invalid", "type"),
        (&create, json!({"type": "group"}), 400, "bad_request", "participantIds"),
        (&create, json!({"type": "group", "participantIds": "bob"}), 400, "bad_request", "participantIds"),
        (&create, json!({"type": "group", "participantIds": [1]}), 400, "bad_request", "participantIds"),
        (&create, json!({"type": "group", "participantIds": [""]}), 422, "invalid", "participantIds"),
        (&create, json!({"type": "group", "participantIds": ["a\nb"]}), 422, "invalid", "participantIds"),
        (
            &create,
            json!({"type": "group", "participantIds": ["x".repeat(129)]}),
            422,
            "invalid",
            "participantIds",
        ),
        (&create, json!({"type": "group", "participantIds": crowd}), 422, "invalid", "participantIds"),
        (&create, json!({"type": "direct", "participantIds": ["alice"]}), 422, "invalid", "participantIds"),
        (
            &create,
            json!({"type": "direct", "participantIds": ["bob", "carol"]}),
            422,
            "invalid",
            "participantIds",
        ),
        (&create, json!({"type": "group", "participantIds": [], "name": 5}), 400, "bad_request", "name"),
        (&create, json!({"type": "group", "participantIds": [], "name": long_name}), 422, "invalid", "name"),
        (&say, json!({}), 400, "bad_request", "content"),
        (&say, json!({"content": 5}), 400, "bad_request", "content"),
        (&say, json!({"content": " \n\t "}), 422, "content_empty", "content"),
        (&say, json!({"content": "x".repeat(4_001)}), 422, "content_too_long", "content"),
        (&say, json!({"content": "nul \u{0}"}), 422, "invalid", "content"),
        (&say, json!({"content": "x", "clientId": "c".repeat(65)}), 422, "invalid", "clientId"),
        (&say, json!({"content": "x", "clientId": 7}), 400, "bad_request", "clientId"),
        (&say, json!({"content": "x", "threadId": "nope"}), 422, "invalid", "threadId"),
        (&say, json!({"content": "x", "replyToId": "nope"}), 422, "invalid", "replyToId"),
        (&say, json!({"content": "x", "contentType": "html"}), 422, "invalid", "contentType"),
        (&say, json!({"content": "", "attachments": [{"id": "nope"}]}), 422, "invalid", "attachments"),
    ];
    for (path, body, status, code, field) in cases {
        let error = t.rest("alice", "POST", path, Some(body.clone())).await.refusal(status, code);
        assert_eq!(error["field"], field, "{body}");
    }
    let emoji = "😀".repeat(4_000);
    t.rest("alice", "POST", &say, Some(json!({"content": emoji}))).await.ok();
    let full: Vec<String> = (0..499).map(|i| format!("u{i}")).collect();
    let made =
        t.rest("alice", "POST", &create, Some(json!({"type": "group", "participantIds": full}))).await.ok();
    assert_eq!(made["room"]["memberCount"], 500);
    assert_eq!(made["room"]["members"].as_array().map(Vec::len), Some(50), "the first 50");
}

#[tokio::test]
async fn queries_that_are_no_integers_are_refused() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    for (query, field) in [
        ("before=x", "before"),
        ("after=-1", "after"),
        ("around=1.5", "around"),
        ("before=9007199254740992", "before"),
        ("limit=ten", "limit"),
        ("limit=", "limit"),
    ] {
        let answer = t.rest("alice", "GET", &format!("/rooms/{room}/messages?{query}"), None).await;
        assert_eq!(answer.refusal(400, "bad_request")["field"], field, "{query}");
    }
    for at in ["yesterday", "", "2026-11-24", "2026-11-24T09:00:00+01:00"] {
        let answer = t.rest("alice", "GET", &format!("/rooms/{room}/messages?at={at}"), None).await;
        assert_eq!(answer.refusal(422, "invalid")["field"], "at", "{at}");
    }
    let both = format!("/rooms/{room}/messages?at=2026-11-24T09:00:00Z&before=5");
    t.rest("alice", "GET", &both, None).await.refusal(400, "bad_request");
    t.rest("alice", "GET", "/rooms/list?cursor=broken", None).await.refusal(400, "bad_request");
    t.rest("alice", "GET", "/rooms/list?limit=x", None).await.refusal(400, "bad_request");
    let clamped = t.get("alice", &format!("/rooms/{room}/messages?limit=-5")).await;
    assert_eq!(clamped["messages"], json!([]));
}

#[tokio::test]
async fn a_body_over_256_kib_is_too_large() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let path = format!("/rooms/{room}/messages");
    let padded = |bytes: usize| {
        let body = json!({"content": "x", "pad": ""}).to_string();
        let pad = "p".repeat(bytes - body.len());
        json!({"content": "x", "pad": pad}).to_string()
    };
    let fits = padded(256 * 1024);
    assert_eq!(fits.len(), 256 * 1024);
    post(&t, &path, &fits).await.ok();
    post(&t, &path, &padded(256 * 1024 + 1)).await.refusal(413, "too_large");
    post(&t, &path, &padded(3 << 20)).await.refusal(413, "too_large");
}

#[tokio::test]
async fn past_the_rate_of_messages_rest_says_when_to_come_back() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let path = format!("/rooms/{room}/messages");
    let calls = (0..30).map(|i| {
        let (t, path) = (t.clone(), path.clone());
        let body = json!({"content": "quick", "clientId": format!("c{i}")});
        tokio::spawn(async move { t.rest("alice", "POST", &path, Some(body)).await })
    });
    let answers = futures_util::future::join_all(calls.collect::<Vec<_>>()).await;
    let (accepted, refused): (Vec<Answer>, Vec<Answer>) =
        answers.into_iter().map(|answer| answer.expect("answered")).partition(|answer| answer.status == 200);
    assert!(accepted.len() >= 10, "a burst of 10 passes: {}", accepted.len());
    assert!(!refused.is_empty(), "30 at once do not");
    for answer in refused {
        let error = answer.refusal(429, "rate_limited");
        assert_eq!(error["retryable"], true);
        assert!(error["retryAfterMs"].as_u64().is_some_and(|ms| ms > 0), "{error}");
        let seconds: u64 =
            answer.header("retry-after").and_then(|text| text.parse().ok()).expect("Retry-After");
        assert!(seconds >= 1);
    }
    let page = t.get("bob", &path).await;
    assert_eq!(page["lastSeq"], Value::from(accepted.len()), "exactly those that were answered 200");
}
