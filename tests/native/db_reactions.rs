//! Changes of reactions in batches on a real Postgres: repeated, late, about deleted and foreign messages.

use crate::db::{batch, done, group, message_row, room, tenant, up_to};
use crate::postgres::{Database, NativePostgres};
use chinwag::db::{self, MessageRow, Postgres, Projection, ReactionChange};
use serde_json::{Value, json};

async fn messages(pg: &NativePostgres) -> Vec<MessageRow> {
    db::messages_after(pg, &tenant("acme"), &room("r1"), 0, up_to(1000)).await.expect("messages").messages
}

/// `👍 alice, 🎉 bob`, in the order in which the room shows them.
async fn shown(pg: &NativePostgres) -> String {
    let row = messages(pg).await.swap_remove(0);
    let text = |reaction: &db::ReactionRow| format!("{} {}", reaction.emoji, reaction.user_id);
    row.reactions.iter().flatten().map(text).collect::<Vec<_>>().join(", ")
}

/// A batch with these changes of message 1, the last of which is the event at `to`.
fn changes(from: u64, to: u64, of: &[(&str, &str, bool)]) -> Projection {
    let first = to + 1 - of.len() as u64;
    let change = |(at, (emoji, user, is_set)): (u64, &(&str, &str, bool))| ReactionChange {
        seq: 1,
        id: message_row("r1", 1, "alice", "").id,
        emoji: (*emoji).into(),
        user_id: (*user).into(),
        is_set: *is_set,
        position: first + at,
        at_ms: 1_795_424_703_123 + at,
    };
    let reactions = (0..).zip(of).map(change).collect();
    Projection { reactions, ..batch("acme", "r1", from, to, Vec::new()) }
}

async fn rig() -> (Database, NativePostgres) {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    group(&pg, "acme", "r1", "alice", &["bob", "carol"]).await;
    done(&pg, &batch("acme", "r1", 0, 1, vec![message_row("r1", 1, "alice", "hi")])).await;
    (rig, pg)
}

#[tokio::test]
async fn react_6_changes_are_applied_one_by_one_and_again_without_a_trace() {
    let (_rig, pg) = rig().await;
    done(&pg, &changes(1, 4, &[("👍", "carol", true), ("👍", "alice", true), ("🎉", "bob", true)])).await;
    assert_eq!(shown(&pg).await, "👍 carol, 👍 alice, 🎉 bob");
    let again = changes(4, 7, &[("👍", "carol", false), ("🦀", "bob", false), ("👍", "bob", true)]);
    done(&pg, &again).await;
    assert_eq!(shown(&pg).await, "👍 alice, 🎉 bob, 👍 bob");
    let rows = "SELECT coalesce(json_agg(ctid ORDER BY emoji, user_id), '[]') FROM chat_message_reactions";
    let before = pg.query(rows, json!({})).await.expect("rows");
    done(&pg, &again).await;
    assert_eq!(pg.query(rows, json!({})).await.expect("rows"), before, "no row was written again");
    // A row of the message without its reactions leaves them.
    let mut edit = message_row("r1", 1, "alice", "ho");
    (edit.version, edit.edited_by, edit.reactions) = (2, Some("bob".into()), None);
    done(&pg, &batch("acme", "r1", 7, 8, vec![edit])).await;
    assert_eq!(shown(&pg).await, "👍 alice, 🎉 bob, 👍 bob");
    assert_eq!(messages(&pg).await[0].edited_by.as_deref(), Some("bob"));
}

#[tokio::test]
async fn react_6_a_deletion_removes_all_and_a_late_change_brings_none_back() {
    let (_rig, pg) = rig().await;
    done(&pg, &changes(1, 2, &[("👍", "carol", true)])).await;
    let mut tombstone = message_row("r1", 1, "alice", "");
    (tombstone.deleted_at_ms, tombstone.reactions) = (Some(1_795_424_703_123), None);
    done(&pg, &batch("acme", "r1", 2, 3, vec![tombstone])).await;
    assert_eq!(shown(&pg).await, "");
    done(&pg, &changes(3, 4, &[("👍", "bob", true)])).await;
    let mut foreign = changes(4, 6, &[("👍", "bob", true), ("👍", "carol", true)]);
    (foreign.reactions[0].id, foreign.reactions[1].seq) = ("another".into(), 99);
    done(&pg, &foreign).await;
    let count = pg.query("SELECT to_json(count(*)) FROM chat_message_reactions", json!({})).await;
    assert_eq!(count.expect("count"), Value::from(0));
}
