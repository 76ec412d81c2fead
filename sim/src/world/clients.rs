//! The clients' own state: one tab or bot each, with what it has sent, received and still has to send.
//! Not here: how it connects and sends (`client`), what it checks in what it receives (`client_checks`).

use super::content_model::{Shown, file_in};
use super::network::SimSocket;
use super::operation::Operation;
use crate::plan::{Plan, ROOMS, TABS};
use crate::token::token;
use chinwag::ids::{Seq, UnixMs};
use serde_json::{Value, json};
use std::cell::{Ref, RefCell, RefMut};
use std::collections::BTreeMap;
use std::rc::Rc;

/// What an HTTP request was for.
#[derive(Clone, Debug)]
pub enum Request {
    Connect,
    Post(String),
}

/// An operation that is not acked yet.
#[derive(Clone, Debug)]
pub struct PendingOp {
    pub client_id: String,
    pub operation: Operation,
    pub frame: String,
    /// On the present connection.
    pub sent_at: Option<UnixMs>,
    /// Not to be sent again before this.
    pub not_before: UnixMs,
    /// Sent once, and neither refused nor repeated: its order counts.
    pub ordered: bool,
    /// Was acked before, and is repeated on purpose.
    pub repeated: bool,
}

/// A message as a client knows it.
#[derive(Clone, Debug)]
pub struct KnownMessage {
    pub id: String,
    pub user: String,
    pub version: u64,
    pub is_reply: bool,
    pub deleted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Phase {
    Offline,
    /// Connected, and so many frames of the greeting have come.
    Joining(u8),
    Live,
}

pub struct Tab {
    pub index: usize,
    pub room: usize,
    pub tenant: String,
    pub room_id: String,
    pub user: String,
    /// Distinguishes the person's tabs.
    pub number: usize,
    /// Speaks `chat.v1`; else it is a legacy client.
    pub chat_v1: bool,
    /// Sends over REST, and receives nothing.
    pub bot: bool,
    /// The lifetime of its tokens.
    pub token_ms: u64,
    pub wants_connection: bool,
    /// May be removed from the room.
    pub removed: bool,
    pub socket: Option<Rc<SimSocket>>,
    pub requests: BTreeMap<u64, Request>,
    pub connect_at: UnixMs,
    pub phase: Phase,
    /// The seq up to which it received everything, and the epoch of that log.
    pub position: Option<(Seq, String)>,
    /// The epoch of the present `hello`.
    pub epoch: String,
    pub resynced: bool,
    /// The messages of the present connection's history.
    pub history: Vec<Seq>,
    pub pending: Vec<PendingOp>,
    pub sent_count: u64,
    /// Messages that it can react to, reply to, edit and delete.
    pub known: Vec<KnownMessage>,
    /// The pins, newest first, once an event has named them.
    pub pins: Option<Vec<String>>,
    /// How many deletions had been acked when it last connected.
    pub deletions_at_connect: usize,
    /// Number and seq of each acked message that was sent once.
    pub order: Vec<(u64, Seq)>,
    pub acked: Vec<PendingOp>,
}

impl Tab {
    fn new(index: usize, plan: &Plan) -> Self {
        let (room, user, number, bot) = TABS[index];
        let (tenant, room_id) = ROOMS[room];
        Self {
            index,
            room,
            tenant: tenant.into(),
            room_id: room_id.into(),
            user: user.into(),
            number,
            chat_v1: !plan.legacy_tabs.contains(&index),
            bot,
            token_ms: plan.token_ms,
            wants_connection: false,
            removed: false,
            socket: None,
            requests: BTreeMap::new(),
            connect_at: 0,
            phase: Phase::Offline,
            position: None,
            epoch: String::new(),
            resynced: false,
            history: Vec::new(),
            pending: Vec::new(),
            sent_count: 0,
            known: Vec::new(),
            pins: None,
            deletions_at_connect: 0,
            order: Vec::new(),
            acked: Vec::new(),
        }
    }

    /// Person, tab and room, for traces.
    pub fn name(&self) -> String {
        format!("{}{}@{}", self.user, self.number, self.room)
    }

    /// Below `/api/chat/rooms/` of its room.
    pub fn room_path(&self, rest: &str) -> String {
        format!("{}{rest}", room_path(self.room))
    }

    pub fn has_socket(&self, socket: &Rc<SimSocket>) -> bool {
        self.socket.as_ref().is_some_and(|own| Rc::ptr_eq(own, socket))
    }

    pub fn is_live(&self) -> bool {
        self.phase == Phase::Live && self.socket.as_ref().is_some_and(|socket| socket.is_healthy())
    }

    pub fn received_to(&self) -> Seq {
        self.position.as_ref().map_or(0, |(seq, _)| *seq)
    }

    pub fn token(&self, now: UnixMs) -> String {
        token(&self.tenant, &self.user, now + self.token_ms)
    }

