//! What the platform stores with a socket, and the socket's id.
//! Not here: the room's connections (`connection`), and storing it (`object`).

use super::rate::Rates;
use crate::auth::Identity;
use crate::db::Marker;
use crate::ids::{Seq, UnixMs, is_zero};
use crate::limits::TOKEN_LEEWAY_S;
use serde::{Deserialize, Serialize};

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
    /// When the marker must go to Postgres, if Postgres lacks it.
    #[serde(default)]
    pub read_due_ms: UnixMs,
    pub rates: Rates,
    /// When the client last sent a frame. Pings that the platform answers by itself do not count.
    #[serde(default)]
    pub last_frame_ms: UnixMs,
    /// When the person last did something on this device, as far as an inbox knows.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub active_ms: UnixMs,
    /// Events wait for this socket in the object's memory alone. The object keeps this up to date; the room ignores it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_behind: bool,
}

impl SocketState {
    pub fn new(id: ConnectionId, identity: Identity, batches: bool, now: UnixMs) -> Self {
        let expires_ms = expiry(&identity, now);
        let (read_seq, read_generation, rates) = (0, 0, Rates::default());
        Self {
            id,
            identity,
            batches,
            expires_ms,
            read_seq,
            read_generation,
            read_due_ms: 0,
            rates,
            last_frame_ms: now,
            active_ms: 0,
            is_behind: false,
        }
    }

    pub fn user(&self) -> &str {
        self.identity.user.as_str()
    }

    pub fn marker(&self) -> Marker {
        Marker { generation: self.read_generation, seq: self.read_seq }
    }

    pub fn set_marker(&mut self, marker: Marker, due_ms: UnixMs) {
        (self.read_seq, self.read_generation) = (marker.seq, marker.generation);
        self.read_due_ms = due_ms;
    }

    /// Continues the connection with a newer token of the same person.
    pub fn renew(&mut self, identity: Identity, now: UnixMs) {
        self.expires_ms = expiry(&identity, now);
        self.identity = identity;
    }

    /// Whether the connection's token has expired.
    pub fn has_expired(&self, now: UnixMs) -> bool {
        now >= self.expires_ms
    }
}

/// When a connection with this token ends: at the token's `exp`. A token that was accepted within the leeway lasts as
/// long as the leeway, because otherwise the first event would close the connection.
fn expiry(identity: &Identity, now: UnixMs) -> UnixMs {
    let leeway_ms = if identity.expires_ms > now { 0 } else { TOKEN_LEEWAY_S * 1000 };
    identity.expires_ms.saturating_add(leeway_ms)
}
