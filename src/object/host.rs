//! What the objects of rooms and of inboxes do alike: tasks beside the events, the connection to Postgres, delivery to
//! the sockets, tokens of `auth` frames. Not here: in what they differ (`Object`, `InboxObject`).

use super::delivery::Delivered;
use super::platform::Platform;
use super::sockets::Sockets;
use super::verifying::Verifying;
use crate::auth::Identity;
use crate::error::Refusal;
use crate::ids::UnixMs;
use crate::limits::{CONNECTION_BUSY_MS, CONNECTION_LINGER_MS, Limits};
use crate::room::ConnectionId;
use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;

/// When the connection to Postgres can be closed: an open one keeps the object awake.
#[derive(Default)]
pub(super) struct Linger {
    /// How many statements were run. If the number has not changed after a while, no other one followed.
    statements: Cell<u64>,
    last_at: Cell<UnixMs>,
}

impl Linger {
    /// Counts a statement. Returns its number, and for how long the connection is kept after it.
    pub fn begin(&self, now: UnixMs) -> (u64, u64) {
        let statements = self.statements.get().wrapping_add(1);
        self.statements.set(statements);
        let is_busy = now.saturating_sub(self.last_at.replace(now)) <= CONNECTION_BUSY_MS;
        (statements, if is_busy { CONNECTION_BUSY_MS } else { CONNECTION_LINGER_MS })
    }

    pub fn is_over(&self, since: u64) -> bool {
        self.statements.get() == since
    }
}

/// The parts of an object that its methods here use.
pub(super) struct Parts<'a, P: Platform> {
    pub platform: &'a P,
    pub limits: &'a Limits,
    pub sockets: &'a Sockets<P::Socket>,
    pub linger: &'a Linger,
    pub verifying: &'a Verifying,
}

pub(super) trait Host: Sized + 'static {
    type Platform: Platform;

    fn parts(&self) -> Parts<'_, Self::Platform>;
    /// A verified token is not refused for another reason.
    async fn admit(self: &Rc<Self>, outcome: Result<Identity, Refusal>) -> Result<Identity, Refusal> {
        outcome
    }
    /// A token of this connection was verified.
    fn take_verified(self: &Rc<Self>, connection: ConnectionId, outcome: Result<Identity, Refusal>);
    /// This client turned out to be too slow.
    fn take_slow(self: &Rc<Self>, connection: ConnectionId);
    /// A pass over the sockets has handed over what they take.
    fn delivered(&self) {}

    /// Does something after this event; the object stays awake for it.
    fn later<F: Future<Output = ()> + 'static>(self: &Rc<Self>, work: impl FnOnce(Rc<Self>) -> F) {
        self.parts().platform.later(work(self.clone()));
    }

    /// Asks Postgres, and keeps the connection for the statements that may follow soon.
    async fn ask_db<T>(
        self: &Rc<Self>,
        question: impl AsyncFnOnce(&<Self::Platform as Platform>::Db) -> T,
    ) -> T {
        let Parts { platform, linger, .. } = self.parts();
        let answer = question(platform.db()).await;
        let (since, keep_ms) = linger.begin(platform.now());
        self.later(async move |object| {
            let Parts { platform, linger, .. } = object.parts();
            platform.sleep(keep_ms).await;
            // A statement in progress holds its connection itself, and begins a linger of its own.
            if linger.is_over(since) {
                platform.close_db();
            }
        });
        answer
    }

    /// Verifies a token of this connection, after those that wait already.
    fn verify_later(self: &Rc<Self>, connection: ConnectionId, token: String) {
        if self.parts().verifying.push(connection, token) {
            self.later(async move |object| {
                let Parts { platform, verifying, .. } = object.parts();
                let task = verifying.task(connection);
                while let Some(token) = task.next() {
                    let outcome = platform.authenticate(&token).await;
                    let outcome = object.admit(outcome).await;
                    object.take_verified(connection, outcome);
                }
            });
        }
    }

    /// Hands over what waits; a later turn continues.
    fn deliver(self: &Rc<Self>) {
        let Parts { platform, limits, sockets, .. } = self.parts();
        let Some(Delivered { slow, rest_in_ms }) = sockets.deliver(platform, limits) else { return };
        self.delivered();
        for connection in slow {
            self.later(async move |object| object.take_slow(connection));
        }
        if let Some(ms) = rest_in_ms.filter(|_| !sockets.delivery.is_scheduled.replace(true)) {
            self.later(async move |object| {
                let Parts { platform, sockets, .. } = object.parts();
                platform.sleep(ms).await;
                sockets.begin_later_turn();
                object.deliver();
            });
        }
    }
}
