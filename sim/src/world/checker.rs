//! The names of all checks, and what a failed one reports. Not here: the checks (`client_checks`, `final_checks` …).

use std::str::FromStr;

/// What a violation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Checker {
    /// Acked, and not in the log.
    Lost,
    /// Sent once, and in the log or received twice.
    Duplicated,
    /// Two clients received different events with the same seq, or the log has another one there.
    Diverging,
    /// A seq is missing in the log, or the log went back.
    Gap,
    /// One sender's messages are in another order than sent.
    Order,
    /// A client missed an event between replay and live, or while live.
    Seam,
    /// Received or stored, and never sent by anybody.
    Phantom,
    /// Postgres is not a prefix of the log, or not equal to it at the end.
    Postgres,
    /// The online list names somebody who is offline, or omits somebody who is online.
    Presence,
    /// A removed person could still receive events.
    Removed,
    /// The members are not those who were added, or not those of the member events.
    People,
    /// Content or pace against the tenant's rules, a refusal without reason, or a missing audit row.
    Rules,
    /// More messages or pages than a person's bucket holds, or a refusal that does not say when to come again.
    Rate,
    /// A change was refused because of another one, or made out of turn.
    Changes,
    /// Something is left of a deleted room.
    Gone,
    /// Content of a deleted message.
    Undead,
    /// A rebuild was begun twice, went back, or left a hole.
    Rebuilt,
    /// Clients, log, model and Postgres disagree on the pins, or a deleted message is pinned.
    Pins,
    /// A read marker that its person did not set.
    Marker,
    /// More memory, bytes or rows than allowed, or a client that reads was closed as slow.
    Bounds,
    /// A frame without an answer.
    Answered,
    /// An ack that does not match the operation.
    Acked,
    /// The system did not recover in time after the faults had ended.
    Live,
    /// An absent member was not notified, or an author was notified of their own message.
    Notified,
    /// The tenant's alert list omits a room with quarantined rows, or names a healthy one.
    Alert,
    /// A message's file cannot be downloaded, or a file in the bucket belongs to no message.
    Files,
    /// A task, an alarm or a connection is left in an idle room.
    Idle,
    /// A device's list is not what Postgres says, or an event of an inbox is missing or comes twice.
    Inbox,
    /// An inbox has notified of a message twice or of its person's own, or does not show the newest unread one.
    Notices,
    /// A blocked person has written, a deactivated one was let in or has a socket, or one of them can't come back.
    Accounts,
    /// The code under test panicked.
    Panic,
}

impl Checker {
    const ALL: [Checker; 31] = [
        Self::Lost,
        Self::Duplicated,
        Self::Diverging,
        Self::Gap,
        Self::Order,
        Self::Seam,
        Self::Phantom,
        Self::Postgres,
        Self::Presence,
        Self::Removed,
        Self::People,
        Self::Rules,
        Self::Rate,
        Self::Changes,
        Self::Gone,
        Self::Undead,
        Self::Rebuilt,
        Self::Pins,
        Self::Marker,
        Self::Bounds,
        Self::Answered,
        Self::Acked,
        Self::Live,
        Self::Notified,
        Self::Alert,
        Self::Files,
        Self::Idle,
        Self::Inbox,
        Self::Notices,
        Self::Accounts,
        Self::Panic,
    ];
}

impl FromStr for Checker {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|checker| format!("{checker:?}") == name);
        known.ok_or_else(|| format!("no checker `{name}`; there are {:?}", Self::ALL))
    }
}

#[derive(Clone, Debug)]
pub struct Violation {
    pub checker: Checker,
    pub what: String,
}

pub type CheckResult = Result<(), (Checker, String)>;
