//! Bytes: how large a message may be.

use crate::rig::Rig;

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
