//! Members, roles and settings of the room.

use crate::rig::Rig;
use chinwag::auth::Role;
use chinwag::db::ChangeSet;
use chinwag::protocol::room::{NotifyLevel, RoomKind};
use chinwag::room::{AdminChange, AskedChange};

/// alice owns the room, anna is an admin of it, mo a moderator.
fn ranks() -> Rig {
    Rig::of(&["alice", "anna", "mo", "bob", "carol"]).given(|room| {
        for (name, role) in [("anna", "admin"), ("mo", "moderator")] {
            let member = room.members.iter_mut().find(|m| m.user_id.as_str() == name);
            member.unwrap().role = Role::from_name(role).unwrap();
        }
    })
}

#[test]
fn room_1_admins_add_people_and_twice_is_no_error() {
    let mut rig = ranks();
    rig.play(
        r#"
        bob join                                      bob < hello seq=0, online bob, synced 0
        bob add erin                                  bob < 403 forbidden
        mo add erin                                   mo < 403 forbidden
        eve add erin                                  eve < 404 room_not_found
        anna add erin frank bob erin                  anna < ok erin member, frank member, bob member, erin member
                                                      bob < member_added 1 erin as member by anna, member_added 2 frank
                                                          as member by anna
        anna add erin                                 anna < ok erin member
        alice > message "hi" & alice add gina         alice < has no socket / ok gina member
                                                      bob < member_added 3 gina as member by alice
        erin join                                     erin < hello seq=3 read gina:2, online bob erin, synced 3
        erin > message "hello"                        bob < new_message 4 "hello"
                                                      erin < new_message 4 "hello"
        "#,
    );
}

#[test]
fn room_2_who_is_removed_hears_nothing_more() {
    let mut rig = ranks();
    rig.play(
        r#"
        bob join                                      bob < hello seq=0, online bob, synced 0
        bob' join                                     bob' < hello seq=0, online bob, synced 0
        carol join                                    carol < hello seq=0, online bob carol, synced 0
        (1 s passes)                                  bob < user_joined carol
                                                      bob' < user_joined carol
        bob remove carol                              bob < 403 forbidden
        mo remove carol                               mo < 403 forbidden
        anna remove alice                             anna < 403 forbidden
        anna remove anna2                             anna < 404 member_not_found
        carol > message "before" & anna remove bob    bob < closed 4403 removed
                                                      bob' < closed 4403 removed
                                                      anna < ok {"userId":"bob"}
                                                      carol < new_message 1 "before", member_removed 2 bob as member by
                                                          anna
        bob > message "after"                         bob < has no socket
        bob join                                      bob < 404 room_not_found
        anna remove bob                               anna < 404 member_not_found
        anna add bob                                  anna < ok bob member
                                                      carol < member_added 3 bob as member by anna
        bob join since=0                              bob < hello seq=3 read bob:2 carol:1, online bob carol,
                                                          new_message 1 "before", member_removed 2 bob as member by
                                                          anna, member_added 3 bob as member by anna, synced 3
        (9 s pass)
        "#,
    );
}

#[test]
fn room_3_the_last_owner_stays() {
    let mut rig = ranks();
    rig.play(
        r#"
        carol join                                    carol < hello seq=0, online carol, synced 0
        bob quit                                      bob < ok {"roomId":"r1"}
                                                      carol < member_removed 1 bob as member by bob
        bob quit                                      bob < 404 room_not_found
        alice quit                                    alice < 409 last_owner
        alice remove alice                            alice < 409 last_owner
        alice make alice member                       alice < 409 last_owner
        alice make alice owner                        alice < ok alice owner
        alice make anna owner                         alice < ok anna owner
                                                      carol < member_updated 2 alice as admin by alice, member_updated 3
                                                          anna as owner by alice
        alice quit                                    alice < ok {"roomId":"r1"}
                                                      carol < member_removed 4 alice as admin by alice
        anna quit                                     anna < 409 last_owner
        "#,
    );
}

