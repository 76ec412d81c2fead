//! Postgres as the system's statements see it: the rules of `chinwag::db` over plain maps, under every fault.
//! Not here: SQL; the real statements are tested against a real Postgres.

use crate::account_rows;
use crate::inbox_rows::{self, leased_of_change, leased_of_room};
use crate::plan::{PostgresFault, ROOMS};
use crate::stored;
use crate::world::World;
use crate::world::backends::RoomRows;
use crate::world::checker::Checker;
use crate::world::executor::never;
use chinwag::auth::Role;
use chinwag::db::{
    Applied, ChangeSet, DbError, MessageRow, Postgres, Projected, Projection, Restored, RoomCopy,
};
use chinwag::limits::{ACCESS_TIMEOUT_MS, BATCH_ROWS_MAX, STATEMENT_TIMEOUT_MS};
use chinwag::protocol::room::AuditAction;
use serde_json::{Value, json};
use std::rc::Rc;
use testkit::{Statement, encode_projected, is_poison};

/// A connection to it.
pub struct Db {
    pub world: Rc<World>,
    /// The Worker's access checks time out sooner than a room's batches.
    pub fail_fast: bool,
}

/// Milliseconds to Postgres.
const LATENCY_MS: u64 = 2;

impl Postgres for Db {
    async fn query(&self, _sql: &'static str, input: Value) -> Result<Value, DbError> {
        let world = &self.world;
        let timeout_ms = if self.fail_fast { ACCESS_TIMEOUT_MS } else { STATEMENT_TIMEOUT_MS };
        world.clock.sleep(LATENCY_MS).await;
        match world.faults.postgres.get() {
            PostgresFault::Fine => run(world, &input),
            PostgresFault::Slow(ms) if ms < timeout_ms => {
                world.clock.sleep(ms).await;
                run(world, &input)
            }
            PostgresFault::Slow(ms) => {
                run_later(world, ms, input);
                world.clock.sleep(timeout_ms).await;
                Err(io_error("no answer in time"))
            }
            PostgresFault::Refuses => Err(io_error("connection refused")),
            PostgresFault::Hangs(done) => {
                if done {
                    run_later(world, timeout_ms + 3_000, input);
                }
                world.clock.sleep(timeout_ms).await;
                Err(io_error("no answer in time"))
            }
            PostgresFault::Fails(state) => {
                Err(DbError { sqlstate: Some(state.into()), message: format!("fails with {state}") })
            }
            PostgresFault::LosesReplies => {
                let _ = run(world, &input);
                Err(io_error("connection reset"))
            }
            PostgresFault::LosesPromises if self.fail_fast => Err(io_error("connection reset")),
            PostgresFault::LosesPromises => {
                world.recorder.count("promises lost");
                never().await
            }
        }
    }
}

fn io_error(message: &str) -> DbError {
    DbError { sqlstate: None, message: message.into() }
}

/// Runs a statement after its sender has given up.
fn run_later(world: &Rc<World>, ms: u64, input: Value) {
    let then = world.clone();
    world.clock.spawn(async move {
        then.clock.sleep(ms).await;
        then.recorder.count("late statements");
        let _ = run(&then, &input);
    });
}

/// Runs one statement; its input tells which one it is.
fn run(world: &World, input: &Value) -> Result<Value, DbError> {
    let mut rooms = world.backends.rooms.borrow_mut();
    let text = |name: &str| input[name].as_str().unwrap_or_default().to_owned();
    let key = (text("tenant"), text("room"));
    let statement = Statement::parse(input)?;
    count_files(world, &key, &statement);
    if let Some(answer) = account_rows::answer(world, &rooms, &key.0, &statement) {
        return Ok(answer);
    }
    if let Some(answer) = inbox_rows::answer(world, &rooms, (&key.0, &key.1), &statement) {
        return Ok(answer);
    }
    let Some(rows) = rooms.get_mut(&key) else {
        return Ok(match statement {
            Statement::Restore(_) => json!(Restored::Deleted),
            Statement::Erase => erase(world, &key),
            other => answer_without_room(&other),
        });
    };
    let statement = match statement {
        Statement::Restore(copy) => return Ok(json!(restore(world, rows, &copy))),
        other if rows.postgres.missing => return Ok(answer_without_room(&other)),
        other => other,
    };
    match statement {
        Statement::Project(batch) => project(world, rows, &batch),
        Statement::Apply(set) => {
            let inboxes = leased_of_change(world, &key.0, &set);
            Ok(json!({"state": apply(world, rows, *set), "inboxes": inboxes}))
        }
        Statement::MarkDeleted { version } if version != rows.room.members_version => {
            Ok(json!({"state": "stale"}))
        }
        Statement::MarkDeleted { .. } => {
            let pieces = rows.postgres.rows.len() as u64;
            let inboxes = leased_of_room(world, &key.0, rows);
            rooms.remove(&key);
            world.backends.erasing.borrow_mut().insert(key, pieces);
            Ok(json!({"state": "done", "inboxes": inboxes}))
        }
        Statement::Erase => {
            world.recorder.violation(Checker::Gone, "a room that nobody deleted is erased".into());
            Ok(json!(false))
        }
        Statement::MessagesAfter { after, bounds } => {
            world.recorder.count(if after == 0 {
                "first pages of rebuilds"
            } else {
                "later pages of rebuilds"
            });
            Ok(json!(rows.postgres.page(after, bounds)))
        }
        Statement::Meeting => Ok(json!({"blocked": false})),
        Statement::Access { user } => {
            let (version, last_seq) = (rows.postgres.members_version, rows.postgres.last_seq);
            let account = account_rows::account(world, &key.0, &user);
            let access = |role| json!({"role": role, "membersVersion": version, "lastSeq": last_seq, "account": account});
            Ok(rows.role(&user).map_or(Value::Null, access))
        }
        Statement::Snapshot { known } => {
            let snapshot = rows.snapshot(known, world.clock.now());
            Ok(json!(account_rows::with_people(world, (&key.0, &key.1), snapshot)))
        }
        // Answered above.
        _ => Ok(Value::Null),
    }
}