    /// Accepts that what was sent on this connection may stay without an answer.
    pub fn excuse_answers(&mut self) {
        self.pending.iter_mut().for_each(|op| {
            op.sent_at = None;
            op.ordered = false;
        });
    }

    /// Prepares the connection's pending operations to be sent on the next one.
    pub fn resend_all(&mut self) {
        self.pending.iter_mut().for_each(|op| {
            op.ordered &= op.sent_at.is_none();
            op.sent_at = None;
        });
    }

    /// The server refused this person as no member: the tab stays away if they may have been removed.
    pub fn accept_removal(&mut self) {
        if self.removed {
            self.wants_connection = false;
            self.pending.clear();
        }
    }

    pub fn take_pending(&mut self, client_id: &str) -> Option<PendingOp> {
        let place = self.pending.iter().position(|op| op.client_id == client_id)?;
        Some(self.pending.remove(place))
    }

    pub fn learn(&mut self, message: &Value) {
        let shown = Shown::from_json(message);
        let known = KnownMessage {
            id: shown.id.to_owned(),
            user: shown.user.to_owned(),
            version: shown.version,
            is_reply: message["threadId"].is_string(),
            deleted: shown.deleted,
        };
        match self.known.iter_mut().find(|before| before.id == known.id) {
            Some(before) => *before = known,
            None => self.known.push(known),
        }
    }

    /// A new operation with a `clientId` of its own.
    pub fn new_op(&mut self, operation: Operation) -> PendingOp {
        self.sent_count += 1;
        let client_id = format!("{}-{}", self.number, self.sent_count);
        let frame = frame(&client_id, &operation).to_string();
        PendingOp {
            client_id,
            operation,
            frame,
            sent_at: None,
            not_before: 0,
            ordered: true,
            repeated: false,
        }
    }

    /// The last acked operation once more, unless it is pending already.
    pub fn repeat_op(&self) -> Option<PendingOp> {
        let op = self.acked.last()?;
        if self.pending.iter().any(|known| known.client_id == op.client_id) {
            return None;
        }
        Some(PendingOp { sent_at: None, not_before: 0, ordered: false, repeated: true, ..op.clone() })
    }
}

fn frame(client_id: &str, operation: &Operation) -> Value {
    let mut frame = match operation {
        Operation::Message { content, thread } => {
            json!({"type": "message", "content": content, "threadId": thread})
        }
        Operation::Edit { message, content, base } => {
            json!({"type": "edit", "messageId": message, "content": content, "baseVersion": base})
        }
        Operation::Delete { message } => json!({"type": "delete", "messageId": message}),
        Operation::Reaction { message, emoji, add } => {
            let action = if *add { "add" } else { "remove" };
            json!({"type": "reaction", "messageId": message, "emoji": emoji, "action": action})
        }
        Operation::Thread | Operation::Pins | Operation::RoomEvent { .. } => Value::Null,
    };
    frame["clientId"] = json!(client_id);
    if let Operation::Message { content, .. } = operation
        && let Some(file) = file_in(content)
    {
        frame["attachments"] = json!([{"id": file}]);
    }
    frame
}

/// An id as it stands in a path: every byte escaped.
pub fn escape(id: &str) -> String {
    id.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// A room of the plan as a resource of REST.
pub fn room_path(room: usize) -> String {
    format!("/api/chat/rooms/{}", escape(ROOMS[room].1))
}

#[derive(Default)]
pub struct Clients {
    tabs: RefCell<Vec<Tab>>,
    /// Many messages were sent just now.
    pub bursting: std::cell::Cell<bool>,
}

impl Clients {
    /// Creates all tabs of the plan.
    pub fn create(&self, plan: &Plan) {
        *self.tabs.borrow_mut() = (0..TABS.len()).map(|index| Tab::new(index, plan)).collect();
    }

    pub fn tab(&self, index: usize) -> Ref<'_, Tab> {
        Ref::map(self.tabs.borrow(), |tabs| &tabs[index])
    }

    pub fn tab_mut(&self, index: usize) -> RefMut<'_, Tab> {
        RefMut::map(self.tabs.borrow_mut(), |tabs| &mut tabs[index])
    }

    pub fn all(&self) -> Ref<'_, Vec<Tab>> {
        self.tabs.borrow()
    }

    pub fn all_mut(&self) -> RefMut<'_, Vec<Tab>> {
        self.tabs.borrow_mut()
    }

    pub fn name(&self, index: usize) -> String {
        self.tab(index).name()
    }

    pub fn socket(&self, index: usize) -> Option<Rc<SimSocket>> {
        self.tab(index).socket.clone()
    }

    pub fn of_socket(&self, socket: &Rc<SimSocket>) -> Option<usize> {
        self.all().iter().position(|tab| tab.has_socket(socket))
    }
}
