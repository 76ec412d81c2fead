//! How a seed becomes a plan. Not here: what the actions do (`actions`).

use crate::plan::{Action, DEVICES, DirectAction, OwnerRequest, PEOPLE, Plan, PostgresFault, ROOMS, TABS};
use crate::rng::Rng;

/// Chosen so that the seeds of the rooms' mutants have no inbox: their histories stay as they were.
const INBOX_SALT: u64 = 0x1ad82;

/// Chosen so that in the seeds of other mutants nobody saves anything.
const SAVES_SALT: u64 = 0x5a23;
/// Chosen so that in the seeds of the mutants nobody pins anything.
const PINS_SALT: u64 = 0xa267;
/// Chosen so that in the seeds of the mutants nobody blocks anybody and nobody is deactivated.
const ACCOUNTS_SALT: u64 = 0xc1a6;

/// Which kinds of faults a run has: few at a time go deeper than all at once.
struct Kinds {
    crashes: bool,
    disk: bool,
    postgres: bool,
    people: bool,
    readers: bool,
    alarms: bool,
    losses: bool,
}

/// The plan that a seed stands for.
pub fn generate(seed: u64) -> Plan {
    let mut rng = Rng::new(seed);
    let mut flip = || rng.one_in(2);
    let kinds = Kinds {
        crashes: flip(),
        disk: flip(),
        postgres: flip(),
        people: flip(),
        readers: flip(),
        alarms: flip(),
        losses: flip(),
    };
    let count = 20 + rng.below(60);
    let mut actions: Vec<Action> = (0..TABS.len()).map(|tab| Action::Connect { tab }).collect();
    actions.push(Action::Wait { ms: 200 });
    for _ in 0..count {
        push_action(&mut rng, &kinds, &mut actions);
    }
    if kinds.people && rng.one_in(4) {
        add_room_deletion(&mut rng, &kinds, &mut actions);
    }
    // A generator of its own, so that all other histories are as without.
    let mut of_rebuilds = Rng::new(!seed);
    if kinds.losses && of_rebuilds.one_in(3) {
        add_rebuild(&mut of_rebuilds, &kinds, &mut actions);
    }
    let mut of_changes = Rng::new(seed.rotate_left(32));
    if of_changes.one_in(4) {
        add_changes_at_once(&mut of_changes, &mut actions);
    }
    let mut of_reloads = Rng::new(seed.rotate_left(16));
    if of_reloads.one_in(3) {
        add_reloads(&mut of_reloads, &mut actions);
    }
    let mut of_inboxes = Rng::new(seed ^ INBOX_SALT);
    let has_inboxes = of_inboxes.one_in(3);
    if has_inboxes {
        add_inboxes(&mut of_inboxes, &kinds, &mut actions);
    }
    let mut of_saves = Rng::new(seed ^ SAVES_SALT);
    if has_inboxes && of_saves.one_in(3) {
        add_saves(&mut of_saves, &mut actions);
    }
    let mut of_pins = Rng::new(seed ^ PINS_SALT);
    if of_pins.one_in(5) {
        add_pins(&mut of_pins, &mut actions);
    }
    let mut of_accounts = Rng::new(seed ^ ACCOUNTS_SALT);
    let has_accounts = of_accounts.one_in(6);
    if has_accounts {
        add_accounts(&mut of_accounts, &kinds, &mut actions);
    }
    let token_ms = if rng.one_in(4) { 5_000 + rng.below(30_000) } else { 3_600_000 };
    let legacy_tabs = if rng.one_in(4) { vec![2, 6] } else { Vec::new() };
    let strict_limits = rng.one_in(8);
    if strict_limits {
        // At the contract's rate hundreds of messages would take minutes.
        actions.retain(|action| !matches!(action, Action::Burst { count: 30.., .. }));
        // Last, so that all before it is as without.
        actions.extend([Action::ReadPages { tab: 2, count: 50 }, Action::Wait { ms: 400 }]);
    }
    Plan { actions, strict_limits, token_ms, legacy_tabs, has_inboxes, has_accounts }
}

