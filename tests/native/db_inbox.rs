//! The inbox's statements on a real Postgres: leases, whom a batch names, and rooms as a person sees them.

use crate::db::{batch, done, group, message_row, room, tenant, user};
use crate::db_people::set;
use crate::postgres::{Database, NativePostgres};
use chinwag::db::{self, InboxAsked, Projected};
use chinwag::ids::RoomId;
use chinwag::protocol::inbox::GoneReason;
use serde_json::json;

async fn lease(pg: &NativePostgres, of: &str, who: &str) -> bool {
    db::begin_inbox_lease(pg, &tenant(of), &user(who)).await.expect("a lease").0
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

async fn rooms_of(pg: &NativePostgres, of: &str, rooms: &[RoomId]) -> Vec<db::InboxRoom> {
    let asked = InboxAsked { rooms, ..InboxAsked::default() };
    db::inbox_rooms(pg, &tenant(of), &user("bob"), asked).await.expect("rooms").rooms
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
    let rooms = rooms_of(&pg, "acme", &asked).await;
    let listed = db::list_rooms(&pg, &tenant("acme"), &user("bob"), None, 100).await.expect("the list");
    assert_eq!(rooms[3].room.as_ref(), Some(&listed.rooms[0]));
    assert_eq!(rooms[3].room.as_ref().expect("a room")["unread"], json!(1));
    let reasons: Vec<_> = rooms.iter().map(|room| room.gone).collect();
    use GoneReason::{Banned, Deleted, Left, Removed};
    assert_eq!(reasons, [Some(Removed), Some(Left), Some(Banned), None, Some(Deleted)]);
    let strangers = rooms_of(&pg, "other", &[room("r1")]).await;
    assert_eq!((strangers[0].room.as_ref(), strangers[0].gone), (None, Some(Deleted)));
}

/// INBOX-5: who is no member any more hears of it, and so do all members of a room that is created or deleted.
#[tokio::test]
async fn a_change_names_whom_no_event_of_the_room_tells() {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    group(&pg, "acme", "r1", "alice", &["bob", "carol"]).await;
    for who in ["bob", "carol"] {
        lease(&pg, "acme", who).await;
    }
    let mut change = set(1);
    change.gone = vec![user("bob")];
    let change = db::apply(&pg, &change).await.expect("applied");
    assert_eq!((change.state, change.inboxes), (db::Applied::Done, Some(vec![user("bob")])));
    let mut delete = set(2);
    delete.delete = true;
    let deleted = db::apply(&pg, &delete).await.expect("deleted");
    assert_eq!((deleted.state, deleted.inboxes), (db::Applied::Done, Some(vec![user("carol")])));
}

/// PRES-7, PRES-9: what an inbox writes is what people's profiles show while its lease runs, and the write names the
/// partners whose inbox is open.
#[tokio::test]
async fn pres_7_presence_is_that_of_a_running_lease_and_dnd_comes_first() {
    use chinwag::protocol::inbox::Presence::{Away, Offline, Online};
    let rig = Database::new().await;
    let pg = rig.connect().await;
    let by_admin =
        ["bob", "carol"].map(|name| db::ProfilePut { user_id: user(name), set: Default::default() });
    db::put_people(&pg, &tenant("acme"), db::ProfileWriter::Admin, &by_admin).await.expect("people");
    let shown = async |who: &str| {
        let people = [user(who)];
        let asked = InboxAsked { people: &people, ..InboxAsked::default() };
        let seen = db::inbox_rooms(&pg, &tenant("acme"), &user("alice"), asked).await.expect("people");
        let person = seen.people.first().cloned().unwrap_or_default();
        (person["presence"].clone(), person["hasCome"].clone())
    };
    let write = async |who: &str, presence, partners: &[&str]| {
        let partners: Vec<_> = partners.iter().map(|name| user(name)).collect();
        let (tenant, who) = (tenant("acme"), user(who));
        let named = db::write_presence(&pg, (&tenant, &who), presence, &partners).await.expect("written");
        named.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(shown("bob").await, (json!("offline"), json!(false)), "an import alone");
    assert!(!lease(&pg, "acme", "bob").await);
    assert_eq!(shown("bob").await.0, "offline", "the lease alone says nothing");
    assert_eq!(write("bob", Online, &["alice", "carol"]).await, [""; 0], "nobody's inbox is open");
    assert_eq!(shown("bob").await.0, "online");
    lease(&pg, "acme", "carol").await;
    lease(&pg, "other", "alice").await;
    assert_eq!(write("bob", Away, &["alice", "carol"]).await, ["carol"]);
    assert!(lease(&pg, "acme", "bob").await);
    assert_eq!(shown("bob").await.0, "away", "a renewal changes nothing");
    pg.client
        .batch_execute("UPDATE chat_inboxes SET until = now() - interval '1 s' WHERE user_id = 'bob'")
        .await
        .expect("over");
    assert_eq!(shown("bob").await.0, "offline", "a crash");
    assert!(!lease(&pg, "acme", "bob").await);
    assert_eq!(shown("bob").await.0, "offline", "what it said before is over");
    write("bob", Online, &[]).await;
    let mut set = serde_json::Map::new();
    set.insert("presence".into(), json!("dnd"));
    let own = [db::ProfilePut { user_id: user("bob"), set }];
    db::put_people(&pg, &tenant("acme"), db::ProfileWriter::Person, &own).await.expect("own");
    assert_eq!(shown("bob").await, (json!("dnd"), json!(true)), "it was bob who wrote");
    assert_eq!(write("carol", Offline, &["bob"]).await, ["bob"]);
    assert_eq!(shown("carol").await.0, "offline");
    assert!(!lease(&pg, "acme", "carol").await, "the lease has ended");
}

/// INBOX-9.
#[tokio::test]
async fn inbox_9_a_profile_names_the_partners_with_an_open_inbox() {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    let named = async || {
        let inboxes = db::inboxes_of_partners(&pg, &tenant("acme"), &user("alice")).await.expect("inboxes");
        inboxes.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    group(&pg, "acme", "r1", "alice", &["dave"]).await;
    let rooms = "INSERT INTO chat_rooms (tenant_id, id, type, created_by, created_at, dm_key)
        SELECT 'acme', 'd' || n, 'direct', 'alice', now(), 'k' || n FROM generate_series(1, 3) AS s(n);
        INSERT INTO chat_room_members (tenant_id, room_id, user_id, role, joined_at)
        SELECT 'acme', 'd' || n, p.name, 'member', now() FROM generate_series(1, 3) AS s(n),
            LATERAL (VALUES ('alice'), ('partner' || n)) AS p(name)";
    pg.client.batch_execute(rooms).await.expect("rooms");
    assert_eq!(named().await, [""; 0]);
    for who in ["dave", "alice", "partner1", "partner3"] {
        lease(&pg, "acme", who).await;
    }
    let mut inboxes = named().await;
    inboxes.sort();
    assert_eq!(inboxes, ["partner1", "partner3"]);
}
