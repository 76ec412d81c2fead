//! Mentions over all rooms of a person, on a real Postgres. Not here: which mentions a text holds
//! (`src/room/message.rs`).

use super::{deleted, ids, mentioning, send_rows, sql, to_all};
use crate::db::{DAY_MS, batch, done, group, message_row, tenant, user};
use crate::postgres::{Database, NativePostgres};
use chinwag::db::{self, Found, MessageRow, Place};

async fn mentions(pg: &NativePostgres, who: &str) -> Vec<Found> {
    db::mentions(pg, &tenant("acme"), &user(who), &Place::newest(), 100).await.expect("mentions")
}

fn at(mut message: MessageRow, second: u64) -> MessageRow {
    message.created_at_ms = DAY_MS + second * 1000;
    message
}

/// Messages in three rooms, one of them without Alice; those of the first.
async fn send_mentions(pg: &NativePostgres) -> Vec<MessageRow> {
    group(pg, "acme", "r1", "alice", &["bob", "carol"]).await;
    group(pg, "acme", "r2", "alice", &["bob", "carol"]).await;
    group(pg, "acme", "r3", "carol", &["bob"]).await;
    let first = vec![
        at(mentioning(message_row("r1", 1, "bob", "1"), &["alice", "carol"]), 1),
        at(to_all(message_row("r1", 2, "bob", "2")), 4),
        at(mentioning(message_row("r1", 3, "alice", "3"), &["alice"]), 5),
        at(to_all(mentioning(message_row("r1", 4, "bob", "4"), &["alice"])), 6),
        at(mentioning(message_row("r1", 5, "bob", "5"), &["carol"]), 7),
    ];
    send_rows(pg, "r1", first.clone()).await;
    send_rows(
        pg,
        "r2",
        vec![
            at(mentioning(message_row("r2", 1, "bob", "1"), &["alice"]), 2),
            at(mentioning(message_row("r2", 2, "bob", "2"), &["alice"]), 3),
            at(to_all(message_row("r2", 3, "alice", "3")), 8),
        ],
    )
    .await;
    send_rows(pg, "r3", vec![at(mentioning(message_row("r3", 1, "bob", "not hers"), &["alice"]), 9)]).await;
    first
}

#[tokio::test]
async fn mentions_1_are_those_of_my_rooms_newest_first_and_never_mine() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    send_mentions(pg).await;
    assert_eq!(ids(&mentions(pg, "alice").await), ["r1-4", "r1-2", "r2-2", "r2-1", "r1-1"]);
    assert_eq!(ids(&mentions(pg, "carol").await), ["r2-3", "r1-5", "r1-4", "r1-2", "r1-1"]);
}

#[tokio::test]
async fn mentions_1_pages_hold_still_while_mentions_come_and_go() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    let first = send_mentions(pg).await;
    let mut walked = Vec::new();
    let mut place = Place::newest();
    loop {
        let page = db::mentions(pg, &tenant("acme"), &user("alice"), &place, 2).await.expect("page");
        let Some(last) = page.last() else { break };
        place = Place::parse(&last.place.text()).expect("cursor");
        walked.extend(page.iter().map(|found| found.message.id.clone()));
        if walked.len() == 2 {
            // One that was shown goes, and a new one comes: nothing else moves.
            let mut edited = first.clone();
            edited[3] = deleted(edited[3].clone());
            done(
                pg,
                &batch(
                    "acme",
                    "r1",
                    5,
                    6,
                    vec![edited[3].clone(), at(to_all(message_row("r1", 6, "bob", "new")), 20)],
                ),
            )
            .await;
        }
    }
    assert_eq!(walked, ["r1-4", "r1-2", "r2-2", "r2-1", "r1-1"]);
}

#[tokio::test]
async fn mentions_1_edits_and_what_a_person_may_see_decide() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    let first = send_mentions(pg).await;
    // An edit takes one name out and puts another in.
    let mut edited = first[0].clone();
    (edited.version, edited.mentions) = (2, vec!["bob".into(), "carol".into()]);
    done(pg, &batch("acme", "r1", 5, 6, vec![edited])).await;
    assert_eq!(ids(&mentions(pg, "alice").await), ["r1-4", "r1-2", "r2-2", "r2-1"]);
    assert_eq!(ids(&mentions(pg, "carol").await), ["r2-3", "r1-5", "r1-4", "r1-2", "r1-1"]);

    sql(
        pg,
        "UPDATE chat_rooms SET history_visibility = 'since_join' WHERE id = 'r1';
             UPDATE chat_room_members SET joined_seq = 2 WHERE room_id = 'r1' AND user_id = 'alice';
             DELETE FROM chat_room_members WHERE room_id = 'r2' AND user_id = 'alice'",
    )
    .await;
    assert_eq!(
        ids(&mentions(pg, "alice").await),
        ["r1-4"],
        "nothing from before she came, or from a room she left"
    );
    assert!(mentions(pg, "nobody").await.is_empty());
    let other =
        db::mentions(pg, &tenant("umbrella"), &user("alice"), &Place::newest(), 9).await.expect("mentions");
    assert!(other.is_empty(), "another tenant's alice");
}
