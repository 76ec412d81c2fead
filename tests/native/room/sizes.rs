//! Bytes: how large a message, a page and a history may be.

use crate::rig::Rig;
use chinwag::room::{PageQuery, RoomCall};
use serde_json::json;

const FOUR_BYTES: &str = "😀";

/// What somebody received last.
fn last(rig: &mut Rig, name: &str) -> String {
    let heard = std::mem::take(&mut rig.heard).into_iter().find(|(known, _)| known == name);
    heard.map(|(_, line)| line).unwrap_or_default()
}

/// A `message` frame with 4-byte characters and links of this many bytes.
fn message(characters: usize, links: &[usize]) -> String {
    let link = |bytes: &usize| {
        let url = format!("https://a.example/{}", "x".repeat(bytes - 18));
        format!(r#"{{"url":"{url}","name":"f","mimeType":"image/png","size":3}}"#)
    };
    let (content, links) =
        (FOUR_BYTES.repeat(characters), links.iter().map(link).collect::<Vec<_>>().join(","));
    format!(
        r#"{{"type":"message","content":"{content}","attachments":[{links}],"clientId":"c{characters}"}}"#
    )
}

#[test]
fn msg_4_a_link_has_at_most_2048_bytes() {
    let mut rig = Rig::new();
    rig.prepare("alice join");
    for (frame, answer) in [
        (message(1, &[2_048]), "ack c1 seq=1, new_message 1 \"😀\" files=1"),
        (message(2, &[2_049]), "error invalid attachments of message #c2"),
        (message(3, &[2_000]).replace("xxxx", "😀xxx"), "error invalid attachments of message #c3"),
    ] {
        rig.frame("alice", &frame);
        rig.turn();
        assert!(last(&mut rig, "alice").starts_with(answer), "{answer}");
    }
}

#[test]
fn msg_6_a_message_has_at_most_24_kib() {
    let mut rig = Rig::new();
    rig.prepare("alice join");
    rig.frame("alice", &message(4_000, &[2_000; 5]));
    rig.turn();
    assert_eq!(last(&mut rig, "alice"), "error too_large of message #c4000");
    // A refusal uses up nothing.
    rig.frame("alice", &message(4_000, &[2_000; 3]));
    rig.turn();
    assert!(last(&mut rig, "alice").starts_with("ack c4000 seq=1"));
    rig.frame("alice", &message(10, &[2_000; 10]));
    rig.turn();
    assert!(last(&mut rig, "alice").starts_with("ack c10 seq=2"));
    let edit = |rig: &mut Rig, characters: usize| {
        let id = rig.id("2");
        let content = FOUR_BYTES.repeat(characters);
        rig.frame("alice", &format!(r#"{{"type":"edit","messageId":"{id}","content":"{content}"}}"#));
        rig.turn();
        last(rig, "alice")
    };
    assert_eq!(edit(&mut rig, 2_000), "error too_large of edit");
    assert!(edit(&mut rig, 20).starts_with("message_updated 3 "));
}

#[test]
fn msg_6_an_older_larger_message_is_delivered_and_may_become_smaller() {
    let mut rig = Rig::new();
    rig.prepare("alice join");
    rig.frame("alice", &message(10, &[2_000; 10]));
    rig.prepare("(1 s passes)");
    let row = rig.postgres.rows.get_mut(&1).expect("the message");
    row.content = FOUR_BYTES.repeat(3_000);
    rig.prepare("(the room is rebuilt from Postgres)\nalice join history=0");
    rig.connect("bob", rig.person("bob"), |_| {});
    assert!(last(&mut rig, "bob").contains("new_message 1 (3000 characters) files=10"));
    let id = rig.id("1");
    for (characters, answer) in [(3_500, "error too_large of edit"), (2_900, "message_updated 2 ")] {
        let content = FOUR_BYTES.repeat(characters);
        rig.frame("alice", &format!(r#"{{"type":"edit","messageId":"{id}","content":"{content}"}}"#));
        rig.turn();
        assert!(last(&mut rig, "alice").starts_with(answer), "{answer}");
    }
}

/// A room of 100 messages of 20 KB each.
fn large_room() -> Rig {
    let mut rig = Rig::new();
    rig.limits.pages_burst = 1_000;
    (rig.limits.messages_burst, rig.limits.frames_burst) = (1_000, 1_000);
    rig.prepare("alice join history=0");
    for n in 0..100 {
        rig.frame("alice", &message(4_000, &[2_000; 2]).replace("c4000", &format!("c{n}")));
    }
    rig.turn();
    rig.heard.clear();
    rig
}

/// The seqs of the next page, and whether it says that there are more before and after it.
fn page(rig: &mut Rig, query: PageQuery) -> (Vec<u64>, bool, bool) {
    rig.call("bob", RoomCall::Page(PageQuery { limit: Some(100), ..query }));
    let text = last(rig, "bob");
    let text = text.strip_prefix("page ").unwrap().rsplit_once(" of ").unwrap().0;
    let seqs = text.split(' ').filter_map(|word| word.parse().ok()).collect();
    (seqs, text.starts_with('…'), text.ends_with('…'))
}

#[test]
fn hist_4_a_page_ends_at_a_mebibyte_and_says_that_there_is_more() {
    let mut rig = large_room();
    let (newest, before, after) = page(&mut rig, PageQuery::default());
    assert_eq!((newest.len(), newest.last(), before, after), (51, Some(&100), true, false), "{newest:?}");
    let mut all = newest;
    while all[0] > 1 {
        let (older, before, after) =
            page(&mut rig, PageQuery { before: Some(all[0]), ..PageQuery::default() });
        assert_eq!((older.last(), before, after), (Some(&(all[0] - 1)), older[0] > 1, true));
        all.splice(0..0, older);
    }
    assert_eq!(all, (1..=100).collect::<Vec<_>>());
    let (newer, before, after) = page(&mut rig, PageQuery { after: Some(10), ..PageQuery::default() });
    assert_eq!((newer[0], newer.len(), before, after), (11, 51, true, true));
    let (around, before, after) = page(&mut rig, PageQuery { around: Some(50), ..PageQuery::default() });
    assert_eq!((around[0], around.len(), before, after), (25, 50, true, true), "{around:?}");
}

#[test]
fn hist_4_replies_and_versions_end_at_a_mebibyte_too() {
    let mut rig = Rig::new();
    (rig.limits.messages_burst, rig.limits.frames_burst) = (1_000, 1_000);
    rig.prepare("alice join history=0\nalice > message \"root\"");
    let root = rig.id("1");
    let reply = message(4_000, &[2_000; 2]).replacen('{', &format!(r#"{{"threadId":"{root}","#), 1);
    for n in 0..60 {
        rig.frame("alice", &reply.replace("c4000", &format!("c{n}")));
    }
    // A control character is six bytes of JSON.
    for n in 0..51 {
        let content = format!("{n:02}{}", "\\u0001".repeat(3_900));
        rig.frame("alice", &format!(r#"{{"type":"edit","messageId":"{root}","content":"{content}"}}"#));
    }
    rig.turn();
    rig.heard.clear();
    rig.call("bob", RoomCall::Thread { root: root.clone(), before: None, limit: Some(100) });
    let thread = last(&mut rig, "bob");
    let replies = thread.rsplit_once(": … ").expect("more before").1;
    assert_eq!(replies.split(' ').count(), 50);
    rig.call("alice", RoomCall::Versions { message: root.clone(), before: None });
    let versions = last(&mut rig, "alice");
    assert!(versions.starts_with("versions … ["), "{}", &versions[..40]);
    assert_eq!(versions.matches(" by alice").count(), 44);
    // The first of this page is version 9: the rest is below it.
    rig.call("alice", RoomCall::Versions { message: root.clone(), before: Some(9) });
    let versions = last(&mut rig, "alice");
    assert!(versions.starts_with("versions [1 \"root\" by alice, 2 \"00"), "{}", &versions[..40]);
    assert_eq!(versions.matches(" by alice").count(), 8);
    rig.call("alice", RoomCall::Versions { message: root, before: Some(1) });
    assert_eq!(last(&mut rig, "alice"), "versions []");
}

#[test]
fn hist_5_the_history_ends_at_512_kib_and_says_that_there_is_more() {
    let mut rig = large_room();
    let mut join = |name: &str, history: u64, since: Option<u64>| {
        rig.connect(name, rig.person(name), |upgrade| {
            upgrade.history = history;
            upgrade.since = since.map(|since| (since, "e1".into()));
        });
        rig.turn();
        (last(&mut rig, name).matches("new_message").count(), rig.synced.clone())
    };
    let synced = |oldest: Option<u64>, more: bool| json!({"type": "synced", "seq": 100, "oldestSeq": oldest, "hasMoreBefore": more});
    assert_eq!(join("bob", 100, None), (25, synced(Some(76), true)), "25 of 20.6 KB");
    assert_eq!(join("bob", 10, None), (10, synced(Some(91), true)));
    assert_eq!(join("bob", 0, None), (0, synced(None, true)));
    assert_eq!(join("bob", 0, Some(0)), (100, synced(None, false)), "a replay has its own limit");
    assert_eq!(join("bob", 0, Some(98)), (2, synced(None, true)));
}

/// Carol, who reads, or bob, who does not, connects with `since`: the events received.
fn resume(rig: &mut Rig, since: Option<u64>, reads: bool) -> String {
    let name = if reads { "carol" } else { "bob" };
    rig.heard.clear();
    rig.connect(name, rig.person(name), |upgrade| {
        upgrade.since = since.map(|since| (since, "e1".into()));
        upgrade.history = 100;
    });
    let connection = rig.socket(name).expect("an open one");
    let socket = rig.sockets.get_mut(&connection).unwrap();
    (socket.is_slow, socket.waiting_bytes) = if reads { (false, 0) } else { (true, 250_000) };
    rig.turn();
    if reads {
        rig.pass(100);
    }
    let heard = std::mem::take(&mut rig.heard).into_iter().filter(|(known, _)| known == name);
    let events = heard.map(|(_, line)| line).collect();
    if reads {
        rig.hang_up(name, true);
    }
    events
}

#[test]
fn hist_7_what_waits_for_newcomers_is_bounded_and_an_event_for_many_counts_once() {
    let mut rig = large_room();
    let count = |text: &str| text.matches("new_message").count();
    let send = |rig: &mut Rig, round: u64| {
        for n in 0..100 {
            rig.frame("alice", &message(4_000, &[2_000; 2]).replace("c4000", &format!("r{round}-{n}")));
        }
        rig.turn();
    };
    for _ in 0..9 {
        resume(&mut rig, Some(0), false);
    }
    assert_eq!(count(&resume(&mut rig, Some(0), true)), 100, "2 MB wait 9 times, and count once");
    for round in 1..=8 {
        send(&mut rig, round);
        resume(&mut rig, Some(round * 100), false);
    }
    send(&mut rig, 9);
    let replay = resume(&mut rig, Some(900), true);
    assert!(replay.contains("resync too_many") && count(&replay) == 0, "{}", replay.len());
    let history = resume(&mut rig, None, true);
    let seqs =
        json!({"type": "synced", "seq": 1_000, "oldestSeq": rig.synced["oldestSeq"], "hasMoreBefore": true});
    assert_eq!(rig.synced, seqs);
    assert!((1..25).contains(&count(&history)), "a shorter history: {}", count(&history));
    rig.prepare("(3 s pass)");
    assert_eq!(count(&resume(&mut rig, Some(900), true)), 100, "those who took nothing are gone");
}
