//! A tenant per test, so that tests share a stack without seeing each other: tokens, REST calls, rooms, connections.

use super::client::{Client, Dial, encoded, text};
use super::{Answer, PATIENCE, Stack, http};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Clone)]
pub struct Tenant {
    pub stack: Arc<Stack>,
    pub id: String,
}

pub fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(now.as_millis()).expect("before the year 500 million")
}

impl Tenant {
    pub fn new(stack: &Arc<Stack>) -> Tenant {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Tenant { stack: stack.clone(), id: format!("t{number}-{}", now_ms()) }
    }

    /// A tenant on the stack that all harmless tests share.
    pub fn shared() -> Tenant {
        Self::new(&super::stack::shared())
    }

    pub fn token(&self, user: &str) -> String {
        self.token_with(user, json!({}))
    }

    /// A token with more claims, or others.
    pub fn token_with(&self, user: &str, claims: Value) -> String {
        let mut all = json!({"sub": user, "exp": now_ms() / 1000 + 3_600});
        all[&self.stack.tenant_claim] = json!(self.id);
        for (name, value) in claims.as_object().expect("claims") {
            all[name] = value.clone();
        }
        chinwag::auth::mint_hs256(&self.stack.secret, &all).expect("a token")
    }

    pub fn admin_token(&self) -> String {
        self.token_with("the-admin", json!({"roles": ["admin"]}))
    }

    /// `path` begins after `/api/chat`.
    pub async fn rest(&self, user: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.rest_as(&self.token(user), method, path, body).await
    }

    pub async fn rest_as(&self, token: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        let body = body.map(|body| body.to_string());
        let authorization = format!("Bearer {token}");
        let mut headers = vec![("Authorization", authorization.as_str())];
        if body.is_some() {
            headers.push(("Content-Type", "application/json"));
        }
        self.raw(method, path, &headers, body.as_deref().map(str::as_bytes)).await
    }

    pub async fn raw(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Answer {
        let path = format!("/api/chat{path}");
        let answer = http::request(&self.stack.host, method, &path, headers, body);
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        answer.expect("an answer in time").unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    pub async fn get(&self, user: &str, path: &str) -> Value {
        self.rest(user, "GET", path, None).await.ok()
    }

    /// A new group; the first one makes it and owns it.
    pub async fn group(&self, people: &[&str]) -> String {
        let body = json!({"type": "group", "name": "a group", "participantIds": people});
        let made = self.rest(people[0], "POST", "/rooms/create", Some(body)).await.ok();
        text(&made["room"]["id"])
    }

    pub fn dial(&self, room: &str, user: &str) -> Dial {
        Dial::chat_v1(&self.stack, room, &self.token(user))
    }

    /// A synced client that has received no history.
    pub async fn join(&self, room: &str, user: &str) -> Client {
        let mut client = self.dial(room, user).and("history=0").open().await;
        let greeting = client.greeting().await;
        assert!(greeting.between.is_empty(), "{greeting:?}");
        client
    }

    /// Several synced clients, each of which has received the joining of the later ones.
    pub async fn together<const N: usize>(&self, room: &str, users: [&str; N]) -> [Client; N] {
        let mut clients: Vec<Client> = Vec::new();
        for user in users {
            let newcomer = self.join(room, user).await;
            for client in &mut clients {
                client.until("the newcomer", |e| e["type"] == "user_joined" && e["userId"] == user).await;
            }
            clients.push(newcomer);
        }
        clients.try_into().unwrap_or_else(|_| unreachable!("as many clients as users"))
    }

    /// Sends a message over REST; gives it as the room has it.
    pub async fn says(&self, who: &str, room: &str, content: &str) -> Value {
        let body = json!({"content": content});
        self.rest(who, "POST", &format!("/rooms/{room}/messages"), Some(body)).await.ok()["message"].clone()
    }

    pub async fn outbox(&self, room: &str) -> Value {
        self.rest_as(&self.admin_token(), "GET", &format!("/rooms/{}/outbox", encoded(room)), None).await.ok()
    }

    /// Waits until Postgres has everything that the room has, without quarantined rows.
    pub async fn drained(&self, room: &str, patience: std::time::Duration) {
        let outbox = super::eventually("the outbox is empty", patience, || async {
            let outbox = self.outbox(room).await;
            (outbox["lag"] == 0 && outbox["state"] == "idle").then_some(outbox)
        })
        .await;
        assert_eq!(outbox["setAside"], json!([]), "{outbox}");
    }
}
