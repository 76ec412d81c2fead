//! What must hold in every conversation, whatever happens in it: each socket's order, all sockets together, and at the
//! end the log, the acks, the files and Postgres. The checkers of a history are `testkit`'s.
//! Not here: what a single rule says (`room`).

use crate::rig::Rig;
use chinwag::ids::Seq;
use chinwag::protocol::message::Message;
use chinwag::room::store::Store;
use rusqlite::types::Value as Cell;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use testkit::history::{
    Agreement, Stream, ThreadEntry, check_acked, check_gapless, check_threads, index_operations, is_sequenced,
};

/// What all sockets together received.
#[derive(Default)]
pub struct Received {
    /// Each sequenced event as the first socket received it live.
    live: Agreement<u64, String>,
    /// Acks with a seq: the seq, the message's id, the `clientId`, who received it.
    pub acks: Vec<(u64, String, String, String)>,
}

impl Received {
    pub fn receive(&mut self, user: &str, stream: &mut Stream, event: &Value) {
        let was_live = stream.is_live();
        stream.receive(event).unwrap();
        let kind = event["type"].as_str().unwrap();
        let Some(seq) = event["seq"].as_u64() else { return };
        if kind == "ack" {
            let text = |name: &str| event[name].as_str().unwrap().to_owned();
            self.acks.push((seq, text("messageId"), text("clientId"), user.to_owned()));
        }
        // Who may not see an event receives only its place.
        if was_live && is_sequenced(kind) && kind != "hidden" {
            let mut event = event.clone();
            if kind == "reaction_update" {
                // For legacy clients alone.
                event.as_object_mut().unwrap().remove("reactions");
            }
            self.live.receive(seq, &event.to_string()).unwrap();
        }
    }
}

impl Rig {
    /// Seqs of quarantined messages.
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

    /// At rest the bucket holds the files of messages that aren't deleted, each with its row, and nothing else.
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

    /// Lets the outbox drain and the room become idle, and checks everything that is stored.
    pub fn check(&mut self) {
        self.postgres.fault = Default::default();
        self.turn();
        self.bucket_is_away = false;
        self.pass(180_000);
        // Uploads that nobody sent are removed after a day.
        if self.alarm.is_some() {
            self.pass(chinwag::limits::UPLOAD_UNSENT_MS);
        }
        self.files_are_those_of_messages();
        assert_eq!(self.deadline(), None, "TIME-1: an idle room has no timer");
        assert_eq!(self.alarm, None, "TIME-1: an idle room has no alarm");
        let head = self.head();
        let rows = self.sql.rows("SELECT seq FROM events ORDER BY seq", []);
        let seqs: Vec<Seq> = rows.iter().map(|row| whole(&row[0])).collect();
        let operations = index_operations(self.operations()).unwrap();
        if self.epochs == 1 {
            check_gapless(seqs.iter().copied(), 0).unwrap();
            assert_eq!(seqs.last().copied().unwrap_or(0), head, "SEQ-1: the log ends at its head");
            let acks = self.received.acks.iter();
            let acks: Vec<_> =
                acks.map(|(seq, _, client_id, user)| ((user.clone(), client_id.clone()), *seq)).collect();
            check_acked(acks.iter().map(|(operation, seq)| (operation, *seq)), &operations).unwrap();
        }
        let messages = self.messages();
        for (_, id, ..) in &self.received.acks {
            assert!(messages.values().any(|m| m.id == *id), "ACK-1: {id} is there");
        }
        let quarantined_count =
            self.sql.rows("SELECT seq FROM quarantine WHERE reason <> ''", []).len() as u64;
        let listed = self.listed.as_ref().map_or(0, |problem| problem.quarantined);
        assert_eq!(listed, quarantined_count, "OUT-12: the tenant's list says what is set aside");
        assert_eq!(
            self.listed.is_some(),
            quarantined_count > 0,
            "OUT-12: nothing else is in trouble at rest"
        );
        let row = self.sql.rows("SELECT value FROM state WHERE id = 4", []);
        assert_eq!(row.len(), usize::from(quarantined_count > 0), "OUT-12: a healthy room has no row of it");
        assert_eq!(self.postgres.last_seq, head, "OUT-1: Postgres has all of the log {:?}", self.heard);
        let quarantined = self.quarantined();
        for (seq, message) in messages.iter().filter(|(seq, _)| !quarantined.contains(seq)) {
            let row = self.postgres.rows.get(seq).unwrap_or_else(|| panic!("OUT-1: {seq} is in Postgres"));
            assert_eq!((&row.id, &row.content), (&message.id, &message.content), "OUT-1: as it is now");
            let mut reacted = BTreeMap::<String, u64>::new();
            for reaction in row.reactions.iter().flatten() {
                *reacted.entry(reaction.emoji.clone()).or_default() += 1;
            }
            assert_eq!(reacted, message.reaction_counts, "OUT-1: with its reactions");
            assert_eq!(row.edited_by, message.edited_by, "OUT-1: with who edited it");
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
            let versions = Store(&*self.sql).versions(*seq).unwrap();
            assert_eq!(row.versions, versions, "OUT-1: {seq} with what it said before");
            assert!(message.deleted_at.is_none() || versions.is_empty(), "DEL-1: nothing stays of {seq}");
        }
        check_log_threads(&messages);
    }

    /// The log's operations with a `clientId`: sender and `clientId`, seq.
    fn operations(&self) -> impl Iterator<Item = ((String, String), Seq)> {
        let sql = "SELECT user_id, client_id, seq FROM events WHERE client_id IS NOT NULL";
        let text = |cell: &Cell| match cell {
            Cell::Text(text) => text.clone(),
            other => panic!("text, not {other:?}"),
        };
        self.sql.rows(sql, []).into_iter().map(move |row| ((text(&row[0]), text(&row[1])), whole(&row[2])))
    }
}

fn check_log_threads(messages: &BTreeMap<Seq, Message>) {
    let entry = |message: &Message| ThreadEntry {
        id: message.id.clone(),
        root: message.thread_id.clone(),
        is_deleted: message.deleted_at.is_some(),
        created_at: message.created_at,
        reply_count: message.reply_count,
        last_reply_at: message.last_reply_at,
    };
    check_threads(&messages.values().map(entry).collect::<Vec<_>>()).unwrap();
}

fn whole(cell: &Cell) -> Seq {
    match cell {
        Cell::Integer(n) => *n as Seq,
        other => panic!("a seq is an integer, not {other:?}"),
    }
}
