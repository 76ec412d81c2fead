//! The native tests, one binary. The rules of the room are conversations: see `transcript`.

mod laws;
mod ledger;
mod rig;
mod room;
mod sqlite;
mod telling;
mod transcript;
