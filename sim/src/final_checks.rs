//! The end of a run: the faults are over, and within a bounded time everybody has everything, Postgres equals the log,
//! and nothing keeps an idle room awake. Not here: what is checked while people talk (`client`, `oracle`).

use crate::client::{HttpOutcome, Tab};
use crate::content_model::Shown;
use crate::deletion_checks::nothing_is_left;
use crate::fake_postgres::POISON;
use crate::files::files_add_up;
use crate::oracle::{Acked, Checker, Fact, Operation, RoomModel};
use crate::people::people_add_up;
use crate::plan::{PEOPLE, ROOMS, TABS};
use crate::postgres::PostgresFault;
use crate::rules::audit_adds_up;
use crate::run::host_of;
use crate::stored::{Stored, aside, head, log, state, user_of, versions};
use crate::worker::token;
use crate::world::World;
use chinwag::ids::Seq;
use chinwag::limits::{ALARM_DELAY_MS, UPLOAD_UNSENT_MS};
use chinwag::protocol::message::Message;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Virtual time in which all must be well again: two tries of a halted outbox, and a batch that hangs.
const WELL_WITHIN_MS: u64 = 150_000;

/// A request that was under way, each of its statements as slow as can be.
const SETTLED_WITHIN_MS: u64 = 60_000;

pub fn all_is_well(world: &Rc<World>) {
    world.trace(|| "(the faults are over)".into());
    [&world.dies_in, &world.panics_in, &world.disk_fails_in].iter().for_each(|fault| fault.set(0));
    world.server.borrow_mut().weather = PostgresFault::Fine;
    world.disk_full_until.set(0);
    world.list_is_away.set(false);
    world.bucket_is_away.set(false);
    // An abort in the middle of an alarm blocks all later ones of that object, until the platform restarts it.
    if world.hosts.borrow().values().any(|host| host.aborted_alarm.get()) {
        world.kill();
    }
    // What was asked for is done, or never will be: stragglers of Postgres included.
    world.pass(SETTLED_WITHIN_MS);
    world.all_may_talk();
    world.all_may_hurry();
    for room in world.rooms_there() {
        world.add_all_past_us(room);
    }
    for tab in tabs(world) {
        let sock = world.tabs.borrow()[tab].sock();
        if let Some(sock) = sock {
            world.set_reading(&sock, true);
        }
        world.tabs.borrow_mut()[tab].wants = true;
        world.nudge(tab);
    }
    // Everybody asks again as a client does, until all is acked.
    for _ in 0..WELL_WITHIN_MS / 5_000 {
        world.pass(5_000);
        world.every_frame_is_answered();
        tabs(world).into_iter().for_each(|tab| world.nudge(tab));
        let well = |tab: &Tab| world.is_gone(tab.room) || (tab.ops.is_empty() && (tab.bot || tab.is_live()));
        let quiet = world.tabs.borrow().iter().all(well);
        if quiet {
            break;
        }
    }
    good_night(world);
    for room in 0..ROOMS.len() {
        match world.is_gone(room) {
            true => {
                if let Err((checker, what)) = nothing_is_left(world, room) {
                    world.violation(checker, format!("room {room} is deleted: {what}"));
                }
            }
            false => look(world, room),
        }
    }
}

/// The tabs of rooms that are not deleted.
fn tabs(world: &World) -> Vec<usize> {
    (0..TABS.len()).filter(|tab| !world.is_gone(TABS[*tab].0)).collect()
}

