//! The end of a run: the faults are over. Within a bounded time every client has every event, Postgres equals the log,
//! and nothing keeps an idle room awake. Not here: what is checked meanwhile (`client_checks`), the checks of a log
//! (`log_checks`).

use crate::accounts::check_accounts;
use crate::deletion_checks::nothing_is_left;
use crate::files::files_are_complete;
use crate::history_checks::log_equals_history;
use crate::inbox_checks::{check_inboxes, check_inboxes_at_rest};
use crate::log_checks::*;
use crate::people::member_events_agree;
use crate::pins::{client_agrees, pins_agree};
use crate::plan::{Action, PostgresFault, ROOMS, TABS};
use crate::rate_checks::messages_keep_their_rate;
use crate::rules::audit_log_is_complete;
use crate::stored::{floor, head, log, state, user_of};
use crate::world::World;
use crate::world::checker::Checker;
use crate::world::clients::Tab;
use crate::world::operation::Operation;
use chinwag::limits::{ALARM_DELAY_MS, MARKERS_WAIT_MS, UPLOAD_UNSENT_MS};
use chinwag::room::ConnectionId;
use std::collections::BTreeSet;
use std::rc::Rc;

/// Virtual time in which everything must recover: two tries of a halted outbox, and a batch that hangs.
const RECOVERED_WITHIN_MS: u64 = 150_000;

/// A request that was under way, each of its statements as slow as can be.
const SETTLED_WITHIN_MS: u64 = 60_000;

/// A tab of each room.
const FIRST_TABS: [usize; 3] = [0, 5, 7];
/// The only tab of its person in the first room.
const LEAVING_TAB: usize = 2;
/// A batch, with all that it waits for while Postgres is healthy.
const MARKERS_SETTLE_MS: u64 = 2_000;

pub fn check_recovery(world: &Rc<World>) {
    world.recorder.trace(|| "(the faults are over)".into());
    end_faults(world);
    reconnect_all(world);
    check_accounts(world);
    check_inboxes(world);
    check_markers_in_time(world);
    disconnect_all(world);
    for room in 0..ROOMS.len() {
        match world.backends.is_deleted(room) {
            true => {
                let result = nothing_is_left(world, room);
                world.recorder.check(|| format!("room {room} is deleted"), result);
            }
            false => check_room(world, room),
        }
    }
    check_inboxes_at_rest(world);
}

/// The tabs of rooms that are not deleted.
fn tabs(world: &World) -> Vec<usize> {
    (0..TABS.len()).filter(|tab| !world.backends.is_deleted(TABS[*tab].0)).collect()
}

fn end_faults(world: &Rc<World>) {
    world.faults.end_all();
    // An abort in the middle of an alarm blocks all later ones of that object, until the platform restarts it.
    if world.hosts.all().iter().any(|host| host.alarm_aborted.get()) {
        world.kill_process();
    }
    // What was requested is done, or never will be, late statements included.
    world.advance(SETTLED_WITHIN_MS);
    // Before they are tried again, which would hide a row that was quarantined without reason.
    for room in world.backends.existing_rooms() {
        if let Err((checker, what)) = quarantine_is_justified(world, room) {
            world.recorder.violation(checker, what);
        }
    }
    // After a restore the operator has each room look at what Postgres has.
    world.backends.existing_rooms().into_iter().for_each(|room| world.retry_quarantined(room));
    world.advance(SETTLED_WITHIN_MS);
    world.end_mutes();
    world.end_slow_modes();
    world.backends.existing_rooms().into_iter().for_each(|room| world.add_all_in_postgres(room));
}

/// Everybody connects and sends again as a client does, until all is acked.
fn reconnect_all(world: &Rc<World>) {
    for tab in tabs(world) {
        if let Some(socket) = world.clients.socket(tab) {
            world.set_reading(&socket, true);
        }
        world.clients.tab_mut(tab).wants_connection = true;
        world.drive_tab(tab);
    }
    for _ in 0..RECOVERED_WITHIN_MS / 5_000 {
        world.advance(5_000);
        world.check_frames_answered();
        tabs(world).into_iter().for_each(|tab| world.drive_tab(tab));
        let is_done = |tab: &Tab| {
            world.backends.is_deleted(tab.room) || (tab.pending.is_empty() && (tab.bot || tab.is_live()))
        };
        if world.clients.all().iter().all(is_done) {
            break;
        }
    }
}

