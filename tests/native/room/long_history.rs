//! Pages of a long room: correct back to its first message, at a cost that depends on the page alone.

use crate::rig::Rig;
use chinwag::room::store::{Event, Kind, Sql, Store};
use chinwag::room::{PageQuery, RoomCall};
use serde_json::json;
use std::time::Instant;

const MESSAGES: u64 = 100_000;

/// A room of 100,000 messages, every tenth a reply to the first, written as the room writes them but all at once.
fn long_room() -> Rig {
    let mut rig = Rig::new();
    rig.lawful = false;
    rig.sql.counts_rows.set(false);
    rig.prepare("alice join history=0\nalice > message \"the first\"");
    let first = rig.messages().remove(&1).unwrap();
    let store = Store(&*rig.sql);
    let mut insert = || {
        for seq in 2..=MESSAGES {
            let mut message = first.clone();
            (message.seq, message.id) = (seq, chinwag::ids::MessageId::new(rig.now, seq, 7).to_string());
            message.content = format!("message {seq} of a long room, about as long as what people write");
            message.thread_id = (seq % 10 == 0).then(|| first.id.clone());
            let thread = message.thread_id.as_ref().map(|_| 1);
            let body = chinwag::protocol::server::body(&message);
            let (at, user_id) = (rig.now, "alice".to_owned());
            let (client_id, digest, target) = (Some(format!("c{seq}")), Some(1), None);
            store.insert(&Event {
                seq,
                kind: Kind::Message,
                at,
                user_id,
                client_id,
                digest,
                target,
                thread,
                body,
            })?;
        }
        Ok(())
    };
    rig.sql.atomically(&mut insert).unwrap();
    rig.evict();
    rig
}

fn timed(rig: &mut Rig, what: &str, call: impl Fn(u64) -> RoomCall) {
    let mut times = Vec::new();
    for n in 0..100 {
        let seq = 1 + n * (MESSAGES - 1) / 99;
        let begun = Instant::now();
        rig.call("bob", call(seq));
        times.push(begun.elapsed());
        rig.heard.clear();
    }
    times.sort();
    eprintln!(
        "{what}: p50 {:?}, worst {:?} of 100, natively and with parsing what was heard",
        times[50], times[99]
    );
}

#[test]
fn hist_3_a_long_room_has_no_hole_at_any_depth() {
    let mut rig = long_room();
    (rig.limits.pages_per_s, rig.limits.pages_burst) = (1e6, 100_000);
    rig.evict();
    let mut before = None;
    let mut seen = Vec::new();
    loop {
        rig.call("bob", RoomCall::Page(PageQuery { before, limit: Some(100), ..PageQuery::default() }));
        let line = rig.heard.pop().unwrap().1;
        let mut page: Vec<u64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
        page.pop();
        let Some(first) = page.first().copied() else { break };
        (before, seen) = (Some(first), [page, seen].concat());
        if !line.starts_with("page …") {
            break;
        }
        // Only the first and the last few pages are put in order: all of them would be 1,000 copies.
        if seen.len() > 2_000 {
            assert!(seen.windows(2).all(|pair| pair[0] + 1 == pair[1]), "a page has a hole");
            seen.truncate(1);
        }
    }
    assert_eq!(seen[0], 1, "back to the first message");
    assert!(seen.windows(2).all(|pair| pair[0] + 1 == pair[1]), "a page has a hole");
    let page = |query: PageQuery| RoomCall::Page(PageQuery { limit: Some(50), ..query });
    timed(&mut rig, "before", |seq| page(PageQuery { before: Some(seq), ..PageQuery::default() }));
    timed(&mut rig, "after", |seq| page(PageQuery { after: Some(seq), ..PageQuery::default() }));
    let now = rig.now;
    timed(&mut rig, "at", |_| page(PageQuery { at: Some(now), ..PageQuery::default() }));
    timed(&mut rig, "around", |seq| page(PageQuery { around: Some(seq), ..PageQuery::default() }));
    let root = rig.messages().remove(&1).unwrap().id;
    timed(&mut rig, "thread", |seq| RoomCall::Thread {
        root: root.clone(),
        before: Some(seq),
        limit: Some(50),
    });
}

/// A room of 1,000 messages, `reactions` reactions to the first, and 50 more messages.
fn room_with_reactions(reactions: u64) -> Rig {
    let mut rig = Rig::new();
    rig.lawful = false;
    rig.sql.counts_rows.set(false);
    rig.prepare("alice join history=0\nalice > message \"the first\"");
    let first = rig.messages().remove(&1).unwrap();
    let store = Store(&*rig.sql);
    let head = 1_050 + reactions;
    let mut insert = || {
        (2..=head).try_for_each(|seq| {
            let mut message = first.clone();
            (message.seq, message.id) = (seq, chinwag::ids::MessageId::new(rig.now, seq, 7).to_string());
            let (kind, target, body) = match (1_001..=1_000 + reactions).contains(&seq) {
                true => (Kind::Reaction, Some(1), json!({"emoji": "👍", "add": seq % 2 == 0}).to_string()),
                false => (Kind::Message, None, chinwag::protocol::server::body(&message)),
            };
            let (at, user_id) = (rig.now, "alice".to_owned());
            store.insert(&Event {
                seq,
                kind,
                at,
                user_id,
                client_id: None,
                digest: None,
                target,
                thread: None,
                body,
            })
        })
    };
    rig.sql.atomically(&mut insert).unwrap();
    rig.evict();
    rig
}

#[test]
fn hist_6_a_page_costs_the_same_behind_100_000_reactions() {
    let (mut busy, mut calm) = (room_with_reactions(100_000), room_with_reactions(0));
    let mut compare = |what: &str, of: &dyn Fn(&mut Rig, u64)| {
        let [with, without] = [(&mut busy, 100_000), (&mut calm, 0)].map(|(rig, reactions)| {
            let before = rig.sql.steps.get();
            of(rig, reactions);
            rig.sql.steps.get() - before
        });
        eprintln!("{what}: {with} instructions of SQLite behind 100,000 reactions, {without} without");
        assert!(without > 100 && 2 * with <= 3 * without, "{what}: {with} instead of {without}");
    };
    let page = |rig: &mut Rig, query: PageQuery| {
        rig.call("bob", RoomCall::Page(PageQuery { limit: Some(100), ..query }));
        let heard = rig.heard.pop().unwrap().1;
        assert!(heard.split(' ').filter(|word| word.parse::<u64>().is_ok()).count() >= 100, "{heard}");
    };
    compare("the newest", &|rig, _| page(rig, PageQuery::default()));
    compare("before", &|rig, reactions| {
        page(rig, PageQuery { before: Some(1_010 + reactions), ..PageQuery::default() })
    });
    compare("after", &|rig, _| page(rig, PageQuery { after: Some(950), ..PageQuery::default() }));
    // All of these messages are of one time, so the page begins with the oldest.
    compare("at", &|rig, _| {
        let query = PageQuery { at: Some(rig.now), limit: Some(100), ..PageQuery::default() };
        rig.call("bob", RoomCall::Page(query));
        assert!(rig.heard.pop().unwrap().1.starts_with("page 1 2 "));
    });
    compare("around", &|rig, reactions| {
        page(rig, PageQuery { around: Some(1_001 + reactions), ..PageQuery::default() })
    });
}
