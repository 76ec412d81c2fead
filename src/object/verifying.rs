//! Tokens of `auth` frames: verified one after the other for each connection, whichever key has to be fetched first, so
//! that a client's last token counts.
//! Not here: verification itself (`auth`), and what follows from it (`room`).

use super::Object;
use super::platform::Platform;
use crate::room::{ConnectionId, Input};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// The tokens that wait, for each connection whose task is at work.
#[derive(Default)]
pub(super) struct Verifying(RefCell<BTreeMap<ConnectionId, VecDeque<String>>>);

impl Verifying {
    /// True if the caller must start the connection's task.
    fn push(&self, connection: ConnectionId, token: String) -> bool {
        let mut waiting = self.0.borrow_mut();
        let is_first = !waiting.contains_key(&connection);
        waiting.entry(connection).or_default().push_back(token);
        is_first
    }

    fn pop(&self, connection: ConnectionId) -> Option<String> {
        self.0.borrow_mut().get_mut(&connection)?.pop_front()
    }
}

/// Ends a connection's task, also by a panic.
struct Task<'a>(&'a Verifying, ConnectionId);

impl Drop for Task<'_> {
    fn drop(&mut self) {
        self.0.0.borrow_mut().remove(&self.1);
    }
}

impl<P: Platform> Object<P> {
    /// Verifies the token after those that the same connection sent before. The frames behind it do not wait.
    pub(super) fn verify_later(self: &Rc<Self>, connection: ConnectionId, token: String) {
        if !self.verifying.push(connection, token) {
            return;
        }
        self.later(async move |object| {
            let _task = Task(&object.verifying, connection);
            while let Some(token) = object.verifying.pop(connection) {
                let outcome = object.platform.authenticate(&token).await;
                object.feed(Input::Verified { connection, outcome });
            }
        });
    }
}
