//! What happens in a run, decided before it begins, so that a history can be shortened and run again.
//! Not here: how a seed becomes a plan (`generator`), how it is run (`actions`, `run`).

/// Three rooms in one isolate; careless object names would be the same for the first two.
pub const ROOMS: [(&str, &str); 3] = [("acme", "r:1"), ("acme:r", "1"), ("acme", "r2")];

/// The members of each room; the first one is its owner.
pub const PEOPLE: [&str; 4] = ["alice", "bob", "carol", "dave"];

/// All devices with an inbox: tenant and person.
pub const DEVICES: [(&str, &str); 3] = [("acme", "alice"), ("acme", "alice"), ("acme", "bob")];

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
    SendMessage { tab: usize, bytes: usize, poison: bool },
    /// Many messages at once.
    Burst { tab: usize, count: usize },
    React { tab: usize, nth: usize, emoji: usize, add: bool },
    Reply { tab: usize, nth: usize },
    /// Edits the `nth` newest message that the person may change; `based` on the version that they know.
    Edit { tab: usize, nth: usize, based: bool, poison: bool },
    Delete { tab: usize, nth: usize },
    /// The owner pins or unpins the `nth` newest message that the tab knows.
    Pin { tab: usize, nth: usize, pin: bool },
    /// Moves the person's read marker back by this much.
    MarkUnread { tab: usize, back: u64 },
    /// Sends the last acked operation again.
    Repeat { tab: usize },
    Typing { tab: usize },
    Read { tab: usize },
    Connect { tab: usize },
    Disconnect { tab: usize },
    /// Connects anew without a position, as a page that was loaded again does.
    Reload { tab: usize },
    /// Drops the connection without a close.
    Vanish { tab: usize },
    /// The client begins or ceases to read its socket.
    Reading { tab: usize, reads: bool },
    Wait { ms: u64 },
    /// The process dies after this many effects.
    Kill { effects: u32 },
    /// A handler panics at this statement from now on.
    Panic { statements: u32 },
    DiskFails { statements: u32 },
    DiskFull { ms: u64 },
    Abort,
    Deploy,
    Hibernate { room: usize },
    LoseStorage { room: usize },
    PostgresFault(PostgresFault),
    /// Postgres is restored from a backup that lacks the room's last rows.
    RestoreBackup { room: usize, rows: u64 },
    /// Postgres is restored from a backup that lacks the last changes of the room's people and settings.
    LoseChanges { room: usize, changes: usize },
    /// Postgres is restored from a backup from before the room was created.
    LoseRoom { room: usize },
    /// Somebody else's row appears at the log's next seq in Postgres.
    InsertForeignRow { room: usize },
    /// The tenant's backend changes the members.
    RemoveInPostgres { room: usize, user: usize },
    AddAllInPostgres { room: usize },
    /// Over REST, while whatever is due to break breaks.
    Request { room: usize, request: OwnerRequest },
    /// The tenant's admin has the quarantined rows tried again.
    RetryQuarantined { room: usize },
    AlertList { unavailable: bool },
    /// Uploads a file, and then sends a message with it.
    Upload { tab: usize },
    Bucket { unavailable: bool },
    /// Sends a word of the tenant's rules, or edits it into a message of one's own.
    ModeratedWord { tab: usize, word: usize, edits: bool },
    /// Reports a message to the moderators.
    Report { tab: usize, nth: usize },
    /// The tab's person requests so many pages of the history at once.
    ReadPages { tab: usize, count: usize },
    /// The owner sets so many topics at once, while nothing breaks.
    TopicsAtOnce { room: usize, count: u64 },
    AlarmTwice { room: usize },
    AlarmLost { room: usize },
    AlarmLate { room: usize, ms: u64 },
    ConnectDevice { device: usize },
    DisconnectDevice { device: usize },
    /// Drops a device's connection without a close.
    VanishDevice { device: usize },
    /// The person reads the room in the list.
    ReadInList { device: usize, room: usize },
    /// The person writes on the device, this much after the draft that it shows; or `back` before it, as an old device.
    WriteDraft { device: usize, room: usize, back: bool },
    /// The person saves the newest message that the device shows of the room, or saves it no more.
    Save { device: usize, room: usize, saves: bool },
    /// Of the two people of the direct room.
    Direct(DirectAction),
    HibernateInbox { device: usize },
    LoseInboxStorage { device: usize },
    /// Postgres forgets that the person's inbox is open, as after a restore.
    LoseLease { device: usize },
    /// When all leave at the end, Postgres lacks a table, and the platform loses the alarms that rooms believe in.
    FinalHalt,
}

impl Action {
    /// The room that it is about, other than by a tab.
    pub fn room(&self) -> Option<usize> {
        match *self {
            Self::Hibernate { room }
            | Self::LoseStorage { room }
            | Self::RestoreBackup { room, .. }
            | Self::LoseChanges { room, .. }
            | Self::LoseRoom { room }
            | Self::InsertForeignRow { room }
            | Self::RemoveInPostgres { room, .. }
            | Self::AddAllInPostgres { room }
            | Self::Request { room, .. }
            | Self::TopicsAtOnce { room, .. }
            | Self::RetryQuarantined { room } => Some(room),
            _ => None,
        }
    }
}

/// What the owner requests of a room; `user` counts from the first who is not the owner.
#[derive(Clone, Copy, Debug, PartialEq)]
#[rustfmt::skip]
pub enum OwnerRequest {
    Remove { user: usize },
    /// Everybody who is not a member.
    Add,
    Role { user: usize, role: &'static str },
    Ban { user: usize, for_ms: Option<u64> },
    Unban { user: usize },
    Topic { number: u64 },
    Mute { user: usize },
    Unmute { user: usize },
    SlowMode { seconds: u32 },
    /// Deletes the room.
    Delete,
}

/// What happens in the direct room.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DirectAction {
    /// The first of its people blocks the other one, or does so no more.
    Block {
        blocks: bool,
    },
    /// The tenant's admin deactivates the other one, or lets them come again.
    Deactivate {
        deactivates: bool,
    },
    /// The other one writes.
    Post,
    /// The other one connects to the room, or to their inbox.
    Connect {
        inbox: bool,
    },
    Hibernate,
}

pub struct Plan {
    pub actions: Vec<Action>,
    /// The contract's rate limits; else practically none.
    pub strict_limits: bool,
    /// The lifetime of tokens.
    pub token_ms: u64,
    /// Which tabs are legacy clients.
    pub legacy_tabs: Vec<usize>,
    /// Whether devices with an inbox take part.
    pub has_inboxes: bool,
    /// Whether there is a direct room in which people block each other and are deactivated.
    pub has_accounts: bool,
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
