//! The contract for machines over REST.
//! Not here: the documents (`crate::schema`).

use super::http::Reply;
use crate::schema::{OPENAPI, PROTOCOL};

/// `GET /openapi.json`.
pub fn openapi() -> Reply {
    Reply::ok(OPENAPI)
}

/// `GET /protocol.json`.
pub fn protocol() -> Reply {
    Reply::ok(PROTOCOL)
}
