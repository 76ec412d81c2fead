//! The HTTP surface: one table of routes, who is let in, and what each answers. Runs natively in tests.
//! Not here: sockets, storage, the runtime (`shell` fills `Ports`), and what a room decides (`room`).

#[cfg(feature = "dev")]
mod dev;
mod files;
mod inbox;
mod members;
mod messages;
mod outbox;
mod room_access;
mod rooms;
mod routes;
mod search_query;

pub use files::{Bucket, FileReply, Put};
pub use room_access::{Membership, RoomOp, RoomRequest, UpgradeRequest, no_such_room, open_room};
pub use routes::{ROUTES, Route};

use crate::auth::{self, AuthConfig, Credential, Identity};
use crate::db::{self, Postgres};
use crate::error::{Code, Refusal};
use crate::ids::{RoomId, TenantId, UnixMs};
use crate::limits::{BODY_BYTES_MAX, HISTORY_DEFAULT, HISTORY_MAX, PAGE_DEFAULT, PAGE_MAX, TICKET_MS};
use crate::mutants::{Mutant, is};
use crate::outbox_alerts::Listed;
use crate::protocol::Fields;
use crate::room::RoomCall;
use crate::schema;
use http::{HeaderMap, Method};
use routes::Params;
use serde_json::{Value, json};
use std::future::Future;

/// Everything a request needs from the world.
pub trait Ports {
    type Db: Postgres;
    type Bucket: Bucket;

    fn config(&self) -> &AuthConfig;
    fn now(&self) -> UnixMs;
    fn random(&self) -> u128;
    /// # Errors  the code and message for whoever shows this token.
    fn authenticate(&self, token: &str) -> impl Future<Output = Result<Identity, Refusal>>;
    fn db(&self) -> &Self::Db;
    /// Like `db`, but gives up soon, and at once for a while after a failure: the room can decide as well.
    fn fail_fast_db(&self) -> &Self::Db;
    /// # Errors  `upstream_unavailable`: this deployment has none.
    fn bucket(&self) -> Result<&Self::Bucket, Refusal>;
    /// The room's answer: status and JSON text.
    fn call_room(&self, ask: &RoomRequest) -> impl Future<Output = Result<Reply, Refusal>>;
    /// The tenant's list of rooms in trouble.
    fn troubles(&self, tenant: &TenantId) -> impl Future<Output = Result<Vec<Listed>, Refusal>>;
    /// A new ticket that stands for this person, for `TICKET_MS`.
    fn keep_ticket(&self, identity: &Identity) -> impl Future<Output = Result<String, Refusal>>;
    /// What the ticket stood for; it is gone afterwards.
    fn take_ticket(&self, ticket: &str) -> impl Future<Output = Result<Option<Identity>, Refusal>>;
    /// `JWT_SECRET`, for the dev sign-in.
    #[cfg(feature = "dev")]
    fn dev_secret(&self) -> Option<String>;
}

/// A request's body, read only once somebody may send one.
pub trait Body {
    /// # Errors  `too_large` past `max` bytes.
    fn read(self, max: usize) -> impl Future<Output = Result<Vec<u8>, Refusal>>;
    /// The next piece of it; `None` at its end.
    fn next(&mut self) -> impl Future<Output = Option<Result<Vec<u8>, Refusal>>>;
}

pub struct Request<B> {
    pub method: Method,
    /// As it stands in the URL.
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: B,
}

#[derive(Debug)]
pub enum Reply {
    Json {
        status: u16,
        body: String,
        retry_after_ms: Option<u64>,
        allow: Option<String>,
    },
    /// The room takes over this connection.
    Upgrade(Box<RoomRequest>),
    /// Out of the bucket.
    File(Box<FileReply>),
}

impl Reply {
    pub fn ok(body: impl ToString) -> Self {
        Self::Json { status: 200, body: body.to_string(), retry_after_ms: None, allow: None }
    }

    pub fn refused(refusal: &Refusal) -> Self {
        let body = json!({"error": refusal.members()}).to_string();
        let retry_after_ms = refusal.retry_after_ms;
        Self::Json { status: refusal.code.status(), body, retry_after_ms, allow: None }
    }
}

