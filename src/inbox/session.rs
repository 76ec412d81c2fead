//! A connection of the inbox: what it receives first, its frames.
//! Not here: what is compared with the list (`questions`).

use super::Inbox;
use super::drafts::{Draft, Written};
use super::input::{Connect, Effect};
use super::log::{Logged, Shown};
use super::store::{Store, Touched};
use crate::auth::Identity;
use crate::error::Refusal;
use crate::ids::UnixMs;
use crate::protocol::client::BadFrame;
use crate::protocol::inbox::{self, InboxFrame};
use crate::protocol::server::{self, CloseCode, ResyncReason};
use crate::room::store::Result;
use crate::room::{
    ConnectionId, FrameCheck, Rate, ResumePosition, SocketState, check_frame, is_one_malformed_too_many,
};

impl Inbox {
    /// Queues everything that a new connection receives first (INBOX-1). The others receive what the list has for them.
    pub(super) fn connect(&mut self, store: &Store, now: UnixMs, connect: Connect) -> Result<()> {
        let Connect { id, identity, batches, since, answer } = connect;
        let lease_was_running = answer.lease_was_running;
        self.check_presence(answer.presence);
        let shown = self.compare(store, now, &answer)?;
        let (seq, epoch) = (self.head.0, self.owner.epoch.clone());
        let mut first = vec![inbox::hello(
            &id.to_string(),
            identity.user.as_str(),
            identity.name.as_deref(),
            seq,
            &epoch,
        )];
        match since {
            None => {
                let page = answer.page.unwrap_or_default();
                let drafts: Vec<_> = self.drafts.texts().map(Draft::fields).collect();
                first.push(inbox::rooms(&page.rooms, page.next_cursor.as_deref(), &drafts));
            }
            Some(since) => match self.missed(store, &since)? {
                Ok(events) => {
                    first.extend(events.iter().map(|(seq, event)| event.text(*seq, &shown, &self.drafts)))
                }
                Err(reason) => first.push(server::resync(reason, seq, &epoch)),
            },
        }
        first.extend(
            shown.people.iter().map(|(user, person)| inbox::presence(user, inbox::field(person, "presence"))),
        );
        first.push(inbox::synced(seq));
        self.close_oldest();
        let state = SocketState { active_ms: now, ..SocketState::new(id, identity, batches, now) };
        self.connections.open(state, first);
        self.wake_questions();
        self.arrive(now, lease_was_running);
        store.confirm(&self.own.confirmed)
    }

    /// The events after a position, or why they can't be had whole.
    pub(super) fn missed(
        &self,
        store: &Store,
        since: &ResumePosition,
    ) -> Result<std::result::Result<Vec<(u64, Logged)>, ResyncReason>> {
        if since.epoch != self.owner.epoch {
            return Ok(Err(ResyncReason::Epoch));
        }
        if since.seq > self.head.0 {
            return Ok(Err(ResyncReason::Ahead));
        }
        Ok(store.events_after(since.seq, self.head.0)?.ok_or(ResyncReason::TooOld))
    }

    /// Makes place for one more socket.
    fn close_oldest(&mut self) {
        let max = self.limits.sockets_per_person.max(1) as usize;
        let open = self.connections.ids(|_| true);
        let over = open.len().saturating_add(1).saturating_sub(max);
        for id in open.into_iter().take(over) {
            self.remove_connection(id);
            self.effects.push(Effect::Close { connection: id, code: CloseCode::TooManyConnections });
        }
    }

    pub(super) fn frame(&mut self, store: &Store, now: UnixMs, id: ConnectionId, text: &str) -> Result<()> {
        let checked = check_frame(&mut self.connections, &mut self.rates, &self.limits, (id, text), now);
        let Some((caller, check)) = checked else { return Ok(()) };
        match check {
            FrameCheck::Close(code) => self.close(now, id, code),
            FrameCheck::Refuse(refusal) => {
                let kind = InboxFrame::decode(text)
                    .map_or_else(|bad| bad.kind, |frame| Some(frame.name().to_owned()));
                self.refuse(id, &refusal, kind.as_deref());
            }
            FrameCheck::Pass => match InboxFrame::decode(text) {
                Ok(frame) => return self.dispatch(store, now, (id, caller), frame),
                Err(BadFrame { refusal, kind, .. }) => {
                    match is_one_malformed_too_many(&mut self.connections, id, &refusal, now) {
                        true => self.close(now, id, CloseCode::Protocol),
                        false => self.refuse(id, &refusal, kind.as_deref()),
                    }
                }
            },
        }
        Ok(())
    }

    fn dispatch(
        &mut self,
        store: &Store,
        now: UnixMs,
        (id, caller): (ConnectionId, Identity),
        frame: InboxFrame,
    ) -> Result<()> {
        match frame {
            InboxFrame::Ping { t } => {
                self.connections.send(id, server::pong(&t, self.head.0, &self.owner.epoch));
            }
            InboxFrame::Auth { token } => self.effects.push(Effect::Verify { connection: id, token }),
            InboxFrame::Active { active } => self.mark_active(id, active, now),
            InboxFrame::Read { room, seq } => {
                self.mark_active(id, true, now);
                let is_known = self.views.contains_key(&room);
                self.effects.push(Effect::MarkRead {
                    connection: id,
                    caller: Box::new(caller),
                    room,
                    seq,
                    is_known,
                });
            }
            InboxFrame::Draft(frame) => {
                self.mark_active(id, true, now);
                let user = caller.user.as_str();
                match self.rates.charge(&self.limits, user, Rate::Messages, now) {
                    Ok(()) => self.write_draft(store, Draft::new(frame, now))?,
                    Err(refusal) => self.refuse(id, &refusal, Some("draft")),
                }
            }
        }
        Ok(())
    }

    /// INBOX-8: a newer draft is on all devices; an older one is answered with what is true.
    fn write_draft(&mut self, store: &Store, draft: Draft) -> Result<()> {
        let place = draft.place();
        let (is_newer, dropped) = match self.drafts.write(draft) {
            Written::Newest { dropped } => (true, dropped),
            Written::Older => (false, Vec::new()),
            Written::Same => return Ok(()),
        };
        let cleared = dropped.iter().filter(|draft| !draft.text.is_empty());
        let events: Vec<Logged> =
            self.drafts.get(&place).into_iter().chain(cleared).map(draft_event).collect();
        let places = dropped.iter().map(Draft::place).chain(is_newer.then_some(place));
        let touched = Touched { drafts: places.collect(), ..Touched::default() };
        self.write(store, &events, &touched, &Shown::default())
    }

    /// The client gets this refusal of a frame.
    pub(super) fn refuse(&mut self, id: ConnectionId, refusal: &Refusal, frame: Option<&str>) {
        self.connections.send(id, server::error(refusal, None, frame));
    }
}

fn draft_event(draft: &Draft) -> Logged {
    Logged::Draft { room: draft.room.clone(), thread: draft.thread.clone(), rev: draft.rev }
}
