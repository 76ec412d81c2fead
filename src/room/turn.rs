//! What travels together through the handling of one input: the store and the time, and for a client's operation also
//! who asks. Not here: anything that outlives the input.

use super::socket_state::ConnectionId;
use super::store::{Event, Kind, Store};
use crate::auth::Identity;
use crate::ids::{Seq, UnixMs};

/// The store and the time of one input.
#[derive(Clone, Copy)]
pub(super) struct Turn<'a> {
    pub store: &'a Store<'a>,
    pub now: UnixMs,
}

/// An operation that a person asks for, with a frame or over REST.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub turn: Turn<'a>,
    pub caller: &'a Identity,
    /// The socket that gets the ack; REST has none.
    pub connection: Option<ConnectionId>,
    pub random: u64,
}

impl<'a> Request<'a> {
    pub fn user(&self) -> &'a str {
        self.caller.user.as_str()
    }

    /// The caller's event at `seq`, with nothing in it yet.
    pub fn event(&self, seq: Seq, kind: Kind) -> Event {
        Event {
            seq,
            kind,
            at: self.turn.now,
            user_id: self.user().to_owned(),
            client_id: None,
            digest: None,
            target: None,
            thread: None,
            body: String::new(),
        }
    }
}
