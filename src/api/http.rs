//! Requests, replies, queries, path parameters and JSON bodies: what every handler uses.
//! Not here: routes (`routes`), the fields of a body (`body`), and HTTP itself (`shell`).

use super::inbox_request::InboxUpgrade;
use super::room_request::RoomRequest;
use crate::db::{DbError, Quota};
use crate::error::{Code, Refusal};
use crate::ids::{INTEGER_MAX, UnixMs, UserId, parse_time};
use crate::limits::{BODY_BYTES_MAX, DAY_MS, FOREVER_MS, PAGE_DEFAULT, PAGE_MAX};
use crate::protocol::Fields;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::json;
use std::future::Future;

pub struct Request<B> {
    pub method: Method,
    /// Still percent-encoded, as in the URL.
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: B,
}

/// A request's body. It is read only after the caller was authenticated.
pub trait Body {
    /// # Errors  `too_large` past `max` bytes.
    fn read(self, max: usize) -> impl Future<Output = Result<Vec<u8>, Refusal>>;
    /// The next chunk; `None` at the end.
    fn next(&mut self) -> impl Future<Output = Option<Result<Vec<u8>, Refusal>>>;
}

impl<B: Body> Request<B> {
    /// The body as JSON text, not yet parsed.
    ///
    /// # Errors  415 for a type that JSON is not sent with, 413 past `BODY_BYTES_MAX`, `bad_json` if it isn't UTF-8.
    pub async fn read_json(self) -> Result<String, Refusal> {
        if !self.headers.get_all(CONTENT_TYPE).iter().all(is_read_as_json) {
            return Err(Refusal::new(Code::UnsupportedMediaType, "expected application/json"));
        }
        let bytes = self.body.read(BODY_BYTES_MAX).await?;
        String::from_utf8(bytes).map_err(|_| Refusal::new(Code::BadJson, "not UTF-8"))
    }

    /// The body's fields.
    pub async fn read_fields(self) -> Result<Fields, Refusal> {
        Fields::parse(&self.read_json().await?)
    }

    /// The fields of a body that may be left out.
    pub async fn read_optional_fields(self) -> Result<Fields, Refusal> {
        let text = self.read_json().await?;
        Fields::parse(if text.trim().is_empty() { "{}" } else { &text })
    }
}

/// Whether a body of this `Content-Type` is read as JSON. `text/plain` is what `fetch` sends with a string.
fn is_read_as_json(content_type: &HeaderValue) -> bool {
    let mime = content_type.to_str().unwrap_or("not text").split(';').next().unwrap_or_default().trim();
    let mime = mime.to_ascii_lowercase();
    matches!(mime.as_str(), "" | "application/json" | "text/plain") || mime.ends_with("+json")
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
    /// The person's inbox takes over this connection.
    OpenInbox(Box<InboxUpgrade>),
    /// A file from the bucket.
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

    /// # Takes  `allowed`: the methods of this path, for the header `Allow`.
    pub fn method_not_allowed(allowed: String) -> Self {
        let refusal = Refusal::new(Code::MethodNotAllowed, format!("allowed here: {allowed}"));
        let body = json!({"error": refusal.members()}).to_string();
        Self::Json { status: refusal.code.status(), body, retry_after_ms: None, allow: Some(allowed) }
    }
}

/// A reply that the shell streams from the bucket, or one without a body.
#[derive(Debug, PartialEq)]
pub struct FileReply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    /// The object's key, the first byte and the number of bytes; `None`: no body.
    pub from: Option<(String, u64, u64)>,
}

/// The text of a header; `None` if it is absent or not text.
pub fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The parameters of a route's path, percent-decoded.
#[derive(Debug, Default)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// # Takes  names and values, still percent-encoded.
    pub fn decode<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let decode = |value| percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned();
        Self(pairs.map(|(name, value)| (name.to_owned(), decode(value))).collect())
    }

    /// Empty, which is no valid id, if the route's path has no such parameter.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// The parameter `user`.
    ///
    /// # Errors  `member_not_found` for text that is no user's id.
    pub fn user(&self) -> Result<UserId, Refusal> {
        let no_such_member = || Refusal::new(Code::MemberNotFound, "there is no such member");
        UserId::parse(self.get("user")).ok_or_else(no_such_member)
    }

    /// The parameter `message`; the room decides whether it is a message's id.
    pub fn message(&self) -> String {
        self.get("message").to_owned()
    }
}

