//! What single migrations do: the Worker's role, and direct rooms from before DM-2. Not here: applying migrations
//! (`xtask/src/migrate.rs`).

use crate::db::{direct, group, tenant};
use crate::postgres::{Database, NativePostgres, migration};
use chinwag::db;
use chinwag::ids::RoomId;
use chinwag::limits::STATEMENT_TIMEOUT_MS;

async fn sqlstate(pg: &NativePostgres, sql: &str) -> Option<String> {
    let error = pg.client.batch_execute(sql).await.err();
    error.and_then(|error| error.code().map(|state| state.code().to_owned()))
}

#[tokio::test]
async fn the_workers_role_reads_and_writes_rows_and_nothing_else() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    group(pg, "acme", "r1", "alice", &["bob"]).await;
    pg.client.batch_execute("CREATE TABLE chinwag_migrations (x int)").await.expect("bookkeeping");
    pg.client
        .batch_execute("REVOKE ALL ON chinwag_migrations FROM chinwag_worker")
        .await
        .expect("as before the role");
    let role = "SELECT rolsuper OR rolcreatedb OR rolcreaterole OR rolbypassrls OR rolreplication, rolconfig
        FROM pg_roles WHERE rolname = 'chinwag_worker'";
    let row = pg.client.query_one(role, &[]).await.expect("the role");
    let (more, settings): (bool, Vec<String>) = (row.get(0), row.get(1));
    assert!(!more, "it may only what it is granted");
    let limits = ["statement_timeout=8s", "lock_timeout=4s", "idle_in_transaction_session_timeout=10s"];
    assert_eq!(settings, limits);
    assert_eq!(STATEMENT_TIMEOUT_MS, 8_000, "as long as the Worker waits");
    pg.client.batch_execute("SET ROLE chinwag_worker").await.expect("the role");
    for allowed in [
        "SELECT FROM chat_rooms",
        "UPDATE chat_room_members SET last_read_seq = 0 WHERE tenant_id = 'acme'",
        "DELETE FROM chat_rooms WHERE tenant_id = 'nobody'",
        "SELECT FROM chat_message_json_v1",
    ] {
        assert_eq!(sqlstate(pg, allowed).await, None, "{allowed}");
    }
    for refused in [
        "TRUNCATE chat_rooms CASCADE",
        "DROP TABLE chat_audit",
        "ALTER TABLE chat_rooms ADD COLUMN x int",
        "CREATE TABLE public.x (x int)",
        "CREATE INDEX ON chat_messages (user_id)",
        "DROP FUNCTION chat_search_v1",
        "SELECT FROM chinwag_migrations",
        "CREATE ROLE another",
        "ALTER ROLE chinwag_worker SUPERUSER",
        "COPY chat_rooms TO PROGRAM 'true'",
    ] {
        assert_eq!(sqlstate(pg, refused).await.as_deref(), Some("42501"), "{refused}");
    }
}

#[tokio::test]
async fn dm_2_direct_rooms_of_before_lose_their_owner_and_what_the_owner_did() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    direct(pg, "acme", "dm", "alice", "bob").await;
    direct(pg, "acme", "calm", "alice", "carol").await;
    group(pg, "acme", "g", "alice", &["bob"]).await;
    let before = "UPDATE chat_rooms SET archived_at = now(), slow_mode_s = 60, members_version = 7 WHERE id IN ('dm', 'g');
        UPDATE chat_room_members SET role = 'owner' WHERE room_id IN ('dm', 'g') AND user_id = 'alice';
        UPDATE chat_room_members SET muted_until = '9999-12-31' WHERE room_id IN ('dm', 'g') AND user_id = 'bob';
        INSERT INTO chat_bans (tenant_id, room_id, user_id, banned_by, banned_at)
        SELECT 'acme', id, 'bob', 'alice', now() FROM chat_rooms WHERE id IN ('dm', 'g')";
    pg.client.batch_execute(before).await.expect(before);
    let text = migration("reset_direct_rooms");
    for run in ["first", "again"] {
        pg.client.batch_execute(&text).await.expect(run);
        let snapshot = async |id: &str| {
            let id = RoomId::parse(id).expect("an id");
            let snapshot =
                db::room_snapshot(pg, &tenant("acme"), &id, None).await.expect("snapshot").expect("a room");
            serde_json::to_value(snapshot).expect("JSON")
        };
        let roles = |room: &serde_json::Value| {
            let members = room["members"].as_array().cloned().unwrap_or_default();
            members.iter().map(|m| m["role"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
        };
        let dm = snapshot("dm").await;
        assert_eq!(roles(&dm), ["member", "member"], "{run}");
        assert_eq!((&dm["archived"], &dm["slowModeS"]), (&false.into(), &0.into()), "{run}");
        assert_eq!(
            (&dm["members"][1]["mutedUntilMs"], &dm["bans"]),
            (&().into(), &serde_json::json!([])),
            "{run}"
        );
        assert_eq!(dm["membersVersion"], 8, "the room learns of it, once: {run}");
        assert_eq!(snapshot("calm").await["membersVersion"], 1, "nothing to reset: {run}");
        let group = snapshot("g").await;
        assert_eq!(
            (roles(&group), &group["archived"]),
            (vec!["owner".into(), "member".into()], &true.into()),
            "{run}"
        );
    }
}
