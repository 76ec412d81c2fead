//! The Worker's ports: configuration, tokens, Postgres, and calls to the Durable Objects.
//! Not here: what is done with them (`api`).

use super::{bucket::R2, clock, database::Database, issuer, web_push};
use crate::api::{
    self, EdgeRate, FileReply, InboxRequest, InboxUpgrade, Ports, Reply, RoomRequest, ServiceState,
    WrittenProfiles,
};
use crate::auth::{AuthConfig, Identity};
use crate::db::{self, DbError, Directory, Postgres, ProfileWriter};
use crate::error::{Code, Refusal};
use crate::ids::{TenantId, UnixMs, UserId};
use crate::limits::{
    ACCESS_REST_MS, ACCESS_TIMEOUT_MS, Limits, OBJECT_TIMEOUT_MS, POKES_AT_ONCE, STATEMENT_TIMEOUT_MS,
};
use crate::oplog::Entry;
use crate::outbox_alerts::Listed;
use crate::room::OutboxReport;
use crate::room::moderation::{Moderation, Rules};
use futures_util::future::join_all;
use http::HeaderMap;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use worker::{Env, Headers, Method, Request, RequestInit, Response, Stub};

thread_local! {
    /// The profiles that this isolate has written lately.
    static PROFILES: RefCell<WrittenProfiles> = RefCell::default();
    /// Until when the Worker does not ask Postgres what a room can answer as well.
    static RESTS_UNTIL: Cell<UnixMs> = const { Cell::new(0) };
    static RATES_REPORTED: Cell<bool> = const { Cell::new(false) };
}

/// The header that carries an upgrade's request to its object: such a request has no body.
pub const OBJECT_REQUEST_HEADER: &str = "x-chinwag-ask";

pub struct WorkerPorts<'a> {
    env: &'a Env,
    config: AuthConfig,
    database: DbWithDeadline,
    fail_fast: DbWithDeadline,
    bucket: Option<R2>,
    limits: Limits,
    /// Whose profile is due.
    noted: RefCell<Option<Identity>>,
    /// Inboxes that are to be poked.
    pokes: RefCell<Vec<InboxRequest>>,
}

/// Postgres with a long or a short deadline, over the request's one connection.
pub struct DbWithDeadline {
    database: Rc<Database>,
    fail_fast: bool,
}

impl Postgres for DbWithDeadline {
    async fn query(&self, sql: &'static str, input: serde_json::Value) -> Result<serde_json::Value, DbError> {
        if self.fail_fast && RESTS_UNTIL.get() > clock::now() {
            return Err(DbError { sqlstate: None, message: "it failed a moment ago".into() });
        }
        let timeout_ms = if self.fail_fast { ACCESS_TIMEOUT_MS } else { STATEMENT_TIMEOUT_MS };
        let answer = self.database.within(timeout_ms, sql, input).await;
        if self.fail_fast && answer.is_err() {
            RESTS_UNTIL.set(clock::now() + ACCESS_REST_MS);
        }
        answer
    }
}

/// Says, once an isolate, that rates at the edge are not counted.
fn report_absent_rates(env: &Env, limits: &Limits) {
    if RATES_REPORTED.replace(true) {
        return;
    }
    let absent = EdgeRate::ALL.into_iter().filter(|rate| env.rate_limiter(rate.binding()).is_err()).count();
    match limits.edge_rates {
        true if absent > 0 => {
            super::write_log(&Entry::warn("edge_rates_absent").with("bindings", &(absent as u64)));
        }
        true => {}
        false => super::write_log(&Entry::warn("edge_rates_off")),
    }
}

impl<'a> WorkerPorts<'a> {
    pub fn new(env: &'a Env, config: AuthConfig) -> Self {
        let fail_fast = DbWithDeadline { database: Rc::new(Database::new(env)), fail_fast: true };
        let database = DbWithDeadline { database: fail_fast.database.clone(), fail_fast: false };
        // The room logs a variable that is invalid.
        let limits = Limits::parse(&super::variable(env, "LIMITS").unwrap_or_default()).unwrap_or_default();
        report_absent_rates(env, &limits);
        Self {
            env,
            config,
            database,
            fail_fast,
            bucket: R2::of(env),
            limits,
            noted: RefCell::default(),
            pokes: RefCell::default(),
        }
    }

