//! What waits for one socket: the events that are not handed to the platform yet, and the judgement whether its client
//! is too slow. Not here: the sockets, and handing events over (`sockets`).

use crate::ids::UnixMs;
use crate::limits::{HELD_BYTES_MAX, SLOW_MS};
use crate::protocol::server::EventText;
use std::collections::VecDeque;

/// Events in order, and how the client keeps up.
#[derive(Default)]
pub(super) struct SendQueue {
    events: VecDeque<EventText>,
    bytes: usize,
    /// Those of `bytes` that came since the socket was last judged: nothing drains within a turn of the event loop.
    new_bytes: usize,
    /// Bytes that were ever handed to the platform.
    handed_bytes: u64,
    /// Since when too much waits, and how much had left by then.
    stalled: Option<(UnixMs, u64)>,
    /// Since when more is held than whoever reads slowly may have.
    full_since: Option<UnixMs>,
    /// Stays true until the socket is closed: after an event that was left out, no other one may follow.
    is_slow: bool,
}

impl SendQueue {
    pub fn push(&mut self, events: Vec<EventText>) {
        if self.is_slow {
            return;
        }
        let bytes: usize = events.iter().map(|event| event.len()).sum();
        self.bytes = self.bytes.saturating_add(bytes);
        self.new_bytes = self.new_bytes.saturating_add(bytes);
        self.events.extend(events);
    }

    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    pub fn events(&self) -> impl Iterator<Item = &EventText> {
        self.events.iter()
    }

    /// Takes the first events, to hand them over.
    pub fn take(&mut self, count: usize) -> Vec<EventText> {
        let taken: Vec<EventText> = self.events.drain(..count.min(self.events.len())).collect();
        let bytes: usize = taken.iter().map(|event| event.len()).sum();
        self.bytes = self.bytes.saturating_sub(bytes);
        taken
    }

    /// A frame of this many bytes was handed to the platform.
    pub fn count_handed(&mut self, bytes: usize) {
        self.handed_bytes = self.handed_bytes.saturating_add(bytes as u64);
    }

    /// Nothing waits for the socket any more, whatever comes.
    pub fn abandon(&mut self) {
        self.is_slow = true;
        self.events = VecDeque::new();
        self.bytes = 0;
    }

    /// Judges the client by what earlier turns left. Whoever reads is never too slow: what waits for them becomes less.
    ///
    /// # Takes  `waiting`: bytes that the platform holds; `waiting_max`: how many may wait.
    /// # Gives  true once, when the client turns out to be too slow; nothing waits for it any more.
    pub fn judge(&mut self, now: UnixMs, waiting: u32, waiting_max: u32) -> bool {
        if self.is_slow {
            return false;
        }
        let held = self.bytes.saturating_sub(std::mem::take(&mut self.new_bytes));
        let is_much = held.saturating_add(waiting as usize) > waiting_max as usize;
        let left_bytes = self.handed_bytes.saturating_sub(u64::from(waiting));
        self.stalled = match self.stalled.filter(|(_, before)| *before == left_bytes) {
            _ if !is_much => None,
            Some(stalled) => Some(stalled),
            None => Some((now, left_bytes)),
        };
        self.full_since = self.full_since.or(Some(now)).filter(|_| held > HELD_BYTES_MAX);
        let since = [self.stalled.map(|(since, _)| since), self.full_since];
        let is_over = since.into_iter().flatten().any(|since| now.saturating_sub(since) >= SLOW_MS);
        self.is_slow = waiting > waiting_max || is_over;
        if self.is_slow {
            self.abandon();
        }
        self.is_slow
    }
}
