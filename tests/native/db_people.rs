//! Changes of members and settings, and pages of members and of the audit log, on a real Postgres.

use crate::db::{batch, done, group, message_row, room, tenant, user};
use crate::postgres::{Database, NativePostgres};
use chinwag::auth::Role;
use chinwag::db::{
    self, Applied, AuditCursor, AuditRow, BanPut, ChangeSet, MemberPut, NotifyPut, RoomSnapshot, Settings,
};
use chinwag::protocol::room::{AuditAction, HistoryVisibility, NotifyLevel, RoomKind, RoomMention};
use serde_json::{Value, json};

pub fn set(version: u64) -> ChangeSet {
    ChangeSet::new(tenant("acme"), room("r1"), version, 100_000)
}

fn put(name: &str, role: &str, joined_seq: u64) -> MemberPut {
    MemberPut {
        user_id: user(name),
        role: Role::from_name(role).expect("a role"),
        joined_seq,
        silenced_until_ms: None,
    }
}

fn notify(name: &str, level: NotifyLevel, notifications_snoozed_until_ms: Option<u64>) -> NotifyPut {
    NotifyPut { user_id: user(name), level, notifications_snoozed_until_ms }
}

fn note(id: &str, at_ms: u64, action: &str, target: Option<&str>) -> AuditRow {
    let action = AuditAction::from_name(action).expect("an action");
    let (actor, target) = ("alice".into(), target.map(str::to_owned));
    AuditRow { id: id.into(), at_ms, actor, action, target, reason: None, report: None }
}

async fn see(pg: &NativePostgres, known: Option<u64>) -> RoomSnapshot {
    db::room_snapshot(pg, &tenant("acme"), &room("r1"), known).await.expect("snapshot").expect("a room")
}

fn people(snapshot: &RoomSnapshot) -> Vec<(&str, &str, u64)> {
    snapshot.members.iter().map(|m| (m.user_id.as_str(), m.role.name(), m.joined_seq)).collect()
}

#[tokio::test]
async fn a_change_is_whole_or_not_at_all_and_only_over_its_version() {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    group(&pg, "acme", "r1", "alice", &["bob", "carol"]).await;
    group(&pg, "other", "r1", "alice", &["bob"]).await;
    done(&pg, &batch("acme", "r1", 0, 7, vec![message_row("r1", 7, "bob", "seven")])).await;
    let mut add = set(1);
    add.put = vec![put("dave", "member", 7), put("bob", "admin", 99)];
    add.gone = vec![user("carol")];
    add.audit = vec![note("x.0", 1_000, "add", Some("dave")), note("x.1", 1_000, "remove", Some("carol"))];
    assert_eq!(db::apply(&pg, &add).await.map(|change| change.state), Ok(Applied::Done));
    let now = see(&pg, Some(1)).await;
    assert_eq!(people(&now), [("alice", "owner", 0), ("bob", "admin", 0), ("dave", "member", 7)]);
    assert_eq!((now.members_version, now.members[2].last_read_seq), (2, 7));
    let audited: Vec<_> =
        now.changes.iter().map(|c| (c.id.as_str(), c.action.name(), c.target.as_deref())).collect();
    assert_eq!(audited, [("x.0", "add", Some("dave")), ("x.1", "remove", Some("carol"))]);
    assert!(see(&pg, Some(2)).await.changes.is_empty() && see(&pg, None).await.changes.is_empty());
    // Its reply was lost, and it is sent again.
    assert_eq!(db::apply(&pg, &add).await.map(|change| change.state), Ok(Applied::Stale));
    assert_eq!(see(&pg, Some(1)).await, now);
    // One row that can't be: nothing of it is written.
    let mut broken = set(2);
    broken.put = vec![put("erin", "member", 7), put("frank", "member", u64::MAX)];
    assert_eq!(db::apply(&pg, &broken).await.expect_err("no such seq").sqlstate.as_deref(), Some("22003"));
    assert_eq!(see(&pg, Some(1)).await, now);
    let other = db::room_snapshot(&pg, &tenant("other"), &room("r1"), None).await.expect("snapshot");
    assert_eq!(
        people(&other.expect("a room")),
        [("alice", "owner", 0), ("bob", "member", 0)],
        "another tenant's"
    );
    let mut nowhere = set(1);
    nowhere.room = room("r9");
    assert_eq!(db::apply(&pg, &nowhere).await.map(|change| change.state), Ok(Applied::Missing));
}

