//! Events that are not in the log: presence, typing and read receipts, and the operations that cause them.
//! Not here: who is online and who types (`presence`), and the markers (`reads`).

use super::presence::TypingUpdate;
use super::send_checks::Operation;
use super::turn::Request;
use super::{Room, RoomError};
use crate::auth::Action;
use crate::db::SnapshotMember;
use crate::error::Refusal;
use crate::ids::{MessageId, Seq, UnixMs};
use crate::limits::{MARKERS_WAIT_MS, READERS_MAX};
use crate::protocol::server;
use serde_json::{Value, json};

impl Room {
    /// Sends the presence events, receipts and ends of typing that are due.
    pub(super) fn tick(&mut self, now: UnixMs) {
        for join in self.presence.take_joined(now) {
            let event = server::user_joined(&join.user, now);
            self.connections
                .send_each(|c| (c.id < join.connection && c.user() != join.user).then(|| event.clone()));
        }
        for user in self.presence.take_left(now) {
            self.connections.broadcast(&server::user_left(&user, now));
        }
        let shared = self.members.shares_receipts();
        for receipt in self.reads.take_receipts(now) {
            let event = server::read_receipt(&receipt.user, receipt.seq);
            let to_all = shared && !receipt.own_only;
            self.connections.send_each(|c| (to_all || c.user() == receipt.user).then(|| event.clone()));
        }
        for update in self.presence.expire_typing(now) {
            self.connections.send_each(|c| (!c.batches && c.user() != update.user()).then(|| update.event()));
        }
    }

    /// # Errors  muted; rate_limited; `invalid` for a thread that does not exist.
    pub(super) fn set_typing(
        &mut self,
        request: Request,
        is_typing: bool,
        thread: Option<MessageId>,
    ) -> Result<(), RoomError> {
        self.check_operation(request, Operation::Type)?;
        let place = self.thread_root(request, thread)?.map(|root| root.id);
        let (user, now) = (request.user(), request.turn.now);
        let update = match is_typing {
            true => self.presence.start_typing(&place, user, now),
            false => self.presence.stop_typing(&place, user, now),
        };
        update.iter().for_each(|update| self.announce_typing(update));
        Ok(())
    }

    /// A person stops typing in this thread, or in the room.
    pub(super) fn stop_typing_in(&mut self, user: &str, thread: Option<&str>, now: UnixMs) {
        let update = self.presence.stop_typing(&thread.map(str::to_owned), user, now);
        update.iter().for_each(|update| self.announce_typing(update));
    }

    /// Tells everybody but the person itself. Typing in a thread is not sent to people who may not see the thread, nor
    /// to legacy clients, which have no threads.
    pub(super) fn announce_typing(&mut self, update: &TypingUpdate) {
        let (root, members) = (update.root(), &self.members);
        self.connections.send_each(|c| {
            let sees = root.is_none_or(|root| c.batches && root > members.visible_from(c.user()));
            (sees && c.user() != update.user()).then(|| update.event())
        });
    }

    /// When a marker that moves now must go to Postgres, if no batch goes before. What a socket's stored state holds can
    /// wait (READ-7).
    fn marker_due(&self, user: &str, now: UnixMs) -> UnixMs {
        let wait_ms = if self.presence.sockets(user) > 0 { MARKERS_WAIT_MS } else { 0 };
        now.saturating_add(wait_ms)
    }

    /// Moves a person's marker forward; true when it moved.
    pub(super) fn advance_marker(&mut self, user: &str, seq: Seq, now: UnixMs) -> bool {
        let moved = self.reads.advance(user, seq, self.marker_due(user, now));
        if moved {
            self.connections.mark_changed(user);
        }
        moved
    }

    /// The caller has read up to `seq`. The others get a receipt in small rooms, the caller's other tabs always.
    pub(super) fn mark_read(&mut self, request: Request, seq: Seq) -> Result<(), Refusal> {
        self.authorize(request.caller, Action::Read)?;
        let (user, now) = (request.user(), request.turn.now);
        let sockets = self.presence.sockets(user);
        let other_tabs = sockets > u32::from(request.connection.is_some());
        if !self.advance_marker(user, seq.min(self.log.head()), now) {
            return Ok(());
        }
        if sockets == 0 {
            self.reads.release(user, now);
        }
        if self.members.shares_receipts() || other_tabs {
            self.reads.queue_receipt(user, false, now);
        }
        Ok(())
    }

    /// `GET /rooms/:id/messages/:mid/readers`: the members who have read up to a message, the first `READERS_MAX` by id.
    /// Its author is none of them, nor is who joined after it: their marker began there, and says nothing of them.
    ///
    /// # Errors  message_not_found, also for a deleted one.
    /// # Cost    a look at each member, in memory.
    pub(super) fn readers(&self, request: Request, id: &str) -> Result<Value, RoomError> {
        self.authorize(request.caller, Action::Read)?;
        let message = self.require_message(request, id)?;
        let has_read = |member: &&SnapshotMember| {
            let user = member.user_id.as_str();
            member.joined_seq < message.seq
                && user != message.user_id
                && self.reads.seq_of(user) >= message.seq
        };
        let readers = self.members.snapshot().members.iter().filter(has_read);
        let mut users: Vec<&str> = readers.map(|member| member.user_id.as_str()).collect();
        users.sort_unstable();
        let count = users.len();
        users.truncate(READERS_MAX);
        Ok(json!({"userIds": users, "count": count}))
    }

    /// Everything from `seq` on is unread again. Only the caller's own tabs get a receipt.
    pub(super) fn mark_unread(&mut self, request: Request, seq: Seq) -> Result<(), Refusal> {
        self.authorize(request.caller, Action::Read)?;
        let (user, now) = (request.user(), request.turn.now);
        if self.reads.set_back(user, seq.saturating_sub(1), self.marker_due(user, now)) {
            if self.presence.sockets(user) == 0 {
                self.reads.release(user, now);
            }
            self.connections.mark_changed(user);
            self.reads.queue_receipt(user, true, now);
        }
        Ok(())
    }
}
