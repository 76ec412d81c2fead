//! Pins: messages that the room keeps in view. The list is one row of `state`; each change of it is an event of the log.
//! Postgres gets the whole list with each batch that begins before the list's last change, so a batch that is late, or a
//! restored backup, is corrected by the batches that follow.
//! Not here: the event of a deletion, which needs no event of pins besides (`edit_delete`), and the statement (`db`).

use super::calls::count_fitting;
use super::message::message_by_id;
use super::send_checks::Operation;
use super::store::formats::{PinsBody, PinsRow};
use super::store::mutations::Mutation;
use super::store::{Event, Kind, Result, StateRow, Store, decode, encode};
use super::turn::Request;
use super::{Room, RoomError};
use crate::auth::Action;
use crate::db::PinRow;
use crate::error::Refusal;
use crate::ids::{MessageId, Seq};
use crate::limits::PINS_MAX;
use crate::protocol::message::Message;
use crate::protocol::server::{self, EventText};

/// A copy of the row `StateRow::Pins`.
#[derive(Debug, Default)]
pub struct Pins(PinsRow);

impl Pins {
    pub fn load(store: &Store) -> Result<Self> {
        Ok(Self(store.state(StateRow::Pins)?.map(|row| decode(&row)).transpose()?.unwrap_or_default()))
    }

    fn has(&self, seq: Seq) -> bool {
        self.0.pins.iter().any(|pin| pin.seq == seq)
    }

    /// The ids that this person may see, newest pin first.
    fn ids(&self, visible_from: Seq) -> Vec<&str> {
        self.seen_from(visible_from).map(|pin| pin.id.as_str()).collect()
    }

    fn seen_from(&self, visible_from: Seq) -> impl Iterator<Item = &PinRow> {
        self.0.pins.iter().rev().filter(move |pin| pin.seq > visible_from)
    }

    /// The event that the list has changed, as this person may see it.
    pub fn event_text(&self, event: &Event, visible_from: Seq) -> EventText {
        server::pins_updated(event.seq, &self.ids(visible_from), &event.user_id)
    }

    /// The list with the message of `pin` as its newest one.
    fn with(&self, pin: PinRow) -> PinsRow {
        let changed_at = pin.position;
        PinsRow { changed_at, pins: self.0.pins.iter().cloned().chain([pin]).collect() }
    }

    /// The list without a message, as of the event `at`; `None`: it is not pinned.
    pub fn without(&self, seq: Seq, at: Seq) -> Option<PinsRow> {
        let others = self.0.pins.iter().filter(|pin| pin.seq != seq).cloned();
        self.has(seq).then(|| PinsRow { changed_at: at, pins: others.collect() })
    }

    /// The stored list is this one now.
    pub fn replace(&mut self, row: PinsRow) {
        self.0 = row;
    }

    /// What a batch of the events in (`from`, `to`] has of the pins: the present list, if Postgres may have another one.
    pub fn batch(&self, from: Seq, to: Seq) -> Option<Vec<PinRow>> {
        (from < self.0.changed_at && from < to).then(|| self.0.pins.clone())
    }
}

/// The list of a log that was rebuilt up to `floor`: what Postgres has of it, without messages that the log lacks. The
/// next batch brings it to Postgres, for a batch of the lost log may have come late.
pub fn rebuilt(store: &Store, pins: Vec<PinRow>, floor: Seq) -> Result<PinsRow> {
    let mut kept = Vec::new();
    for pin in pins {
        let message = MessageId::parse(&pin.id).map(|id| message_by_id(store, id)).transpose()?.flatten();
        if message.is_some_and(|message| message.seq == pin.seq && message.deleted_at.is_none()) {
            kept.push(pin);
        }
    }
    Ok(PinsRow { changed_at: floor.saturating_add(1), pins: kept })
}

impl Room {
    /// `PUT` and `DELETE /rooms/:id/pins/:mid`: the message is pinned, or is not. What changes nothing is no event.
    ///
    /// # Gives   the answer of `list_pins`.
    /// # Errors  those of `check_operation`; message_not_found, also for a deleted one; invalid → there are `PINS_MAX`;
    ///           room_full.
    pub(super) fn pin(
        &mut self,
        request: Request,
        id: &str,
        is_pinned: bool,
    ) -> std::result::Result<String, RoomError> {
        self.check_operation(request, Operation::Pin)?;
        let message = self.require_message(request, id)?;
        if self.pins.has(message.seq) != is_pinned {
            let row = self.changed_pins(request, &message, is_pinned)?;
            self.append_pins(request, &message, row)?;
        }
        self.list_pins(request)
    }

    fn changed_pins(
        &self,
        request: Request,
        message: &Message,
        is_pinned: bool,
    ) -> std::result::Result<PinsRow, RoomError> {
        let position = self.log.next_seq();
        if !is_pinned {
            return Ok(self.pins.without(message.seq, position).unwrap_or_default());
        }
        if self.pins.0.pins.len() >= PINS_MAX {
            return Err(Refusal::invalid("messageId", "the room has as many pins as it may have").into());
        }
        self.storage.ensure_not_full()?;
        let pinned_by = request.user().to_owned();
        let (seq, id, at_ms) = (message.seq, message.id.clone(), request.turn.now);
        Ok(self.pins.with(PinRow { seq, id, position, pinned_by, at_ms }))
    }

    fn append_pins(&mut self, request: Request, message: &Message, row: PinsRow) -> Result<()> {
        let body = PinsBody { message_id: message.id.clone() };
        let event = Event { body: encode(&body)?, ..request.event(self.log.next_seq(), Kind::Pins) };
        let text = encode(&row)?;
        request.turn.store.append(&[&event], &[Mutation::Pins { row: &text }])?;
        self.log.advance(event.seq);
        self.pins.replace(row);
        self.broadcast_pins(&event);
        Ok(())
    }

    /// Sends the event to everybody, each with the pins that they may see.
    pub(super) fn broadcast_pins(&mut self, event: &Event) {
        let (members, pins) = (&self.members, &self.pins);
        let whole = pins.event_text(event, 0);
        self.connections.send_each(|c| {
            Some(match members.visible_from(c.user()) {
                0 => whole.clone(),
                visible_from => pins.event_text(event, visible_from),
            })
        });
    }

    /// `GET /rooms/:id/pins`: the pinned messages that the caller may see, newest pin first, as many as a page has bytes.
    pub(super) fn list_pins(&self, request: Request) -> std::result::Result<String, RoomError> {
        self.authorize(request.caller, Action::Read)?;
        let visible_from = self.members.visible_from(request.user());
        let mut bodies = Vec::new();
        for pin in self.pins.seen_from(visible_from) {
            let id = MessageId::parse(&pin.id);
            let message = id.map(|id| message_by_id(request.turn.store, id)).transpose()?.flatten();
            let Some(message) = message else { continue };
            bodies.push(self.body_for(request, message)?);
        }
        let all = bodies.len();
        bodies.truncate(count_fitting(bodies.iter().map(String::len), self.limits.page_bytes).max(1));
        let more = bodies.len() < all;
        Ok(format!(r#"{{"messages":[{}],"hasMore":{more}}}"#, bodies.join(",")))
    }
}