/// A last message in each room while Postgres can't be used; then all leave, and nobody is there to drive the outbox.
fn good_night(world: &Rc<World>) {
    // Those who could be closed by their token's end come back first.
    for tab in tabs(world) {
        let stuck = {
            let it = &world.tabs.borrow()[tab];
            let live = it.bot || it.is_live();
            (!live || !it.ops.is_empty()).then(|| format!("live {live}, waiting {:?}", it.ops.first()))
        };
        if let Some(why) = stuck {
            world.violation(Checker::Live, format!("{}: {why}", world.name(tab)));
        }
    }
    let halts = world.halts_at_night.get();
    world.server.borrow_mut().weather =
        if halts { PostgresFault::Fails("42P01") } else { PostgresFault::Refuses };
    for tab in [0, 5, 7].into_iter().filter(|tab| tabs(world).contains(tab)) {
        world.says(tab, 5, false);
    }
    world.pass(2_000);
    heads(world);
    presence(world);
    if halts {
        // An alarm that was set a moment ago is trusted, and one that is lost later, with nobody there, isn't promised.
        world.pass(2 * ALARM_DELAY_MS);
        world.hosts.borrow().values().for_each(|host| host.alarm.set(None));
        world.counters.count("alarms lost at night");
    }
    (0..TABS.len()).for_each(|tab| world.hangs_up(tab));
    world.pass(1_000);
    world.server.borrow_mut().weather = PostgresFault::Fine;
    world.pass(WELL_WITHIN_MS);
    // What nobody has sent goes after a day, and what a lost log forgot is looked for.
    if world.hosts.borrow().values().any(|host| host.alarm.get().is_some()) {
        world.pass(UPLOAD_UNSENT_MS);
    }
    for room in 0..ROOMS.len() {
        let Some(host) = host_of(world, room) else { continue };
        // A promise that never comes back keeps its object awake, and nothing in it can mend that.
        let awake = !world.counters.happened("promises lost") && host.is_awake();
        if awake || host.alarm.get().is_some() {
            let what = format!("{}: awake {}, alarm {:?}", host.name, host.is_awake(), host.alarm.get());
            world.violation(Checker::Idle, what);
        }
    }
}

/// Whoever is connected has heard everything.
fn heads(world: &Rc<World>) {
    for tab in tabs(world) {
        let (room, heard, live) = {
            let it = &world.tabs.borrow()[tab];
            (it.room, it.heard_to().map_or(0, |(seq, _)| seq), it.is_live())
        };
        let head = head(world, room);
        if live && heard != head {
            world.violation(Checker::Live, format!("{} heard to {heard} of {head}", world.name(tab)));
        }
    }
}

fn presence(world: &Rc<World>) {
    for (room, people) in [(0, "alice bob carol"), (1, "alice bob"), (2, "bob carol")] {
        let Some(host) = host_of(world, room).filter(|_| !world.is_gone(room)) else { continue };
        let mut there: BTreeSet<String> = BTreeSet::new();
        for sock in host.sockets.borrow().iter().filter(|sock| !sock.closing.get()) {
            if sock.attachment.borrow().is_none() {
                world.violation(Checker::Presence, format!("{}: a socket that no room knows", host.name));
            }
            there.extend(user_of(&sock.attachment.borrow()));
        }
        if there.iter().map(String::as_str).collect::<Vec<_>>().join(" ") != people {
            world.violation(Checker::Live, format!("room {room} has {there:?}"));
        }
    }
}

// --- The last look ----------------------------------------------------------------------------------

fn look(world: &Rc<World>, room: usize) {
    let log = log(world, room);
    let floor = state(world, room, 1)["floor"].as_u64().unwrap_or(0);
    let epoch = state(world, room, 1)["epoch"].as_str().unwrap_or_default().to_owned();
    let empty = RoomModel::default();
    let mut oracle = world.oracle.borrow_mut();
    let words = words_are_right(&log, oracle.rooms.entry(room).or_default());
    let model = oracle.rooms.get(&room).unwrap_or(&empty);
    let found = [
        gapless(&log, floor),
        nothing_lost(&log, model),
        nothing_twice(&log),
        nothing_invented(&log, model),
        heard_is_stored(&log, model, &epoch, floor),
        in_order(world, room),
        list_is_true(world, room),
        files_add_up(world, room, &log),
        reactions_add_up(&log, floor),
        people_add_up(world, room, &log, floor),
        words,
        threads_add_up(&log),
        markers_agree(world, room),
        equal_to_postgres(world, room, &log),
        equal_to_history(world, room, &log),
        absent_are_told(world, room, &log),
        audit_adds_up(world, room, &log, floor, &epoch),
    ];
    for (checker, what) in found.into_iter().filter_map(Result::err) {
        world.violation(checker, format!("room {room}: {what}"));
    }
}

pub use crate::oracle::CheckResult;

pub fn message(stored: &Stored) -> Option<Message> {
    serde_json::from_str(&stored.body).ok().filter(|_| stored.kind == 1)
}