fn push_action(rng: &mut Rng, kinds: &Kinds, actions: &mut Vec<Action>) {
    let tab = rng.below(TABS.len() as u64) as usize;
    let room = TABS[tab].0;
    let next = match rng.below(30) {
        0..=5 => {
            let bytes = if kinds.readers && rng.one_in(3) { 3_000 } else { 20 };
            Action::SendMessage { tab, bytes, poison: kinds.postgres && rng.one_in(30) }
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
        10 => Action::Connect { tab },
        11 if kinds.readers => match rng.below(4) {
            0 => Action::Vanish { tab },
            1 => Action::Reading { tab, reads: true },
            _ => Action::Reading { tab, reads: false },
        },
        11 | 12 if rng.one_in(2) => Action::Disconnect { tab },
        13 | 14 => fault(rng, kinds, room, actions).unwrap_or(Action::Wait { ms: 40 }),
        15 if kinds.postgres => Action::PostgresFault(postgres_fault(rng)),
        20 | 21 => Action::Reply { tab, nth: rng.below(6) as usize },
        22 | 23 => Action::Edit {
            tab,
            nth: rng.below(4) as usize,
            based: rng.one_in(2),
            poison: kinds.postgres && rng.one_in(20),
        },
        24 => Action::Delete { tab, nth: rng.below(6) as usize },
        26 | 27 => Action::Upload { tab },
        28 => Action::ModeratedWord { tab, word: rng.below(3) as usize, edits: rng.one_in(3) },
        29 => Action::Report { tab, nth: rng.below(4) as usize },
        25 => Action::MarkUnread { tab, back: 1 + rng.below(5) },
        _ => {
            let far = [15, 45, 200, 1_500, 12_000];
            Action::Wait { ms: 1 + rng.below(rng.clone().pick(&far)) }
        }
    };
    actions.push(next);
}

/// The second room's owner deletes it in the later half of the run, and often a fault comes just then.
fn add_room_deletion(rng: &mut Rng, kinds: &Kinds, actions: &mut Vec<Action>) {
    const ROOM: usize = 1;
    let half = actions.len() / 2;
    let at = half + rng.below(half as u64) as usize;
    let before = match rng.below(4) {
        0 if kinds.crashes => Action::Kill { effects: 1 + rng.below(30) as u32 },
        1 if kinds.disk => Action::DiskFails { statements: 1 + rng.below(20) as u32 },
        2 => Action::Upload { tab: 5 },
        _ => Action::Wait { ms: 1 },
    };
    actions.splice(at..at, [before, Action::Request { room: ROOM, request: OwnerRequest::Delete }]);
    // Nobody connects to a deleted room again, and only that would make up for a lost alarm.
    let lost = [Action::AlarmLost { room: ROOM }, Action::FinalHalt];
    actions.retain(|action| !lost.contains(action));
}

/// A room with several pages in Postgres loses its storage in the later half of the run. People connect while it is being
/// rebuilt, and it is often disturbed.
fn add_rebuild(rng: &mut Rng, kinds: &Kinds, actions: &mut Vec<Action>) {
    let tab = rng.below(TABS.len() as u64) as usize;
    let room = TABS[tab].0;
    let half = actions.len() / 2;
    let at = half + rng.below(half as u64) as usize;
    let burst = Action::Burst { tab, count: 8 + rng.below(24) as usize };
    let fine = Action::PostgresFault(PostgresFault::Fine);
    let mut added =
        vec![fine, Action::Connect { tab }, Action::Wait { ms: 1_000 }, burst, Action::Wait { ms: 20_000 }];
    added.push(Action::LoseStorage { room });
    for _ in 0..rng.below(5) {
        added.push(match rng.below(8) {
            0 | 1 if kinds.crashes => Action::Kill { effects: 20 + rng.below(120) as u32 },
            2 if kinds.crashes => Action::Abort,
            3 if kinds.disk => Action::DiskFails { statements: 1 + rng.below(60) as u32 },
            4 if kinds.disk => Action::Panic { statements: 1 + rng.below(60) as u32 },
            5 | 6 if kinds.postgres => Action::PostgresFault(postgres_fault(rng)),
            _ => Action::Hibernate { room },
        });
        added.extend([
            Action::Disconnect { tab },
            Action::Connect { tab },
            Action::Wait { ms: rng.below(40) },
        ]);
        if rng.one_in(3) {
            added.push(Action::Wait { ms: rng.below(25_000) });
        }
    }
    actions.splice(at..at, added);
}

/// Somebody sends large messages, and several load their page again, some without reading.
fn add_reloads(rng: &mut Rng, actions: &mut Vec<Action>) {
    let tab = rng.below(TABS.len() as u64) as usize;
    let half = actions.len() / 2;
    let at = half + rng.below(half as u64) as usize;
    let large = Action::SendMessage { tab, bytes: 3_000, poison: false };
    let mut added = vec![large; rng.below(8) as usize];
    added.push(Action::Wait { ms: 1 + rng.below(2_000) });
    for other in (0..TABS.len()).filter(|other| TABS[*other].0 == TABS[tab].0) {
        if rng.one_in(2) {
            added.push(Action::Reload { tab: other });
        }
        if rng.one_in(4) {
            added.extend([Action::Wait { ms: 45 }, Action::Reading { tab: other, reads: false }]);
        }
    }
    actions.splice(at..at, added);
}

/// The owner makes many changes at once, after the faults of before have ended.
fn add_changes_at_once(rng: &mut Rng, actions: &mut Vec<Action>) {
    let room = rng.below(2) as usize;
    let at = rng.below(actions.len() as u64) as usize;
    let fine = Action::PostgresFault(PostgresFault::Fine);
    let changes = Action::TopicsAtOnce { room, count: 2 + rng.below(7) };
    actions.splice(at..at, [fine, Action::Wait { ms: 45_000 }, changes]);
}

/// Messages are pinned and unpinned all the while, and pinned ones deleted.
fn add_pins(rng: &mut Rng, actions: &mut Vec<Action>) {
    let tab = rng.below(TABS.len() as u64) as usize;
    for _ in 0..4 + rng.below(10) {
        let nth = rng.below(5) as usize;
        let at = rng.below(actions.len() as u64 + 1) as usize;
        let added = match rng.below(6) {
            0 => Action::Delete { tab, nth },
            1 => Action::Pin { tab, nth, pin: false },
            2 => Action::Pin { tab: rng.below(TABS.len() as u64) as usize, nth, pin: true },
            _ => Action::Pin { tab, nth, pin: true },
        };
        actions.insert(at, added);
    }
}

/// Two people of a direct room: the one blocks the other, who is deactivated now and then and goes on all the while.
fn add_accounts(rng: &mut Rng, kinds: &Kinds, actions: &mut Vec<Action>) {
    for _ in 0..8 + rng.below(16) {
        let at = rng.below(actions.len() as u64 + 1) as usize;
        let mut added = vec![Action::Direct(match rng.below(12) {
            0 | 1 => DirectAction::Block { blocks: true },
            2 => DirectAction::Block { blocks: false },
            3 | 4 => DirectAction::Deactivate { deactivates: true },
            5 => DirectAction::Deactivate { deactivates: false },
            6 => DirectAction::Connect { inbox: true },
            7 => DirectAction::Connect { inbox: false },
            8 => DirectAction::Hibernate,
            _ => DirectAction::Post,
        })];
        match rng.below(8) {
            0 if kinds.crashes => added.insert(0, Action::Kill { effects: 1 + rng.below(12) as u32 }),
            1 if kinds.disk => added.insert(0, Action::DiskFails { statements: 1 + rng.below(12) as u32 }),
            2 | 3 => added.push(Action::Direct(DirectAction::Post)),
            _ => {}
        }
        actions.splice(at..at, added);
    }
}

/// Devices with an inbox connect at the beginning, and take part in what happens.
fn add_inboxes(rng: &mut Rng, kinds: &Kinds, actions: &mut Vec<Action>) {
    let count = 3 + rng.below(12);
    for _ in 0..count {
        let at = rng.below(actions.len() as u64 + 1) as usize;
        actions.insert(at, inbox_action(rng, kinds));
    }
    actions.splice(0..0, (0..DEVICES.len()).map(|device| Action::ConnectDevice { device }));
}

/// People save messages, on any device.
fn add_saves(rng: &mut Rng, actions: &mut Vec<Action>) {
    for _ in 0..2 + rng.below(6) {
        let at = rng.below(actions.len() as u64 + 1) as usize;
        let (device, room) = (rng.below(DEVICES.len() as u64) as usize, 2 * rng.below(2) as usize);
        actions.insert(at, Action::Save { device, room, saves: !rng.one_in(3) });
    }
}

fn inbox_action(rng: &mut Rng, kinds: &Kinds) -> Action {
    let device = rng.below(DEVICES.len() as u64) as usize;
    match rng.below(10) {
        0 => Action::DisconnectDevice { device },
        1 if kinds.readers => Action::VanishDevice { device },
        2 => Action::HibernateInbox { device },
        3 if kinds.losses && rng.one_in(3) => Action::LoseInboxStorage { device },
        3 if kinds.losses => Action::LoseLease { device },
        4 | 7 => {
            let room = 2 * rng.below(2) as usize;
            Action::WriteDraft { device, room, back: rng.one_in(4) }
        }
        5 | 6 => Action::ReadInList { device, room: rng.below(ROOMS.len() as u64) as usize },
        _ => Action::ConnectDevice { device },
    }
}

fn fault(rng: &mut Rng, kinds: &Kinds, room: usize, actions: &mut Vec<Action>) -> Option<Action> {
    let action = match rng.below(16) {
        14 | 15 if kinds.people => Action::Request { room, request: owner_request(rng) },
        0 | 1 if kinds.crashes => Action::Kill { effects: 1 + rng.below(40) as u32 },
        2 if kinds.crashes => rng.pick(&[Action::Abort, Action::Deploy]),
        2 | 3 => Action::Hibernate { room },
        4 if kinds.disk => Action::Panic { statements: 1 + rng.below(20) as u32 },
        5 if kinds.disk && rng.one_in(3) => Action::DiskFull { ms: 50 + rng.below(4_000) },
        5 if kinds.disk => Action::DiskFails { statements: 1 + rng.below(20) as u32 },
        6 if kinds.people => {
            let user = rng.below(3) as usize;
            // Often one of the removed person's tabs is closing at that moment.
            if rng.one_in(2) {
                let tabs =
                    TABS.iter().enumerate().filter(|(_, tab)| tab.0 == room && tab.1 == PEOPLE[user + 1]);
                actions.extend(tabs.take(1).map(|(tab, _)| Action::Disconnect { tab }));
            }
            Action::RemoveInPostgres { room, user }
        }
        7 if kinds.people && rng.one_in(3) => Action::AddAllInPostgres { room },
        7 if kinds.people => {
            // Two at once race.
            if rng.one_in(2) {
                actions.push(Action::Request { room, request: owner_request(rng) });
            }
            Action::Request { room, request: owner_request(rng) }
        }
        8 if kinds.alarms => rng.pick(&[
            Action::AlarmTwice { room },
            Action::AlarmLost { room },
            Action::AlarmLate { room, ms: 20_000 },
            Action::FinalHalt,
        ]),
        9 if kinds.losses => match rng.below(4) {
            0 => Action::LoseRoom { room },
            1 => Action::LoseChanges { room, changes: 1 + rng.below(3) as usize },
            _ => Action::RestoreBackup { room, rows: 1 + rng.below(6) },
        },
        10 if kinds.losses && rng.one_in(3) => Action::LoseStorage { room },
        11 if kinds.losses && rng.one_in(3) => Action::InsertForeignRow { room },
        12 if kinds.postgres && rng.one_in(3) => Action::RetryQuarantined { room },
        12 if kinds.postgres => Action::AlertList { unavailable: rng.one_in(2) },
        13 if kinds.postgres => {
            // Often just before a file is to be removed.
            if rng.one_in(2) {
                actions.push(Action::Bucket { unavailable: true });
                return Some(Action::Delete { tab: rng.below(TABS.len() as u64) as usize, nth: 0 });
            }
            Action::Bucket { unavailable: rng.one_in(3) }
        }
        _ => return None,
    };
    Some(action)
}

fn owner_request(rng: &mut Rng) -> OwnerRequest {
    let user = rng.below(3) as usize;
    match rng.below(13) {
        11 | 12 => OwnerRequest::SlowMode { seconds: rng.pick(&[0, 2, 20, 20]) },
        8 | 9 => OwnerRequest::Mute { user },
        10 => OwnerRequest::Unmute { user },
        0 | 1 => OwnerRequest::Remove { user },
        2 | 3 => OwnerRequest::Add,
        4 => OwnerRequest::Role { user, role: rng.pick(&["member", "moderator", "admin"]) },
        5 => OwnerRequest::Ban { user, for_ms: rng.pick(&[None, Some(1), Some(3_000), Some(20_000)]) },
        6 => OwnerRequest::Unban { user },
        _ => OwnerRequest::Topic { number: rng.below(3) },
    }
}

fn postgres_fault(rng: &mut Rng) -> PostgresFault {
    match rng.below(12) {
        0 => PostgresFault::Slow(1 + rng.below(300)),
        1 => PostgresFault::Slow(9_000),
        2 => PostgresFault::Refuses,
        3 => PostgresFault::Hangs(rng.one_in(2)),
        4 => PostgresFault::Fails(
            rng.pick(&["42P01", "42P01", "28P01", "40001", "53300", "57014", "25006", "55P03"]),
        ),
        5 | 6 => PostgresFault::LosesReplies,
        7 => PostgresFault::LosesPromises,
        _ => PostgresFault::Fine,
    }
}
