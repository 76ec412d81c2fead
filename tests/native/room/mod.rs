//! The room's rules as conversations; each name begins with the id of its rule in docs/PROTOCOL.md.

mod cost;
mod depth;
mod edit_delete;
mod faults;
mod files;
mod notifications;
mod outbox;
mod outbox_alert;
mod people;
mod presence;
mod refusals;
mod schema;
mod send_checks;
mod session;
mod talk;
mod thread;