/// Answers one request; every refusal has the contract's shape.
pub async fn handle<P: Ports, B: Body>(ports: &P, request: Request<B>) -> Reply {
    let (route, params) = match routes::find(&request.method, &request.path) {
        routes::Found::Route(route, params) => (route, params),
        routes::Found::OtherMethod(allow) => {
            let refusal = Refusal::new(Code::MethodNotAllowed, format!("allowed here: {allow}"));
            let mut reply = Reply::refused(&refusal);
            if let Reply::Json { allow: slot, .. } = &mut reply {
                *slot = Some(allow);
            }
            return reply;
        }
        routes::Found::Nothing => return Reply::refused(&Refusal::new(Code::NotFound, "no such route")),
    };
    match answer(ports, route, &params, request).await {
        Ok(reply) => reply,
        Err(refusal) => Reply::refused(&refusal),
    }
}

async fn answer<P: Ports, B: Body>(
    ports: &P,
    route: Route,
    params: &Params,
    request: Request<B>,
) -> Result<Reply, Refusal> {
    match route {
        Route::Health => return health(ports, &request.query).await,
        Route::OpenApi => return Ok(Reply::ok(schema::OPENAPI)),
        Route::Protocol => return Ok(Reply::ok(schema::PROTOCOL)),
        Route::Chat => return upgrade(ports, &request).await,
        #[cfg(feature = "dev")]
        Route::DevToken => return dev::token(ports, request).await,
        _ => {}
    }
    let caller = ports.authenticate(auth::bearer(&request.headers)?).await?;
    let query = Query::parse(&request.query);
    let room = || RoomId::parse(params.get("room")).ok_or_else(room_access::no_such_room);
    match route {
        Route::CreateRoom => rooms::create(ports, &caller, read_json(request).await?).await,
        Route::ListRooms => rooms::list(ports, &caller, &query).await,
        Route::Unread => inbox::unread(ports, &caller).await,
        Route::Mentions => inbox::mentions(ports, &caller, &query).await,
        Route::Search => inbox::search(ports, &caller, &query).await,
        Route::GetRoom => rooms::get(ports, &caller, &room()?).await,
        Route::ListMessages => messages::list(ports, caller, room()?, &query).await,
        Route::SendMessage => messages::send(ports, caller, room()?, request).await,
        Route::EditMessage => messages::edit(ports, caller, room()?, params, request).await,
        Route::DeleteMessage => messages::delete(ports, caller, room()?, params).await,
        Route::MessageVersions => messages::versions(ports, caller, room()?, params).await,
        Route::AddReaction => messages::react(ports, caller, room()?, params, true).await,
        Route::RemoveReaction => messages::react(ports, caller, room()?, params, false).await,
        Route::GetThread => messages::thread(ports, caller, room()?, params, &query).await,
        Route::MarkRead => messages::mark(ports, caller, room()?, request, true).await,
        Route::MarkUnread => messages::mark(ports, caller, room()?, request, false).await,
        Route::Upload => {
            let room = room()?;
            files::upload(ports, caller, room, request).await
        }
        Route::Download => {
            let id = params.get("attachment");
            files::download(ports, caller, id, &request.method, &request.headers).await
        }
        Route::Outbox => outbox::of_room(ports, caller, room()?, RoomCall::Outbox).await,
        Route::RetryOutbox => outbox::of_room(ports, caller, room()?, RoomCall::RetryOutbox).await,
        Route::DiscardRow => {
            let room = room()?;
            outbox::may_tend(ports, &caller, &room).await?;
            let seq = Fields::parse(&read_json(request).await?)?.integer("seq")?;
            outbox::of_room(ports, caller, room, RoomCall::Discard { seq }).await
        }
        Route::TenantOutbox => outbox::of_tenant(ports, &caller).await,
        Route::WsTicket => {
            let ticket = ports.keep_ticket(&caller).await?;
            Ok(Reply::ok(json!({"ticket": ticket, "expiresInMs": TICKET_MS})))
        }
        Route::Health | Route::Chat => Err(Refusal::new(Code::NotFound, "answered above")),
        #[cfg(feature = "dev")]
        Route::DevToken => Err(Refusal::new(Code::NotFound, "answered above")),
        _ => members::answer(ports, route, caller, room()?, params, request).await,
    }
}

/// Touches nothing; `?deep=1` asks Postgres (which wakes a sleeping Neon).
async fn health<P: Ports>(ports: &P, query: &str) -> Result<Reply, Refusal> {
    if Query::parse(query).text("deep") != Some("1") {
        return Ok(Reply::ok(json!({"status": "ok"})));
    }
    let began = ports.now();
    let up = db::ping(ports.db()).await.is_ok();
    let latency_ms = ports.now().saturating_sub(began);
    Ok(Reply::ok(match up {
        true => json!({"status": "ok", "postgres": "ok", "latencyMs": latency_ms}),
        false => json!({"status": "degraded", "postgres": "down", "latencyMs": latency_ms}),
    }))
}

