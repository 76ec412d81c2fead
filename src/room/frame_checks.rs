//! What frames of a room and of an inbox have in common: what each passes before it is decoded (its size, its
//! connection's token, its rate), when malformed ones close the connection, and a new token.
//! Not here: what a frame asks for (`frames`, `inbox`).

use super::connection::Connections;
use super::rate::{Rate, RateLimits};
use super::socket_state::ConnectionId;
use crate::auth::Identity;
use crate::error::{Code, Refusal};
use crate::ids::UnixMs;
use crate::limits::Limits;
use crate::protocol::server::{self, CloseCode};

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

/// The connections whose tokens are refused, and how each is to be closed.
pub fn refused_connections(
    connections: &Connections,
    admit: impl Fn(&Identity) -> Result<(), Refusal>,
) -> Vec<(ConnectionId, CloseCode)> {
    let codes = [(Code::Forbidden, CloseCode::Removed), (Code::Unauthenticated, CloseCode::AuthExpired)];
    let of = |(code, close): (Code, CloseCode)| {
        let ids = connections.ids(|c| admit(&c.identity).is_err_and(|refusal| refusal.code == code));
        ids.into_iter().map(move |id| (id, close))
    };
    codes.into_iter().flat_map(of).collect()
}

/// Counts a frame that could not be decoded, if it is malformed; true if that closes the connection.
pub fn is_one_malformed_too_many(
    connections: &mut Connections,
    id: ConnectionId,
    refusal: &Refusal,
    now: UnixMs,
) -> bool {
    matches!(refusal.code, Code::BadJson | Code::BadRequest) && connections.count_malformed(id, now)
}

/// The token of an `auth` frame was verified: the connection continues with it, or its client gets an error.
pub fn take_token(
    connections: &mut Connections,
    id: ConnectionId,
    outcome: Result<Identity, Refusal>,
    now: UnixMs,
) {
    let Some(state) = connections.get(id) else { return };
    let same = |new: &Identity| new.user == state.identity.user && new.tenant == state.identity.tenant;
    let other = || Refusal::new(Code::Forbidden, "the token is another person's");
    let answer = match outcome.and_then(|new| if same(&new) { Ok(new) } else { Err(other()) }) {
        Ok(new) => {
            let answer = server::auth_ok(new.expires_ms);
            connections.renew(id, new, now);
            answer
        }
        Err(refusal) => server::error(&refusal, None, Some("auth")),
    };
    connections.send(id, answer);
}
