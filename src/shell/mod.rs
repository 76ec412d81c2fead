//! The runtime's side, wasm32 only: the Worker's entry, the Durable Objects, implementations of the ports.
//! Not here: decisions. What a request is answered is in `api`, what a room does in `room`.

mod body;
mod bucket;
mod chat_room;
mod clock;
mod database;
mod emoji;
mod inbox;
mod issuer;
mod notifications;
mod ports;
mod sqlite;
mod tenant_outbox;
#[cfg(feature = "test-hooks")]
mod test_hooks;
mod web_crypto;
mod web_push;
mod workerd;
mod ws_ticket;

use crate::api::{self, Reply};
use crate::auth::{self, AuthConfig};
use crate::db::Directory;
use crate::error::{Code, Refusal};
use crate::limits::Limits;
use crate::oplog::{Complaint, Entry, Loggable, RequestId};
use body::RequestBody;
use futures_util::FutureExt;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use ports::WorkerPorts;
use std::panic::AssertUnwindSafe;
use worker::{Context, Env, Headers, Request, Response, Result, event};

#[event(start)]
fn start() {
    let version: &'static str = env!("CARGO_PKG_VERSION");
    write_log(&Entry::info("starts").with("version", &version));
    // Only the place is logged: a panic's message may quote what somebody sent. Dev builds show the message as well.
    std::panic::set_hook(Box::new(|panic| {
        let entry = Entry::error("panic");
        write_log(&match panic.location() {
            Some(at) => entry.with("file", &SourceFile(at.file())).with("line", &u64::from(at.line())),
            None => entry,
        });
        #[cfg(feature = "dev")]
        console_error_panic_hook::hook(panic);
    }));
}

/// Every request except those for static assets. A panic ends only its request, which is answered 500.
#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> Result<Response> {
    let request_id = clock::request_id(&request);
    let headers = header_map(request.headers());
    let config = AuthConfig::parse(|name| variable(&env, name));
    let config = config.and_then(|config| ensure_valid_variables(&env).map(|()| config));
    let origin = config.as_ref().ok().and_then(|config| allowed_origin(&headers, config));
    let answered = AssertUnwindSafe(answer(request, headers, &env, (config, &context))).catch_unwind().await;
    let fail = |event: &'static str, why: &worker::Error| {
        let id = RequestId(&request_id);
        write_log(&Entry::error(event).with("requestId", &id).with("why", &PlatformError(why)));
        json(&Reply::refused(&Refusal::fault()))
    };
    let response = match answered {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => fail("request_failed", &error)?,
        Err(_) => fail("request_panicked", &worker::Error::Infallible)?,
    };
    add_common_headers(response, &request_id, origin.as_deref())
}

/// # Errors  what is wrong with the variables that are not about authentication. A typing error must not stop
///           notifications, lift a limit or let through what a tenant forbids, and nobody notice.
fn ensure_valid_variables(env: &Env) -> std::result::Result<(), String> {
    ports::moderation(env)?;
    Limits::parse(&variable(env, "LIMITS").unwrap_or_default())?;
    Directory::parse(&variable(env, "DIRECTORY").unwrap_or_default())?;
    api::parse_unknown_people(&variable(env, "UNKNOWN_PEOPLE").unwrap_or_default())?;
    web_push::vapid(env)?;
    notifications::receiver(env).map(drop)
}

async fn answer(
    request: Request,
    headers: HeaderMap,
    env: &Env,
    (config, context): (std::result::Result<AuthConfig, String>, &Context),
) -> Result<Response> {
    let ports = match config {
        Ok(config) => WorkerPorts::new(env, config),
        Err(why) => {
            write_log(&Entry::error("refusing_to_serve").with("why", &Complaint(&why)));
            let message = "this deployment is not configured; its log says what is missing";
            return json(&Reply::refused(&Refusal::new(Code::UpstreamUnavailable, message)));
        }
    };
    let url = request.inner().url();
    let (path, query) = ports::path_and_query(&url);
    if request.inner().method() == "OPTIONS" && headers.contains_key("access-control-request-method") {
        return Ok(Response::empty()?.with_status(204));
    }
    let method = http::Method::from_bytes(request.inner().method().as_bytes()).unwrap_or_default();
    // Only an upgrade needs the headers a second time.
    let handshake = if headers.contains_key("upgrade") { headers.clone() } else { HeaderMap::new() };
    let body = RequestBody::new(request);
    let reply = api::handle(&ports, api::Request { method, path, query, headers, body }).await;
    let response = match reply {
        Reply::Upgrade(room_request) => ports.upgrade(&room_request, &handshake).await,
        Reply::OpenInbox(upgrade) => ports.open_inbox(*upgrade, &handshake).await,
        Reply::File(file) => ports.deliver(*file).await,
        reply => json(&reply),
    };
    if let Some(work) = ports.send_pokes() {
        context.wait_until(work);
    }
    if let Some(work) = ports.write_noted() {
        context.wait_until(work);
    }
    response
}