    /// Writes the profile that `note_person` has found due. A failure costs nothing: the next request of the person tries
    /// again.
    ///
    /// # Gives  `None` if nothing is due.
    pub fn write_noted(self) -> Option<impl Future<Output = ()> + 'static> {
        let caller = self.noted.take()?;
        // With the short deadline, and not while Postgres fails: nobody waits for this.
        let db = self.fail_fast;
        Some(async move {
            let put = api::profile_of(&caller);
            if db::put_people(&db, &caller.tenant, ProfileWriter::Token, &[put]).await.is_err() {
                PROFILES.with_borrow_mut(|written| written.forget(&caller));
            }
        })
    }

    /// Pokes the inboxes that the request has found, a few at once. What gets no answer the inbox finds by itself.
    ///
    /// # Gives  `None` if there are none.
    pub fn send_pokes(&self) -> Option<impl Future<Output = ()> + 'static> {
        let (pokes, env) = (self.pokes.take(), self.env.clone());
        (!pokes.is_empty()).then_some(async move {
            for some in pokes.chunks(POKES_AT_ONCE) {
                let sent = join_all(some.iter().map(|one| ask_inbox(&env, one)));
                clock::within(OBJECT_TIMEOUT_MS, sent).await;
            }
        })
    }

    /// The response that delivers a file.
    pub async fn deliver(&self, file: FileReply) -> worker::Result<Response> {
        match &self.bucket {
            Some(bucket) => bucket.deliver(file).await,
            None => super::json(&Reply::refused(&R2::missing())),
        }
    }

    /// Passes the upgrade on to the room.
    pub async fn upgrade(&self, request: &RoomRequest, handshake: &HeaderMap) -> worker::Result<Response> {
        pass_on(room(self.env, request)?, &serde_json::to_string(request)?, handshake).await
    }

    /// Passes the upgrade on to the person's inbox.
    pub async fn open_inbox(&self, upgrade: InboxUpgrade, handshake: &HeaderMap) -> worker::Result<Response> {
        let stub = inbox(self.env, &upgrade.caller.tenant, &upgrade.caller.user)?;
        pass_on(stub, &serde_json::to_string(&InboxRequest::Upgrade(upgrade))?, handshake).await
    }
}

/// Passes an upgrade on to its object.
async fn pass_on(stub: Stub, request: &str, handshake: &HeaderMap) -> worker::Result<Response> {
    let headers = Headers::new();
    headers.set("upgrade", "websocket")?;
    headers.set(OBJECT_REQUEST_HEADER, &ascii(request))?;
    for name in ["sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions"] {
        if let Some(value) = handshake.get(name).and_then(|value| value.to_str().ok()) {
            headers.set(name, value)?;
        }
    }
    let mut init = RequestInit::new();
    init.with_headers(headers);
    let response = stub.fetch_with_request(Request::new_with_init("https://object/", &init)?).await?;
    if response.status_code() == 101 {
        return Ok(response);
    }
    super::json(&relayed(response).await?)
}

/// The room's object. The platform logs its name, which holds nothing personal beyond the ids.
fn room(env: &Env, request: &RoomRequest) -> worker::Result<Stub> {
    let tenant = &request.caller.tenant;
    object_at(env, "CHAT_ROOM", tenant, &api::object_name(tenant, &request.room))
}

/// The object of a person's inbox.
fn inbox(env: &Env, tenant: &TenantId, user: &UserId) -> worker::Result<Stub> {
    object_at(env, "INBOX", tenant, &api::inbox_name(tenant, user))
}

/// Asks a room.
///
/// # Errors  upstream_unavailable → the object is overloaded or moving to another machine. The caller may retry.
pub async fn call_room(env: &Env, request: &RoomRequest) -> Result<Reply, Refusal> {
    let body = serde_json::to_string(request).map_err(|_| Refusal::fault())?;
    let stub = room(env, request).map_err(|_| Refusal::fault())?;
    let unreachable = |_| Refusal::new(Code::UpstreamUnavailable, "the room can't be reached, try again");
    relayed(post(stub, Method::Post, &body).await.map_err(unreachable)?).await.map_err(unreachable)
}

