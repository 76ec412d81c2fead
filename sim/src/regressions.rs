//! Histories that once failed, as short as they could be made; every run begins with them. Not seeds: what a seed
//! stands for changes with the generator. Each has a mutant of its name that restores the defect (`sim/mutants`); the
//! last ones are those of mutants that thousands of seeds do not bring out.

use crate::plan::{Action, Action::*, OwnerRequest, Plan, PostgresFault};

pub struct Regression {
    /// The mutant that restores the defect.
    pub mutant: &'static str,
    pub defect: &'static str,
    /// The contract's rate limits; else practically none.
    strict_limits: bool,
    actions: &'static [Action],
}

impl Regression {
    pub fn plan(&self) -> Plan {
        let (actions, strict_limits) = (self.actions.to_vec(), self.strict_limits);
        Plan {
            actions,
            strict_limits,
            token_ms: 3_600_000,
            legacy_tabs: Vec::new(),
            has_inboxes: false,
            has_accounts: false,
        }
    }
}

pub const ALL: [Regression; 24] = [
    Regression {
        mutant: "restored-backup-not-stored",
        defect: "Postgres was restored from a backup and the room reloaded before the markers were sent again: nothing sent them",
        strict_limits: false,
        actions: &[
            Connect { tab: 1 },
            Connect { tab: 3 },
            SendMessage { tab: 3, bytes: 20, poison: false },
            Wait { ms: 1_039 },
            Read { tab: 1 },
            Wait { ms: 42_000 },
            RestoreBackup { room: 0, rows: 5 },
            SendMessage { tab: 3, bytes: 20, poison: false },
            Wait { ms: 325 },
            Abort,
            Wait { ms: 160 },
        ],
    },
    Regression {
        mutant: "recovery-from-seq-0",
        defect: "a fault in the first load after hibernation made the room send its whole log again",
        strict_limits: false,
        actions: &[
            Connect { tab: 9 },
            Wait { ms: 200 },
            SendMessage { tab: 9, bytes: 20, poison: false },
            DiskFails { statements: 8 },
            Wait { ms: 32 },
            Abort,
            Wait { ms: 7_900 },
        ],
    },
    Regression {
        mutant: "ahead-not-compared",
        defect: "after a lost reply a smaller batch found Postgres ahead: a foreign row among the skipped ones was never reported",
        strict_limits: false,
        actions: &[
            Connect { tab: 0 },
            Connect { tab: 3 },
            SendMessage { tab: 0, bytes: 5, poison: false },
            Wait { ms: 8_000 },
            Burst { tab: 0, count: 12 },
            InsertForeignRow { room: 0 },
            PostgresFault(PostgresFault::LosesReplies),
            Wait { ms: 350 },
            SendMessage { tab: 3, bytes: 5, poison: true },
        ],
    },
    Regression {
        mutant: "refused-socket-left-open",
        defect: "the disk failed during an upgrade: it was refused, and the socket that was just accepted stayed open",
        strict_limits: false,
        actions: &[
            Connect { tab: 6 },
            Wait { ms: 200 },
            DiskFails { statements: 1 },
            Connect { tab: 5 },
            Wait { ms: 300 },
        ],
    },
    Regression {
        mutant: "drain-spins",
        defect: "the disk was full during a drain: the drain began anew within the same turn, for ever",
        strict_limits: false,
        actions: &[
            Connect { tab: 0 },
            Connect { tab: 2 },
            Wait { ms: 200 },
            SendMessage { tab: 2, bytes: 5, poison: false },
            Wait { ms: 32_000 },
            // A marker that moves writes nothing, but goes to Postgres 30 s later.
            Read { tab: 0 },
            Wait { ms: 29_900 },
            DiskFull { ms: 400 },
            Wait { ms: 1_000 },
        ],
    },
    Regression {
        mutant: "wipe-not-retried",
        defect: "the disk failed when only the tables of a deleted room were left: nothing came back to drop them",
        strict_limits: false,
        actions: &[
            Connect { tab: 6 },
            Wait { ms: 110 },
            DiskFails { statements: 32 },
            Request { room: 1, request: OwnerRequest::Delete },
            Wait { ms: 1_520 },
        ],
    },
    Regression {
        mutant: "deleted-room-keeps-sockets",
        defect: "a fault ended a room's deletion before its sockets were closed: they stayed open",
        strict_limits: false,
        actions: &[
            Connect { tab: 5 },
            Wait { ms: 50 },
            Vanish { tab: 5 },
            DiskFails { statements: 32 },
            Request { room: 1, request: OwnerRequest::Delete },
            Wait { ms: 70 },
        ],
    },
    Regression {
        mutant: "changed-row-quarantined",
        defect: "a message that Postgres refuses was deleted while its batch was on the way, and was quarantined all the same",
        strict_limits: false,
        actions: &[
            Connect { tab: 5 },
            Connect { tab: 6 },
            Wait { ms: 200 },
            SendMessage { tab: 6, bytes: 20, poison: true },
            Wait { ms: 7 },
            SendMessage { tab: 6, bytes: 20, poison: false },
            PostgresFault(PostgresFault::Slow(237)),
            Wait { ms: 1_092 },
            Delete { tab: 5, nth: 1 },
        ],
    },
    Regression {
        mutant: "turn-without-budget",
        defect: "a full disk failed hundreds of frames in one turn: what the refusals had queued was judged as a backlog",
        strict_limits: false,
        actions: &[
            Connect { tab: 5 },
            Wait { ms: 984 },
            DiskFull { ms: 4_041 },
            Burst { tab: 5, count: 550 },
            Wait { ms: 4_245 },
        ],
    },
    Regression {
        mutant: "refresh-in-two-transactions",
        defect: "a change of members was stored and its events were not: the disk failed between the two",
        strict_limits: false,
        actions: &[
            Upload { tab: 2 },
            MarkUnread { tab: 7, back: 5 },
            DiskFails { statements: 2 },
            Request { room: 0, request: OwnerRequest::Role { user: 0, role: "admin" } },
            Wait { ms: 1_209 },
        ],
    },
    Regression {
        mutant: "banned-can-be-added",
        defect: "a banned person was added by somebody who did not see the ban",
        strict_limits: false,
        actions: &[
            Request { room: 1, request: OwnerRequest::Ban { user: 2, for_ms: None } },
            Request { room: 1, request: OwnerRequest::Add },
        ],
    },
    Regression {
        mutant: "ban-without-end",
        defect: "a ban had ended, and its person could still not be added",
        strict_limits: false,
        actions: &[
            Request { room: 1, request: OwnerRequest::Ban { user: 2, for_ms: Some(1_000) } },
            Wait { ms: 2_000 },
            Request { room: 1, request: OwnerRequest::Add },
        ],
    },
    Regression {
        mutant: "plan-without-version",
        defect: "somebody was removed past the room while a change of them was on its way to Postgres",
        strict_limits: false,
        actions: &[
            Connect { tab: 3 },
            Wait { ms: 200 },
            PostgresFault(PostgresFault::Slow(1_000)),
            Request { room: 0, request: OwnerRequest::Mute { user: 0 } },
            Wait { ms: 1_500 },
            PostgresFault(PostgresFault::Fine),
            RemoveInPostgres { room: 0, user: 0 },
        ],
    },
    Regression {
        mutant: "removed-after-answer",
        defect: "a deleted room was answered while a connection was still open",
        strict_limits: false,
        actions: &[
            Connect { tab: 0 },
            Connect { tab: 1 },
            Connect { tab: 2 },
            Connect { tab: 3 },
            Connect { tab: 6 },
            Connect { tab: 7 },
            Wait { ms: 40 },
            DiskFails { statements: 19 },
            Request { room: 1, request: OwnerRequest::Delete },
            Upload { tab: 8 },
            Upload { tab: 0 },
            Connect { tab: 9 },
            ModeratedWord { tab: 1, word: 0, edits: false },
            Wait { ms: 98 },
        ],
    },
    Regression {
        mutant: "slow-mode-from-memory",
        defect: "slow mode knew the last sender by memory alone",
        strict_limits: false,
        actions: &[
            Request { room: 0, request: OwnerRequest::SlowMode { seconds: 20 } },
            Wait { ms: 40 },
            Connect { tab: 4 },
            ModeratedWord { tab: 4, word: 2, edits: false },
            MarkUnread { tab: 3, back: 4 },
            Abort,
            SendMessage { tab: 4, bytes: 20, poison: false },
        ],
    },
    Regression {
        mutant: "rates-forgotten",
        defect: "after the room was loaded again everybody's bucket was full",
        strict_limits: true,
        actions: &[
            Connect { tab: 2 },
            Wait { ms: 200 },
            Burst { tab: 2, count: 10 },
            Wait { ms: 100 },
            Abort,
            Burst { tab: 2, count: 10 },
            Wait { ms: 500 },
        ],
    },
    Regression {
        mutant: "pages-without-rate",
        defect: "pages were not charged to their own bucket",
        strict_limits: true,
        actions: &[Connect { tab: 2 }, Wait { ms: 200 }, ReadPages { tab: 2, count: 50 }, Wait { ms: 500 }],
    },
    Regression {
        mutant: "refusal-without-time",
        defect: "whoever was too fast was not told when to come again",
        strict_limits: true,
        actions: &[Connect { tab: 2 }, Wait { ms: 200 }, Burst { tab: 2, count: 12 }, Wait { ms: 500 }],
    },
    Regression {
        mutant: "silent-socket-is-present",
        defect: "a person counted as present as long as the room had a socket of theirs",
        strict_limits: false,
        actions: &[
            Connect { tab: 7 },
            Connect { tab: 8 },
            Wait { ms: 200 },
            Vanish { tab: 7 },
            Disconnect { tab: 7 },
            Wait { ms: 45_000 },
            SendMessage { tab: 8, bytes: 20, poison: false },
            Wait { ms: 10_000 },
        ],
    },
    Regression {
        mutant: "last-change-first",
        defect: "of the changes that waited the last one was made first",
        strict_limits: false,
        actions: &[Connect { tab: 0 }, Wait { ms: 200 }, TopicsAtOnce { room: 0, count: 8 }],
    },
    Regression {
        mutant: "second-change-refused",
        defect: "a change was refused while another one waited",
        strict_limits: false,
        actions: &[Connect { tab: 0 }, Wait { ms: 200 }, TopicsAtOnce { room: 0, count: 8 }],
    },
    Regression {
        mutant: "alarm-awaits-drain",
        defect: "the alarm came while Postgres lost every promise: it waited for its drain, and no later alarm came",
        strict_limits: false,
        actions: &[
            Connect { tab: 0 },
            SendMessage { tab: 0, bytes: 5, poison: false },
            Wait { ms: 32_000 },
            PostgresFault(PostgresFault::LosesPromises),
            SendMessage { tab: 0, bytes: 5, poison: false },
            // The batch of the message is given up, and the alarm's is lost as well.
            Wait { ms: 40_000 },
            PostgresFault(PostgresFault::Fine),
            Wait { ms: 1_000 },
        ],
    },
    Regression {
        mutant: "planner-of-nothing",
        defect: "a planner lost its promise with the changes of others: each of them planned what nobody asked for, again and again within one turn",
        strict_limits: false,
        actions: &[
            Connect { tab: 5 },
            Wait { ms: 5_000 },
            // Both go back into the queue, and into the next statement together.
            PostgresFault(PostgresFault::LosesReplies),
            Request { room: 1, request: OwnerRequest::Topic { number: 0 } },
            Request { room: 1, request: OwnerRequest::SlowMode { seconds: 0 } },
            Wait { ms: 105 },
            PostgresFault(PostgresFault::LosesPromises),
            Wait { ms: 30_000 },
            PostgresFault(PostgresFault::Fine),
        ],
    },
    Regression {
        mutant: "alarm-at-now",
        defect: "the alarm of a message was set to the present instant, and never came",
        strict_limits: false,
        actions: &[
            Connect { tab: 0 },
            PostgresFault(PostgresFault::Refuses),
            SendMessage { tab: 0, bytes: 5, poison: false },
            Wait { ms: 100 },
            Kill { effects: 0 },
            Wait { ms: 1_000 },
        ],
    },
];
