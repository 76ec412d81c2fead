//! Reports of messages: what the tenant's list gets, and what its moderators may do about them in the room.
//! Not here: the list itself (`db_reports`), and its routes (`operator`).

use crate::rig::Rig;
use chinwag::auth::Role;
use chinwag::protocol::room::RoomKind;

/// Reporter, author and text of each report in the tenant's list.
fn listed(rig: &Rig) -> Vec<(&str, &str, &str)> {
    rig.postgres.reports.values().map(|(by, author, text)| (&**by, &**author, &**text)).collect()
}

#[test]
fn report_1_a_report_holds_the_text_as_it_was_and_outlives_message_outage_and_crash() {
    let mut rig = Rig::new();
    rig.prepare("bob post message \"rude\"\nbob post message \"ruder\"");
    rig.play(
        r#"
        (Postgres fails)
        dave report 1                                 dave < ok 1
                                                      operator < postgres_unavailable sqlstate=none why=no answer
        bob patch 1 "kind"                            bob < message 1 "kind"
        dave report 1                                 dave < ok 1
        alice report 1                                alice < ok 1
        alice report 2                                alice < ok 2
        bob delete 2                                  bob < deleted 2 at 4
        (the room crashes)                            operator < postgres_unavailable sqlstate=none why=no answer
        (Postgres recovers)
        (9 s pass)                                    operator < outbox_recovered
        "#,
    );
    let mut listed = listed(&rig);
    listed.sort_unstable();
    assert_eq!(listed, [("alice", "bob", "kind"), ("alice", "bob", "ruder"), ("dave", "bob", "rude")]);
    assert_eq!(rig.postgres.audit.len(), 3, "a group's audit log has them as well");
    assert!(!rig.sql.dump().contains("ruder"), "the room keeps nothing of it");
}

#[test]
fn dm_2_the_audit_log_of_a_direct_room_names_no_reporter() {
    let mut rig = Rig::of(&["alice", "bob"]).given(|room| room.kind = RoomKind::Direct);
    rig.prepare("bob post message \"rude\"\nalice report 1\n(1 s passes)");
    assert_eq!(listed(&rig), [("alice", "bob", "rude")]);
    assert!(rig.postgres.audit.is_empty());
}

#[test]
fn report_2_a_moderator_of_the_tenant_resolves_without_being_a_member() {
    let mut rig = Rig::new().given(|room| room.members[2].role = Role::Moderator);
    rig.prepare("bob post message \"rude\"\nbob post message \"mild\"");
    rig.play(
        r#"
        alice join history=0                          alice < hello seq=2 as owner read bob:2, online alice, synced 2
        carol resolve delete 1                        carol < 403 forbidden
        carol resolve ban bob                         carol < 403 forbidden
        root delete 1                                 root < 404 room_not_found
        root resolve delete 1                         root < deleted 1 at 3
                                                      alice < message_deleted 3 of 1 by root
        root resolve delete 1                         root < 404 message_not_found
        root resolve mute alice                       root < 403 forbidden
        root resolve mute bob                         root < ok {"userId":"bob"}
        bob post message "more"                       bob < 403 muted
        root resolve ban bob                          root < ok {"userId":"bob"}
                                                      alice < member_removed 4 bob as member by root
        alice add bob                                 alice < 409 banned
        "#,
    );
}

#[test]
fn report_3_in_a_direct_room_only_the_message_is_deleted_and_not_by_its_people() {
    let mut rig = Rig::of(&["alice", "bob"]).given(|room| room.kind = RoomKind::Direct);
    rig.prepare("bob post message \"rude\"");
    rig.play(
        r#"
        alice resolve delete 1                        alice < 403 forbidden
        root resolve mute bob                         root < 403 forbidden
        root resolve ban bob                          root < 403 forbidden
        root resolve delete 1                         root < deleted 1 at 2
        "#,
    );
    let mut rig = Rig::of(&["bob", "root"]).given(|room| room.kind = RoomKind::Direct);
    rig.prepare("bob post message \"rude\"");
    rig.play("root resolve delete 1                         root < 403 forbidden");
}