fn gapless(log: &BTreeMap<Seq, Stored>, floor: Seq) -> CheckResult {
    let after: Vec<Seq> = log.keys().copied().filter(|seq| *seq > floor).collect();
    match after.iter().zip(floor + 1..).find(|(seq, expected)| **seq != *expected) {
        Some((seq, expected)) => Err((Checker::Gap, format!("{seq} stands where {expected} should"))),
        None => Ok(()),
    }
}

fn nothing_lost(log: &BTreeMap<Seq, Stored>, model: &RoomModel) -> CheckResult {
    for ((user, client_id), Acked { seq, id, .. }) in &model.acked {
        let (Some(seq), Some(Operation::Message { .. })) =
            (seq, model.said.get(&(user.clone(), client_id.clone())))
        else {
            continue;
        };
        let kept = log.get(seq).and_then(message);
        if !kept.as_ref().is_some_and(|m| m.id == *id && m.user_id == *user) {
            return Err((
                Checker::Lost,
                format!("{user}'s {client_id} was acked at {seq}, there is {kept:?}"),
            ));
        }
    }
    Ok(())
}

fn nothing_twice(log: &BTreeMap<Seq, Stored>) -> CheckResult {
    let mut known = BTreeMap::new();
    for (seq, stored) in log {
        let Some(client_id) = &stored.client_id else { continue };
        if let Some(before) = known.insert((stored.user.clone(), client_id.clone()), seq) {
            return Err((
                Checker::Duplicated,
                format!("{}'s {client_id} at {before} and {seq}", stored.user),
            ));
        }
    }
    Ok(())
}

fn nothing_invented(log: &BTreeMap<Seq, Stored>, model: &RoomModel) -> CheckResult {
    for message in log.values().filter_map(message) {
        let said = Operation::Message { content: String::new(), thread: message.thread_id };
        let fact = Fact { user: message.user_id, client_id: message.client_id, id: message.id, said };
        if fact.client_id.is_none() {
            return Err((Checker::Phantom, format!("nobody said {fact:?}")));
        }
        model.phantom(&fact)?;
    }
    Ok(())
}

fn heard_is_stored(log: &BTreeMap<Seq, Stored>, model: &RoomModel, epoch: &str, floor: Seq) -> CheckResult {
    for ((in_epoch, seq), fact) in &model.heard {
        let stored = log.get(seq);
        let of_kind =
            |kind: i64, holds: &str| stored.is_some_and(|s| s.kind == kind && s.body.contains(holds));
        let same = match &fact.said {
            Operation::Message { .. } => stored.and_then(message).is_some_and(|m| m.id == fact.id),
            // A log made anew has messages alone.
            _ if in_epoch != epoch || *seq <= floor => true,
            Operation::Reaction { emoji, .. } => of_kind(2, emoji),
            Operation::Edit { message, .. } => of_kind(3, message),
            Operation::Delete { message } => of_kind(4, message),
            Operation::Thread => of_kind(5, ""),
            Operation::News { .. } => stored.is_some_and(|s| s.kind >= 6),
        };
        if !same {
            return Err((Checker::Lost, format!("heard at {seq} of {in_epoch}: {fact:?}; the log lacks it")));
        }
    }
    Ok(())
}

/// Each message says what was said last, and a deleted one nothing.
fn words_are_right(log: &BTreeMap<Seq, Stored>, model: &mut RoomModel) -> CheckResult {
    for stored in log.values().filter(|stored| stored.kind == 1) {
        let body: Value = serde_json::from_str(&stored.body).unwrap_or_default();
        let shown = Shown::of(&body);
        model.shows(&shown, usize::MAX)?;
        if let Some((version, content)) = model.promised(shown.id).filter(|_| !shown.deleted)
            && (shown.version < version || (shown.version == version && shown.content != content))
        {
            let what =
                format!("{} v{version} {content:?} was acked, v{} stands there", shown.id, shown.version);
            return Err((Checker::Lost, what));
        }
    }
    Ok(())
}

