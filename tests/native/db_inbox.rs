//! The inbox's statements on a real Postgres: leases, whom a batch names, and rooms as a person sees them.

use crate::db::{batch, done, group, message_row, room, tenant, user};
use crate::postgres::{Database, NativePostgres};
use chinwag::db::{self, Projected};
use chinwag::protocol::inbox::GoneReason;
use serde_json::json;

async fn lease(pg: &NativePostgres, of: &str, who: &str) -> bool {
    db::begin_inbox_lease(pg, &tenant(of), &user(who)).await.expect("a lease")
}

async fn named(pg: &NativePostgres, seq: u64) -> Vec<String> {
    let rows = vec![message_row("r1", seq, "alice", "hi <@bob>")];
    let answer = db::project(pg, &batch("acme", "r1", seq - 1, seq, rows)).await.expect("projected");
    assert!(matches!(answer, Projected::Done { .. }), "{answer:?}");
    answer.inboxes().iter().map(ToString::to_string).collect()
}

/// INBOX-5.
#[tokio::test]
async fn a_batch_names_the_members_whose_lease_runs() {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    group(&pg, "acme", "r1", "alice", &["bob", "carol"]).await;
    group(&pg, "other", "r1", "alice", &["bob"]).await;
    assert!(!lease(&pg, "other", "bob").await);
    assert_eq!(named(&pg, 1).await, [""; 0], "the lease of another tenant");
    assert!(!lease(&pg, "acme", "dave").await);
    assert_eq!(named(&pg, 2).await, [""; 0], "no member");
    assert!(!lease(&pg, "acme", "bob").await);
    assert!(lease(&pg, "acme", "bob").await, "it runs already");
    assert_eq!(named(&pg, 3).await, ["bob"]);
    let late = db::project(&pg, &batch("acme", "r1", 1, 2, vec![])).await.expect("a late batch");
    assert_eq!(late.inboxes(), [user("bob")], "the answer of the batch before may have been lost");
    pg.client.batch_execute("UPDATE chat_inboxes SET until = now() - interval '1 s'").await.expect("over");
    assert_eq!(named(&pg, 4).await, [""; 0]);
    assert!(!lease(&pg, "acme", "bob").await, "it was over");
    db::end_inbox_lease(&pg, &tenant("acme"), &user("bob")).await.expect("ended");
    assert_eq!(named(&pg, 5).await, [""; 0]);
}

#[tokio::test]
async fn rooms_are_the_lists_or_say_why_they_are_gone() {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    for name in ["r1", "r2", "r3", "r4"] {
        group(&pg, "acme", name, "alice", &["bob"]).await;
    }
    done(&pg, &batch("acme", "r1", 0, 1, vec![message_row("r1", 1, "alice", "hi")])).await;
    let gone = "DELETE FROM chat_room_members WHERE user_id = 'bob' AND room_id <> 'r1';
        INSERT INTO chat_bans (tenant_id, room_id, user_id, banned_by, banned_at) VALUES ('acme', 'r2', 'bob', 'alice', now());
        INSERT INTO chat_audit (tenant_id, room_id, id, at, actor, action, target, version)
        VALUES ('acme', 'r3', 'x', now(), 'bob', 'remove', 'bob', 2), ('acme', 'r4', 'y', now(), 'alice', 'remove', 'bob', 2)";
    pg.client.batch_execute(gone).await.expect("gone");
    let asked: Vec<_> = ["r4", "r3", "r2", "r1", "never"].into_iter().map(room).collect();
    let rooms = db::inbox_rooms(&pg, &tenant("acme"), &user("bob"), &asked).await.expect("rooms");
    let listed = db::list_rooms(&pg, &tenant("acme"), &user("bob"), None, 100).await.expect("the list");
    assert_eq!(rooms[3].room.as_ref(), Some(&listed.rooms[0]));
    assert_eq!(rooms[3].room.as_ref().expect("a room")["unread"], json!(1));
    let reasons: Vec<_> = rooms.iter().map(|room| room.gone).collect();
    use GoneReason::{Banned, Deleted, Left, Removed};
    assert_eq!(reasons, [Some(Removed), Some(Left), Some(Banned), None, Some(Deleted)]);
    let strangers = db::inbox_rooms(&pg, &tenant("other"), &user("bob"), &[room("r1")]).await.expect("rooms");
    assert_eq!((strangers[0].room.as_ref(), strangers[0].gone), (None, Some(Deleted)));
}
