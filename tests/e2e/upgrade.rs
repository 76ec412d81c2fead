//! The upgrade: four ways to authenticate, and every refusal before it.

use crate::rig::client::{Dial, encoded, text};
use crate::rig::stack::APP_ORIGIN;
use crate::rig::tenant::now_ms;
use crate::rig::{Client, Tenant};
use serde_json::json;
use std::time::Duration;

/// Whoever came in says who they are taken for.
async fn who(mut client: Client) -> String {
    let user = text(&client.greeting().await.hello["userId"]);
    client.leave().await;
    user
}

async fn ticket(t: &Tenant, user: &str) -> String {
    let answer = t.rest(user, "POST", "/ws-ticket", None).await.ok();
    assert_eq!(answer["expiresInMs"], 30_000);
    text(&answer["ticket"])
}

#[tokio::test]
async fn four_ways_in_and_the_first_present_counts() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let query = format!("roomId={room}");
    let bearer = |user: &str| format!("Bearer {}", t.token(user));
    let cookie = |user: &str| format!("theme=dark; chat_token={}; x=y", t.token(user));
    let bare = || Dial::bare(&t.stack, &query);
    let protocol = || Dial::chat_v1(&t.stack, &room, &t.token("bob"));

    assert_eq!(who(bare().header("Authorization", bearer("alice")).open().await).await, "alice");
    assert_eq!(who(protocol().open().await).await, "bob");
    let by_ticket = format!("ticket={}", ticket(&t, "alice").await);
    assert_eq!(who(bare().and(&by_ticket).open().await).await, "alice");
    let by_cookie = bare().header("Cookie", cookie("bob")).header("Origin", APP_ORIGIN);
    assert_eq!(who(by_cookie.open().await).await, "bob");

    assert_eq!(who(protocol().header("Authorization", bearer("alice")).open().await).await, "alice");
    let unused = format!("ticket={}", ticket(&t, "alice").await);
    assert_eq!(who(protocol().and(&unused).open().await).await, "bob");
    let both = bare().and(&unused).header("Cookie", cookie("bob")).header("Origin", APP_ORIGIN);
    assert_eq!(who(both.open().await).await, "alice", "the ticket was not looked at before");
    let bad_first = protocol().header("Authorization", "Bearer nonsense");
    bad_first.refused().await.refusal(401, "unauthenticated");
}

#[tokio::test]
async fn a_ticket_is_good_once() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let once = Dial::bare(&t.stack, &format!("roomId={room}&ticket={}", ticket(&t, "alice").await));
    assert_eq!(who(once.open().await).await, "alice");
    once.refused().await.refusal(401, "unauthenticated");

    // Also when many come with it at once.
    let shared = Dial::bare(&t.stack, &format!("roomId={room}&ticket={}", ticket(&t, "bob").await));
    let dials = (0..8).map(|_| {
        let dial = shared.clone();
        tokio::spawn(async move { dial.try_open().await.is_some() })
    });
    let opened = futures_util::future::join_all(dials.collect::<Vec<_>>()).await;
    assert_eq!(opened.into_iter().filter(|one| *one.as_ref().expect("dialed")).count(), 1);

    for nonsense in ["", "x", &"0".repeat(32), &"g".repeat(32), "%00"] {
        let dial = Dial::bare(&t.stack, &format!("roomId={room}&ticket={nonsense}"));
        dial.refused().await.refusal(401, "unauthenticated");
    }
}

#[tokio::test]
async fn a_ticket_is_over_after_30_seconds() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let late = Dial::bare(&t.stack, &format!("roomId={room}&ticket={}", ticket(&t, "alice").await));
    tokio::time::sleep(Duration::from_millis(30_500)).await;
    late.refused().await.refusal(401, "unauthenticated");
}

#[tokio::test]
async fn a_foreign_page_is_refused_and_a_cookie_needs_a_page() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let query = format!("roomId={room}");
    let chat_v1 = || t.dial(&room, "alice");
    let cookie = || Dial::bare(&t.stack, &query).header("Cookie", format!("chat_token={}", t.token("alice")));
    let host = &t.stack.host;
    let foreign = [
        "https://evil.example.com",
        "null",
        "http://app.example.com",
        "https://app.example.com.evil.net",
        "https://app.example.com:444",
        "https://x@app.example.com",
        "*",
    ];
    for origin in foreign {
        chat_v1().header("Origin", origin).refused().await.refusal(403, "forbidden");
        cookie().header("Origin", origin).refused().await.refusal(403, "forbidden");
    }
    for origin in [APP_ORIGIN.to_owned(), format!("http://{host}")] {
        assert_eq!(who(chat_v1().header("Origin", &origin).open().await).await, "alice", "{origin}");
        assert_eq!(who(cookie().header("Origin", &origin).open().await).await, "alice", "{origin}");
    }
    cookie().refused().await.refusal(401, "unauthenticated");
}

#[tokio::test]
async fn refusals_before_the_upgrade_are_http() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let path = format!("/chat?roomId={room}");
    let plain = crate::rig::http::request(&t.stack.host, "GET", &path, &[], None).await.expect("an answer");
    plain.refusal(426, "upgrade_required");

    let with = |query: &str| {
        let offered = format!("chat.v1, bearer.{}", t.token("alice"));
        Dial::bare(&t.stack, query).header("Sec-WebSocket-Protocol", offered)
    };
    assert_eq!(with("x=y").refused().await.refusal(400, "bad_request")["field"], "roomId");
    for (query, field) in [
        ("since=1", "epoch"),
        ("since=-1&epoch=e", "since"),
        ("since=1.5&epoch=e", "since"),
        ("since=x&epoch=e", "since"),
        ("history=x", "history"),
    ] {
        let error = with(&format!("roomId={room}&{query}")).refused().await.refusal(400, "bad_request");
        assert_eq!(error["field"], field, "{query}");
    }
    with(&format!("roomId={room}&userId=bob")).refused().await.refusal(403, "forbidden");
    assert_eq!(who(with(&format!("roomId={room}&userId=alice")).open().await).await, "alice");

    let now_s = now_ms() / 1000;
    let dial = |token: &str| Dial::chat_v1(&t.stack, &room, token);
    dial(&t.token_with("alice", json!({"exp": now_s - 31}))).refused().await.refusal(401, "token_expired");
    dial("nonsense").refused().await.refusal(401, "unauthenticated");
    Dial::bare(&t.stack, &format!("roomId={room}")).refused().await.refusal(401, "unauthenticated");
    t.dial(&room, "mallory").refused().await.refusal(404, "room_not_found");
    t.dial("no-such-room", "alice").refused().await.refusal(404, "room_not_found");
    t.dial("a\nb", "alice").refused().await.refusal(404, "room_not_found");
    Tenant::new(&t.stack).dial(&room, "alice").refused().await.refusal(404, "room_not_found");
}

#[tokio::test]
async fn ids_of_any_characters_come_through_whole() {
    let t = Tenant::shared();
    let odd = "Zoë \"<@bob>\" & 张/%2F?#é😀";
    let room = t.group(&[odd, "bob"]).await;
    let mut client = t.dial(&room, odd).and(&format!("userId={}", encoded(odd))).open().await;
    let greeting = client.greeting().await;
    assert_eq!(greeting.hello["userId"], odd);
    assert_eq!(greeting.online, [odd]);
    let ack = client.say("c1", "I am here").await;
    let heard = client.next("new_message").await;
    assert_eq!((&heard["message"]["userId"], &heard["seq"]), (&json!(odd), &ack["seq"]));
}
