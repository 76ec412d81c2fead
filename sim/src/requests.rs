//! HTTP requests of clients, through the real routes and back. Not here: sockets (`transport`).

use crate::plan::ROOMS;
use crate::token::token;
use crate::worker::{Text, Worker};
use crate::world::World;
use crate::world::clients::room_path;
use crate::world::executor::Owner;
use crate::world::hosts::ObjectAnswer;
use crate::world::network::{HttpOutcome, LATENCY_MS};
use chinwag::api::{self, InboxRequest, Reply};
use chinwag::ids::Seq;
use chinwag::object::Answer;
use serde_json::Value;
use std::cell::RefCell;
use std::rc::Rc;

/// A client gives up a request after this.
pub const TIMEOUT_MS: u64 = 30_000;

/// A request of REST, or for a socket.
pub struct HttpRequest {
    method: http::Method,
    path: String,
    token: String,
    body: Option<String>,
}

impl HttpRequest {
    pub fn new(method: http::Method, path: String, token: String, body: Option<String>) -> Self {
        Self { method, path, token, body }
    }

    pub fn get(path: String, token: String) -> Self {
        Self::new(http::Method::GET, path, token, None)
    }

    pub fn post(path: String, token: String, body: String) -> Self {
        Self::new(http::Method::POST, path, token, Some(body))
    }

    pub fn is_post(&self) -> bool {
        self.method == http::Method::POST
    }

    fn into_api(self, chat_v1: bool) -> api::Request<Text> {
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let (path, query) = (path.to_owned(), query.to_owned());
        let mut headers = http::HeaderMap::new();
        let mut put =
            |name: &'static str, value: &str| drop(headers.insert(name, value.parse().expect("a header")));
        put("authorization", &format!("Bearer {}", self.token));
        if let Some(body) = &self.body {
            put("content-length", &body.len().to_string());
        }
        if path == "/chat" || path == "/chat/inbox" {
            put("upgrade", "websocket");
            if chat_v1 {
                put("sec-websocket-protocol", "chat.v1");
            }
        }
        let body = Text(self.body.unwrap_or_default());
        api::Request { method: self.method, path, query, headers, body }
    }
}

impl World {
    /// Sends a tab's request; its outcome comes to `handle_response` under the number that is returned.
    pub fn send_request(self: &Rc<Self>, tab: usize, request: HttpRequest) -> u64 {
        let number = self.network.number_request();
        let chat_v1 = self.clients.tab(tab).chat_v1;
        self.handle(request.into_api(chat_v1), move |world, got| world.handle_response(tab, number, got));
        let world = self.clone();
        self.clock.spawn(async move {
            world.clock.sleep(TIMEOUT_MS).await;
            world.handle_response(tab, number, HttpOutcome::Failed);
        });
        number
    }

    /// Sends a request and lets time pass until it is answered.
    pub fn request_and_wait(self: &Rc<Self>, request: HttpRequest) -> Option<HttpOutcome> {
        let answer: Rc<RefCell<Option<HttpOutcome>>> = Rc::default();
        let put = answer.clone();
        self.request_then(request, move |_, got| *put.borrow_mut() = Some(got));
        for _ in 0..TIMEOUT_MS / 50 {
            self.advance(50);
            if let Some(got) = answer.borrow_mut().take() {
                return Some(got);
            }
        }
        None
    }

    /// Sends a request; `then` looks at the answer, if one comes.
    pub fn request_then(
        self: &Rc<Self>,
        request: HttpRequest,
        then: impl FnOnce(&Rc<Self>, HttpOutcome) + 'static,
    ) {
        self.handle(request.into_api(true), then);
    }

    /// One page of a room's history, after a seq.
    pub fn read_page(self: &Rc<Self>, room: usize, user: &str, after: Seq) -> Option<Value> {
        self.request_page(room, user, &format!("after={after}"))
    }

    /// One page of a room's history, before a seq; 0: the newest one.
    pub fn read_page_before(self: &Rc<Self>, room: usize, user: &str, before: Seq) -> Option<Value> {
        let before = if before == 0 { String::new() } else { format!("before={before}") };
        self.request_page(room, user, &before)
    }

    fn request_page(self: &Rc<Self>, room: usize, user: &str, place: &str) -> Option<Value> {
        let token = token(ROOMS[room].0, user, self.clock.now() + 60_000);
        let path = format!("{}/messages?{place}&limit=100", room_path(room));
        match self.request_and_wait(HttpRequest::get(path, token)) {
            Some(HttpOutcome::Json(200, body)) => {
                let page = serde_json::from_str(&body).ok()?;
                self.check_page_bytes(&page);
                Some(page)
            }
            _ => None,
        }
    }

    /// The way to the Worker, through the real routes, and back.
    fn handle(
        self: &Rc<Self>,
        request: api::Request<Text>,
        then: impl FnOnce(&Rc<Self>, HttpOutcome) + 'static,
    ) {
        let world = self.clone();
        self.clock.spawn(async move {
            world.clock.sleep(LATENCY_MS).await;
            let inner = world.clone();
            world.clock.spawn_for(Owner::Worker, async move {
                let got = inner.answer(request).await;
                let outer = inner.clone();
                inner.clock.spawn(async move {
                    outer.clock.sleep(LATENCY_MS).await;
                    then(&outer, got);
                });
            });
        });
    }

    /// The Worker's part.
    async fn answer(self: &Rc<Self>, request: api::Request<Text>) -> HttpOutcome {
        let worker = Worker::new(self);
        match api::handle(&worker, request).await {
            Reply::Json { status, body, .. } => HttpOutcome::Json(status, body),
            Reply::File(file) => {
                let bucket = self.backends.bucket.borrow();
                let bytes = file.from.as_ref().and_then(|(key, ..)| bucket.get(key));
                bytes.map_or(HttpOutcome::Failed, |bytes| HttpOutcome::File(bytes.clone()))
            }
            Reply::OpenInbox(upgrade) => {
                let (tenant, user) = (upgrade.caller.tenant.clone(), upgrade.caller.user.clone());
                let request = InboxRequest::Upgrade(*upgrade);
                outcome_of_upgrade(self.request_inbox(&tenant, &user, request).await)
            }
            Reply::Upgrade(upgrade) => outcome_of_upgrade(self.request_room(*upgrade).await),
        }
    }

    /// Fails all requests under way: the process that had them is gone.
    pub fn fail_requests(self: &Rc<Self>) {
        self.fail_inbox_requests();
        let tabs = self.clients.all();
        let pending = tabs.iter().flat_map(|tab| tab.requests.keys().map(|number| (tab.index, *number)));
        for (tab, number) in pending {
            let world = self.clone();
            self.clock.spawn(async move {
                world.clock.sleep(LATENCY_MS).await;
                world.handle_response(tab, number, HttpOutcome::Failed);
            });
        }
    }
}

fn outcome_of_upgrade(answer: ObjectAnswer) -> HttpOutcome {
    match answer {
        Ok(Answer::Upgraded { peer, .. }) => HttpOutcome::Upgraded(peer),
        Ok(Answer::Reply(_)) => HttpOutcome::Failed,
        Err(refusal) => HttpOutcome::Json(refusal.code.status(), refusal.code.name().into()),
    }
}
