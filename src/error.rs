//! The closed table of error codes: name, HTTP status, whether a retry can succeed. And `Refusal`, the answer to a
//! client whose request is refused.
//! Not here: when an error occurs; the code that refuses decides it.

use serde_json::{Map, Value, json};
use thiserror::Error;

macro_rules! codes {
    ($($variant:ident $name:literal $status:literal $retryable:literal,)*) => {
        /// Every code of PROTOCOL.md, "10. Errors, limits and close codes".
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code { $($variant,)* }

        impl Code {
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];
            pub fn name(self) -> &'static str {
                match self { $(Code::$variant => $name,)* }
            }
            pub fn status(self) -> u16 {
                match self { $(Code::$variant => $status,)* }
            }
            /// Whether the same request can succeed later, unchanged.
            pub fn retryable(self) -> bool {
                match self { $(Code::$variant => $retryable,)* }
            }
        }
    };
}

codes! {
    BadJson "bad_json" 400 false,
    BadRequest "bad_request" 400 false,
    Unauthenticated "unauthenticated" 401 false,
    TokenExpired "token_expired" 401 false,
    Forbidden "forbidden" 403 false,
    Muted "muted" 403 false,
    Blocked "blocked" 403 false,
    RoomNotFound "room_not_found" 404 false,
    MessageNotFound "message_not_found" 404 false,
    MemberNotFound "member_not_found" 404 false,
    PersonNotFound "person_not_found" 404 false,
    AttachmentNotFound "attachment_not_found" 404 false,
    NotFound "not_found" 404 false,
    MethodNotAllowed "method_not_allowed" 405 false,
    ClientIdConflict "client_id_conflict" 409 false,
    VersionConflict "version_conflict" 409 false,
    LastOwner "last_owner" 409 false,
    Banned "banned" 409 false,
    Archived "archived" 409 false,
    TooLarge "too_large" 413 false,
    UnsupportedMediaType "unsupported_media_type" 415 false,
    Invalid "invalid" 422 false,
    ContentEmpty "content_empty" 422 false,
    ContentTooLong "content_too_long" 422 false,
    ModerationBlocked "moderation_blocked" 422 false,
    UpgradeRequired "upgrade_required" 426 false,
    RateLimited "rate_limited" 429 true,
    SlowMode "slow_mode" 429 true,
    Internal "internal" 500 true,
    UpstreamUnavailable "upstream_unavailable" 503 true,
    RoomFull "room_full" 507 false,
}

/// The error that a client receives, the same over REST and in frames. It holds nothing that the client may not know.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}: {message}", code.name())]
pub struct Refusal {
    pub code: Code,
    pub message: String,
    pub field: Option<String>,
    pub retry_after_ms: Option<u64>,
}

impl Refusal {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field: None, retry_after_ms: None }
    }

    pub fn field(mut self, field: &str) -> Self {
        self.field = Some(field.to_owned());
        self
    }

    pub fn retry_after_ms(mut self, ms: u64) -> Self {
        self.retry_after_ms = Some(ms);
        self
    }

    /// An internal error; the oplog has its cause.
    pub fn fault() -> Self {
        Self::new(Code::Internal, "a fault of ours")
    }

    /// A field that is missing or has the wrong type.
    pub fn bad_field(field: &str, expected: &str) -> Self {
        Self::new(Code::BadRequest, format!("{field}: expected {expected}")).field(field)
    }

    /// A field of the right type whose value is not allowed.
    pub fn invalid(field: &str, why: &str) -> Self {
        Self::new(Code::Invalid, format!("{field}: {why}")).field(field)
    }

    /// The fields that the REST error object and the `error` frame have in common.
    pub fn members(&self) -> Map<String, Value> {
        let mut map = Map::new();
        map.insert("code".into(), json!(self.code.name()));
        map.insert("message".into(), json!(self.message));
        map.insert("retryable".into(), json!(self.code.retryable()));
        if let Some(ms) = self.retry_after_ms {
            map.insert("retryAfterMs".into(), json!(ms));
        }
        if let Some(field) = &self.field {
            map.insert("field".into(), json!(field));
        }
        map
    }
}