/// A root counts the replies that are there.
fn threads_add_up(log: &BTreeMap<Seq, Stored>) -> CheckResult {
    let messages: Vec<Message> = log.values().filter_map(message).collect();
    for root in &messages {
        let replies = messages.iter().filter(|m| m.thread_id.as_ref() == Some(&root.id));
        let there: Vec<&Message> = replies.filter(|m| m.deleted_at.is_none()).collect();
        let expected = (there.len() as u64, there.last().map(|reply| reply.created_at));
        if (root.reply_count, root.last_reply_at) != expected {
            let told = (root.reply_count, root.last_reply_at);
            return Err((
                Checker::Diverging,
                format!("thread {}: {told:?} instead of {expected:?}", root.seq),
            ));
        }
    }
    Ok(())
}

/// Log, Postgres and REST agree on how far each has read.
fn markers_agree(world: &Rc<World>, room: usize) -> CheckResult {
    let (tenant, id) = ROOMS[room];
    let path: String = id.bytes().map(|b| format!("%{b:02x}")).collect();
    let path = format!("/api/chat/rooms/{path}/read");
    for user in PEOPLE {
        let token = token(tenant, user, world.now() + 60_000);
        let got = world.ask_with(http::Method::POST, &path, &token, Some(r#"{"seq":0}"#.into()));
        let Some(HttpOutcome::Json(200, body)) = got else { continue };
        let answer: Value = serde_json::from_str(&body).unwrap_or_default();
        let row = world.table(room, |table| table.marker(user)).unwrap_or_default();
        if answer["lastReadSeq"] != row.seq {
            return Err((Checker::Marker, format!("{user} has read to {body}, in Postgres {row:?}")));
        }
    }
    Ok(())
}

fn in_order(world: &World, room: usize) -> CheckResult {
    for tab in world.tabs.borrow().iter().filter(|tab| tab.room == room) {
        let mut order = tab.order.clone();
        order.sort_unstable();
        if let Some(pair) = order.windows(2).find(|pair| pair[0].1 >= pair[1].1) {
            return Err((Checker::Order, format!("{}'s messages stand as {pair:?}", tab.user)));
        }
    }
    Ok(())
}

fn list_is_true(world: &World, room: usize) -> CheckResult {
    let aside = aside(world, room).len();
    let (tenant, id) = ROOMS[room];
    let told =
        world.list.borrow().get(&(tenant.to_owned(), id.to_owned())).is_some_and(|(_, trouble)| *trouble);
    match told == (aside > 0) {
        true => Ok(()),
        false => Err((Checker::Alert, format!("{aside} rows set aside, on the list: {told}"))),
    }
}

/// Alice never comes to the last room, and is a member all the time.
fn absent_are_told(world: &World, room: usize, log: &BTreeMap<Seq, Stored>) -> CheckResult {
    // What Postgres lost while its notice was on the way is told to nobody.
    if room + 1 != ROOMS.len() || world.counters.happened("set-backs") {
        return Ok(());
    }
    let (notified, untellable, aside) =
        (world.notified.borrow(), world.untellable.borrow(), aside(world, room));
    let kept = log.values().filter_map(message).filter(|m| m.deleted_at.is_none() && m.user_id != "alice");
    let excused = |seq: Seq| aside.contains(&seq) || untellable.contains(&(room, seq));
    match kept.map(|m| m.seq).find(|seq| !notified.contains(&(room, *seq, "alice".into())) && !excused(*seq))
    {
        Some(seq) => Err((Checker::Notified, format!("alice was not told of {seq}"))),
        None => Ok(()),
    }
}

/// The naive model: replay all reactions since the floor over what stood there, and compare.
fn reactions_add_up(log: &BTreeMap<Seq, Stored>, floor: Seq) -> CheckResult {
    if floor > 0 {
        return Ok(());
    }
    let mut model: BTreeMap<String, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    for stored in log.values().filter(|stored| stored.kind == 2) {
        let body: Value = serde_json::from_str(&stored.body).unwrap_or_default();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let of_message = model.entry(text("messageId")).or_default();
        let users = of_message.entry(text("emoji")).or_default();
        users.retain(|user| *user != stored.user);
        if body["add"] == true {
            users.push(stored.user.clone());
        }
        of_message.retain(|_, users| !users.is_empty());
    }
    for message in log.values().filter_map(message) {
        let expected = model.get(&message.id).filter(|_| message.deleted_at.is_none());
        let expected = expected.cloned().unwrap_or_default();
        if message.reactions != expected {
            return Err((
                Checker::Diverging,
                format!("{}: {:?} instead of {expected:?}", message.seq, message.reactions),
            ));
        }
    }
    Ok(())
}

fn equal_to_postgres(world: &World, room: usize, log: &BTreeMap<Seq, Stored>) -> CheckResult {
    let (aside, versions) = (aside(world, room), versions(world, room));
    world.table(room, |table| {
        let wrong = |what: String| Err((Checker::Postgres, what));
        for message in log.values().filter_map(message) {
            let none = Vec::new();
            let before = versions.get(&message.seq).unwrap_or(&none);
            if message.deleted_at.is_some() && !before.is_empty() {
                return Err((Checker::Undead, format!("{} is deleted, and was {before:?}", message.seq)));
            }
            let poisoned = |version: &Value| version["content"].as_str().is_some_and(|c| c.contains(POISON));
            let poison = message.content.contains(POISON) || before.iter().any(poisoned);
            let stranger = table.strangers.contains_key(&message.seq);
            if aside.contains(&message.seq) {
                if !poison && !stranger {
                    return wrong(format!("{} was set aside, and is as good as any", message.seq));
                }
                continue;
            }
            let Some(row) = table.ledger.rows.get(&message.seq) else {
                return wrong(format!(
                    "{} is missing, Postgres stands at {}",
                    message.seq, table.ledger.last_seq
                ));
            };
            let reactions = row.reactions.iter().map(|r| (r.emoji.as_str(), r.user_id.as_str()));
            let ours = message
                .reactions
                .iter()
                .flat_map(|(emoji, users)| users.iter().map(|user| (emoji.as_str(), user.as_str())));
            let kept = serde_json::to_value(&row.versions).unwrap_or_default();
            let counted = (row.reply_count as u64, row.last_reply_at_ms, &row.deleted_by)
                == (message.reply_count, message.last_reply_at, &message.deleted_by);
            let same = row.id == message.id && row.content == message.content && counted;
            if !same || kept != Value::from(before.clone()) || !reactions.eq(ours) {
                return wrong(format!("{} differs: {row:?}", message.seq));
            }
        }
        let ours = |seq: &Seq| log.get(seq).and_then(message).is_some() || table.strangers.contains_key(seq);
        match table.ledger.rows.keys().find(|seq| !ours(seq)) {
            Some(seq) => wrong(format!("Postgres has {seq}, the log doesn't")),
            None => Ok(()),
        }
    })
}

/// REST tells the same, page by page.
fn equal_to_history(world: &Rc<World>, room: usize, log: &BTreeMap<Seq, Stored>) -> CheckResult {
    let (mut after, mut pages) = (0, BTreeMap::new());
    loop {
        let Some(page) = read_page(world, ROOMS[room], "alice", after) else {
            return Err((Checker::Live, "no page of the history".into()));
        };
        for message in page["messages"].as_array().into_iter().flatten() {
            after = message["seq"].as_u64().unwrap_or(u64::MAX);
            pages.insert(after, message.clone());
        }
        if page["hasMoreAfter"] != true {
            break;
        }
    }
    let body = |stored: &Stored| serde_json::from_str(&stored.body).unwrap_or_default();
    let stored: BTreeMap<Seq, Value> =
        log.iter().filter(|(_, s)| s.kind == 1).map(|(seq, s)| (*seq, body(s))).collect();
    if pages == stored { Ok(()) } else { Err((Checker::Diverging, "the history isn't the log".into())) }
}

/// One page over REST, with patience.
pub fn read_page(world: &Rc<World>, (tenant, id): (&str, &str), user: &str, after: Seq) -> Option<Value> {
    let id: String = id.bytes().map(|b| format!("%{b:02x}")).collect();
    let path = format!("/api/chat/rooms/{id}/messages?after={after}&limit=100");
    let got = world.ask_once(http::Method::GET, &path, &token(tenant, user, world.now() + 60_000));
    match got {
        Some(HttpOutcome::Json(200, body)) => serde_json::from_str(&body).ok(),
        _ => None,
    }
}