fn ban(name: &str, until_ms: Option<u64>) -> BanPut {
    BanPut { user_id: user(name), banned_by: user("alice"), until_ms, reason: Some("spam".into()) }
}

#[tokio::test]
async fn settings_mutes_bans_and_notify_are_kept_and_taken_back() {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    group(&pg, "acme", "r1", "alice", &["bob"]).await;
    let mut change = set(1);
    let settings = Settings {
        name: None,
        topic: Some("tea".into()),
        archived: true,
        history_visibility: HistoryVisibility::SinceJoin,
        room_mention: RoomMention::Admins,
        slow_mode_s: 30,
    };
    let far = 253_402_300_799_000;
    change.settings = Some(settings.clone());
    change.put = vec![MemberPut { silenced_until_ms: Some(far), ..put("bob", "member", 0) }];
    change.notify = vec![notify("bob", NotifyLevel::None, Some(1_795_424_703_120))];
    change.bans = vec![ban("mallory", None), ban("eve", Some(far)), ban("over", Some(1_000))];
    change.audit = vec![note("a", 5, "ban", Some("mallory"))];
    assert_eq!(db::apply(&pg, &change).await.map(|change| change.state), Ok(Applied::Done));
    let now = see(&pg, None).await;
    assert_eq!((now.name.as_deref(), now.topic.as_deref(), now.archived), (None, Some("tea"), true));
    assert_eq!(
        (now.history_visibility, now.room_mention, now.slow_mode_s),
        (HistoryVisibility::SinceJoin, RoomMention::Admins, 30)
    );
    let bob = &now.members[1];
    assert_eq!((bob.silenced_until_ms, bob.notify.level), (Some(far), NotifyLevel::None));
    assert_eq!(bob.notify.notifications_snoozed_until_ms, Some(1_795_424_703_120));
    let bans: Vec<_> = now.bans.iter().map(|b| (b.user_id.as_str(), b.until_ms)).collect();
    assert_eq!(bans, [("eve", Some(far)), ("mallory", None)], "one that is over isn't told");
    let own = db::notify_settings(&pg, &tenant("acme"), &user("bob"), &room("r1")).await.expect("notify");
    assert_eq!(own, Some(json!({"level": "none", "muteUntil": "2026-11-23T09:05:03.120Z"})));
    let stranger =
        db::notify_settings(&pg, &tenant("acme"), &user("eve"), &room("r1")).await.expect("notify");
    assert_eq!(stranger, None);
    let mut back = set(2);
    back.settings = Some(Settings { archived: false, topic: None, name: Some("Tea".into()), ..settings });
    back.put = vec![put("bob", "member", 0)];
    back.unbanned = vec![user("mallory")];
    back.bans = vec![ban("eve", None)];
    back.audit = vec![note("b", 6, "unban", Some("mallory"))];
    assert_eq!(db::apply(&pg, &back).await.map(|change| change.state), Ok(Applied::Done));
    let now = see(&pg, None).await;
    assert_eq!((now.name.as_deref(), now.topic.as_deref(), now.archived), (Some("Tea"), None, false));
    let bob = &now.members[1];
    assert_eq!(
        (bob.silenced_until_ms, bob.notify.level),
        (None, NotifyLevel::None),
        "not the room's to change"
    );
    let sql = "SELECT string_agg(user_id, ' ') FROM chat_bans";
    assert_eq!(
        pg.client.query_one(sql, &[]).await.expect("bans").get::<_, String>(0),
        "eve",
        "those that are over go with the next change"
    );
}

