//! The contract for machines over REST.
//! Not here: the documents (`crate::schema`).

use super::http::Reply;
use super::routes::Route;
use crate::schema::{OPENAPI, PROTOCOL};

/// `GET /openapi.json` and `GET /protocol.json`.
pub fn document(route: Route) -> Reply {
    Reply::ok(if route == Route::Protocol { PROTOCOL } else { OPENAPI })
}
