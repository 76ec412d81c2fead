//! The room's rules as conversations; each name begins with the id of its rule in docs/PROTOCOL.md.

mod change;
mod cost;
mod depth;
mod faults;
mod files;
mod notices;
mod outbox;
mod people;
mod presence;
mod refusals;
mod schema;
mod session;
mod speech;
mod talk;
mod thread;
mod trouble;