#[tokio::test]
async fn a_deleted_room_takes_everything_with_it_once() {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    group(&pg, "acme", "r1", "alice", &["bob"]).await;
    let mut change = set(1);
    change.bans =
        vec![BanPut { user_id: user("eve"), banned_by: user("alice"), until_ms: None, reason: None }];
    change.audit = vec![note("a", 5, "ban", Some("eve"))];
    assert_eq!(db::apply(&pg, &change).await.map(|change| change.state), Ok(Applied::Done));
    let mut delete = set(2);
    delete.delete = true;
    assert_eq!(db::apply(&pg, &delete).await.map(|change| change.state), Ok(Applied::Done));
    assert_eq!(db::room_snapshot(&pg, &tenant("acme"), &room("r1"), None).await, Ok(None));
    while db::erase_room(&pg, &tenant("acme"), &room("r1")).await.expect("a piece") {}
    for table in ["chat_rooms", "chat_room_members", "chat_bans", "chat_audit"] {
        let sql = format!("SELECT count(*) FROM {table}");
        assert_eq!(pg.client.query_one(&sql, &[]).await.expect(table).get::<_, i64>(0), 0, "{table}");
    }
    assert_eq!(db::apply(&pg, &delete).await.map(|change| change.state), Ok(Applied::Missing));
}

#[tokio::test]
async fn ones_own_notification_settings_need_no_version_and_make_none() {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    group(&pg, "acme", "r1", "alice", &["bob", "carol"]).await;
    group(&pg, "acme", "r2", "alice", &["bob"]).await;
    let mut own = set(77);
    own.notify = vec![notify("bob", NotifyLevel::Mentions, None), notify("eve", NotifyLevel::None, None)];
    assert_eq!(db::apply(&pg, &own).await.map(|change| change.state), Ok(Applied::Done));
    let levels = |now: &RoomSnapshot| now.members.iter().map(|m| m.notify.level).collect::<Vec<_>>();
    let now = see(&pg, None).await;
    assert_eq!(now.members_version, 1);
    assert_eq!(
        levels(&now),
        [NotifyLevel::All, NotifyLevel::Mentions, NotifyLevel::All],
        "eve is in no room"
    );
    let access = db::access(&pg, &tenant("acme"), &user("bob"), &room("r1")).await.expect("access");
    assert_eq!(access.and_then(|access| access.notify), Some(now.members[1].notify.clone()));
    let other = db::room_snapshot(&pg, &tenant("acme"), &room("r2"), None).await.expect("snapshot");
    assert_eq!(levels(&other.expect("a room")), [NotifyLevel::All, NotifyLevel::All], "another room's");
    // Beside a change of the members they share its fate: both are planned again.
    let mut both = set(77);
    both.notify = vec![notify("bob", NotifyLevel::None, None)];
    both.put = vec![put("dave", "member", 0)];
    assert_eq!(db::apply(&pg, &both).await.map(|change| change.state), Ok(Applied::Stale));
    assert_eq!(see(&pg, None).await, now);
    both.version = 1;
    assert_eq!(db::apply(&pg, &both).await.map(|change| change.state), Ok(Applied::Done));
    let now = see(&pg, None).await;
    assert_eq!((now.members_version, now.members[1].notify.level), (2, NotifyLevel::None));
}

/// RATE-2.
#[tokio::test]
async fn nobody_is_added_who_is_in_as_many_rooms_as_one_may_be() {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    group(&pg, "acme", "r1", "alice", &["bob"]).await;
    group(&pg, "acme", "r2", "carol", &[]).await;
    group(&pg, "acme", "r3", "carol", &[]).await;
    let mut change = ChangeSet { rooms_per_person: 2, ..set(1) };
    change.put = vec![put("dave", "member", 0), put("carol", "member", 0)];
    let refused = db::apply(&pg, &change).await.expect_err("carol is in two rooms");
    assert_eq!(refused.quota(), Some(db::Quota::Memberships));
    change.rooms_per_person = 3;
    assert_eq!(db::apply(&pg, &change).await.map(|change| change.state), Ok(Applied::Done));
    let mut change = ChangeSet { rooms_per_person: 1, ..set(2) };
    change.put = vec![put("carol", "moderator", 0)];
    assert_eq!(
        db::apply(&pg, &change).await.map(|change| change.state),
        Ok(Applied::Done),
        "who is a member already is not added"
    );
}