#[test]
fn room_4_roles_are_given_below_ones_own_and_the_owner_hands_the_room_over() {
    let mut rig = ranks();
    rig.play(
        r#"
        bob join                                      bob < hello seq=0, online bob, synced 0
        bob make carol moderator                      bob < 403 forbidden
        mo make carol moderator                       mo < 403 forbidden
        anna make carol moderator                     anna < ok carol moderator
                                                      bob < member_updated 1 carol as moderator by anna
        anna make carol moderator                     anna < ok carol moderator
        anna make carol admin                         anna < 403 forbidden
        anna make alice member                        anna < 403 forbidden
        anna make anna member                         anna < 403 forbidden
        anna make mo member                           anna < ok mo member
                                                      bob < member_updated 2 mo as member by anna
        anna make nobody moderator                    anna < 404 member_not_found
        alice make anna member                        alice < ok anna member
                                                      bob < member_updated 3 anna as member by alice
        alice make bob owner                          alice < ok bob owner
                                                      bob < member_updated 4 alice as admin by alice, member_updated 5
                                                          bob as owner by alice
        alice make carol admin                        alice < 403 forbidden
        bob make alice member                         bob < ok alice member / member_updated 6 alice as member by bob
        "#,
    );
    assert_eq!(rig.membership.audit.last().unwrap().0, "role");
}

#[test]
fn room_5_the_people_of_a_direct_room_are_fixed() {
    let mut rig = Rig::of(&["alice", "bob"]).given(|room| room.kind = RoomKind::Direct);
    rig.play(
        r#"
        alice add carol                               alice < 403 forbidden
        alice remove bob                              alice < 403 forbidden
        alice remove alice                            alice < 403 forbidden
        bob quit                                      bob < 403 forbidden
        alice make bob admin                          alice < 403 forbidden
        alice mute bob                                alice < 403 forbidden
        alice ban bob                                 alice < 403 forbidden
        alice slow to 5 s                             alice < 403 forbidden
        eve quit                                      eve < 404 room_not_found
        bob notify mentions                           bob < ok {"level":"mentions","muteUntil":null}
        "#,
    );
}

#[test]
fn dm_2_both_people_of_a_direct_room_are_members_whatever_role_is_stored() {
    let mut rig = Rig::of(&["alice", "bob", "root"]).given(|room| room.kind = RoomKind::Direct);
    assert_eq!(rig.snapshot.members[0].role, Role::Owner, "stored by an earlier version");
    rig.play(
        r#"
        bob join                                      bob < hello seq=0, online bob, synced 0
        bob > message "mine"                          bob < new_message 1 "mine"
        root join history=0                           root < hello seq=1 read bob:1, online bob root, synced 1
        alice join history=0                          alice < hello seq=1 read bob:1, online alice bob root, synced 1
        alice > edit 1 "yours"                        alice < error forbidden of edit
        alice > delete 1                              alice < error forbidden of delete
        root > edit 1 "yours"                         root < error forbidden of edit
        root > delete 1                               root < error forbidden of delete
        alice versions 1                              alice < 403 forbidden
        root versions 1                               root < 403 forbidden
        alice set {"archived":true}                   alice < 403 forbidden
        alice set {"topic":"soup"}                    alice < 403 forbidden
        root set {"topic":"soup"}                     root < 403 forbidden
        root slow to 5 s                              root < 403 forbidden
        root mute bob                                 root < 403 forbidden
        root ban bob                                  root < 403 forbidden
        root unban bob                                root < 403 forbidden
        bob > edit 1 "still mine"                     bob < message_updated 2 is 1 "still mine" v2
                                                      root < message_updated 2 is 1 "still mine" v2
                                                      alice < message_updated 2 is 1 "still mine" v2
        alice report 1 "rude"                         alice < ok 1
        "#,
    );
}

