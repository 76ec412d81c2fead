//! Postgres restored from a backup that lacks the room or changes of its people, and the deletion of a room in stages.

use crate::rig::Rig;
use chinwag::room::Input;

#[test]
fn out_11_a_room_that_postgres_has_lost_is_put_back_with_all_messages() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nbob join\nalice > message \"a\"\nbob > read 1\nalice add erin\n(60 s pass)");
    let people = rig.snapshot.members.clone();
    rig.prepare("(Postgres loses the room)");
    rig.play(
        r#"
        alice > message "b"                           alice < new_message 3 "b"
                                                      bob < new_message 3 "b"
                                                      operator < outbox_halted why=Postgres has no such room /
                                                          room_put_back version=2 / postgres_set_back from=2 to=0 /
                                                          outbox_recovered
        (1 s passes)
        "#,
    );
    assert_eq!((&rig.snapshot.members, rig.snapshot.members_version), (&people, 2));
    assert_eq!((rig.postgres.last_seq, rig.postgres.rows.len()), (3, 2));
    assert_eq!(rig.postgres.reads.get("bob").map(|marker| marker.seq), Some(1), "markers too");
}

#[test]
fn out_11_an_idle_room_is_put_back_when_an_admin_has_it_retry() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nalice > message \"a\"\n(60 s pass)\n(Postgres loses the room)\n(60 s pass)");
    assert!(rig.postgres.missing, "nothing was to be sent");
    rig.prepare("root retry\n(1 s passes)");
    assert_eq!((rig.postgres.missing, rig.postgres.last_seq), (false, 1));
}

#[test]
fn out_11_lost_changes_of_people_are_put_back_and_later_ones_succeed() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nalice add erin\nalice ban dave\nalice make bob admin\n(60 s pass)");
    let known = rig.snapshot.clone();
    rig.prepare("(Postgres loses 3 changes)");
    assert_eq!(rig.snapshot.members_version, 1);
    rig.play(
        r#"
        alice make carol moderator                    operator < room_put_back version=4
                                                      alice < ok carol moderator / member_updated 4 carol as moderator
                                                          by alice
        "#,
    );
    let roles = |people: &[chinwag::db::SnapshotMember]| -> Vec<String> {
        people.iter().map(|m| format!("{} {}", m.user_id, m.role.name())).collect()
    };
    assert_eq!(roles(&rig.snapshot.members), ["alice owner", "bob admin", "carol moderator", "erin member"]);
    assert_eq!(rig.snapshot.bans, known.bans);
    assert_eq!(rig.snapshot.members_version, 5);
}

#[test]
fn out_11_a_batch_shows_lost_changes_and_nobody_hears_of_it() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nalice add erin\n(60 s pass)\n(Postgres loses 1 changes)");
    rig.play(
        r#"
        alice > message "hi"                          alice < new_message 2 "hi"
                                                      operator < room_put_back version=2
        "#,
    );
    assert_eq!(rig.snapshot.members.len(), 5);
}

#[test]
fn gone_4_a_room_that_postgres_has_deleted_deletes_itself_and_is_not_put_back() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nalice > message \"a\"\n(60 s pass)");
    (rig.postgres.missing, rig.room_is_deleted) = (true, true);
    rig.play(
        r#"
        alice > message "b"                           alice < new_message 2 "b" / closed 4410 room_gone
                                                      operator < outbox_halted why=Postgres has no such room
        (1 s passes)
        "#,
    );
    assert!(rig.is_wiped() && rig.postgres.missing);
    rig.lawful = false;
}

/// Postgres has marked the room as deleted, and still has so many pieces of it.
fn room_being_deleted(pieces: u64) -> Rig {
    let mut rig = Rig::new();
    rig.prepare("alice join\nalice > message \"a\"\n(60 s pass)");
    rig.lawful = false;
    rig.pieces_left = pieces;
    rig.input(Input::DeletionRequested);
    rig.postgres.missing = true;
    rig.input(Input::Refreshed(None));
    rig
}

/// Wherever the process dies, the alarm goes on, and the room's storage is empty in the end, without an alarm.
#[test]
fn gone_5_a_deletion_goes_on_piece_by_piece_after_a_kill() {
    for killed_after_ms in [0, 1, 30, 60] {
        let mut rig = room_being_deleted(3);
        rig.pass(killed_after_ms);
        assert!(!rig.is_wiped(), "Postgres has pieces of it");
        rig.crash();
        // A restored backup has the room again.
        rig.postgres.missing = false;
        rig.prepare("(60 s pass)");
        assert!(rig.postgres.missing && rig.pieces_left == 0, "after {killed_after_ms} ms");
        assert!(rig.is_wiped() && rig.alarm.is_none(), "after {killed_after_ms} ms");
    }
}

#[test]
fn gone_5_a_backup_does_not_bring_a_deleted_room_back() {
    let mut rig = room_being_deleted(1_000);
    rig.postgres.missing = false;
    rig.refresh();
    rig.play(
        r#"
        alice join                                    alice < closed 4410 room_gone / 404 room_not_found
        "#,
    );
}

#[test]
fn gone_5_nothing_of_a_deleted_room_goes_to_postgres_any_more() {
    let mut rig = room_being_deleted(1_000);
    rig.play(
        r#"
        root retry                                    alice < closed 4410 room_gone
                                                      operator < outbox_retry_asked by=root rows=0
                                                      root < outbox idle 1/1 lag 0 for 0 ms, aside []
        (1 s passes)
        "#,
    );
}
