//! Histories that once failed, as short as they could be made; every run begins with them. Not seeds: what a seed stands
//! for changes with the generator. Each has a mutant of its name that restores the defect (`sim/mutants`); the last ones
//! are those of mutants that thousands of seeds do not bring out.

use crate::plan::{Action, Action::*, Asked, Plan, PostgresFault};

pub struct Regression {
    /// The mutant that restores the defect.
    pub mutant: &'static str,
    pub defect: &'static str,
    actions: &'static [Action],
}

impl Regression {
    pub fn plan(&self) -> Plan {
        let (strict_limits, token_ms, legacy_tabs) = (false, 3_600_000, Vec::new());
        Plan { actions: self.actions.to_vec(), strict_limits, token_ms, legacy_tabs }
    }
}

pub const ALL: [Regression; 16] = [
    Regression {
        mutant: "set-back-forgotten",
        defect: "Postgres was restored from a backup and the room reloaded before the markers were sent again: nothing sent them",
        actions: &[
            Join { tab: 1 },
            Join { tab: 3 },
            Say { tab: 3, bytes: 20, poison: false },
            Pass { ms: 1_039 },
            SetBack { room: 0, rows: 5 },
            Read { tab: 1 },
            Pass { ms: 17 },
            Upload { tab: 0 },
            Pass { ms: 11 },
            DiskFull { ms: 846 },
            Pass { ms: 160 },
        ],
    },
    Regression {
        mutant: "told-from-nothing",
        defect: "a fault in the first load after hibernation made the room send its whole log again",
        actions: &[
            Join { tab: 9 },
            Pass { ms: 200 },
            Say { tab: 9, bytes: 20, poison: false },
            DiskFails { statements: 8 },
            Pass { ms: 32 },
            Abort,
            Pass { ms: 7_900 },
        ],
    },
    Regression {
        mutant: "connection-id-twice",
        defect: "a connection id was given twice: the late close of an old socket ended a new connection",
        actions: &[
            Join { tab: 7 },
            Join { tab: 8 },
            Burst { tab: 0, count: 4 },
            Pass { ms: 40 },
            DiskFull { ms: 591 },
            Say { tab: 8, bytes: 20, poison: false },
            Say { tab: 7, bytes: 20, poison: false },
            Say { tab: 4, bytes: 20, poison: false },
            Say { tab: 3, bytes: 20, poison: false },
            Pass { ms: 40 },
            DiskFails { statements: 12 },
            Pass { ms: 604 },
        ],
    },
    Regression {
        mutant: "ahead-uncompared",
        defect: "after a lost reply a smaller batch found Postgres ahead: a foreign row among the skipped ones was never reported",
        actions: &[
            Join { tab: 0 },
            Join { tab: 3 },
            Say { tab: 0, bytes: 5, poison: false },
            Pass { ms: 8_000 },
            Burst { tab: 0, count: 12 },
            Stranger { room: 0 },
            PostgresFault(PostgresFault::LosesReplies),
            Pass { ms: 150 },
            Say { tab: 3, bytes: 5, poison: true },
        ],
    },
    Regression {
        mutant: "alarm-trusted",
        defect: "the platform lost an alarm that the room believed in: all left, and nothing drove the outbox any more",
        actions: &[HaltsAtNight],
    },
    Regression {
        mutant: "half-open-left",
        defect: "the disk failed during an upgrade: it was refused, and the socket that was just accepted stayed open",
        actions: &[
            Join { tab: 6 },
            Pass { ms: 200 },
            DiskFails { statements: 1 },
            Join { tab: 5 },
            Pass { ms: 300 },
        ],
    },
    Regression {
        mutant: "drain-spins",
        defect: "the disk was full during a drain: the drain began anew within the same turn, for ever",
        actions: &[
            Join { tab: 0 },
            Join { tab: 2 },
            Pass { ms: 200 },
            Say { tab: 2, bytes: 5, poison: false },
            Pass { ms: 2_000 },
            DiskFull { ms: 400 },
            // A marker that moves writes nothing, but is to go to Postgres.
            Read { tab: 0 },
            Pass { ms: 1_000 },
        ],
    },
    Regression {
        mutant: "wipe-forgotten",
        defect: "the disk failed when only the tables of a deleted room were left: nothing came back to drop them",
        actions: &[
            Join { tab: 6 },
            Pass { ms: 200 },
            DiskFails { statements: 14 },
            Asks { room: 1, change: Asked::Delete },
            Pass { ms: 1_000 },
        ],
    },
    Regression {
        mutant: "gone-but-open",
        defect: "a fault ended a room's deletion before its sockets were closed: they stayed open",
        actions: &[
            Join { tab: 5 },
            Pass { ms: 100 },
            Vanish { tab: 5 },
            DiskFails { statements: 14 },
            Asks { room: 1, change: Asked::Delete },
            Pass { ms: 200 },
        ],
    },
    Regression {
        mutant: "refusal-outlived",
        defect: "a message that Postgres refuses was deleted while its batch was on the way, and was quarantined all the same",
        actions: &[
            Join { tab: 5 },
            Join { tab: 6 },
            Pass { ms: 200 },
            Say { tab: 6, bytes: 20, poison: true },
            Pass { ms: 7 },
            Say { tab: 6, bytes: 20, poison: false },
            PostgresFault(PostgresFault::Slow(237)),
            Pass { ms: 58 },
            Delete { tab: 5, nth: 1 },
        ],
    },
    Regression {
        mutant: "refresh-in-two-writings",
        defect: "a change of members was stored and its events were not: the disk failed between the two",
        actions: &[
            Upload { tab: 2 },
            Unread { tab: 7, back: 5 },
            DiskFails { statements: 2 },
            Asks { room: 0, change: Asked::Role { user: 0, role: "admin" } },
            Pass { ms: 1_209 },
        ],
    },
    Regression {
        mutant: "banned-can-be-added",
        defect: "a banned person was added by somebody who did not see the ban",
        actions: &[
            Asks { room: 1, change: Asked::Ban { user: 2, for_ms: None } },
            Asks { room: 1, change: Asked::Add },
        ],
    },
    Regression {
        mutant: "ban-without-end",
        defect: "a ban had ended, and its person could still not be added",
        actions: &[
            Asks { room: 1, change: Asked::Ban { user: 2, for_ms: Some(1_000) } },
            Pass { ms: 2_000 },
            Asks { room: 1, change: Asked::Add },
        ],
    },
    Regression {
        mutant: "plan-without-version",
        defect: "two changes at once: the second was planned over members that were no longer current",
        actions: &[
            Join { tab: 3 },
            Asks { room: 0, change: Asked::Ban { user: 0, for_ms: None } },
            Asks { room: 0, change: Asked::Mute { user: 0 } },
        ],
    },
    Regression {
        mutant: "removed-after-answer",
        defect: "a deleted room was answered while a connection was still open",
        actions: &[
            Join { tab: 0 },
            Join { tab: 1 },
            Join { tab: 2 },
            Join { tab: 3 },
            Join { tab: 6 },
            Join { tab: 7 },
            Pass { ms: 40 },
            DiskFails { statements: 19 },
            Asks { room: 1, change: Asked::Delete },
            Upload { tab: 8 },
            Upload { tab: 0 },
            Join { tab: 9 },
            Word { tab: 1, word: 0, edits: false },
            Pass { ms: 98 },
        ],
    },
    Regression {
        mutant: "slow-mode-forgotten",
        defect: "slow mode knew the last sender by memory alone",
        actions: &[
            Asks { room: 0, change: Asked::SlowMode { seconds: 20 } },
            Pass { ms: 40 },
            Join { tab: 4 },
            Word { tab: 4, word: 2, edits: false },
            Unread { tab: 3, back: 4 },
            Abort,
            Say { tab: 4, bytes: 20, poison: false },
        ],
    },
];