#[test]
fn room_6_settings_are_the_admins_and_all_hear_of_them() {
    let mut rig = ranks();
    rig.play(
        r#"
        bob join                                      bob < hello seq=0, online bob, synced 0
        bob set {"name":"Dinner"}                     bob < 403 forbidden
        mo set {"name":"Dinner"}                      mo < 403 forbidden
        anna set {"name":"Dinner","topic":"soup"}     anna < ok name="Dinner" topic="soup"
                                                      bob < room_updated 1 name="Dinner" topic="soup"
        anna set {"topic":"soup"}                     anna < ok name="Dinner" topic="soup"
        anna set {"topic":"","roomMention":"admins","historyVisibility":"since_join"}
                                                      anna < ok historyVisibility="since_join" name="Dinner"
                                                          roomMention="admins"
                                                      bob < room_updated 2 historyVisibility="since_join" name="Dinner"
                                                          roomMention="admins"
        anna set {"archived":true}                    anna < ok archived=true historyVisibility="since_join"
                                                          name="Dinner" roomMention="admins"
                                                      bob < room_updated 3 archived=true historyVisibility="since_join"
                                                          name="Dinner" roomMention="admins"
        bob > message "hi"                            bob < error archived of message
        anna set {"name":"Supper"}                    anna < 409 archived
        anna add erin                                 anna < 409 archived
        bob > read 1
        anna remove carol                             anna < ok {"userId":"carol"}
                                                      bob < member_removed 4 carol as member by anna
        bob quit                                      bob < closed 4403 removed / ok {"roomId":"r1"}
        anna set {"archived":false,"name":"Supper"}   anna < ok historyVisibility="since_join" name="Supper"
                                                          roomMention="admins"
        bob join                                      bob < 404 room_not_found
        "#,
    );
}

#[test]
fn room_7_a_room_has_500_people_at_most() {
    let names: Vec<String> = (0..499).map(|n| format!("p{n:03}")).collect();
    let mut people = vec!["alice"];
    people.extend(names.iter().map(String::as_str));
    let mut rig = Rig::of(&people);
    rig.play(
        r#"
        alice add erin                                alice < 422 invalid userIds
        alice add p001                                alice < ok p001 member
        p001 quit                                     p001 < ok {"roomId":"r1"}
        alice add erin frank                          alice < 422 invalid userIds
        alice add erin                                alice < ok erin member
        "#,
    );
}

#[test]
fn room_8_a_change_that_the_room_did_not_learn_of_is_reported_later_and_once() {
    let mut rig = ranks();
    rig.prepare("alice join\ncarol join\n(1 s passes)");
    // The process dies between Postgres' commit and the room's learning of it.
    let (anna, now) = (rig.person("anna"), rig.now);
    let user = testkit::cast::user;
    for (nth, change) in [
        AdminChange::Remove { user: user("bob") },
        AdminChange::Add { users: vec![user("erin")] },
        AdminChange::SetRole { user: user("carol"), role: chinwag::auth::Role::Moderator },
        AdminChange::SlowMode { seconds: 5 },
    ]
    .into_iter()
    .enumerate()
    {
        let asked = [AskedChange { id: format!("lost{nth}"), caller: anna.clone(), change }];
        let set = rig.with_room(|room| room.plan_changes(&asked, now)).set.unwrap();
        let world: &mut crate::world::World = &mut rig;
        let set = ChangeSet { version: world.snapshot.members_version, ..set };
        world.membership.apply(&mut world.snapshot, &set, now);
    }
    rig.postgres.members_version = rig.snapshot.members_version;
    rig.play(
        r#"
        (the room crashes)
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        carol > message "hi"                          carol < has no socket
        carol join since=0                            carol < hello seq=0, online alice carol, synced 0
        carol > message "hi"                          alice < new_message 1 "hi" / member_removed 2 bob as member by
                                                          anna, member_updated 3 carol as moderator by anna,
                                                          member_added 4 erin as member by anna, room_updated 5
                                                          slowModeS=5
                                                      carol < new_message 1 "hi" / member_removed 2 bob as member by
                                                          anna, member_updated 3 carol as moderator by anna,
                                                          member_added 4 erin as member by anna, room_updated 5
                                                          slowModeS=5
        (the room crashes)
        alice join since=0                            alice < hello seq=5 as owner read carol:1, online alice,
                                                          new_message 1 "hi", member_removed 2 bob as member by anna,
                                                          member_updated 3 carol as moderator by anna, member_added 4
                                                          erin as member by anna, room_updated 5 slowModeS=5, synced 5
        "#,
    );
}

