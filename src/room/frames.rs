//! One frame of a client: its size, its token, its rate, what it says, and what its sender is told when it is refused.
//! Not here: decoding (`protocol::client`), and what a message or reaction does to the log (`message`).

use super::connection::{ConnectionId, expiry};
use super::rate::{Rate, Rates};
use super::store::{self, Store};
use super::{Effect, Room, RoomError};
use crate::auth::Identity;
use crate::error::{Code, Refusal};
use crate::ids::UnixMs;
use crate::limits::RATES_KEPT_MAX;
use crate::protocol::client::{BadFrame, ClientFrame};
use crate::protocol::server::{self, CloseCode};
use std::collections::HashMap;

impl Room {
    pub(super) fn frame(
        &mut self,
        store: &Store,
        now: UnixMs,
        id: ConnectionId,
        text: &str,
        random: u64,
    ) -> store::Result<()> {
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        let caller = connection.state.identity.clone();
        if text.len() > self.limits.frame_bytes as usize {
            self.close(id, CloseCode::FrameTooLarge, now);
            return Ok(());
        }
        if connection.expired(now) {
            self.close(id, CloseCode::AuthExpired, now);
            return Ok(());
        }
        connection.changed = true;
        connection.state.last_frame_ms = now;
        let rates = rates_of(&mut self.rates, caller.user.as_str(), now);
        if rates.floods(&self.limits, now) {
            self.close(id, CloseCode::Flood, now);
            return Ok(());
        }
        let within = rates.take(Rate::Frames, &self.limits, now);
        let decoded = ClientFrame::decode(text);
        if let Err(retry_after_ms) = within {
            let (kind, client_id) = named(&decoded);
            let refusal = too_many("frames", retry_after_ms);
            self.send(id, server::error(&refusal, client_id.as_deref(), kind.as_deref()));
            return Ok(());
        }
        match decoded {
            Err(bad) => self.malformed(id, bad, now),
            Ok(frame) => {
                let (kind, client_id) = (frame.name(), frame.client_id().map(str::to_owned));
                match self.dispatch(store, now, id, &caller, frame, random) {
                    Ok(()) => {}
                    Err(RoomError::Store(error)) => return Err(error),
                    Err(RoomError::Refused(refusal)) => {
                        self.send(id, server::error(&refusal, client_id.as_deref(), Some(kind)));
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes one from this person's bucket.
    pub(super) fn charge_rate(&mut self, caller: &Identity, rate: Rate, now: UnixMs) -> Result<(), Refusal> {
        let rates = rates_of(&mut self.rates, caller.user.as_str(), now);
        let what = format!("{rate:?}").to_lowercase();
        rates.take(rate, &self.limits, now).map_err(|retry_after_ms| too_many(&what, retry_after_ms))
    }

    /// The sender of a frame that was lost to a fault of ours is told which one.
    pub(super) fn failed(&mut self, id: ConnectionId, text: &str) {
        let (kind, client_id) = named(&ClientFrame::decode(text));
        let refusal = Refusal::new(Code::Internal, "a fault of ours; what you sent may be sent again");
        self.send(id, server::error(&refusal, client_id.as_deref(), kind.as_deref()));
    }

    fn malformed(&mut self, id: ConnectionId, bad: BadFrame, now: UnixMs) {
        let broken = matches!(bad.refusal.code, Code::BadJson | Code::BadRequest);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if broken && connection.malformed(now) {
            self.close(id, CloseCode::Protocol, now);
            return;
        }
        self.send(id, server::error(&bad.refusal, bad.client_id.as_deref(), bad.kind.as_deref()));
    }

    fn dispatch(
        &mut self,
        store: &Store,
        now: UnixMs,
        id: ConnectionId,
        caller: &Identity,
        frame: ClientFrame,
        random: u64,
    ) -> Result<(), RoomError> {
        match frame {
            ClientFrame::Message(draft) => {
                self.say(store, now, (caller, Some(id)), draft, random)?;
            }
            ClientFrame::Edit(draft) => drop(self.edit(store, now, (caller, Some(id)), draft)?),
            ClientFrame::Delete(draft) => drop(self.delete(store, now, (caller, Some(id)), draft)?),
            ClientFrame::Reaction(draft) => drop(self.react(store, now, (caller, Some(id)), draft)?),
            ClientFrame::Typing { is_typing, thread_id } => {
                self.set_typing(store, caller, is_typing, thread_id, now)?;
            }
            ClientFrame::Read { seq } => self.mark_read(caller, Some(id), seq, now)?,
            ClientFrame::Ping { t } => {
                let pong = server::pong(&t, self.log.head(), self.log.epoch());
                self.send(id, pong);
            }
            ClientFrame::Auth { token } => self.effects.push(Effect::Verify { connection: id, token }),
        }
        Ok(())
    }

    pub(super) fn verified(&mut self, id: ConnectionId, outcome: Result<Identity, Refusal>, now: UnixMs) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let state = &mut connection.state;
        let same = |new: &Identity| new.user == state.identity.user && new.tenant == state.identity.tenant;
        let other = || Refusal::new(Code::Forbidden, "the token is another person's");
        let answer = match outcome.and_then(|new| if same(&new) { Ok(new) } else { Err(other()) }) {
            Ok(new) => {
                let answer = server::auth_ok(new.expires_ms);
                state.expires_ms = expiry(&new, now);
                state.identity = new;
                connection.changed = true;
                answer
            }
            Err(refusal) => server::error(&refusal, None, Some("auth")),
        };
        self.send(id, answer);
    }
}

fn rates_of<'a>(all: &'a mut HashMap<String, Rates>, user: &str, now: UnixMs) -> &'a mut Rates {
    if all.len() > RATES_KEPT_MAX && !all.contains_key(user) {
        all.retain(|_, rates| !rates.rested(now));
    }
    all.entry(user.to_owned()).or_default()
}

fn too_many(what: &str, retry_after_ms: u64) -> Refusal {
    Refusal::new(Code::RateLimited, format!("too many {what}")).retry_after_ms(retry_after_ms)
}

/// What names a frame to its sender: type and `clientId`.
fn named(decoded: &Result<ClientFrame, BadFrame>) -> (Option<String>, Option<String>) {
    match decoded {
        Ok(frame) => (Some(frame.name().to_owned()), frame.client_id().map(str::to_owned)),
        Err(bad) => (bad.kind.clone(), bad.client_id.clone()),
    }
}
