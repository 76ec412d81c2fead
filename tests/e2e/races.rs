//! Concurrent changes of the same thing: one succeeds, the others are refused, and the room stays consistent.
//! Not here: members added, banned and removed at once, and two owners who leave (`people`).

use crate::rig::client::text;
use crate::rig::{Answer, Tenant};
use futures_util::future::join_all;
use serde_json::{Value, json};

const ROUNDS: usize = 5;

fn statuses(answers: &[Answer]) -> Vec<u16> {
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    statuses
}

async fn says(t: &Tenant, room: &str, content: &str) -> (String, String) {
    let path = format!("/rooms/{room}/messages");
    let contents = t.rest("alice", "POST", &path, Some(json!({"content": content}))).await.ok();
    let id = text(&contents["message"]["id"]);
    (format!("/rooms/{room}/messages/{id}"), id)
}

#[tokio::test]
async fn of_those_who_edit_the_same_version_one_wins() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let mut bob = t.join(&room, "bob").await;
    for round in 0..ROUNDS {
        let (path, id) = says(&t, &room, "first").await;
        let edit = |n: usize| {
            let (t, path) = (t.clone(), path.clone());
            async move {
                let body = json!({"content": format!("edit {n}"), "baseVersion": 1});
                t.rest("alice", "PATCH", &path, Some(body)).await
            }
        };
        let raced = join_all((0..4).map(edit)).await;
        assert_eq!(statuses(&raced), [200, 409, 409, 409], "round {round}: {raced:?}");
        for lost in raced.iter().filter(|answer| answer.status == 409) {
            lost.refusal(409, "version_conflict");
        }
        let won = raced.iter().find(|answer| answer.status == 200).expect("one").ok()["message"].clone();
        let heard = bob.until("the edit", |e| e["type"] == "message_updated").await;
        assert_eq!((&heard["message"]["id"], &heard["message"]), (&json!(id), &won));
        let versions = t.get("alice", &format!("{path}/versions")).await["versions"].clone();
        let contents: Vec<Value> =
            versions.as_array().expect("versions").iter().map(|version| version["content"].clone()).collect();
        assert_eq!(contents, [json!("first"), won["content"].clone()]);
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn a_deletion_wins_over_what_is_done_at_the_same_time() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob", "carol"]).await;
    let mut carol = t.join(&room, "carol").await;
    for round in 0..ROUNDS {
        let (path, id) = says(&t, &room, "soon gone").await;
        let ask = |who: &'static str, method: &'static str, rest: &'static str, body: Option<Value>| {
            let (t, path) = (t.clone(), format!("{path}{rest}"));
            async move { t.rest(who, method, &path, body).await }
        };
        let raced = join_all([
            ask("alice", "PATCH", "", Some(json!({"content": "still here"}))),
            ask("alice", "DELETE", "", None),
            ask("alice", "DELETE", "", None),
            ask("bob", "PUT", "/reactions/👍", None),
            ask("alice", "GET", "/versions", None),
        ])
        .await;
        assert_eq!(statuses(&raced[1..3]), [200, 404], "round {round}: one deletes: {raced:?}");
        assert!(raced.iter().all(|answer| [200, 404].contains(&answer.status)), "{raced:?}");
        carol
            .until("the deletion", |e| e["type"] == "message_deleted" && e["messageId"] == id.as_str())
            .await;
        carol.barrier().await;
        let after = carol.all();
        let last = after.iter().rposition(|e| e["type"] == "message_deleted").expect("the deletion");
        assert!(!after[last..].iter().any(|e| e["message"]["id"] == id.as_str()), "nothing of it afterwards");
        let page = t.get("bob", &format!("/rooms/{room}/messages?limit=1")).await;
        let left = &page["messages"][0];
        assert_eq!((&left["id"], &left["content"], &left["reactions"]), (&json!(id), &json!(""), &json!({})));
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn a_room_that_is_handed_to_two_at_once_has_one_owner_and_roles_are_those_of_the_log() {
    let t = Tenant::shared();
    for round in 0..ROUNDS {
        let room = t.group(&["alice", "bob", "carol", "dave"]).await;
        let mut dave = t.join(&room, "dave").await;
        let members = format!("/rooms/{room}/members");
        let set = |user: &'static str, role: &'static str| {
            let (t, path) = (t.clone(), format!("{members}/{user}"));
            async move { t.rest("alice", "PATCH", &path, Some(json!({"role": role}))).await }
        };
        let raced = join_all([set("dave", "moderator"), set("dave", "admin"), set("dave", "member")]).await;
        assert_eq!(statuses(&raced), [200; 3], "round {round}: {raced:?}");
        let handed = join_all([set("bob", "owner"), set("carol", "owner")]).await;
        assert_eq!(statuses(&handed), [200, 403], "who has handed it over can't do it again: {handed:?}");
        let page = t.get("dave", &members).await;
        let role = |user: &str| {
            let mut all = page["members"].as_array().expect("members").iter();
            text(&all.find(|m| m["userId"] == user).expect("a member")["role"])
        };
        assert_eq!(
            ["alice", "bob", "carol"].iter().filter(|user| role(user) == "owner").count(),
            1,
            "{page}"
        );
        assert_eq!(role("alice"), "admin");
        dave.barrier().await;
        let events = dave.all();
        for user in ["alice", "bob", "carol", "dave"] {
            let mut updates = events.iter().filter(|e| e["type"] == "member_updated" && e["userId"] == user);
            if let Some(last) = updates.next_back() {
                assert_eq!(text(&last["role"]), role(user), "{user}, as the log says");
            }
        }
    }
}

#[tokio::test]
async fn of_two_who_delete_a_room_one_does_and_nobody_gets_in_or_speaks_any_more() {
    let t = Tenant::shared();
    for round in 0..ROUNDS {
        let room = t.group(&["alice", "bob"]).await;
        let mut bob = t.join(&room, "bob").await;
        let path = format!("/rooms/{room}");
        let ask = |who: &'static str, method: &'static str, rest: &'static str, body: Option<Value>| {
            let (t, path) = (t.clone(), format!("{path}{rest}"));
            async move { t.rest(who, method, &path, body).await }
        };
        let raced = join_all([
            ask("alice", "DELETE", "", None),
            ask("alice", "DELETE", "", None),
            ask("bob", "POST", "/messages", Some(json!({"content": "a last word"}))),
            ask("alice", "PATCH", "", Some(json!({"topic": "still here"}))),
        ])
        .await;
        assert!(statuses(&raced[..2]).contains(&200), "round {round}: {raced:?}");
        assert!(raced.iter().all(|answer| [200, 404].contains(&answer.status)), "{raced:?}");
        assert_eq!(bob.close_code().await, (4410, "room_gone".into()));
        t.rest("bob", "GET", &format!("{path}/messages"), None).await.refusal(404, "room_not_found");
        t.dial(&room, "bob").refused().await.refusal(404, "room_not_found");
    }
}