/// `GET /chat`: everything that can be refused before the upgrade is refused here.
async fn upgrade<P: Ports, B>(ports: &P, request: &Request<B>) -> Result<Reply, Refusal> {
    let header = |name| request.headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    if !header("upgrade").is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket")) {
        return Err(Refusal::new(Code::UpgradeRequired, "this is a WebSocket's address"));
    }
    let found = auth::upgrade_credential(&request.headers, &request.query, ports.config())?;
    let caller = match &found.credential {
        Credential::Bearer(token) => ports.authenticate(token).await?,
        Credential::Ticket(ticket) => ports
            .take_ticket(ticket)
            .await?
            .ok_or_else(|| Refusal::new(Code::Unauthenticated, "the ticket is used, expired or unknown"))?,
    };
    auth::refuse_other_user(&request.query, &caller)?;
    let query = Query::parse(&request.query);
    let room = query.text("roomId").ok_or_else(|| Refusal::bad_field("roomId", "a room's id"))?;
    let since = match (query.integer("since")?, query.text("epoch")) {
        (Some(since), Some(epoch)) => Some((since, epoch.to_owned())),
        (Some(_), None) => return Err(Refusal::bad_field("epoch", "the log that since belongs to")),
        (None, _) => None,
    };
    let history = match query.text("history") {
        None => HISTORY_DEFAULT,
        // Clamped, as the contract says, below 0 and past 2^53 too.
        Some(text) => match text.parse::<f64>() {
            Ok(n) if n.fract() == 0.0 => n.clamp(0.0, HISTORY_MAX as f64) as u64,
            _ => return Err(Refusal::bad_field("history", "an integer")),
        },
    };
    let room = RoomId::parse(room).ok_or_else(room_access::no_such_room)?;
    let membership = room_access::membership(ports, &caller, &room).await?;
    let op = RoomOp::Upgrade(UpgradeRequest { batches: found.chat_v1, since, history });
    Ok(Reply::Upgrade(Box::new(RoomRequest { caller, room, membership, op })))
}

/// The body as text.
///
/// # Errors  415 for another type than JSON, 413 past `BODY_BYTES_MAX`, `bad_json` for what isn't UTF-8.
async fn read_json<B: Body>(request: Request<B>) -> Result<String, Refusal> {
    if let Some(kind) = request.headers.get(http::header::CONTENT_TYPE) {
        let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let json = kind.eq_ignore_ascii_case("application/json") || kind.ends_with("+json");
        if !json {
            return Err(Refusal::new(Code::UnsupportedMediaType, "expected application/json"));
        }
    }
    let bytes = request.body.read(BODY_BYTES_MAX).await?;
    String::from_utf8(bytes).map_err(|_| Refusal::new(Code::BadJson, "not UTF-8"))
}

/// A URL's query.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    fn parse(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// # Errors  `bad_request` for what is no integer of 0 to 2^53−1.
    fn integer(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse::<u64>() {
            Ok(n) if digits && n <= crate::ids::INTEGER_MAX => Ok(Some(n)),
            _ => Err(Refusal::bad_field(name, "an integer from 0 to 2^53-1")),
        }
    }

    /// `limit`, clamped to 1–100.
    fn limit(&self) -> Result<u64, Refusal> {
        self.limit_or(PAGE_DEFAULT)
    }

    fn limit_or(&self, unsaid: u64) -> Result<u64, Refusal> {
        let Some(text) = self.text("limit") else { return Ok(unsaid) };
        match text.parse::<i64>() {
            Ok(n) => Ok(u64::try_from(n).unwrap_or(1).clamp(1, PAGE_MAX)),
            Err(_) => Err(Refusal::bad_field("limit", "an integer")),
        }
    }
}

/// What an operator's Postgres can't do now is no fault of the request.
pub(crate) fn unavailable(_: db::DbError) -> Refusal {
    Refusal::new(Code::UpstreamUnavailable, "the database can't be reached, try again")
}

/// The name of a room's object: injective in (tenant, room), whatever characters they are made of.
pub fn object_name(tenant: &TenantId, room: &RoomId) -> String {
    if is(Mutant::RoomNameNotInjective) {
        return format!("{}:{}", tenant.as_str(), room.as_str());
    }
    Value::from(vec![tenant.as_str(), room.as_str()]).to_string()
}