/// A last message in each room while Postgres is unavailable; then all leave, and no client drives the outbox.
fn disconnect_all(world: &Rc<World>) {
    check_recovered(world);
    let halts = world.faults.final_halt.get();
    let fault = if halts { PostgresFault::Fails("42P01") } else { PostgresFault::Refuses };
    world.faults.postgres.set(fault);
    for tab in FIRST_TABS.into_iter().filter(|tab| tabs(world).contains(tab)) {
        let content = world.unique_content("xxxxx");
        world.send_operation(tab, Operation::Message { content, thread: None });
    }
    world.advance(2_000);
    check_heads(world);
    check_connected(world);
    if halts {
        // An alarm that was set a moment ago is trusted; the loss of a later one, with nobody connected, has no cure.
        world.advance(2 * ALARM_DELAY_MS);
        let rooms = world.hosts.all().into_iter().filter(|host| !host.is_inbox());
        rooms.for_each(|host| host.alarm.set(None));
        world.recorder.count("final alarms lost");
    }
    (0..TABS.len()).for_each(|tab| world.disconnect(tab));
    world.advance(1_000);
    world.faults.postgres.set(PostgresFault::Fine);
    world.advance(RECOVERED_WITHIN_MS);
    // Unsent uploads are removed after a day, and strays of a lost log are looked for.
    if world.hosts.all().iter().any(|host| host.alarm.get().is_some()) {
        world.advance(UPLOAD_UNSENT_MS);
    }
    check_idle(world);
}

/// A marker reaches Postgres soon after its person has left, and otherwise in time (READ-7), although nothing else
/// happens and the instance aborts meanwhile.
fn check_markers_in_time(world: &Rc<World>) {
    world.advance(MARKERS_SETTLE_MS);
    // Those of before, while none has moved since.
    for room in world.backends.existing_rooms() {
        let result = markers_agree(world, room);
        world.recorder.check(|| format!("room {room}"), result);
    }
    for tab in FIRST_TABS.into_iter().filter(|tab| tabs(world).contains(tab)) {
        let content = world.unique_content("to be read");
        world.send_operation(tab, Operation::Message { content, thread: None });
    }
    world.advance(MARKERS_SETTLE_MS);
    let live = |tab: &usize| {
        let socket = world.clients.socket(*tab).filter(|_| world.clients.tab(*tab).is_live());
        socket.map(|socket| (*tab, socket.id))
    };
    let readers: Vec<(usize, ConnectionId)> = tabs(world).iter().filter_map(live).collect();
    readers.iter().for_each(|(tab, _)| world.act(&Action::Read { tab: *tab }));
    world.advance(MARKERS_SETTLE_MS / 2);
    // A token that has expired ends the connection instead.
    let readers: Vec<usize> = readers
        .iter()
        .filter(|reader| live(&reader.0).as_ref() == Some(reader))
        .map(|(tab, _)| *tab)
        .collect();
    world.abort_instance();
    if readers.contains(&LEAVING_TAB) && has_one_socket(world, LEAVING_TAB) {
        // The close wakes the room.
        world.disconnect(LEAVING_TAB);
        world.advance(2 * MARKERS_SETTLE_MS);
        check_marker(world, LEAVING_TAB);
        world.act(&Action::Connect { tab: LEAVING_TAB });
    }
    world.advance(MARKERS_WAIT_MS + MARKERS_SETTLE_MS);
    readers.into_iter().for_each(|tab| check_marker(world, tab));
}

/// Whether the room knows no other socket of the tab's person: an upgrade that the client gave up leaves one open for a
/// while, and the marker waits for it.
fn has_one_socket(world: &World, tab: usize) -> bool {
    let it = world.clients.tab(tab);
    let user = format!("\"{}\"", it.user);
    let Some(host) = world.hosts.of_room(it.room) else { return false };
    let sockets = host.sockets.borrow();
    let is_theirs = |text: &String| text.contains(&user);
    sockets.iter().filter(|socket| socket.attachment.borrow().as_ref().is_some_and(is_theirs)).count() == 1
}

