//! Where a request carries its credential, and whether the web page that sent it is allowed to.
//! Not here: verification of a token (`token`, `jwks`) and of a ticket (`api`).

use super::config::{AuthConfig, Origin};
use super::identity::Identity;
use crate::error::{Code, Refusal};
use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE, HOST, HeaderName, ORIGIN, SEC_WEBSOCKET_PROTOCOL};

/// The subprotocol of current clients: frames are arrays of events.
pub const CHAT_V1: &str = "chat.v1";
const BEARER_SUBPROTOCOL: &str = "bearer.";
const COOKIE_NAME: &str = "chat_token";

/// A credential that is not yet verified. `Debug` hides its value.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    Bearer(String),
    Ticket(String),
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bearer(_) => "Bearer(redacted)",
            Self::Ticket(_) => "Ticket(redacted)",
        })
    }
}

/// The credential and the subprotocol of an upgrade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    pub credential: Credential,
    /// The client offered `chat.v1`. The reply selects it and no other subprotocol.
    pub chat_v1: bool,
}

/// Finds an upgrade's credential: the first that is present of `Authorization: Bearer`, the subprotocol `bearer.<jwt>`,
/// `?ticket=`, and the cookie, which counts only with an allowed `Origin` (PROTOCOL.md, "2. Identity").
///
/// # Takes   `query`: the URL's query, percent-encoded, without `?`.
/// # Errors  `forbidden` for a foreign `Origin`; `unauthenticated` without a credential, or with two different ones in
///           one place.
pub fn upgrade_credential(headers: &HeaderMap, query: &str, config: &AuthConfig) -> Result<Upgrade, Refusal> {
    refuse_foreign_origin(headers, config)?;
    let offered = || items(headers, SEC_WEBSOCKET_PROTOCOL, ',');
    let chat_v1 = offered().any(|protocol| protocol == CHAT_V1);
    let found = |credential| Ok(Upgrade { credential, chat_v1 });

    if let Some(token) = authorization(headers)? {
        return found(Credential::Bearer(token.to_owned()));
    }
    if let Some(token) = only(offered().filter_map(|protocol| protocol.strip_prefix(BEARER_SUBPROTOCOL)))? {
        return found(Credential::Bearer(token.to_owned()));
    }
    if let Some(ticket) = only(values(query, "ticket"))? {
        return found(Credential::Ticket(ticket));
    }
    // A browser sends cookies with requests of any page. Only `Origin` identifies the page, and every browser sends it
    // with an upgrade.
    if headers.contains_key(ORIGIN) {
        let cookies = items(headers, COOKIE, ';').filter_map(|cookie| cookie.split_once('='));
        let tokens = cookies.filter(|(name, _)| name.trim() == COOKIE_NAME).map(|(_, token)| token.trim());
        if let Some(token) = only(tokens)? {
            return found(Credential::Bearer(token.to_owned()));
        }
    }
    Err(missing())
}

/// A REST request's token: only `Authorization: Bearer`, which a foreign page can't send.
pub fn bearer(headers: &HeaderMap) -> Result<&str, Refusal> {
    authorization(headers)?.ok_or_else(missing)
}

/// Refuses an `Origin` that is neither this server's own host nor in `ALLOWED_ORIGINS`. A request without one doesn't
/// come from a web page.
pub fn refuse_foreign_origin(headers: &HeaderMap, config: &AuthConfig) -> Result<(), Refusal> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let allowed = headers.get_all(ORIGIN).iter().all(|origin| {
        origin
            .to_str()
            .ok()
            .and_then(Origin::parse)
            .is_some_and(|origin| origin.is_host(host) || config.allowed_origins.contains(&origin))
    });
    if allowed { Ok(()) } else { Err(Refusal::new(Code::Forbidden, "this Origin is not allowed")) }
}

/// Refuses a `userId` in the query that is not the caller's. Legacy clients send it.
pub fn refuse_other_user(query: &str, identity: &Identity) -> Result<(), Refusal> {
    if values(query, "userId").all(|user| user == identity.user.as_str()) {
        Ok(())
    } else {
        Err(Refusal::new(Code::Forbidden, "userId is not the token's sub").field("userId"))
    }
}

fn missing() -> Refusal {
    Refusal::new(Code::Unauthenticated, "a token is needed")
}

/// The token of `Authorization: Bearer`; another scheme counts as absent.
fn authorization(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    only(headers.get_all(AUTHORIZATION).iter().filter_map(|value| {
        let value = value.to_str().ok()?.trim();
        let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    }))
}

/// The only value. Two different values are refused, because a proxy in front of us may have checked the other one.
fn only<T: PartialEq>(mut values: impl Iterator<Item = T>) -> Result<Option<T>, Refusal> {
    let first = values.next();
    if values.all(|value| first.as_ref() == Some(&value)) {
        Ok(first)
    } else {
        Err(Refusal::new(Code::Unauthenticated, "two different credentials in one place"))
    }
}

/// The items of a header's list, over all lines of that header.
fn items(headers: &HeaderMap, name: HeaderName, separator: char) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(move |line| line.split(separator)).map(str::trim)
}

fn values(query: &str, name: &str) -> impl Iterator<Item = String> {
    form_urlencoded::parse(query.as_bytes())
        .filter(move |(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}
