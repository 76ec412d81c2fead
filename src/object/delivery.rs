//! Delivering events: as much as each socket takes, and in one turn at most a budget over all sockets. What is over it
//! stays in order and follows in later turns. A room that is dropped meanwhile changes nothing in that.
//! Not here: which events (`room`), and who is too slow (`send_queue`).

use super::Object;
use super::frames::{Frames, count_for_frame};
use super::platform::Platform;
use super::sockets::Socket;
use crate::limits::{DELIVERY_POLL_MS, FRAME_OUT_BYTES_MAX, WINDOW_SHARE};
use crate::room::{ConnectionId, Input, Room};
use std::rc::Rc;

/// What one pass over the sockets may still hand over.
struct Pass {
    frames: Frames,
    budget: usize,
    /// The budget was too small for a frame.
    is_cut: bool,
    window: usize,
}

impl<P: Platform> Object<P> {
    fn begin_pass(&self) -> Pass {
        let budget = (self.limits.turn_bytes as usize).saturating_sub(self.sockets.delivery.turn_bytes.get());
        let window = self.limits.waiting_bytes as usize / WINDOW_SHARE;
        Pass { frames: Frames::default(), budget, is_cut: false, window }
    }

    /// Hands over what waits, as far as the sockets and the turn take it; a later turn continues.
    pub(super) fn deliver(self: &Rc<Self>) {
        let delivery = &self.sockets.delivery;
        if !delivery.is_due.replace(false) {
            return;
        }
        let (now, mut pass) = (self.platform.now(), self.begin_pass());
        let (mut slow, mut next, mut has_rest, mut has_progress) = (Vec::new(), None, false, false);
        {
            let mut open = self.sockets.open.borrow_mut();
            let mut offer = |(id, socket): (&ConnectionId, &mut Socket<P::Socket>)| {
                if socket.queue.is_empty() {
                    return;
                }
                let waiting = self.platform.waiting_bytes(&socket.socket);
                if socket.queue.judge(now, waiting, self.limits.waiting_bytes) {
                    return slow.push(*id);
                }
                has_progress |= self.hand_over(socket, waiting as usize, &mut pass);
                self.note_behind(socket);
                if !socket.queue.is_empty() {
                    has_rest = true;
                    // The first one that waits for another turn's budget is the first one then.
                    next = next.or((pass.budget == 0 || pass.is_cut).then_some(*id));
                }
            };
            let first = delivery.next.get();
            open.range_mut(first..).for_each(&mut offer);
            open.range_mut(..first).for_each(&mut offer);
        }
        delivery.next.set(next.unwrap_or_default());
        self.memory.look(Room::release_first_loads);
        for connection in slow {
            self.later(async move |object| drop(object.feed(Input::Slow { connection })));
        }
        if has_rest {
            delivery.is_due.set(true);
            self.deliver_later(if has_progress { 0 } else { DELIVERY_POLL_MS });
        }
    }

    /// Continues in a later turn.
    fn deliver_later(self: &Rc<Self>, ms: u64) {
        if self.sockets.delivery.is_scheduled.replace(true) {
            return;
        }
        self.later(async move |object| {
            object.platform.sleep(ms).await;
            object.sockets.delivery.is_scheduled.set(false);
            object.sockets.begin_turn();
            object.deliver();
        });
    }

    /// Hands over what waits for one socket, as far as it takes it.
    pub(super) fn deliver_to(&self, connection: ConnectionId) {
        let mut open = self.sockets.open.borrow_mut();
        if let Some(socket) = open.get_mut(&connection).filter(|socket| !socket.queue.is_empty()) {
            let waiting = self.platform.waiting_bytes(&socket.socket);
            self.hand_over(socket, waiting as usize, &mut self.begin_pass());
        }
    }

    /// Hands frames to the platform until the socket's window or the turn's budget is full. An event that is larger
    /// than the window goes alone, when nothing else waits; one that is larger than the budget is the first of a turn. True if anything went.
    fn hand_over(&self, socket: &mut Socket<P::Socket>, mut waiting: usize, pass: &mut Pass) -> bool {
        let before = waiting;
        while !socket.queue.is_empty() && pass.budget > 0 {
            let room = pass.window.saturating_sub(waiting).min(pass.budget);
            let bytes_max = FRAME_OUT_BYTES_MAX.min(room);
            let count = if socket.batches { count_for_frame(socket.queue.events(), bytes_max) } else { 1 };
            let first_bytes = socket.queue.events().next().map_or(0, |event| event.len().saturating_add(2));
            let is_full = waiting > 0 && first_bytes > pass.window.saturating_sub(waiting);
            let is_over = self.sockets.delivery.turn_bytes.get() > 0 && first_bytes > pass.budget;
            pass.is_cut |= is_over;
            if is_full || is_over {
                break;
            }
            let events = socket.queue.take(count);
            let frame =
                if socket.batches { Some(pass.frames.frame(events)) } else { events.into_iter().next() };
            let Some(frame) = frame else { break };
            let bytes = frame.len();
            if self.platform.send(&socket.socket, &frame).is_err() {
                // The socket is gone; its end follows.
                socket.queue.abandon();
                break;
            }
            socket.queue.count_handed(bytes);
            waiting = waiting.saturating_add(bytes);
            pass.budget = pass.budget.saturating_sub(bytes);
            let turn_bytes = &self.sockets.delivery.turn_bytes;
            turn_bytes.set(turn_bytes.get().saturating_add(bytes));
        }
        waiting > before
    }
}
