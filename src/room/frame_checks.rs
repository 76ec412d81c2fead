//! What every frame passes before it is decoded, in a room and in an inbox: its size, its connection's token, its rate.
//! Not here: what a frame asks for (`frames`, `inbox`).

use super::connection::Connections;
use super::rate::{Rate, RateLimits};
use super::socket_state::ConnectionId;
use crate::auth::Identity;
use crate::error::Refusal;
use crate::ids::UnixMs;
use crate::limits::Limits;
use crate::protocol::server::CloseCode;

/// What follows for a frame.
pub enum FrameCheck {
    Pass,
    /// Past the rate of frames.
    Refuse(Refusal),
    Close(CloseCode),
}

/// Counts the frame and checks it; gives who sent it. `None`: its connection is not open any more.
pub fn check_frame(
    connections: &mut Connections,
    rates: &mut RateLimits,
    limits: &Limits,
    (id, text): (ConnectionId, &str),
    now: UnixMs,
) -> Option<(Identity, FrameCheck)> {
    let state = connections.get(id)?;
    let caller = state.identity.clone();
    if text.len() > limits.frame_bytes as usize {
        return Some((caller, FrameCheck::Close(CloseCode::FrameTooLarge)));
    }
    if state.has_expired(now) {
        return Some((caller, FrameCheck::Close(CloseCode::AuthExpired)));
    }
    connections.record_frame(id, now);
    if rates.count_frame(limits, caller.user.as_str(), now) {
        return Some((caller, FrameCheck::Close(CloseCode::Flood)));
    }
    let check = match rates.charge(limits, caller.user.as_str(), Rate::Frames, now) {
        Ok(()) => FrameCheck::Pass,
        Err(refusal) => FrameCheck::Refuse(refusal),
    };
    Some((caller, check))
}