/// The time that this field or parameter holds.
///
/// # Errors  `invalid` unless it is a time in UTC.
pub fn parse_time_of(name: &str, text: &str) -> Result<UnixMs, Refusal> {
    let time = parse_time(text).filter(|ms| *ms <= FOREVER_MS);
    time.ok_or_else(|| Refusal::invalid(name, "expected a time like 2026-11-24T09:00:00.000Z"))
}

/// A URL's query.
pub struct Query(Vec<(String, String)>);

impl Query {
    pub fn parse(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The place where the page begins; an empty one is the first page's.
    pub fn cursor(&self) -> Option<&str> {
        self.text("cursor").filter(|cursor| !cursor.is_empty())
    }

    /// # Errors  `bad_request` unless it is an integer from 0 to 2^53−1.
    pub fn integer(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse::<u64>() {
            Ok(n) if digits && n <= INTEGER_MAX => Ok(Some(n)),
            _ => Err(Refusal::bad_field(name, "an integer from 0 to 2^53-1")),
        }
    }

    /// # Errors  `invalid` unless it is a time in UTC.
    pub fn time(&self, name: &str) -> Result<Option<UnixMs>, Refusal> {
        self.text(name).map(|text| parse_time_of(name, text)).transpose()
    }

    /// One of the values of an enum, by its name; an empty text is none.
    ///
    /// # Errors  `invalid` for another text.
    pub fn one_of<T: Copy>(
        &self,
        name: &str,
        values: &[T],
        name_of: impl Fn(T) -> &'static str,
    ) -> Result<Option<T>, Refusal> {
        let Some(text) = self.text(name).filter(|text| !text.is_empty()) else { return Ok(None) };
        let value = values.iter().copied().find(|value| name_of(*value) == text);
        let names = || values.iter().copied().map(&name_of).collect::<Vec<_>>().join(" or ");
        value.map(Some).ok_or_else(|| Refusal::invalid(name, &names()))
    }

    /// `limit`, clamped to 1–100.
    pub fn limit(&self) -> Result<u64, Refusal> {
        self.limit_or(PAGE_DEFAULT)
    }

    pub fn limit_or(&self, default: u64) -> Result<u64, Refusal> {
        let Some(text) = self.text("limit") else { return Ok(default) };
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Refusal::bad_field("limit", "an integer"));
        }
        // A negative number is less than any minimum, and one that no type holds more than any maximum.
        let is_negative = digits.len() < text.len();
        let n = if is_negative { 0 } else { digits.parse::<u64>().unwrap_or(u64::MAX) };
        Ok(n.clamp(1, PAGE_MAX))
    }
}

/// One answer for existence and membership, so that strangers don't learn which rooms exist.
pub fn no_such_room() -> Refusal {
    Refusal::new(Code::RoomNotFound, "there is no such room")
}

/// Whatever the statement failed with, the request may succeed later.
pub fn database_unavailable(_: DbError) -> Refusal {
    Refusal::new(Code::UpstreamUnavailable, "the database can't be reached, try again")
}

/// A quota is used up. Those of a day begin anew at midnight UTC; the others end when somebody leaves a room or deletes a
/// file, and a client that looks again the next day is early enough.
pub fn over_quota(quota: Quota, now: UnixMs) -> Refusal {
    let rest_ms = DAY_MS.saturating_sub(now.checked_rem(DAY_MS).unwrap_or(0));
    let message = match quota {
        Quota::RoomsMade => "you have created as many rooms as one may in a day",
        Quota::Memberships => "somebody of these is in as many rooms as one may be",
        Quota::FileBytes => "your files have as many bytes as one's may have",
        Quota::Reports => "you have made as many reports as one may in a day",
    };
    Refusal::new(Code::RateLimited, message).retry_after_ms(rest_ms)
}

/// The refusal of a quota, or of a database that is unavailable.
pub fn refuse_quota(error: DbError, now: UnixMs) -> Refusal {
    match error.quota() {
        Some(quota) => over_quota(quota, now),
        None => database_unavailable(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_integer_is_a_limit_and_is_clamped() {
        let limit = |text: &str| Query::parse(&format!("limit={text}")).limit().ok();
        for (text, expected) in [
            ("0", 1),
            ("1", 1),
            ("20", 20),
            ("101", PAGE_MAX),
            ("9651093904495730688", PAGE_MAX),
            ("39668332315302716227393247684591616", PAGE_MAX),
            ("-3", 1),
            ("-39668332315302716227393247684591616", 1),
        ] {
            assert_eq!(limit(text), Some(expected), "{text}");
        }
        for bad in ["", "-", "1.5", "x", "--1", "%2B1"] {
            assert_eq!(limit(bad), None, "{bad}");
        }
        assert_eq!(Query::parse("").limit().ok(), Some(PAGE_DEFAULT));
    }
}
