//! What clients send and receive: strict JSON, client frames, server events, the message object.
//! Not here: what follows from a frame (`room`), and the routes of REST (`api`).

pub mod client;
pub mod file;
pub mod inbox;
mod json;
pub mod message;
pub mod notification;
pub mod person;
pub mod room;
pub mod server;
mod visible_text;

pub use json::Fields;
