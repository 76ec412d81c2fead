//! What happens in a run, written down before it begins, so that a history can be shortened and run again.
//! Not here: doing it (`run`).

use crate::postgres::PostgresFault;
use crate::rng::Rng;

/// Three rooms in one isolate; the first two have names that an object name without care would confuse.
pub const ROOMS: [(&str, &str); 3] = [("acme", "r:1"), ("acme:r", "1"), ("acme", "r2")];

/// The members of each room; the first one is its owner.
pub const PEOPLE: [&str; 4] = ["alice", "bob", "carol", "dave"];

/// Who is in which room: room, person, number among the person's tabs there, whether it is a bot.
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
    /// The contract's limits; else none to speak of.
    pub strict_limits: bool,
    /// A token lasts this long.
    pub token_ms: u64,
    /// Which tabs speak the original protocol.
    pub seed_tabs: Vec<usize>,
}

/// Which kinds of trouble a run has: few at a time go deeper than all at once.
struct Mood {
    crashes: bool,
    faults: bool,
    weather: bool,
    people: bool,
    readers: bool,
    alarms: bool,
    losses: bool,
}

impl Plan {
    pub fn of(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let mut yes = || rng.one_in(2);
        let mood = Mood {
            crashes: yes(),
            faults: yes(),
            weather: yes(),
            people: yes(),
            readers: yes(),
            alarms: yes(),
            losses: yes(),
        };
        let count = 20 + rng.below(60);
        let mut actions: Vec<Action> = (0..TABS.len()).map(|tab| Action::Join { tab }).collect();
        actions.push(Action::Pass { ms: 200 });
        for _ in 0..count {
            action(&mut rng, &mood, &mut actions);
        }
        if mood.people && rng.one_in(4) {
            ends(&mut rng, &mood, &mut actions);
        }
        let token_ms = if rng.one_in(4) { 5_000 + rng.below(30_000) } else { 3_600_000 };
        let seed_tabs = if rng.one_in(4) { vec![2, 6] } else { Vec::new() };
        let strict_limits = rng.one_in(8);
        if strict_limits {
            // At the contract's rate hundreds of messages would take minutes.
            actions.retain(|action| !matches!(action, Action::Burst { count: 30.., .. }));
        }
        Self { actions, strict_limits, token_ms, seed_tabs }
    }
}

fn action(rng: &mut Rng, mood: &Mood, actions: &mut Vec<Action>) {
    let tab = rng.below(TABS.len() as u64) as usize;
    let room = TABS[tab].0;
    let next = match rng.below(30) {
        0..=5 => {
            let bytes = if mood.readers && rng.one_in(3) { 3_000 } else { 20 };
            Action::Say { tab, bytes, poison: mood.weather && rng.one_in(30) }
        }
        6 => Action::React {
            tab,
            nth: rng.below(8) as usize,
            emoji: rng.below(3) as usize,
            add: !rng.one_in(3),
        },
        7 if rng.one_in(24) => Action::Burst { tab, count: 550 },
        7 => Action::Burst { tab, count: 3 + rng.below(10) as usize },
        8 => Action::Repeat { tab },
        9 if rng.one_in(2) => Action::Typing { tab },
        9 => Action::Read { tab },
        10 => Action::Join { tab },
        11 if mood.readers => match rng.below(4) {
            0 => Action::Vanish { tab },
            1 => Action::Reading { tab, reads: true },
            _ => Action::Reading { tab, reads: false },
        },
        11 | 12 if rng.one_in(2) => Action::Leave { tab },
        13 | 14 => trouble(rng, mood, room, actions).unwrap_or(Action::Pass { ms: 40 }),
        15 if mood.weather => Action::PostgresFault(weather(rng)),
        20 | 21 => Action::Reply { tab, nth: rng.below(6) as usize },
        22 | 23 => Action::Edit {
            tab,
            nth: rng.below(4) as usize,
            based: rng.one_in(2),
            poison: mood.weather && rng.one_in(20),
        },
        24 => Action::Delete { tab, nth: rng.below(6) as usize },
        26 | 27 => Action::Upload { tab },
        28 => Action::Word { tab, word: rng.below(3) as usize, edits: rng.one_in(3) },
        29 => Action::Report { tab, nth: rng.below(4) as usize },
        25 => Action::Unread { tab, back: 1 + rng.below(5) },
        _ => {
            let far = [15, 45, 200, 1_500, 12_000];
            Action::Pass { ms: 1 + rng.below(rng.clone().of(&far)) }
        }
    };
    actions.push(next);
}

