//! What must hold in every conversation, whatever happens in it: each socket's order, all of them together, and at the
//! end log, acks and Postgres. Not here: what a single rule says (`room`).

use crate::rig::Rig;
use chinwag::ids::Seq;
use chinwag::protocol::message::Message;
use chinwag::room::store::Store;
use rusqlite::types::Value as Cell;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

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
const SEQUENCED: [&str; 10] = [
    "new_message",
    "reaction_update",
    "message_updated",
    "message_deleted",
    "thread_update",
    "member_added",
    "member_removed",
    "member_updated",
    "room_updated",
    "hidden",
];

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
            // Of what somebody may not see only the place is told.
            if event["type"] == "hidden" {
                return;
            }
            let text = event.to_string();
            let first = self.live.entry(seq).or_insert_with(|| text.clone());
            assert_eq!(*first, text, "SEQ-2: all hear the same at a seq");
        }
    }
}

impl Rig {
    /// Seqs of messages that the room has set aside.
    pub fn quarantined(&self) -> Vec<Seq> {
        let rows = self.sql.rows("SELECT seq FROM quarantine ORDER BY seq", []);
        rows.into_iter().map(|row| whole(&row[0])).collect()
    }

    /// The log's messages as they are now.
    pub fn messages(&self) -> BTreeMap<Seq, Message> {
        let rows = self.sql.rows("SELECT seq, body FROM events WHERE kind = 1", []);
        let message = |row: Vec<Cell>| match &row[1] {
            Cell::Text(body) => (whole(&row[0]), serde_json::from_str(body).unwrap()),
            other => panic!("a body is text, not {other:?}"),
        };
        rows.into_iter().map(message).collect()
    }

    /// What the bucket holds at rest: the files of messages that aren't deleted, each with its row, and nothing else.
    fn files_are_those_of_messages(&self) {
        let messages = self.messages();
        let attached =
            messages.values().flat_map(|m| m.attachments.iter().filter_map(|file| file.id.as_deref()));
        let uploads: BTreeSet<&str> = attached.map(|id| chinwag::room::split_id(id).unwrap().1).collect();
        let kept: BTreeSet<String> = uploads.iter().map(|upload| self.file_key(upload)).collect();
        assert_eq!(self.bucket, kept, "FILE-5: the bucket holds what messages have, and nothing else");
        let rows = self.sql.rows("SELECT due FROM uploads", []);
        assert_eq!(rows.len(), uploads.len(), "FILE-5: each with its row, and no other row");
        assert!(rows.iter().all(|row| row[0] == Cell::Null), "FILE-5: nothing is left to be removed");
    }

    /// Lets the outbox drain and the room rest, and looks at what there is then.
    pub fn check(&mut self) {
        self.ledger.fault = Default::default();
        self.turn();
        self.bucket_is_away = false;
        self.pass(180_000);
        // The day after which nobody sends an upload any more: what was left of them goes then.
        if self.alarm.is_some() {
            self.pass(chinwag::limits::UPLOAD_UNSENT_MS);
        }
        self.files_are_those_of_messages();
        assert_eq!(self.room().deadline(), None, "TIME-1: an idle room has no timer");
        assert_eq!(self.alarm, None, "TIME-1: an idle room has no alarm");
        let head = self.room().head();
        let rows = self.sql.rows("SELECT seq FROM events ORDER BY seq", []);
        let seqs: Vec<Seq> = rows.iter().map(|row| whole(&row[0])).collect();
        if self.epochs == 1 {
            assert_eq!(seqs, (1..=head).collect::<Vec<_>>(), "SEQ-1: the log is gapless");
        }
        let messages = self.messages();
        for (seq, id, client_id, user) in &self.laws.acks {
            let event = self.sql.rows("SELECT user_id, client_id FROM events WHERE seq = ?", [*seq as i64]);
            let said = vec![vec![Cell::Text(user.clone()), Cell::Text(client_id.clone())]];
            assert!(self.epochs > 1 || event == said, "ACK-1: what was acked at {seq} is there");
            assert!(messages.values().any(|m| m.id == *id), "ACK-1: {id} is there");
        }
        let any_aside = self.sql.rows("SELECT seq FROM quarantine WHERE reason <> ''", []).len() as u64;
        let listed = self.listed.as_ref().map_or(0, |trouble| trouble.quarantined);
        assert_eq!(listed, any_aside, "OUT-12: the tenant's list says what is set aside");
        assert_eq!(self.listed.is_some(), any_aside > 0, "OUT-12: nothing else is in trouble at rest");
        let row = self.sql.rows("SELECT value FROM state WHERE id = 4", []);
        assert_eq!(row.len(), usize::from(any_aside > 0), "OUT-12: a healthy room has no row of it");
        assert_eq!(self.ledger.last_seq, head, "OUT-1: Postgres has all of the log {:?}", self.heard);
        let aside = self.quarantined();
        for (seq, message) in messages.iter().filter(|(seq, _)| !aside.contains(seq)) {
            let row = self.ledger.rows.get(seq).unwrap_or_else(|| panic!("OUT-1: {seq} is in Postgres"));
            assert_eq!((&row.id, &row.content), (&message.id, &message.content), "OUT-1: as it is now");
            let reacted: usize = message.reactions.values().map(Vec::len).sum();
            assert_eq!(row.reactions.len(), reacted, "OUT-1: with its reactions");
            let (row_says, log_says) = (
                (row.version, row.reply_count, row.last_reply_at_ms, row.deleted_at_ms, &row.deleted_by),
                (
                    message.version as u32,
                    message.reply_count as u32,
                    message.last_reply_at,
                    message.deleted_at,
                    &message.deleted_by,
                ),
            );
            assert_eq!(row_says, log_says, "OUT-1: {seq} as it is now");
            let versions = Store(&self.sql).versions(*seq).unwrap();
            assert_eq!(row.versions, versions, "OUT-1: {seq} with what it said before");
            assert!(message.deleted_at.is_none() || versions.is_empty(), "DEL-1: nothing stays of {seq}");
        }
        self.check_threads(&messages);
    }

    /// A root counts the replies that are there.
    fn check_threads(&self, messages: &BTreeMap<Seq, Message>) {
        for (seq, root) in messages {
            let replies = messages.values().filter(|m| m.thread_id.as_ref() == Some(&root.id));
            let there: Vec<_> = replies.filter(|m| m.deleted_at.is_none()).collect();
            assert_eq!(root.reply_count, there.len() as u64, "THREAD-2: {seq} counts its replies");
            let last = there.last().map(|reply| reply.created_at);
            assert_eq!(root.last_reply_at, last, "THREAD-2: {seq} says when the last one came");
        }
    }
}

fn whole(cell: &Cell) -> Seq {
    match cell {
        Cell::Integer(n) => *n as Seq,
        other => panic!("a seq is an integer, not {other:?}"),
    }
}
