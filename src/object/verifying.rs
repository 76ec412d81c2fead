//! Tokens of `auth` frames: verified one after the other for each connection, whichever key has to be fetched first, so
//! that a client's last token counts. The frames behind a token do not wait for it.
//! Not here: verification itself (`auth`), and what follows from it (`room`).

use crate::room::ConnectionId;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};

/// The tokens that wait, for each connection whose task is at work.
#[derive(Default)]
pub(super) struct Verifying(RefCell<BTreeMap<ConnectionId, VecDeque<String>>>);

impl Verifying {
    /// True if the caller must start the connection's task.
    pub fn push(&self, connection: ConnectionId, token: String) -> bool {
        let mut waiting = self.0.borrow_mut();
        let is_first = !waiting.contains_key(&connection);
        waiting.entry(connection).or_default().push_back(token);
        is_first
    }

    pub fn task(&self, connection: ConnectionId) -> Task<'_> {
        Task(self, connection)
    }
}

/// Takes the tokens of a connection in order. It ends with the last one, and also by a panic.
pub(super) struct Task<'a>(&'a Verifying, ConnectionId);

impl Task<'_> {
    pub fn next(&self) -> Option<String> {
        self.0.0.borrow_mut().get_mut(&self.1)?.pop_front()
    }
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        self.0.0.borrow_mut().remove(&self.1);
    }
}