/// A person's inbox has done this.
pub async fn ask_inbox(env: &Env, request: &InboxRequest) -> worker::Result<()> {
    let (tenant, user) = request.owner();
    let stub = inbox(env, tenant, user)?;
    let answer = post(stub, Method::Post, &serde_json::to_string(request)?).await?;
    let refused = || worker::Error::RustError("the inbox refused it".into());
    if answer.status_code() == 200 { Ok(()) } else { Err(refused()) }
}

/// A Durable Object of a tenant. A jurisdiction or a location hint would be decided here and nowhere else.
fn object_at(env: &Env, class: &str, _tenant: &TenantId, name: &str) -> worker::Result<Stub> {
    env.durable_object(class)?.get_by_name(name)
}

/// Sends a room's report to the tenant's list of rooms with outbox problems.
pub async fn report_alert(env: &Env, report: &OutboxReport) -> worker::Result<()> {
    let stub = object_at(env, "TENANT_OUTBOX", &report.tenant, report.tenant.as_str())?;
    let answer = post(stub, Method::Put, &serde_json::to_string(report)?).await?;
    let refused = || worker::Error::RustError("the list refused it".into());
    if answer.status_code() == 200 { Ok(()) } else { Err(refused()) }
}

async fn post(stub: Stub, method: Method, body: &str) -> worker::Result<Response> {
    let mut init = RequestInit::new();
    init.with_method(method).with_body(Some(body.into()));
    stub.fetch_with_request(Request::new_with_init("https://room/", &init)?).await
}

impl Ports for WorkerPorts<'_> {
    type Db = DbWithDeadline;
    type Bucket = R2;

    fn config(&self) -> &AuthConfig {
        &self.config
    }

    fn limits(&self) -> Limits {
        self.limits.clone()
    }

    async fn is_within(&self, rate: EdgeRate, key: &str) -> bool {
        let Ok(limiter) = self.env.rate_limiter(rate.binding()) else { return true };
        // A platform that can't count lets everybody in.
        limiter.limit(key.to_owned()).await.map_or(true, |outcome| outcome.success)
    }

    fn directory(&self) -> Directory {
        // `ensure_valid_variables` has refused an invalid one.
        Directory::parse(&super::variable(self.env, "DIRECTORY").unwrap_or_default())
            .unwrap_or(Directory::Rooms)
    }

    fn refuses_unknown_people(&self) -> bool {
        // `ensure_valid_variables` has refused an invalid one.
        api::parse_unknown_people(&super::variable(self.env, "UNKNOWN_PEOPLE").unwrap_or_default())
            .unwrap_or(true)
    }

    fn note_person(&self, caller: &Identity) {
        if PROFILES.with_borrow_mut(|written| written.take_due(caller, clock::now())) {
            *self.noted.borrow_mut() = Some(caller.clone());
        }
    }

    fn poke(&self, pokes: Vec<InboxRequest>) {
        self.pokes.borrow_mut().extend(pokes);
    }

    fn now(&self) -> UnixMs {
        clock::now()
    }

    fn random(&self) -> u128 {
        clock::random_u128()
    }

    async fn authenticate(&self, token: &str) -> Result<Identity, Refusal> {
        issuer::authenticate(token, &self.config).await
    }

    fn moderation(&self, tenant: &TenantId) -> Option<Rc<Rules>> {
        moderation(self.env).ok()?.rules_for(tenant.as_str())
    }

    fn db(&self) -> &DbWithDeadline {
        &self.database
    }

    fn fail_fast_db(&self) -> &DbWithDeadline {
        &self.fail_fast
    }

    fn bucket(&self) -> Result<&R2, Refusal> {
        self.bucket.as_ref().ok_or_else(R2::missing)
    }

    fn notifications(&self) -> ServiceState {
        super::notifications::state(self.env)
    }

    fn push_key(&self) -> Option<String> {
        // `ensure_valid_variables` has refused an invalid one.
        web_push::vapid(self.env).ok().flatten().map(|vapid| vapid.public_key())
    }

    async fn call_room(&self, request: &RoomRequest) -> Result<Reply, Refusal> {
        call_room(self.env, request).await
    }

    async fn end_inbox_sessions(&self, tenant: &TenantId, person: &UserId) -> Result<(), Refusal> {
        let request = InboxRequest::EndSessions { tenant: tenant.clone(), user: person.clone() };
        let unreachable = |_| {
            Refusal::new(Code::UpstreamUnavailable, "the inbox can't be reached, send the same request again")
        };
        ask_inbox(self.env, &request).await.map_err(unreachable)
    }

    async fn outbox_alerts(&self, tenant: &TenantId) -> Result<Vec<Listed>, Refusal> {
        let unreachable = |_| Refusal::new(Code::UpstreamUnavailable, "the list can't be reached, try again");
        let stub =
            object_at(self.env, "TENANT_OUTBOX", tenant, tenant.as_str()).map_err(|_| Refusal::fault())?;
        stub.fetch_with_str("https://list/").await.map_err(unreachable)?.json().await.map_err(unreachable)
    }

    /// The ticket is the object's id: random, and of a form that only the platform can produce. So a guessed ticket is
    /// refused before an object is created for it.
    async fn create_ticket(&self, identity: &Identity) -> Result<String, Refusal> {
        let body = serde_json::to_string(identity).map_err(|_| Refusal::fault())?;
        let tickets = self.env.durable_object("WS_TICKET").map_err(|_| Refusal::fault())?;
        let id = tickets.unique_id().map_err(|_| Refusal::fault())?;
        let stub = id.get_stub().map_err(|_| Refusal::fault())?;
        post(stub, Method::Put, &body).await.map_err(|_| Refusal::fault())?;
        Ok(id.to_string())
    }

    async fn redeem_ticket(&self, ticket: &str) -> Result<Option<Identity>, Refusal> {
        let tickets = self.env.durable_object("WS_TICKET").map_err(|_| Refusal::fault())?;
        let Ok(id) = tickets.id_from_string(ticket) else { return Ok(None) };
        let stub = id.get_stub().map_err(|_| Refusal::fault())?;
        let mut response = post(stub, Method::Post, "").await.map_err(|_| Refusal::fault())?;
        response.json().await.map_err(|_| Refusal::fault())
    }

    #[cfg(feature = "dev")]
    fn dev_secret(&self) -> Option<String> {
        super::variable(self.env, "JWT_SECRET")
    }
}