/// Postgres has the marker of a person who has read everything.
fn check_marker(world: &World, tab: usize) {
    let it = world.clients.tab(tab);
    let seq = world.backends.rows(it.room, |rows| rows.marker(&it.user)).map(|marker| marker.seq);
    if seq.is_some_and(|seq| seq < it.received_to()) {
        let what = format!("{} has read to {}, in Postgres {seq:?}", it.name(), it.received_to());
        world.recorder.violation(Checker::Marker, what);
    }
}

fn check_recovered(world: &World) {
    for tab in tabs(world) {
        let it = world.clients.tab(tab);
        let live = it.bot || it.is_live();
        if !live || !it.pending.is_empty() {
            let what = format!("{}: live {live}, waiting {:?}", it.name(), it.pending.first());
            world.recorder.violation(Checker::Live, what);
        }
    }
}

/// Whoever is connected has received everything.
fn check_heads(world: &World) {
    for tab in tabs(world) {
        let it = world.clients.tab(tab);
        let result = client_agrees(world, &it);
        world.recorder.check(|| "the pins of a client".into(), result);
        let (head, received) = (head(world, it.room), it.received_to());
        if it.is_live() && received != head {
            let what = format!("{} received to {received} of {head}", it.name());
            world.recorder.violation(Checker::Live, what);
        }
    }
}

fn check_connected(world: &World) {
    for (room, people) in [(0, "alice bob carol"), (1, "alice bob"), (2, "bob carol")] {
        let Some(host) = world.hosts.of_room(room).filter(|_| !world.backends.is_deleted(room)) else {
            continue;
        };
        let mut connected: BTreeSet<String> = BTreeSet::new();
        for socket in host.sockets.borrow().iter().filter(|socket| !socket.closing.get()) {
            if socket.attachment.borrow().is_none() {
                let what = format!("{}: a socket that no room knows", host.name);
                world.recorder.violation(Checker::Presence, what);
            }
            connected.extend(user_of(&socket.attachment.borrow()));
        }
        if connected.iter().map(String::as_str).collect::<Vec<_>>().join(" ") != people {
            world.recorder.violation(Checker::Live, format!("room {room} has {connected:?}"));
        }
    }
}

fn check_idle(world: &World) {
    for host in (0..ROOMS.len()).filter_map(|room| world.hosts.of_room(room)) {
        // A promise that never resolves keeps its object awake, and nothing in the object can help.
        let awake = !world.recorder.happened("promises lost") && host.is_awake();
        if awake || host.alarm.get().is_some() {
            let what = format!("{}: awake {}, alarm {:?}", host.name, host.is_awake(), host.alarm.get());
            world.recorder.violation(Checker::Idle, what);
        }
    }
}

/// Compares the room's log with the model, with Postgres and with REST.
fn check_room(world: &Rc<World>, room: usize) {
    let (log, floor) = (log(world, room), floor(world, room));
    let epoch = state(world, room, 1)["epoch"].as_str().unwrap_or_default().to_owned();
    let of_model = world.model.room(room, |model| {
        let content = content_is_right(&log, model);
        let results = [
            seqs_have_no_gap(&log, floor),
            nothing_is_lost(&log, model),
            nothing_is_duplicated(&log),
            nothing_is_invented(&log, model),
            received_is_stored(&log, model, &epoch, floor),
        ];
        (results, content)
    });
    let (results, content) = of_model;
    let others = [
        senders_order_is_kept(world, room),
        alert_list_is_true(world, room),
        files_are_complete(world, room, &log),
        reactions_are_counted(&log, floor),
        deleted_reactions_are_blank(&log),
        member_events_agree(world, room, &log, floor),
        content,
        threads_are_counted(&log),
        markers_agree(world, room),
        pins_agree(world, room, &log),
        log_equals_postgres(world, room, &log),
        log_equals_history(world, room, &log),
        absent_are_notified(world, room, &log),
        silent_are_notified(world, room, &log),
        messages_keep_their_rate(world, room, &log),
        audit_log_is_complete(world, room, &log, floor, &epoch),
    ];
    for result in results.into_iter().chain(others) {
        world.recorder.check(|| format!("room {room}"), result);
    }
}
