//! Delivering events: as much as each socket takes, and in one turn at most a budget over all sockets. What is over it
//! stays in order and follows in later turns. A room that is dropped meanwhile changes nothing in that.
//! Not here: which events (`room`), and who is too slow (`send_queue`).

use super::frames::{Frames, count_for_frame};
use super::platform::Platform;
use super::sockets::{Socket, Sockets};
use crate::limits::{DELIVERY_POLL_MS, FRAME_OUT_BYTES_MAX, Limits, WINDOW_SHARE};
use crate::room::ConnectionId;

/// What one pass over the sockets may still hand over.
struct Pass {
    frames: Frames,
    budget: usize,
    /// The budget was too small for a frame.
    is_cut: bool,
    window: usize,
}

/// What a pass over the sockets has left.
pub(super) struct Delivered {
    /// The clients that turned out to be too slow.
    pub slow: Vec<ConnectionId>,
    /// After how long the rest is to be delivered; `None`: there is none.
    pub rest_in_ms: Option<u64>,
}

impl<S: Clone> Sockets<S> {
    fn begin_pass(&self, limits: &Limits) -> Pass {
        let budget = (limits.turn_bytes as usize).saturating_sub(self.delivery.turn_bytes.get());
        let window = limits.waiting_bytes as usize / WINDOW_SHARE;
        Pass { frames: Frames::default(), budget, is_cut: false, window }
    }

    /// Hands over what waits, as far as the sockets and the turn take it. `None`: nothing waits.
    pub fn deliver<P: Platform<Socket = S>>(&self, platform: &P, limits: &Limits) -> Option<Delivered> {
        let delivery = &self.delivery;
        if !delivery.is_due.replace(false) {
            return None;
        }
        let (now, mut pass) = (platform.now(), self.begin_pass(limits));
        let (mut slow, mut next, mut has_rest, mut has_progress) = (Vec::new(), None, false, false);
        let mut open = self.open.borrow_mut();
        let mut offer = |(id, socket): (&ConnectionId, &mut Socket<S>)| {
            if socket.queue.is_empty() {
                return;
            }
            let waiting = platform.waiting_bytes(&socket.socket);
            if socket.queue.judge(now, waiting, limits.waiting_bytes) {
                return slow.push(*id);
            }
            has_progress |= self.hand_over(platform, socket, waiting as usize, &mut pass);
            Self::note_behind(platform, socket);
            if !socket.queue.is_empty() {
                has_rest = true;
                // The first one that waits for another turn's budget is the first one then.
                next = next.or((pass.budget == 0 || pass.is_cut).then_some(*id));
            }
        };
        let first = delivery.next.get();
        open.range_mut(first..).for_each(&mut offer);
        open.range_mut(..first).for_each(&mut offer);
        delivery.next.set(next.unwrap_or_default());
        delivery.is_due.set(has_rest);
        let rest_in_ms = has_rest.then_some(if has_progress { 0 } else { DELIVERY_POLL_MS });
        Some(Delivered { slow, rest_in_ms })
    }

    /// Hands over what waits for one socket, as far as it takes it.
    pub fn deliver_to<P: Platform<Socket = S>>(
        &self,
        platform: &P,
        limits: &Limits,
        connection: ConnectionId,
    ) {
        let mut open = self.open.borrow_mut();
        if let Some(socket) = open.get_mut(&connection).filter(|socket| !socket.queue.is_empty()) {
            let waiting = platform.waiting_bytes(&socket.socket);
            self.hand_over(platform, socket, waiting as usize, &mut self.begin_pass(limits));
        }
    }

    /// Hands frames to the platform until the socket's window or the turn's budget is full. An event that is larger
    /// than the window goes alone, when nothing else waits; one that is larger than the budget is the first of a turn. True if anything went.
    fn hand_over<P: Platform<Socket = S>>(
        &self,
        platform: &P,
        socket: &mut Socket<S>,
        mut waiting: usize,
        pass: &mut Pass,
    ) -> bool {
        let before = waiting;
        while !socket.queue.is_empty() && pass.budget > 0 {
            let room = pass.window.saturating_sub(waiting).min(pass.budget);
            let bytes_max = FRAME_OUT_BYTES_MAX.min(room);
            let count = if socket.batches { count_for_frame(socket.queue.events(), bytes_max) } else { 1 };
            let first_bytes = socket.queue.events().next().map_or(0, |event| event.len().saturating_add(2));
            let is_full = waiting > 0 && first_bytes > pass.window.saturating_sub(waiting);
            let is_over = self.delivery.turn_bytes.get() > 0 && first_bytes > pass.budget;
            pass.is_cut |= is_over;
            if is_full || is_over {
                break;
            }
            let events = socket.queue.take(count);
            let frame =
                if socket.batches { Some(pass.frames.frame(events)) } else { events.into_iter().next() };
            let Some(frame) = frame else { break };
            let bytes = frame.len();
            if platform.send(&socket.socket, &frame).is_err() {
                // The socket is gone; its end follows.
                socket.queue.abandon();
                break;
            }
            socket.queue.count_handed(bytes);
            waiting = waiting.saturating_add(bytes);
            pass.budget = pass.budget.saturating_sub(bytes);
            let turn_bytes = &self.delivery.turn_bytes;
            turn_bytes.set(turn_bytes.get().saturating_add(bytes));
        }
        waiting > before
    }
}