/// A room's response, built again, because the headers of a fetched response are immutable.
async fn relayed(mut response: Response) -> worker::Result<Reply> {
    let retry_after_s = response.headers().get("retry-after")?.and_then(|s| s.parse::<u64>().ok());
    let retry_after_ms = retry_after_s.map(|s| s.saturating_mul(1000));
    let (status, body) = (response.status_code(), response.text().await?);
    Ok(Reply::Json { status, body, retry_after_ms, allow: None })
}

/// A URL's path and query, not decoded.
pub fn path_and_query(url: &str) -> (String, String) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.find('/').map_or("/", |at| rest.split_at(at).1);
    let rest = rest.split('#').next().unwrap_or_default();
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    (path.to_owned(), query.to_owned())
}

/// JSON text in ASCII, as a header requires.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match c.is_ascii() {
            true => text.push(c),
            false => {
                c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}")))
            }
        }
    }
    text
}

type ModerationRules = std::result::Result<Rc<Moderation>, String>;

thread_local! {
    /// One automaton for all rooms of the isolate, and the text it was built from.
    static MODERATION: RefCell<Option<(String, ModerationRules)>> = const { RefCell::new(None) };
}

/// The moderation rules of the variable `MODERATION`.
///
/// # Errors  the variable is invalid. Nobody is served then: a typing error must not let through what a tenant forbids.
pub fn moderation(env: &Env) -> ModerationRules {
    let text = super::variable(env, "MODERATION").unwrap_or_default();
    MODERATION.with(|slot| {
        let known = slot.borrow().as_ref().filter(|(of, _)| *of == text).map(|(_, rules)| rules.clone());
        known.unwrap_or_else(|| {
            let rules = Moderation::parse(&text).map(Rc::new);
            *slot.borrow_mut() = Some((text, rules.clone()));
            rules
        })
    })
}