#[test]
fn room_9_a_newcomer_begins_at_the_head() {
    let mut rig = ranks();
    rig.play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice > message "one"                         alice < new_message 1 "one"
        alice > message "two"                         alice < new_message 2 "two"
        alice add erin                                alice < ok erin member / member_added 3 erin as member by alice
        erin join                                     erin < hello seq=3 read alice:2 erin:2, online alice erin,
                                                          new_message 1 "one", new_message 2 "two", synced 3
        anna set {"historyVisibility":"since_join"}   anna < ok historyVisibility="since_join"
                                                      alice < room_updated 4 historyVisibility="since_join"
                                                      erin < room_updated 4 historyVisibility="since_join"
        alice > message "three"                       alice < new_message 5 "three"
                                                      erin < new_message 5 "three"
        bob post message "four"                       bob < message 6 "four"
                                                      alice < new_message 6 "four"
                                                      erin < new_message 6 "four"
        alice > react 👍 1                             alice < reaction_update 7 on 1 +👍 alice =1
                                                      erin < hidden 7
        erin join                                     erin < hello seq=7 read alice:5 bob:6 erin:2, online alice erin,
                                                          new_message 5 "three", new_message 6 "four", synced 7
        erin join since=0                             erin < hello seq=7 read alice:5 bob:6 erin:2, online alice erin,
                                                          resync too_old seq=7 e1, synced 7
        erin join since=2                             erin < hello seq=7 read alice:5 bob:6 erin:2, online alice erin,
                                                          member_added 3 erin as member by alice, room_updated 4
                                                          historyVisibility="since_join", new_message 5 "three",
                                                          new_message 6 "four", hidden 7, synced 7
        carol join                                    carol < hello seq=7 read alice:5 bob:6 erin:2, online alice carol
                                                          erin, new_message 1 "one" {👍 alice}, new_message 2 "two",
                                                          new_message 5 "three", new_message 6 "four", synced 7
        alice remove carol                            carol < closed 4403 removed
                                                      alice < ok {"userId":"carol"} / member_removed 8 carol as member
                                                          by alice
                                                      erin < member_removed 8 carol as member by alice / member_removed
                                                          8 carol as member by alice / member_removed 8 carol as member
                                                          by alice / member_removed 8 carol as member by alice
        alice add carol                               alice < ok carol member / member_added 9 carol as member by alice
                                                      erin < member_added 9 carol as member by alice / member_added 9
                                                          carol as member by alice / member_added 9 carol as member by
                                                          alice / member_added 9 carol as member by alice
        carol join                                    carol < hello seq=9 read alice:5 bob:6 carol:8 erin:2, online
                                                          alice carol erin, synced 9
        "#,
    );
    let erin = rig.snapshot.members.iter().find(|m| m.user_id.as_str() == "erin").unwrap();
    assert_eq!((erin.joined_seq, erin.last_read_seq), (2, 2));
}

#[test]
fn room_10_hello_carries_notification_settings() {
    let mut rig = ranks();
    rig.play(
        r#"
        bob notify none                               bob < ok {"level":"none","muteUntil":null}
        bob notify none                               bob < ok {"level":"none","muteUntil":null}
        eve notify none                               eve < 404 room_not_found
        "#,
    );
    let bob = rig.snapshot.members.iter().find(|m| m.user_id.as_str() == "bob").unwrap();
    assert_eq!(bob.notify.level, NotifyLevel::None);
    assert_eq!(rig.snapshot.members_version, 1, "ones own settings make no version");
}

/// Plans these changes as one batch: what each caller is verdicts, and how many belong to the next statement.
fn planned(rig: &mut Rig, changes: Vec<(&str, AdminChange)>) -> (Vec<String>, usize, Option<ChangeSet>) {
    let now = rig.now;
    let asked = |(nth, (name, change)): (usize, (&str, AdminChange))| AskedChange {
        id: format!("c{nth}"),
        caller: rig.person(name),
        change,
    };
    let asked: Vec<AskedChange> = changes.into_iter().enumerate().map(asked).collect();
    let batch = rig.with_room(|room| room.plan_changes(&asked, now));
    let verdicts = batch.verdicts.iter().map(|verdict| match verdict {
        Ok(()) => "ok".to_owned(),
        Err(refusal) => refusal.code.name().to_owned(),
    });
    let verdicts: Vec<String> = verdicts.collect();
    let rest = asked.len() - verdicts.len();
    (verdicts, rest, batch.set)
}

