//! Histories that once failed, as short as they could be made; every run begins with them. Not seeds: what a seed stands
//! for changes with the generator. Each has a mutant that brings its defect back; the last ones are those of mutants that
//! thousands of seeds pass by.

use crate::plan::{Action, Action::*, Asked, Plan};
use crate::postgres::PostgresFault;
use chinwag::mutants::Mutant;

/// The defect, what brings it back, and the history.
pub fn all() -> Vec<(&'static str, Mutant, Plan)> {
    vec![
        (
            "Postgres set back, and memory lost before the markers had gone again: nobody knew that they must",
            Mutant::SetBackForgotten,
            plan(&[
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
            ]),
        ),
        (
            "a fault in the first load after hibernation told the whole log again",
            Mutant::ToldFromNothing,
            plan(&[
                Join { tab: 9 },
                Pass { ms: 200 },
                Say { tab: 9, bytes: 20, poison: false },
                DiskFails { statements: 8 },
                Pass { ms: 32 },
                Abort,
                Pass { ms: 7_900 },
            ]),
        ),
        (
            "a connection id given twice: the late close of an old socket ended a new connection",
            Mutant::ConnectionIdTwice,
            plan(&[
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
            ]),
        ),
        (
            "a lost reply, then a smaller batch: a stranger's row in what Postgres had taken was never told",
            Mutant::AheadUncompared,
            plan(&[
                Join { tab: 0 },
                Join { tab: 3 },
                Say { tab: 0, bytes: 5, poison: false },
                Pass { ms: 8_000 },
                Burst { tab: 0, count: 12 },
                Stranger { room: 0 },
                PostgresFault(PostgresFault::LosesReplies),
                Pass { ms: 150 },
                Say { tab: 3, bytes: 5, poison: true },
            ]),
        ),
        (
            "a lost alarm that memory still believed in: everybody left, and nothing drove the outbox any more",
            Mutant::AlarmTrusted,
            plan(&[HaltsAtNight]),
        ),
        (
            "the disk failed while somebody came in: refused, and the socket that was just accepted stayed open for ever",
            Mutant::HalfOpenLeft,
            plan(&[
                Join { tab: 6 },
                Pass { ms: 200 },
                DiskFails { statements: 1 },
                Join { tab: 5 },
                Pass { ms: 300 },
            ]),
        ),
        (
            "a full disk under a drain: it began anew within the same turn, for ever",
            Mutant::DrainSpins,
            plan(&[
                Join { tab: 0 },
                Join { tab: 2 },
                Pass { ms: 200 },
                Say { tab: 2, bytes: 5, poison: false },
                Pass { ms: 2_000 },
                DiskFull { ms: 400 },
                // A marker that moves writes nothing, but is to go to Postgres.
                Read { tab: 0 },
                Pass { ms: 1_000 },
            ]),
        ),
        (
            "the disk failed when all of a deleted room was gone but its tables: nobody ever came to drop them",
            Mutant::WipeForgotten,
            plan(&[
                Join { tab: 6 },
                Pass { ms: 200 },
                DiskFails { statements: 14 },
                Asks { room: 1, change: Asked::Delete },
                Pass { ms: 1_000 },
            ]),
        ),
        (
            "a fault ended a room's deletion before its sockets were closed, and they stayed open for ever",
            Mutant::GoneButOpen,
            plan(&[
                Join { tab: 5 },
                Pass { ms: 100 },
                Vanish { tab: 5 },
                DiskFails { statements: 14 },
                Asks { room: 1, change: Asked::Delete },
                Pass { ms: 200 },
            ]),
        ),
        (
            "a message that Postgres refuses was deleted while it was on the way, and set aside all the same",
            Mutant::RefusalOutlived,
            plan(&[
                Join { tab: 5 },
                Join { tab: 6 },
                Pass { ms: 200 },
                Say { tab: 6, bytes: 20, poison: true },
                Pass { ms: 7 },
                Say { tab: 6, bytes: 20, poison: false },
                PostgresFault(PostgresFault::Slow(237)),
                Pass { ms: 58 },
                Delete { tab: 5, nth: 1 },
            ]),
        ),
        (
            "a change of members was taken over, and its events were not: the disk failed between the two",
            Mutant::RefreshInTwoWritings,
            plan(&[
                Upload { tab: 2 },
                Unread { tab: 7, back: 5 },
                DiskFails { statements: 2 },
                Asks { room: 0, change: Asked::Role { user: 0, role: "admin" } },
                Pass { ms: 1_209 },
            ]),
        ),
        (
            "somebody banned was added by one who didn't see the ban",
            Mutant::BannedCanBeAdded,
            plan(&[
                Asks { room: 1, change: Asked::Ban { user: 2, for_ms: None } },
                Asks { room: 1, change: Asked::Add },
            ]),
        ),
        (
            "a ban had ended, and who had been banned could still not be added",
            Mutant::BanWithoutEnd,
            plan(&[
                Asks { room: 1, change: Asked::Ban { user: 2, for_ms: Some(1_000) } },
                Pass { ms: 2_000 },
                Asks { room: 1, change: Asked::Add },
            ]),
        ),
        (
            "two changes at once: the second was planned over members that were no longer so",
            Mutant::PlanWithoutVersion,
            plan(&[
                Join { tab: 3 },
                Asks { room: 0, change: Asked::Ban { user: 0, for_ms: None } },
                Asks { room: 0, change: Asked::Mute { user: 0 } },
            ]),
        ),
        (
            "the room was gone by its answer, and somebody still listened",
            Mutant::RemovedAfterAnswer,
            plan(&[
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
            ]),
        ),
        (
            "slow mode knew who had spoken by memory alone",
            Mutant::SlowModeForgotten,
            plan(&[
                Asks { room: 0, change: Asked::SlowMode { seconds: 20 } },
                Pass { ms: 40 },
                Join { tab: 4 },
                Word { tab: 4, word: 2, edits: false },
                Unread { tab: 3, back: 4 },
                Abort,
                Say { tab: 4, bytes: 20, poison: false },
            ]),
        ),
    ]
}

fn plan(actions: &[Action]) -> Plan {
    Plan { actions: actions.to_vec(), strict_limits: false, token_ms: 3_600_000, seed_tabs: Vec::new() }
}
