//! The checks of a room's log at the end of a run: against the model, within itself, against Postgres and REST.
//! Not here: when they run (`final_checks`), members (`people`), files (`files`), the audit log (`rules`).

use crate::plan::{PEOPLE, ROOMS};
use crate::requests::HttpRequest;
use crate::stored::{Log, Stored, log, quarantined, state, user_of, versions};
use crate::token::token;
use crate::world::World;
use crate::world::backends::RoomRows;
use crate::world::checker::{CheckResult, Checker};
use crate::world::clients::room_path;
use crate::world::content_model::{Shown, newest_acked_edit};
use crate::world::model::RoomModel;
use crate::world::network::{HttpOutcome, SimSocket};
use crate::world::operation::{Acked, Fact, Operation};
use chinwag::db::MessageRow;
use chinwag::ids::Seq;
use chinwag::limits::NOTIFY_PRESENT_MS;
use chinwag::protocol::message::{Message, Reactions};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use testkit::POISON;
use testkit::history::{ThreadEntry, check_gapless, check_threads, index_operations};

/// The room learns of a close at most this much later, and counts pings until then.
const CLOSE_SEEN_MS: u64 = 2_100;

pub fn seqs_have_no_gap(log: &Log, floor: Seq) -> CheckResult {
    let seqs = log.keys().copied().filter(|seq| *seq > floor);
    check_gapless(seqs, floor).map_err(|violation| (Checker::Gap, violation.what))
}

/// Every acked message is in the log.
pub fn nothing_is_lost(log: &Log, model: &RoomModel) -> CheckResult {
    for (key, Acked { seq, id, .. }) in &model.acked {
        let (Some(seq), Some(Operation::Message { .. })) = (seq, model.sent.get(key)) else { continue };
        let stored = log.get(seq).and_then(Stored::message);
        let (user, client_id) = key;
        if !stored.is_some_and(|m| m.id == *id && m.user_id == *user) {
            let what = format!("{user}'s {client_id} was acked at {seq}, there is {stored:?}");
            return Err((Checker::Lost, what));
        }
    }
    Ok(())
}

pub fn nothing_is_duplicated(log: &Log) -> CheckResult {
    let operation =
        |(seq, stored): (&Seq, &Stored)| Some(((stored.user.clone(), stored.client_id.clone()?), *seq));
    let indexed = index_operations(log.iter().filter_map(operation));
    indexed.map(drop).map_err(|violation| (Checker::Duplicated, violation.what))
}

pub fn nothing_is_invented(log: &Log, model: &RoomModel) -> CheckResult {
    for message in log.values().filter_map(Stored::message) {
        let Message { id, user_id, client_id, thread_id, .. } = message.clone();
        let operation = Operation::Message { content: String::new(), thread: thread_id };
        let fact = Fact { user: user_id, client_id, id, operation };
        if fact.client_id.is_none() {
            return Err((Checker::Phantom, format!("nobody sent {fact:?}")));
        }
        model.check_was_sent(&fact)?;
    }
    Ok(())
}

/// What clients received is in the log.
pub fn received_is_stored(log: &Log, model: &RoomModel, epoch: &str, floor: Seq) -> CheckResult {
    let messages = log.values().filter_map(Stored::message);
    let deleted: BTreeSet<&String> =
        messages.filter(|message| message.deleted_at.is_some()).map(|message| &message.id).collect();
    for ((in_epoch, seq), fact) in &model.received {
        let stored = log.get(seq);
        let is_kind =
            |kind: i64, holds: &str| stored.is_some_and(|s| s.kind == kind && s.body.contains(holds));
        let is_same = match &fact.operation {
            Operation::Message { .. } => stored.and_then(Stored::message).is_some_and(|m| m.id == fact.id),
            // A rebuilt log has messages alone.
            _ if in_epoch != epoch || *seq <= floor => true,
            Operation::Reaction { message, emoji, .. } => {
                is_kind(2, message) && (deleted.contains(message) || is_kind(2, emoji))
            }
            Operation::Edit { message, .. } => is_kind(3, message),
            Operation::Delete { message } => is_kind(4, message),
            Operation::Thread => is_kind(5, ""),
            Operation::Pins => is_kind(10, ""),
            Operation::RoomEvent { .. } => stored.is_some_and(|s| s.kind >= 6),
        };
        if !is_same {
            let what = format!("received at {seq} of {in_epoch}: {fact:?}; the log lacks it");
            return Err((Checker::Lost, what));
        }
    }
    Ok(())
}

