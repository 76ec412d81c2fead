//! What must hold in every conversation, whatever happens in it: each socket's order, and all of them together.
//! Not here: the laws between log and Postgres, which the rig checks at its end.

use serde_json::Value;
use std::collections::BTreeMap;

/// What one socket has heard.
#[derive(Default)]
pub struct Ear {
    /// Where a replay begins; `None`: it asked for the history.
    since: Option<u64>,
    greeted: u32,
    heard_to: Option<u64>,
    synced: bool,
    resynced: bool,
}

/// What all sockets together have heard.
#[derive(Default)]
pub struct Laws {
    /// Each sequenced event as it went out live.
    live: BTreeMap<u64, String>,
    /// Acks with a seq: the message's id, the `clientId`, who got it.
    pub acks: Vec<(u64, String, String, String)>,
}

/// Events that carry a `seq` of the log.
const SEQUENCED: [&str; 2] = ["new_message", "reaction_update"];

impl Ear {
    pub fn since(since: Option<u64>) -> Self {
        Self { since, ..Self::default() }
    }
}

impl Laws {
    pub fn hears(&mut self, user: &str, ear: &mut Ear, event: &Value) {
        let kind = event["type"].as_str().unwrap();
        let seq = event["seq"].as_u64();
        if ear.greeted < 2 {
            assert_eq!(
                kind,
                ["hello", "online_users"][ear.greeted as usize],
                "HELLO-1: the order of a beginning"
            );
            ear.greeted += 1;
            ear.heard_to = ear.since;
            return;
        }
        match (kind, seq) {
            ("resync", _) => {
                assert!(!ear.synced && ear.since == ear.heard_to, "REPLAY-2: never a part and a resync");
                ear.resynced = true;
            }
            ("synced", Some(seq)) => {
                assert!(!ear.synced, "HELLO-1: synced once");
                if ear.since.is_some() && !ear.resynced {
                    assert_eq!(ear.heard_to, Some(seq), "REPLAY-1: the replay is whole");
                }
                (ear.synced, ear.heard_to) = (true, Some(seq));
            }
            ("ack", Some(seq)) => {
                if event["duplicate"] != true {
                    assert!(ear.heard_to < Some(seq), "ACK-2: the ack comes before its event");
                }
                let text = |name: &str| event[name].as_str().unwrap().to_owned();
                self.acks.push((seq, text("messageId"), text("clientId"), user.to_owned()));
            }
            (kind, Some(seq)) if SEQUENCED.contains(&kind) => self.sequenced(ear, seq, event),
            _ => assert!(ear.synced, "HELLO-1: {kind} before synced"),
        }
    }

    fn sequenced(&mut self, ear: &mut Ear, seq: u64, event: &Value) {
        match (ear.synced, ear.since, ear.heard_to) {
            (false, None, before) => assert!(before < Some(seq), "HIST-1: history ascends"),
            (_, _, before) => {
                assert_eq!(Some(seq), before.map(|n| n + 1), "SEQ-1: nothing missing, nothing twice");
            }
        }
        ear.heard_to = Some(seq);
        if ear.synced {
            let text = event.to_string();
            let first = self.live.entry(seq).or_insert_with(|| text.clone());
            assert_eq!(*first, text, "SEQ-2: all hear the same at a seq");
        }
    }
}
