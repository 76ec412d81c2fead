//! One accepted socket as the room knows it, what of it survives hibernation, and the gathering of its
//! events into frames. Not here: sockets themselves (`shell`).

use super::rate::{Rates, Window};
use crate::auth::Identity;
use crate::db::Marker;
use crate::ids::{Seq, UnixMs};
use crate::limits::{FRAME_OUT_BYTES_MAX, MALFORMED_MAX, MALFORMED_WINDOW_MS, TOKEN_LEEWAY_S};
use crate::protocol::server::EventText;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Unique among a room's sockets; later ones are larger.
pub type ConnectionId = u64;

/// What the platform stores with a socket while the room hibernates (≤ 16,384 bytes).
///
/// Stored format: tests/golden/stored/socket_state.json
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SocketState {
    pub id: ConnectionId,
    pub identity: Identity,
    /// Whether the client speaks `chat.v1`: frames are arrays of events.
    pub batches: bool,
    pub expires_ms: UnixMs,
    pub read_seq: Seq,
    #[serde(default)]
    pub read_generation: u64,
    pub rates: Rates,
    /// When it last sent a frame. What the platform answers by itself isn't among them.
    #[serde(default)]
    pub last_frame_ms: UnixMs,
}

#[derive(Debug)]
pub struct Connection {
    pub state: SocketState,
    /// Events that leave with the next flush.
    pub pending: Vec<EventText>,
    /// How many of them the inputs that went well have left: what stays if the next one is lost to a panic.
    pub settled: usize,
    /// Whether `kept` has changed since the platform got it.
    pub changed: bool,
    malformed: Window,
}

impl Connection {
    pub fn new(id: ConnectionId, identity: Identity, batches: bool, now: UnixMs) -> Self {
        let expires_ms = expiry(&identity, now);
        let (read_seq, read_generation, rates) = (0, 0, Rates::default());
        let state = SocketState {
            id,
            identity,
            batches,
            expires_ms,
            read_seq,
            read_generation,
            rates,
            last_frame_ms: now,
        };
        Self { changed: true, ..Self::wake(state) }
    }

    pub fn wake(state: SocketState) -> Self {
        Self { state, pending: Vec::new(), settled: 0, changed: false, malformed: Window::default() }
    }

    pub fn user(&self) -> &str {
        self.state.identity.user.as_str()
    }

    pub fn remember_read(&mut self, marker: Marker) {
        (self.state.read_seq, self.state.read_generation) = (marker.seq, marker.generation);
    }

    pub fn expired(&self, now: UnixMs) -> bool {
        now >= self.state.expires_ms
    }

    /// Counts a malformed frame; true when there were too many.
    pub fn malformed(&mut self, now: UnixMs) -> bool {
        self.malformed.count(MALFORMED_WINDOW_MS, now) > MALFORMED_MAX
    }
}

/// When a connection with this token ends: at its `exp`, but a token that was accepted within its leeway lasts as
/// long as that, or the first event would close the connection.
pub fn expiry(identity: &Identity, now: UnixMs) -> UnixMs {
    let leeway_ms = if identity.expires_ms > now { 0 } else { TOKEN_LEEWAY_S * 1000 };
    identity.expires_ms.saturating_add(leeway_ms)
}

/// Turns gathered events into frames; connections with the same events share one text.
#[derive(Default)]
pub struct Frames(HashMap<Vec<*const u8>, Vec<EventText>>);

impl Frames {
    /// The frames for a `chat.v1` client: arrays, in order, each begun anew past `FRAME_OUT_BYTES_MAX`.
    pub fn of(&mut self, events: &[EventText]) -> &[EventText] {
        let key = events.iter().map(|event| event.as_ptr()).collect();
        self.0.entry(key).or_insert_with(|| {
            let mut frames = Vec::new();
            let mut frame = String::with_capacity(events.iter().map(|e| e.len() + 1).sum::<usize>() + 1);
            for event in events {
                // With the comma and the closing bracket.
                if frame.len() + event.len() + 2 > FRAME_OUT_BYTES_MAX && !frame.is_empty() {
                    frame.push(']');
                    frames.push(std::mem::take(&mut frame).into());
                }
                frame.push(if frame.is_empty() { '[' } else { ',' });
                frame.push_str(event);
            }
            if !frame.is_empty() {
                frame.push(']');
                frames.push(frame.into());
            }
            frames
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_arrays_in_order_and_bounded() {
        let small: Vec<EventText> = vec!["1".into(), "2".into()];
        assert_eq!(Frames::default().of(&small), &["[1,2]".into()]);
        let large: Vec<EventText> = (0..3).map(|_| "9".repeat(FRAME_OUT_BYTES_MAX / 2).into()).collect();
        let mut frames = Frames::default();
        let lengths: Vec<_> = frames.of(&large).iter().map(|f| f.len()).collect();
        assert_eq!(lengths.len(), 3, "half a frame and two brackets each: {lengths:?}");
        assert!(Frames::default().of(&[]).is_empty());
    }
}
