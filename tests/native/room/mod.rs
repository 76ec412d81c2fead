//! The room's rules as conversations; each name begins with the id of its rule in docs/PROTOCOL.md.

mod cost;
mod edit_delete;
mod files;
mod long_history;
mod members;
mod message;
mod notifications;
mod outbox;
mod outbox_alert;
mod pins;
mod presence;
mod reactions;
mod rebuild;
mod refusals;
mod reports;
mod restore;
mod saved;
mod schema;
mod send_checks;
mod session;
mod sizes;
mod slow_clients;
mod storage;
mod store_faults;
mod thread;