#[tokio::test]
async fn of_changes_and_batches_that_race_each_is_whole_and_one_wins_a_version() {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    group(&pg, "acme", "r1", "alice", &["bob"]).await;
    for round in 0..20u64 {
        let version = see(&pg, None).await.members_version;
        let changes = (0..6).map(|n| {
            let mut change = set(version);
            change.put = vec![put(&format!("p{round}-{n}"), "member", 0)];
            change.audit = vec![note(&format!("{round}.{n}"), round, "add", Some("p"))];
            change
        });
        let mut tasks = Vec::new();
        for change in changes {
            let pg = rig.connect().await;
            tasks.push(tokio::spawn(async move { db::apply(&pg, &change).await.expect("apply").state }));
        }
        let projecting = rig.connect().await;
        let seq = round + 1;
        done(&projecting, &batch("acme", "r1", round, seq, vec![message_row("r1", seq, "bob", "hi")])).await;
        let mut won = 0;
        for task in tasks {
            won += usize::from(task.await.expect("task") == Applied::Done);
        }
        assert_eq!(won, 1, "one change makes version {}", version + 1);
        let now = see(&pg, Some(version)).await;
        assert_eq!((now.members_version, now.last_seq, now.changes.len()), (version + 1, seq, 1));
        assert_eq!(now.members.len() as u64, 2 + round + 1);
    }
}

#[tokio::test]
async fn members_and_the_audit_log_are_paged_without_a_hole() {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    let names: Vec<String> = (0..7).map(|n| format!("p{n}")).collect();
    let others: Vec<&str> = names.iter().map(String::as_str).collect();
    group(&pg, "acme", "r1", "alice", &others).await;
    let (acme, r1) = (tenant("acme"), room("r1"));
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let asked = (&acme, &user("p3"), &r1);
        let page = db::list_members(&pg, asked, after.as_ref(), 3).await.expect("page");
        let (kind, role, page) = page.expect("a room");
        assert_eq!((kind, role.as_str()), (RoomKind::Group, "member"));
        assert!(page.items.len() <= 3);
        seen.extend(page.items.iter().map(|m| m["userId"].as_str().expect("id").to_owned()));
        let Some(next) = page.next_cursor else { break };
        after = Some(db::parse_cursor(&next, |_| true).expect("cursor"));
    }
    assert_eq!(seen, ["alice", "p0", "p1", "p2", "p3", "p4", "p5", "p6"]);
    let stranger = db::list_members(&pg, (&acme, &user("eve"), &r1), None, 3).await.expect("page");
    assert_eq!(stranger, None);

    let mut change = set(1);
    // Several at one time: their ids tell them apart.
    change.audit =
        (0..10u64).map(|n| note(&format!("n{n}"), 1_795_424_703_121 + n / 4, "mute", None)).collect();
    assert_eq!(db::apply(&pg, &change).await.map(|change| change.state), Ok(Applied::Done));
    let (mut cursor, mut seen) = (None, Vec::<Value>::new());
    loop {
        let page = db::list_audit(&pg, &acme, &r1, cursor.as_ref(), 3).await.expect("page");
        seen.extend(page.items);
        let Some(next) = page.next_cursor else { break };
        cursor = Some(AuditCursor::parse(&next).expect("cursor"));
    }
    assert_eq!(seen.len(), 10);
    let times: Vec<&str> = seen.iter().map(|e| e["at"].as_str().expect("at")).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "newest first: {times:?}");
    assert_eq!(
        seen[0],
        json!({"at": "2026-11-23T09:05:03.123Z", "actor": "alice", "action": "mute", "target": "r1"})
    );
    assert_eq!(
        db::list_audit(&pg, &tenant("other"), &r1, None, 3).await.expect("page").items,
        Vec::<Value>::new()
    );
    for bad in ["x", "7b7d", ""] {
        assert!(AuditCursor::parse(bad).is_err());
    }
}