/// Each message has its newest content, and a deleted one none.
pub fn content_is_right(log: &Log, model: &mut RoomModel) -> CheckResult {
    for stored in log.values().filter(|stored| stored.kind == 1) {
        let body = stored.json();
        let shown = Shown::from_json(&body);
        model.check_shown(&shown, usize::MAX)?;
        let promised = newest_acked_edit(&model.sent, &model.acked, shown.id);
        if let Some((version, content)) = promised.filter(|_| !shown.deleted)
            && (shown.version < version || (shown.version == version && shown.content != content))
        {
            let (id, stored) = (shown.id, shown.version);
            return Err((
                Checker::Lost,
                format!("{id} v{version} {content:?} was acked, v{stored} is stored"),
            ));
        }
    }
    Ok(())
}

/// A root counts the replies that are not deleted.
pub fn threads_are_counted(log: &Log) -> CheckResult {
    let entry = |message: &Message| ThreadEntry {
        id: message.id.clone(),
        root: message.thread_id.clone(),
        is_deleted: message.deleted_at.is_some(),
        created_at: message.created_at,
        reply_count: message.reply_count,
        last_reply_at: message.last_reply_at,
    };
    let entries: Vec<_> = log.values().filter_map(Stored::message).map(entry).collect();
    check_threads(&entries).map_err(|violation| (Checker::Diverging, violation.what))
}