/// The second room's owner has it deleted in the later half of the run, and often something breaks just then.
fn ends(rng: &mut Rng, mood: &Mood, actions: &mut Vec<Action>) {
    const ROOM: usize = 1;
    let half = actions.len() / 2;
    let at = half + rng.below(half as u64) as usize;
    let breaks = match rng.below(4) {
        0 if mood.crashes => Action::Die { effects: 1 + rng.below(30) as u32 },
        1 if mood.faults => Action::DiskFails { statements: 1 + rng.below(20) as u32 },
        2 => Action::Upload { tab: 5 },
        _ => Action::Pass { ms: 1 },
    };
    actions.splice(at..at, [breaks, Action::Asks { room: ROOM, change: Asked::Delete }]);
    // Nobody comes back to such a room, and only that makes up for an alarm that the platform lost.
    let lost = [Action::AlarmLost { room: ROOM }, Action::HaltsAtNight];
    actions.retain(|action| !lost.contains(action));
}

fn trouble(rng: &mut Rng, mood: &Mood, room: usize, actions: &mut Vec<Action>) -> Option<Action> {
    let action = match rng.below(16) {
        14 | 15 if mood.people => Action::Asks { room, change: asked(rng) },
        0 | 1 if mood.crashes => Action::Die { effects: 1 + rng.below(40) as u32 },
        2 if mood.crashes => rng.of(&[Action::Abort, Action::Deploy]),
        2 | 3 => Action::Hibernate { room },
        4 if mood.faults => Action::Panic { statements: 1 + rng.below(20) as u32 },
        5 if mood.faults && rng.one_in(3) => Action::DiskFull { ms: 50 + rng.below(4_000) },
        5 if mood.faults => Action::DiskFails { statements: 1 + rng.below(20) as u32 },
        6 if mood.people => {
            let user = rng.below(3) as usize;
            // Often one of the removed person's tabs is just closing.
            if rng.one_in(2) {
                let tabs =
                    TABS.iter().enumerate().filter(|(_, tab)| tab.0 == room && tab.1 == PEOPLE[user + 1]);
                actions.extend(tabs.take(1).map(|(tab, _)| Action::Leave { tab }));
            }
            Action::Remove { room, user }
        }
        7 if mood.people && rng.one_in(3) => Action::Add { room },
        7 if mood.people => {
            // Two at once race.
            if rng.one_in(2) {
                actions.push(Action::Asks { room, change: asked(rng) });
            }
            Action::Asks { room, change: asked(rng) }
        }
        8 if mood.alarms => rng.of(&[
            Action::AlarmTwice { room },
            Action::AlarmLost { room },
            Action::AlarmLate { room, ms: 20_000 },
            Action::HaltsAtNight,
        ]),
        9 if mood.losses => Action::SetBack { room, rows: 1 + rng.below(6) },
        10 if mood.losses && rng.one_in(3) => Action::LoseDisk { room },
        11 if mood.losses && rng.one_in(3) => Action::Stranger { room },
        12 if mood.weather && rng.one_in(3) => Action::TryAgain { room },
        12 if mood.weather => Action::List { away: rng.one_in(2) },
        13 if mood.weather => {
            // Often just before a file is to go.
            if rng.one_in(2) {
                actions.push(Action::Bucket { away: true });
                return Some(Action::Delete { tab: rng.below(TABS.len() as u64) as usize, nth: 0 });
            }
            Action::Bucket { away: rng.one_in(3) }
        }
        _ => return None,
    };
    Some(action)
}

fn asked(rng: &mut Rng) -> Asked {
    let user = rng.below(3) as usize;
    match rng.below(13) {
        11 | 12 => Asked::SlowMode { seconds: rng.of(&[0, 2, 20, 20]) },
        8 | 9 => Asked::Mute { user },
        10 => Asked::Unmute { user },
        0 | 1 => Asked::Remove { user },
        2 | 3 => Asked::Add,
        4 => Asked::Role { user, role: rng.of(&["member", "moderator", "admin"]) },
        5 => Asked::Ban { user, for_ms: rng.of(&[None, Some(1), Some(3_000), Some(20_000)]) },
        6 => Asked::Unban { user },
        _ => Asked::Topic { number: rng.below(3) },
    }
}

fn weather(rng: &mut Rng) -> PostgresFault {
    match rng.below(12) {
        0 => PostgresFault::Slow(1 + rng.below(300)),
        1 => PostgresFault::Slow(9_000),
        2 => PostgresFault::Refuses,
        3 => PostgresFault::Hangs(rng.one_in(2)),
        4 => PostgresFault::Fails(
            rng.of(&["42P01", "42P01", "28P01", "40001", "53300", "57014", "25006", "55P03"]),
        ),
        5 | 6 => PostgresFault::LosesReplies,
        7 => PostgresFault::LosesPromises,
        _ => PostgresFault::Fine,
    }
}