#[test]
fn room_11_changes_at_once_are_planned_one_after_the_other_for_one_statement() {
    let mut rig = ranks();
    rig.prepare("alice join");
    let user = testkit::cast::user;
    let add = |name: &str| AdminChange::Add { users: vec![user(name)] };
    let remove = |name: &str| AdminChange::Remove { user: user(name) };
    let notify = || AdminChange::Notify { level: NotifyLevel::None, notifications_snoozed_until_ms: None };
    let slow = |seconds| AdminChange::SlowMode { seconds };
    let ban = |name: &str| AdminChange::Ban { user: user(name), until_ms: None, reason: None };

    let (verdicts, rest, set) = planned(
        &mut rig,
        vec![
            ("anna", add("erin")),
            ("bob", notify()),
            ("carol", add("frank")),
            ("mo", ban("mallory")),
            ("anna", add("mallory")),
            ("anna", add("erin")),
            ("alice", remove("carol")),
            ("carol", notify()),
            ("alice", slow(5)),
        ],
    );
    assert_eq!(rest, 0);
    assert_eq!(verdicts, ["ok", "ok", "forbidden", "ok", "banned", "ok", "ok", "room_not_found", "ok"]);
    let set = set.unwrap();
    assert_eq!((set.put.len(), set.gone.len(), set.bans.len(), set.notify.len()), (1, 1, 1, 1));
    assert_eq!(set.bans[0].banned_by, user("mo"), "each change has its own author");
    let audit: Vec<_> = set.audit.iter().map(|row| (row.id.as_str(), row.actor.as_str())).collect();
    assert_eq!(audit, [("c0.0", "anna"), ("c3.0", "mo"), ("c6.0", "alice"), ("c8.0", "alice")]);

    // Somebody's role counts for what they ask next, and a person is changed once a statement.
    let demote = AdminChange::SetRole { user: user("anna"), role: chinwag::auth::Role::Member };
    let (verdicts, rest, _) = planned(&mut rig, vec![("alice", demote), ("anna", add("erin"))]);
    assert_eq!((verdicts, rest), (vec!["ok".to_owned(), "forbidden".to_owned()], 0));
    let (verdicts, rest, set) =
        planned(&mut rig, vec![("alice", remove("bob")), ("alice", add("bob")), ("mo", slow(3))]);
    assert_eq!((verdicts, rest), (vec!["ok".to_owned()], 2), "who comes back begins a new membership");
    assert_eq!(set.unwrap().gone, [user("bob")]);
    let (verdicts, rest, _) = planned(&mut rig, vec![("alice", slow(5)), ("mo", slow(9)), ("mo", slow(10))]);
    assert_eq!((verdicts, rest), (vec!["ok".to_owned()], 2), "each change of the settings is an event");

    // A deletion is alone. What changes nothing needs no statement.
    let (verdicts, rest, set) =
        planned(&mut rig, vec![("bob", notify()), ("alice", AdminChange::Delete), ("alice", slow(1))]);
    assert_eq!((verdicts.len(), rest, set.unwrap().delete), (1, 2, false));
    let (verdicts, rest, set) = planned(&mut rig, vec![("alice", AdminChange::Delete), ("alice", slow(1))]);
    assert_eq!((verdicts.len(), rest, set.unwrap().delete), (1, 1, true));
    let (verdicts, _, set) = planned(&mut rig, vec![("alice", slow(0)), ("bob", slow(1))]);
    assert_eq!((verdicts, set.is_none()), (vec!["ok".to_owned(), "forbidden".to_owned()], true));
}

#[test]
fn room_11_of_two_owners_who_leave_at_once_one_stays_and_500_people_are_the_most() {
    let user = testkit::cast::user;
    let mut rig = Rig::of(&["alice", "bob"]).given(|room| {
        room.members.iter_mut().for_each(|member| member.role = chinwag::auth::Role::Owner);
    });
    rig.prepare("alice join");
    let (verdicts, _, _) =
        planned(&mut rig, vec![("alice", AdminChange::Leave), ("bob", AdminChange::Leave)]);
    assert_eq!(verdicts, ["ok", "last_owner"]);
    let people = |range: std::ops::Range<usize>| AdminChange::Add {
        users: range.map(|nth| user(&format!("p{nth:03}"))).collect(),
    };
    let adds = vec![("alice", people(0..250)), ("bob", people(250..499)), ("alice", people(250..498))];
    let (verdicts, rest, set) = planned(&mut rig, adds);
    assert_eq!((verdicts, rest), (vec!["ok".into(), "invalid".into(), "ok".into()], 0));
    assert_eq!(set.unwrap().put.len(), 498);
}
