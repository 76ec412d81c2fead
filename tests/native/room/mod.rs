//! The room's rules as conversations; each name begins with the id of its rule in docs/PROTOCOL.md.

mod session;
mod talk;