/// Log, Postgres and REST agree on how far each person has read.
pub fn markers_agree(world: &Rc<World>, room: usize) -> CheckResult {
    for user in PEOPLE {
        let token = token(ROOMS[room].0, user, world.clock.now() + 60_000);
        let path = format!("{}/read", room_path(room));
        let got = world.request_and_wait(HttpRequest::post(path, token, r#"{"seq":0}"#.into()));
        let Some(HttpOutcome::Json(200, body)) = got else { continue };
        let answer: Value = serde_json::from_str(&body).unwrap_or_default();
        let row = world.backends.rows(room, |rows| rows.marker(user)).unwrap_or_default();
        if answer["lastReadSeq"] != row.seq {
            return Err((Checker::Marker, format!("{user} has read to {body}, in Postgres {row:?}")));
        }
    }
    Ok(())
}

pub fn senders_order_is_kept(world: &World, room: usize) -> CheckResult {
    for tab in world.clients.all().iter().filter(|tab| tab.room == room) {
        let mut order = tab.order.clone();
        order.sort_unstable();
        if let Some(pair) = order.windows(2).find(|pair| pair[0].1 >= pair[1].1) {
            return Err((Checker::Order, format!("{}'s messages have the seqs {pair:?}", tab.user)));
        }
    }
    Ok(())
}

/// The tenant's alert list names the room exactly if it has quarantined rows.
pub fn alert_list_is_true(world: &World, room: usize) -> CheckResult {
    let quarantined = quarantined(world, room).len();
    let listed = world.backends.is_alerted(room);
    match listed == (quarantined > 0) {
        true => Ok(()),
        false => Err((Checker::Alert, format!("{quarantined} quarantined rows, on the list: {listed}"))),
    }
}

/// Alice never connects to the last room, and is a member all the time.
pub fn absent_are_notified(world: &World, room: usize, log: &Log) -> CheckResult {
    // A message that Postgres lost while its notice was on the way is notified to nobody.
    if room + 1 != ROOMS.len() || world.recorder.happened("restored backups") {
        return Ok(());
    }
    let (notified, unnotifiable) = (world.model.notified.borrow(), world.model.unnotifiable.borrow());
    let quarantined = quarantined(world, room);
    let due = log.values().filter_map(Stored::message);
    let mut due = due.filter(|m| m.deleted_at.is_none() && m.user_id != "alice").map(|m| m.seq);
    let is_excused = |seq: Seq| quarantined.contains(&seq) || unnotifiable.contains(&(room, seq));
    match due.find(|seq| !notified.contains(&(room, *seq, "alice".into())) && !is_excused(*seq)) {
        Some(seq) => Err((Checker::Notified, format!("alice was not notified of {seq}"))),
        None => Ok(()),
    }
}

/// Whoever was not heard within 35 s before a message, nor until somebody was notified of it, is notified too (NOTIFY-8).
pub fn silent_are_notified(world: &World, room: usize, log: &Log) -> CheckResult {
    const MEMBERS_UNKNOWN: [&str; 4] =
        ["restored backups", "changes of people lost", "members removed in Postgres", "storages lost"];
    let Some(host) = world.hosts.of_room(room) else { return Ok(()) };
    let was_removed = |user: &str| log.values().any(|s| s.kind == 7 && s.body.contains(user));
    if MEMBERS_UNKNOWN.iter().any(|name| world.recorder.happened(name)) {
        return Ok(());
    }
    let sockets: Vec<(Option<String>, Rc<SimSocket>)> =
        host.opened.borrow().iter().map(|s| (user_of(&s.attachment.borrow()), s.clone())).collect();
    let quarantined = quarantined(world, room);
    let (notified, first) = (world.model.notified.borrow(), world.model.first_notified.borrow());
    for user in PEOPLE.into_iter().filter(|user| !was_removed(user)) {
        let theirs = sockets.iter().filter(|(of, _)| of.as_deref().is_none_or(|of| of == user));
        let theirs: Vec<&SimSocket> = theirs.map(|(_, socket)| &**socket).collect();
        for message in log.values().filter_map(Stored::message).filter(|m| m.user_id != user) {
            let (seq, by) = (message.seq, first.get(&(room, message.seq)));
            let may_be_present = |socket: &&SimSocket| {
                let silent_since = socket.silent_since().map(|at| at + CLOSE_SEEN_MS + NOTIFY_PRESENT_MS);
                by.is_none_or(|by| socket.opened_at <= *by)
                    && silent_since.is_none_or(|at| at >= message.created_at)
            };
            let is_excused = message.deleted_at.is_some()
                || quarantined.contains(&seq)
                || world.model.unnotifiable.borrow().contains(&(room, seq));
            // Whoever sends something has read what is before it.
            let has_read = log
                .values()
                .filter_map(Stored::message)
                .any(|m| m.user_id == user && m.seq > seq && by.is_none_or(|by| m.created_at <= *by));
            if is_excused || has_read || theirs.iter().any(may_be_present) {
                continue;
            }
            world.recorder.count("silent people notified");
            if !notified.contains(&(room, seq, user.into())) {
                return Err((Checker::Notified, format!("{user} was silent, and not notified of {seq}")));
            }
        }
    }
    Ok(())
}

/// The naive model: applies all reactions of the log to messages without any, and compares.
pub fn reactions_are_counted(log: &Log, floor: Seq) -> CheckResult {
    if floor > 0 {
        return Ok(());
    }
    let mut model: BTreeMap<String, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    for stored in log.values().filter(|stored| stored.kind == 2) {
        let body = stored.json();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let of_message = model.entry(text("messageId")).or_default();
        let users = of_message.entry(text("emoji")).or_default();
        users.retain(|user| *user != stored.user);
        if body["add"] == true {
            users.push(stored.user.clone());
        }
        of_message.retain(|_, users| !users.is_empty());
    }
    for message in log.values().filter_map(Stored::message) {
        let expected = model.get(&message.id).filter(|_| message.deleted_at.is_none());
        let expected = expected.cloned().unwrap_or_default();
        let counted: BTreeMap<_, _> =
            expected.iter().map(|(emoji, u)| (emoji.clone(), u.len() as u64)).collect();
        if message.reactions != expected || message.reaction_counts != counted {
            let what = format!("{}: {:?} instead of {expected:?}", message.seq, message.reactions);
            return Err((Checker::Diverging, what));
        }
    }
    Ok(())
}

/// The reactions of a deleted message say no more with which emoji (DEL-1).
pub fn deleted_reactions_are_blank(log: &Log) -> CheckResult {
    let messages = log.values().filter_map(Stored::message);
    let deleted: BTreeSet<&str> = messages.filter(|m| m.deleted_at.is_some()).map(|m| &*m.id).collect();
    for (seq, stored) in log.iter().filter(|(_, stored)| stored.kind == 2) {
        let body = stored.json();
        let emoji = body["emoji"].as_str().unwrap_or_default();
        if !emoji.trim().is_empty() && body["messageId"].as_str().is_some_and(|id| deleted.contains(id)) {
            return Err((Checker::Undead, format!("the reaction {seq} of a deleted message is {emoji}")));
        }
    }
    Ok(())
}

/// Postgres has each message of the log as it is, apart from quarantined ones, and no other.
pub fn log_equals_postgres(world: &World, room: usize, log: &Log) -> CheckResult {
    let (quarantined, versions) = (quarantined(world, room), versions(world, room));
    world.backends.rows(room, |rows| {
        for message in log.values().filter_map(Stored::message) {
            let seq = message.seq;
            let before = versions.get(&seq).map(Vec::as_slice).unwrap_or_default();
            if message.deleted_at.is_some() && !before.is_empty() {
                return Err((Checker::Undead, format!("{seq} is deleted, and was {before:?}")));
            }
            if quarantined.contains(&seq) {
                quarantine_has_reason(rows, message, before)?;
                continue;
            }
            let Some(row) = rows.postgres.rows.get(&seq) else {
                let what = format!("{seq} is missing, Postgres stands at {}", rows.postgres.last_seq);
                return Err((Checker::Postgres, what));
            };
            if !is_same_row(row, message, before) {
                return Err((Checker::Postgres, format!("{seq} differs: {row:?}")));
            }
        }
        let is_known = |seq: &Seq| {
            log.get(seq).and_then(Stored::message).is_some() || rows.foreign_rows.contains_key(seq)
        };
        match rows.postgres.rows.keys().find(|seq| !is_known(seq)) {
            Some(seq) => Err((Checker::Postgres, format!("Postgres has {seq}, the log does not"))),
            None => Ok(()),
        }
    })
}

/// Each quarantined row has a reason, in a room whose outbox is empty.
pub fn quarantine_is_justified(world: &World, room: usize) -> CheckResult {
    let (log, quarantined, versions) = (log(world, room), quarantined(world, room), versions(world, room));
    if state(world, room, 1)["projected"].as_u64() != log.keys().next_back().copied() {
        return Ok(());
    }
    world.backends.rows(room, |rows| {
        let messages = log.values().filter_map(Stored::message);
        messages.filter(|message| quarantined.contains(&message.seq)).try_for_each(|message| {
            let before = versions.get(&message.seq).map(Vec::as_slice).unwrap_or_default();
            quarantine_has_reason(rows, message, before)
        })
    })
}

/// A row is quarantined because Postgres refuses one of its versions, or because a foreign row has its seq.
fn quarantine_has_reason(rows: &RoomRows, message: &Message, before: &[Value]) -> CheckResult {
    let is_poisoned = |version: &Value| version["content"].as_str().is_some_and(|c| c.contains(POISON));
    let is_poison = message.content.contains(POISON) || before.iter().any(is_poisoned);
    match is_poison || rows.foreign_rows.contains_key(&message.seq) {
        true => Ok(()),
        false => Err((Checker::Postgres, format!("{} is quarantined without reason", message.seq))),
    }
}

fn is_same_row(row: &MessageRow, message: &Message, before: &[Value]) -> bool {
    let mut in_postgres = Reactions::new();
    for reaction in row.reactions.iter().flatten() {
        in_postgres.entry(reaction.emoji.clone()).or_default().push(reaction.user_id.clone());
    }
    let counted = (row.reply_count as u64, row.last_reply_at_ms, &row.deleted_by)
        == (message.reply_count, message.last_reply_at, &message.deleted_by)
        && row.edited_by == message.edited_by;
    let versions = serde_json::to_value(&row.versions).unwrap_or_default();
    let is_same_text = row.id == message.id && row.content == message.content;
    is_same_text && counted && versions == Value::from(before.to_vec()) && in_postgres == message.reactions
}
