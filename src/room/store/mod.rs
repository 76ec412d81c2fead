//! The room's log in SQLite: the schema and every statement, one file per table, over a synchronous port. The object's
//! SQLite and an in-process SQLite both implement the port. Not here: what an event means (`room`).
//!
//! The schema follows the price of written rows (docs/PLATFORM.md, What it costs): a message is one row and one index
//! entry. A watermark replaces an outbox table, read markers share one row, and a message is found by its id without an
//! index.

mod audit;
mod events;
pub mod formats;
pub mod mutations;
mod quarantine;
mod schema;
mod sql;
mod state;
mod uploads;
mod versions;

pub use events::{Event, Kind, Stored};
pub use quarantine::QuarantineReason;
pub use schema::SCHEMA_STEPS;
pub use sql::{Result, Row, Sql, SqlValue, Store, StoreError};
pub(crate) use sql::{int, int_at, text, text_at};
pub use state::{StateRow, decode, encode};
pub use uploads::{DueRemovals, Upload};