/// What counts among a person's bytes, or does no more.
fn count_files(world: &World, key: &(String, String), statement: &Statement) {
    match statement {
        Statement::CountFile { file } => {
            world.backends.counted_files.borrow_mut().insert(format!("{}/{}/{file}", key.0, key.1));
        }
        Statement::ReleaseFiles { files } => {
            let mut counted = world.backends.counted_files.borrow_mut();
            for file in files {
                counted.remove(&format!("{}/{}/{file}", key.0, key.1));
            }
        }
        _ => {}
    }
}

/// What a statement answers when there is no such room.
fn answer_without_room(statement: &Statement) -> Value {
    match statement {
        Statement::Project(_) => encode_projected(Projected::Missing),
        Statement::Apply(_) | Statement::MarkDeleted { .. } => json!({"state": "missing"}),
        Statement::Meeting => json!({"blocked": false}),
        _ => Value::Null,
    }
}

/// Deletes a piece of a deleted room.
fn erase(world: &World, key: &(String, String)) -> Value {
    let mut erasing = world.backends.erasing.borrow_mut();
    let left = erasing.entry(key.clone()).or_default();
    let is_more = *left > 0;
    *left = left.saturating_sub(1);
    world.recorder.count("pieces erased");
    json!(is_more)
}

/// Puts back what a restored backup has lost.
fn restore(world: &World, rows: &mut RoomRows, copy: &RoomCopy) -> Restored {
    if std::mem::take(&mut rows.postgres.missing) {
        rows.room.members_version = 0;
    }
    let restored = rows.membership.restore(&mut rows.room, copy);
    rows.postgres.members_version = rows.room.members_version;
    if restored == Restored::Done {
        world.recorder.count("rooms put back");
    }
    restored
}

/// An owner's change of the members and the room.
fn apply(world: &World, rows: &mut RoomRows, set: ChangeSet) -> &'static str {
    let (before, now) = (rows.room.members.clone(), world.clock.now());
    match rows.membership.apply(&mut rows.room, &set, now) {
        Applied::Done => {}
        Applied::Stale => {
            world.recorder.count("changes replanned");
            return "stale";
        }
        Applied::Missing => return "missing",
    }
    rows.postgres.members_version = rows.room.members_version;
    world.recorder.count("changes");
    let wrong = |what: String| world.recorder.violation(Checker::People, what);
    let added = |user: &str| {
        set.audit.iter().any(|row| row.action == AuditAction::Add && row.target.as_deref() == Some(user))
    };
    for member in &rows.room.members {
        let user = member.user_id.as_str();
        if !before.iter().any(|m| m.user_id == member.user_id) && !added(user) {
            wrong(format!("{user} became a member, and nobody added them"));
        }
        if rows.bans(now).any(|ban| ban.user_id == member.user_id) {
            wrong(format!("{user} is a member, and banned"));
        }
    }
    if !rows.room.members.iter().any(|member| member.role == Role::Owner) {
        wrong("the room has no owner".into());
    }
    "done"
}

/// A batch of the outbox.
fn project(world: &World, rows: &mut RoomRows, batch: &Projection) -> Result<Value, DbError> {
    let is_known = |row: &&MessageRow| rows.postgres.rows.contains_key(&row.seq);
    let is_repeated = batch.from < batch.to
        && rows.postgres.last_seq == batch.to
        && batch.messages.iter().all(|row| is_known(&row));
    let has_poison = batch.messages.iter().any(is_poison);
    let done = rows.postgres.commit(batch)?;
    check_prefix(world, rows, batch, &done);
    if has_poison && matches!(done, Projected::Done { .. }) {
        world.recorder.violation(Checker::Postgres, "a poisoned row was accepted".into());
    }
    world.recorder.count("batches");
    if is_repeated && matches!(done, Projected::Done { .. }) {
        world.recorder.count("conflicts compared as equal");
    }
    if matches!(done, Projected::Behind { .. }) {
        world.recorder.count("restored backups noticed");
    }
    let names_inboxes = matches!(done, Projected::Done { .. } | Projected::Ahead { .. });
    let mut answer = encode_projected(done);
    if let Some(inboxes) = names_inboxes.then(|| leased_of_room(world, batch.tenant.as_str(), rows)).flatten()
    {
        answer["inboxes"] = inboxes;
    }
    Ok(answer)
}

/// Postgres is a prefix of the log at every instant: each message of the batch is there, or quarantined.
fn check_prefix(world: &World, rows: &RoomRows, batch: &Projection, done: &Projected) {
    if batch.messages.len() as u64 > BATCH_ROWS_MAX {
        world.recorder.violation(Checker::Bounds, format!("a batch of {} rows", batch.messages.len()));
    }
    let Projected::Done { last_seq, .. } = done else { return };
    let Some(room) = ROOMS.iter().position(|room| *room == (batch.tenant.as_str(), batch.room.as_str()))
    else {
        return;
    };
    let quarantined = stored::quarantined(world, room);
    let missing = stored::messages_between(world, room, batch.from, *last_seq)
        .into_iter()
        .find(|seq| !rows.postgres.rows.contains_key(seq) && !quarantined.contains(seq));
    if let Some(seq) = missing {
        world.recorder.violation(Checker::Postgres, format!("stands at {last_seq} and lacks {seq}"));
    }
}
