//! Chinwag: a chat backend on Cloudflare Workers. The code map is in docs/ARCHITECTURE.md.
//!
//! Imports point down only: `shell → object → api → inbox → room → db → auth, protocol → error, limits, ids`.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod api;
pub mod auth;
pub mod db;
pub mod error;
pub mod ids;
pub mod inbox;
pub mod limits;
pub mod metrics;
pub mod notify;
pub mod object;
pub mod oplog;
pub mod outbox_alerts;
pub mod protocol;
pub mod push;
pub mod room;
pub mod schema;
#[cfg(target_arch = "wasm32")]
mod shell;
