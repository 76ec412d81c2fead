//! What enters the inbox and what leaves it. Not here: what follows from an input (the other files), and performing
//! effects (`object`).

use crate::auth::Identity;
use crate::db::{Account, DbError, InboxRoom, NoticesAfter, NoticesOfRoom, SavedAfter, SavedChanges};
use crate::error::Refusal;
use crate::ids::{RoomId, Seq, UnixMs, UserId};
use crate::protocol::inbox::Presence;
use crate::protocol::server::CloseCode;
use crate::room::{ConnectionId, ResumePosition, SocketEffect};
use serde_json::Value;

/// A socket that was accepted, and the list as its person sees it.
pub struct Connect {
    pub id: ConnectionId,
    pub identity: Identity,
    /// Whether the client speaks `chat.v1`.
    pub batches: bool,
    pub since: Option<ResumePosition>,
    /// If the lease was running before, nothing has happened that names nobody.
    pub answer: Answer,
}

/// The newest rooms of the list.
#[derive(Debug, Default)]
pub struct Page {
    pub rooms: Vec<Value>,
    pub next_cursor: Option<String>,
}

/// What Postgres says of rooms.
#[derive(Debug, Default)]
pub struct Answer {
    /// Of a whole question: the newest rooms.
    pub page: Option<Page>,
    /// The rooms that were asked for by their ids.
    pub rooms: Vec<InboxRoom>,
    /// Direct partners as everybody sees them.
    pub people: Vec<Value>,
    /// Those of `OwnWrite::partners` whose inbox is open.
    pub inboxes: Vec<UserId>,
    /// Of a whole question: nobody had let the lease end.
    pub lease_was_running: bool,
    /// Of a whole question: that, or a device is connected.
    pub was_here: bool,
    /// Of a whole question: what others see of the person.
    pub presence: Option<Presence>,
    /// What has changed in the list of saved messages, if that was asked for.
    pub saved: Option<SavedChanges>,
    /// What there is to notify of, of rooms that were asked for or listed.
    pub notices: Vec<NoticesOfRoom>,
}

impl Answer {
    /// Nobody was here before: what has come meanwhile is not notified of.
    pub fn begins(&self) -> bool {
        self.page.is_some() && !self.was_here
    }
}

/// Others see the person so from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnWrite {
    pub presence: Presence,
    /// Who is poked if their inbox is open.
    pub partners: Vec<UserId>,
}

/// What the inbox wants to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// The newest rooms with their direct partners, and all others that the inbox knows. The lease is renewed first.
    pub is_whole: bool,
    pub rooms: Vec<RoomId>,
    pub people: Vec<UserId>,
    /// What has changed in the list of saved messages.
    pub saved: Option<SavedAfter>,
    /// What there is to notify of, in these rooms.
    pub notices: Vec<NoticesAfter>,
    /// What is written before anything is asked.
    pub own: Option<OwnWrite>,
}

/// Something that happened.
pub enum Input<'a> {
    Connect(Box<Connect>),
    Frame {
        connection: ConnectionId,
        text: &'a str,
    },
    Binary {
        connection: ConnectionId,
    },
    Verified {
        connection: ConnectionId,
        outcome: Result<Identity, Refusal>,
    },
    /// What a frame of this type asked for was refused elsewhere.
    Refused {
        connection: ConnectionId,
        refusal: Refusal,
        frame: &'static str,
    },
    Silent {
        connections: Vec<ConnectionId>,
    },
    Slow {
        connection: ConnectionId,
    },
    /// Events for them waited in a memory that is gone.
    Lost {
        connections: Vec<ConnectionId>,
    },
    Closed {
        connection: ConnectionId,
    },
    /// The room may have changed. `read`: up to here it knows that the person has read.
    Poked {
        room: RoomId,
        read: Seq,
    },
    /// The presence or the profile of this person may have changed.
    PersonPoked {
        person: UserId,
    },
    /// The list of saved messages may have changed.
    SavedPoked,
    AlarmFired,
    /// These tokens of the person are refused from now on.
    SessionsEnded {
        account: Account,
    },
    Answered {
        question: Question,
        outcome: Result<Answer, DbError>,
    },
    Flush,
}

/// Something the shell must do, at once and in this order.
#[derive(Debug)]
pub enum Effect {
    Socket(SocketEffect),
    Close {
        connection: ConnectionId,
        code: CloseCode,
    },
    /// Verify this token and answer with `Input::Verified`.
    Verify {
        connection: ConnectionId,
        token: String,
    },
    /// The person of this connection has read the room up to here. `is_known`: it is one of their rooms.
    MarkRead {
        connection: ConnectionId,
        caller: Box<Identity>,
        room: RoomId,
        seq: Seq,
        is_known: bool,
    },
    Alarm(UnixMs),
    /// No device is connected: the lease ends.
    EndLease,
    /// The person's presence has changed: these inboxes ask for it.
    PokePartners {
        inboxes: Vec<UserId>,
    },
}
