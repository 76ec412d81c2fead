//! What must be true of a room, told by a naive model that knows nothing of the code: what was said, what was acked,
//! what each place of the log was heard to be. One checker a function or a line in `client`; `Checker` names them all.
//! Not here: how clients come to hear something (`client`), and the last look at everything (`ending`).

use crate::content_model::Words;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// What a violation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Checker {
    /// Acked, and not in the log.
    Lost,
    /// Said once, in the log or heard twice.
    Duplicated,
    /// Two heard different things at one seq, or the log says something else.
    Diverging,
    /// A seq is missing in the log, or the log went back.
    Gap,
    /// One sender's messages in another order than sent.
    Order,
    /// A client missed something between replay and live, or while live.
    Seam,
    /// Heard or stored, and never said by anybody.
    Phantom,
    /// Postgres isn't a prefix of the log, or not equal to it at the end.
    Postgres,
    /// Told to be there, or not to be, against the truth.
    Presence,
    /// A removed person could still hear.
    Removed,
    /// Who is in the room isn't who was let in, or isn't what its events say.
    People,
    /// Said against the tenant's rules or faster than allowed, refused without reason, or missing in the audit log.
    Rules,
    /// Something is left of a room that was deleted.
    Gone,
    /// Words of a message that was deleted.
    Undead,
    /// A read marker that isn't the one its person set.
    Marker,
    /// More memory, bytes or rows than allowed.
    Bounds,
    /// A frame that nobody answered.
    Answered,
    /// An ack that isn't of what was said.
    Acked,
    /// After the faults were over, not everything was well in time.
    Live,
    /// Somebody absent was told nothing, or an author of their own.
    Notified,
    /// A room in trouble that its tenant's list doesn't know, or a healthy one that it does.
    Alert,
    /// A message's file can't be had, or a file is there that nobody has.
    Files,
    /// Something ran, was set or was open in an idle room.
    Idle,
    /// The code under test panicked by itself.
    Panic,
}

#[derive(Clone, Debug)]
pub struct Violation {
    pub checker: Checker,
    pub what: String,
}

/// How often what was to be tested happened.
#[derive(Default)]
pub struct Counters(RefCell<BTreeMap<&'static str, u64>>);

impl Counters {
    pub fn count(&self, name: &'static str) {
        *self.0.borrow_mut().entry(name).or_default() += 1;
    }

    pub fn happened(&self, name: &str) -> bool {
        self.0.borrow().contains_key(name)
    }

    pub fn at_least(&self, name: &'static str, value: u64) {
        let mut counts = self.0.borrow_mut();
        let count = counts.entry(name).or_default();
        *count = (*count).max(value);
    }

    pub fn take(&self) -> BTreeMap<&'static str, u64> {
        self.0.take()
    }
}

/// What an operation is, apart from who retries it how often.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    Message {
        content: String,
        thread: Option<String>,
    },
    Reaction {
        message: String,
        emoji: String,
        add: bool,
    },
    Edit {
        message: String,
        content: String,
        base: Option<u64>,
    },
    Delete {
        message: String,
    },
    /// A thread's count changed: nobody says that.
    Thread,
    /// Not said by anybody: an event about the room or its people, as it was heard.
    News {
        event: String,
    },
}

/// One place of a log.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    pub user: String,
    pub client_id: Option<String>,
    /// The message's id, or that of the message it is about.
    pub id: String,
    /// Without words: those change (`words`).
    pub said: Operation,
}

/// The naive model of all rooms.
#[derive(Default)]
pub struct Oracle {
    pub rooms: BTreeMap<usize, RoomModel>,
}

#[derive(Default)]
pub struct RoomModel {
    /// By person and `clientId`.
    pub said: BTreeMap<(String, String), Operation>,
    pub acked: BTreeMap<(String, String), Acked>,
    /// By epoch and seq, as the first one to hear it heard it.
    pub heard: BTreeMap<(String, u64), Fact>,
    pub words: Words,
}

/// Where something acked stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Acked {
    pub epoch: String,
    /// `None` for what changed nothing.
    pub seq: Option<u64>,
    /// The message's.
    pub id: String,
    pub version: u64,
}

pub type CheckResult = Result<(), (Checker, String)>;

impl RoomModel {
    /// Somebody is about to say this, perhaps again.
    pub fn says(&mut self, user: &str, client_id: &str, said: &Operation) {
        self.said.insert((user.to_owned(), client_id.to_owned()), said.clone());
    }

    /// Somebody heard this at this place.
    pub fn hears(&mut self, epoch: &str, seq: u64, fact: &Fact) -> CheckResult {
        self.phantom(fact)?;
        let known = self.heard.entry((epoch.to_owned(), seq)).or_insert_with(|| fact.clone());
        if known != fact {
            return Err((Checker::Diverging, format!("seq {seq} was {known:?} and is {fact:?}")));
        }
        Ok(())
    }

    pub fn phantom(&self, fact: &Fact) -> CheckResult {
        let Some(client_id) = &fact.client_id else { return Ok(()) };
        match self.said.get(&(fact.user.clone(), client_id.clone())) {
            Some(said) if without_words(said) == fact.said => Ok(()),
            Some(said) => Err((Checker::Diverging, format!("{fact:?} was said as {said:?}"))),
            None => Err((Checker::Phantom, format!("nobody said {fact:?}"))),
        }
    }

    /// Somebody was acked.
    pub fn acks(&mut self, user: &str, client_id: &str, acked: Acked) -> CheckResult {
        let key = (user.to_owned(), client_id.to_owned());
        let Some(said) = self.said.get(&key) else {
            return Err((Checker::Acked, format!("{user} never said {client_id}")));
        };
        let about = match said {
            Operation::Reaction { message, .. }
            | Operation::Edit { message, .. }
            | Operation::Delete { message } => message,
            Operation::Message { .. } | Operation::Thread | Operation::News { .. } => &acked.id,
        };
        if *about != acked.id {
            return Err((Checker::Acked, format!("{client_id} is about {about}, acked as {acked:?}")));
        }
        if let Operation::Edit { base: Some(base), .. } = said
            && acked.seq.is_some()
            && acked.version != base + 1
        {
            return Err((Checker::Acked, format!("{client_id} edits version {base}, acked as {acked:?}")));
        }
        if let Operation::Delete { message } = said {
            self.words.gone.push(message.clone());
        }
        // Of a log that is lost only messages are known by their `clientId`.
        let is_message = matches!(said, Operation::Message { .. });
        // What changed nothing may change something when it is said again.
        let known = self.acked.entry(key).or_insert_with(|| acked.clone());
        if known.seq.is_none() || (!is_message && known.epoch != acked.epoch) {
            *known = acked.clone();
        }
        if acked.seq.is_some()
            && (known.seq, &known.id, known.version) != (acked.seq, &acked.id, acked.version)
        {
            return Err((Checker::Acked, format!("{user}'s {client_id} acked as {known:?}, then {acked:?}")));
        }
        Ok(())
    }
}

/// What stays of it whatever happens to the message.
pub fn without_words(said: &Operation) -> Operation {
    match said {
        Operation::Message { thread, .. } => {
            Operation::Message { content: String::new(), thread: thread.clone() }
        }
        other => other.clone(),
    }
}
