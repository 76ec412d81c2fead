//! What happens in a run, decided before it begins, so that a history can be shortened and run again.
//! Not here: how a seed becomes a plan (`generator`), how it is run (`actions`, `run`).

/// Three rooms in one isolate; careless object names would be the same for the first two.
pub const ROOMS: [(&str, &str); 3] = [("acme", "r:1"), ("acme:r", "1"), ("acme", "r2")];

/// The members of each room; the first one is its owner.
pub const PEOPLE: [&str; 4] = ["alice", "bob", "carol", "dave"];

/// All tabs: room, person, number among the person's tabs there, whether it is a bot.
pub const TABS: [(usize, &str, usize, bool); 10] = [
    (0, "alice", 0, false),
    (0, "alice", 1, false),
    (0, "bob", 0, false),
    (0, "carol", 0, false),
    (0, "dave", 0, true),
    (1, "alice", 0, false),
    (1, "bob", 0, false),
    (2, "bob", 0, false),
    (2, "carol", 0, false),
    (2, "carol", 1, false),
];

#[derive(Clone, Debug, PartialEq)]
#[rustfmt::skip] // A line an action.
pub enum Action {
    Say { tab: usize, bytes: usize, poison: bool },
    /// Many at once.
    Burst { tab: usize, count: usize },
    React { tab: usize, nth: usize, emoji: usize, add: bool },
    Reply { tab: usize, nth: usize },
    /// Of what they may change; `based` on the version they know.
    Edit { tab: usize, nth: usize, based: bool, poison: bool },
    Delete { tab: usize, nth: usize },
    /// Sets the marker back by this much.
    Unread { tab: usize, back: u64 },
    /// Something acked is said again.
    Repeat { tab: usize },
    Typing { tab: usize },
    Read { tab: usize },
    Join { tab: usize },
    Leave { tab: usize },
    Vanish { tab: usize },
    Reading { tab: usize, reads: bool },
    Pass { ms: u64 },
    /// After this many effects the process dies.
    Die { effects: u32 },
    /// At this statement from now on.
    Panic { statements: u32 },
    DiskFails { statements: u32 },
    DiskFull { ms: u64 },
    Abort,
    Deploy,
    Hibernate { room: usize },
    LoseDisk { room: usize },
    PostgresFault(PostgresFault),
    SetBack { room: usize, rows: u64 },
    /// Somebody else's row at the log's next seq in Postgres.
    Stranger { room: usize },
    Remove { room: usize, user: usize },
    Add { room: usize },
    /// Over REST, while whatever is due to break breaks.
    Asks { room: usize, change: Asked },
    /// The operator has rows that were set aside tried again.
    TryAgain { room: usize },
    /// The tenant's list of rooms in trouble can't be reached, or can again.
    List { away: bool },
    /// A file, and then a message with it.
    Upload { tab: usize },
    /// The bucket of files can't be reached, or can again.
    Bucket { away: bool },
    /// Says a word of which the tenant has something to say, or edits it into something of one's own.
    Word { tab: usize, word: usize, edits: bool },
    /// To the moderators.
    Report { tab: usize, nth: usize },
    AlarmTwice { room: usize },
    AlarmLost { room: usize },
    /// When all leave at the end, Postgres lacks a table, and the platform has lost the alarms that rooms believe in.
    HaltsAtNight,
    AlarmLate { room: usize, ms: u64 },
}

impl Action {
    /// The room that it is about, past its tabs.
    pub fn room(&self) -> Option<usize> {
        match *self {
            Self::Hibernate { room }
            | Self::LoseDisk { room }
            | Self::SetBack { room, .. }
            | Self::Stranger { room }
            | Self::Remove { room, .. }
            | Self::Add { room }
            | Self::Asks { room, .. }
            | Self::TryAgain { room } => Some(room),
            _ => None,
        }
    }
}

/// What the owner asks of a room; `user` counts from the first who isn't the owner.
#[derive(Clone, Copy, Debug, PartialEq)]
#[rustfmt::skip]
pub enum Asked {
    Remove { user: usize },
    /// Everybody, as far as they aren't there.
    Add,
    Role { user: usize, role: &'static str },
    Ban { user: usize, for_ms: Option<u64> },
    Unban { user: usize },
    Topic { number: u64 },
    Mute { user: usize },
    Unmute { user: usize },
    SlowMode { seconds: u32 },
    /// The room.
    Delete,
}

pub struct Plan {
    pub actions: Vec<Action>,
    /// The contract's rate limits; else practically none.
    pub strict_limits: bool,
    /// The lifetime of tokens.
    pub token_ms: u64,
    /// Which tabs are legacy clients.
    pub legacy_tabs: Vec<usize>,
}

/// The state of Postgres when a statement reaches it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PostgresFault {
    Fine,
    /// Each statement takes this long; past its sender's timeout it is done all the same.
    Slow(u64),
    Refuses,
    /// No answer; `true`: it is done all the same, a while after every timeout.
    Hangs(bool),
    /// Fails before anything is done, with this SQLSTATE.
    Fails(&'static str),
    /// Commits, and the answer is lost.
    LosesReplies,
    /// Neither answer nor timeout ever comes: the promise was lost.
    LosesPromises,
}