/// A variable or secret.
fn variable(env: &Env, name: &str) -> Option<String> {
    env.var(name).map(|value| value.to_string()).ok()
}

/// Writes one line of the operator's log.
fn write_log(entry: &Entry) {
    match entry.level() {
        "error" => worker::console_error!("{entry}"),
        "warn" => worker::console_warn!("{entry}"),
        _ => worker::console_log!("{entry}"),
    }
}

/// A path of our own source code.
struct SourceFile<'a>(&'a str);

impl Loggable for SourceFile<'_> {
    fn logged(&self) -> serde_json::Value {
        self.0.into()
    }
}

/// The platform's own message. Messages of ours may hold what somebody sent, so only their kind is logged.
struct PlatformError<'a>(&'a worker::Error);

impl Loggable for PlatformError<'_> {
    fn logged(&self) -> serde_json::Value {
        match self.0 {
            worker::Error::JsError(words) => words.as_str().into(),
            worker::Error::RustError(_) => "an error of ours".into(),
            worker::Error::Infallible => "a panic, logged before".into(),
            _ => "another error".into(),
        }
    }
}

/// A JSON reply as an HTTP response.
fn json(reply: &Reply) -> Result<Response> {
    let Reply::Json { status, body, retry_after_ms, allow } = reply else {
        return Response::error("this reply is not JSON", 500);
    };
    let mut response = Response::from_bytes(body.clone().into_bytes())?.with_status(*status);
    let headers = response.headers_mut();
    headers.set("content-type", "application/json; charset=utf-8")?;
    headers.set("cache-control", "no-store")?;
    if let Some(ms) = retry_after_ms {
        headers.set("retry-after", &ms.div_ceil(1000).max(1).to_string())?;
    }
    if let Some(allow) = allow {
        headers.set("allow", allow)?;
    }
    Ok(response)
}

/// Adds what every response carries: the request's id, and CORS headers for the origins of `ALLOWED_ORIGINS`.
fn add_common_headers(mut response: Response, request_id: &str, origin: Option<&str>) -> Result<Response> {
    if response.status_code() == 101 {
        return Ok(response);
    }
    let headers = response.headers_mut();
    headers.set("x-request-id", request_id)?;
    headers.set("x-content-type-options", "nosniff")?;
    if let Some(origin) = origin {
        headers.set("access-control-allow-origin", origin)?;
        headers.set("access-control-allow-methods", "GET, HEAD, POST, PUT, PATCH, DELETE")?;
        headers.set(
            "access-control-allow-headers",
            "authorization, content-type, x-file-name, range, if-range, if-none-match",
        )?;
        headers.set("access-control-expose-headers", "x-request-id, retry-after, content-disposition, content-length, content-range, accept-ranges, etag")?;
        headers.set("access-control-max-age", "600")?;
        headers.append("vary", "origin")?;
    }
    Ok(response)
}

/// The request's `Origin` if it may read the response: one of `ALLOWED_ORIGINS`, or this server's own.
fn allowed_origin(headers: &HeaderMap, config: &AuthConfig) -> Option<String> {
    let origin = headers.get(http::header::ORIGIN)?.to_str().ok()?;
    auth::refuse_foreign_origin(headers, config).ok()?;
    Some(origin.to_owned())
}

fn header_map(headers: &Headers) -> HeaderMap {
    let pair = |(name, value): (String, String)| {
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(&value).ok()?))
    };
    headers.entries().filter_map(pair).collect()
}
