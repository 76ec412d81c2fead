//! One frame of a client: its size, its connection's token, its rate, its operation, and the error that its sender
//! gets. Not here: decoding (`protocol::client`), and what an operation does (`message`, `edit_delete`, `ephemeral`).

use super::effect::Effect;
use super::frame_checks::{FrameCheck, check_frame, is_one_malformed_too_many};
use super::socket_state::ConnectionId;
use super::store;
use super::turn::{Request, Turn};
use super::{Room, RoomError};
use crate::error::{Code, Refusal};
use crate::ids::UnixMs;
use crate::protocol::client::{BadFrame, ClientFrame};
use crate::protocol::server::{self, CloseCode};

impl Room {
    pub(super) fn frame(
        &mut self,
        turn: Turn,
        id: ConnectionId,
        text: &str,
        random: u64,
    ) -> store::Result<()> {
        let now = turn.now;
        let checked = check_frame(&mut self.connections, &mut self.rates, &self.limits, (id, text), now);
        let Some((caller, checked)) = checked else { return Ok(()) };
        let decoded = match checked {
            FrameCheck::Close(code) => {
                self.close(id, code, now);
                return Ok(());
            }
            FrameCheck::Refuse(refusal) => {
                self.send_error(id, &refusal, FrameName::of(&ClientFrame::decode(text)));
                return Ok(());
            }
            FrameCheck::Pass => ClientFrame::decode(text),
        };
        match decoded {
            Err(bad) => self.refuse_frame(id, bad, now),
            Ok(frame) => {
                let name = FrameName::of_frame(&frame);
                let request = Request { turn, caller: &caller, connection: Some(id), random };
                match self.dispatch(request, id, frame) {
                    Ok(()) => {}
                    Err(RoomError::Store(error)) => return Err(error),
                    Err(RoomError::Refused(refusal)) => self.send_error(id, &refusal, name),
                }
            }
        }
        Ok(())
    }

    /// Does what a well-formed frame asks for.
    fn dispatch(&mut self, request: Request, id: ConnectionId, frame: ClientFrame) -> Result<(), RoomError> {
        match frame {
            ClientFrame::Message(draft) => drop(self.send_message(request, draft)?),
            ClientFrame::Edit(draft) => drop(self.edit(request, draft)?),
            ClientFrame::Delete(draft) => drop(self.delete(request, draft)?),
            ClientFrame::Reaction(draft) => drop(self.react(request, draft)?),
            ClientFrame::Typing { is_typing, thread_id } => self.set_typing(request, is_typing, thread_id)?,
            ClientFrame::Read { seq } => self.mark_read(request, seq)?,
            ClientFrame::Ping { t } => {
                let pong = server::pong(&t, self.log.head(), self.log.epoch());
                self.connections.send(id, pong);
            }
            ClientFrame::Auth { token } => self.effects.push(Effect::Verify { connection: id, token }),
        }
        Ok(())
    }

    /// Answers a frame that could not be decoded; too many malformed ones close the connection.
    fn refuse_frame(&mut self, id: ConnectionId, bad: BadFrame, now: UnixMs) {
        if is_one_malformed_too_many(&mut self.connections, id, &bad.refusal, now) {
            self.close(id, CloseCode::Protocol, now);
            return;
        }
        let BadFrame { refusal, client_id, kind } = bad;
        self.send_error(id, &refusal, FrameName { kind, client_id });
    }

    /// Answers a frame that was lost to an internal error.
    pub(super) fn failed(&mut self, id: ConnectionId, text: &str) {
        let refusal = Refusal::new(Code::Internal, "a fault of ours; what you sent may be sent again");
        self.send_error(id, &refusal, FrameName::of(&ClientFrame::decode(text)));
    }

    fn send_error(&mut self, id: ConnectionId, refusal: &Refusal, frame: FrameName) {
        let error = server::error(refusal, frame.client_id.as_deref(), frame.kind.as_deref());
        self.connections.send(id, error);
    }
}

/// What identifies a frame to its sender.
struct FrameName {
    kind: Option<String>,
    client_id: Option<String>,
}

impl FrameName {
    fn of(decoded: &Result<ClientFrame, BadFrame>) -> Self {
        match decoded {
            Ok(frame) => Self::of_frame(frame),
            Err(bad) => Self { kind: bad.kind.clone(), client_id: bad.client_id.clone() },
        }
    }

    fn of_frame(frame: &ClientFrame) -> Self {
        Self { kind: Some(frame.name().to_owned()), client_id: frame.client_id().map(str::to_owned) }
    }
}
