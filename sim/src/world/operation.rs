//! What clients send and what comes of it: the vocabulary of the model. Not here: what must be true of it (`model`).

/// What an operation is, apart from who repeats it how often.
#[derive(Clone, Debug, PartialEq)]
#[rustfmt::skip] // A line an operation.
pub enum Operation {
    Message { content: String, thread: Option<String> },
    Reaction { message: String, emoji: String, add: bool },
    Edit { message: String, content: String, base: Option<u64> },
    Delete { message: String },
    /// A message was pinned or unpinned, over REST.
    Pins,
    /// A thread's count changed: no client sends that.
    Thread,
    /// An event about the room or its members, as it was received: no client sends that.
    RoomEvent { event: String },
}

impl Operation {
    /// What stays the same whatever edits and deletions do to the message.
    pub fn without_content(&self) -> Self {
        match self {
            Self::Message { thread, .. } => Self::Message { content: String::new(), thread: thread.clone() },
            other => other.clone(),
        }
    }
}

/// One place of a log.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    pub user: String,
    pub client_id: Option<String>,
    /// The message's id, or that of the message it is about.
    pub id: String,
    /// Without content: that changes (`content_model`).
    pub operation: Operation,
}

impl Fact {
    /// The same, with the other's emoji if one of them has none: its message was deleted by then (DEL-1).
    pub fn with_emoji_of(&self, other: &Self) -> Self {
        let mut fact = self.clone();
        if let (Operation::Reaction { emoji, .. }, Operation::Reaction { emoji: other, .. }) =
            (&mut fact.operation, &other.operation)
            && (emoji.is_empty() || other.is_empty())
        {
            emoji.clone_from(other);
        }
        fact
    }
}

/// Where an acked operation stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Acked {
    pub epoch: String,
    /// `None` for what changed nothing.
    pub seq: Option<u64>,
    /// The message's.
    pub id: String,
    pub version: u64,
}
