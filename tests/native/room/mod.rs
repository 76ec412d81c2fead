//! The room's rules as conversations; each name begins with the id of its rule in docs/PROTOCOL.md.

mod change;
mod cost;
mod faults;
mod files;
mod outbox;
mod people;
mod presence;
mod refusals;
mod session;
mod talk;
mod thread;
mod trouble;
