//! What the native tests, the simulator, the end-to-end tests, the fault tests and the bench share: the cast, the fake
//! Postgres, a SQLite, the validators of the contract, and the checkers of a room's history.
//! Not here: what a test does, and rules that only one of them can see.

#[cfg(feature = "room")]
pub mod cast;
mod emoji;
#[cfg(feature = "room")]
mod fake_postgres;
pub mod history;
#[cfg(feature = "room")]
mod membership;
#[cfg(feature = "push")]
pub mod push;
#[cfg(feature = "schema")]
mod schema;
#[cfg(feature = "room")]
mod sqlite;
#[cfg(feature = "room")]
mod statement;

pub use emoji::parse_emoji;
#[cfg(feature = "room")]
pub use fake_postgres::{FakePostgres, Fault, POISON, is_poison};
#[cfg(feature = "room")]
pub use membership::Membership;
#[cfg(feature = "schema")]
pub use schema::{Schema, schema};
#[cfg(feature = "room")]
pub use sqlite::Sqlite;
#[cfg(feature = "room")]
pub use statement::{Statement, encode_projected};
