//! What an event does to rows that exist already: a message is rewritten, its earlier content is kept or deleted.
//! Not here: when (`edit_delete`, `thread`, `message`), and other statements of the tables.
//!
//! SQLite overwrites a row in place if the new row has the same length. Otherwise the old bytes stay in the page's free
//! space, which nobody can wipe on the platform. So content is overwritten with as many blanks before it is deleted
//! (docs/ARCHITECTURE.md, What is deleted, says what remains). Padding each message with blanks, so that reactions fit
//! in too, left no fewer bytes behind.

use super::sql::{Result, SqlValue, Store, int, opt_int, text};
use super::state::StateRow;
use crate::db::VersionRow;
use crate::ids::{Seq, UnixMs};
use crate::limits::VERSIONS_KEPT_MAX;

/// A change of rows that an event makes.
pub enum Mutation<'a> {
    /// The message at `seq` has this body from now on.
    Body { seq: Seq, body: &'a str },
    /// The message at `seq` has this body, which shows new reactions, and these people whom it does not name. `event` is
    /// the reaction's event, if there is one.
    Reactions { seq: Seq, event: Option<Seq>, body: &'a str, others: Option<&'a str> },
    /// The message at `seq` was this version before the event at `edit`. Its new body is another mutation, after this
    /// one.
    Keep { seq: Seq, edit: Seq, version: VersionRow },
    /// No content of the message at `seq` remains. Its new body is another mutation, after this one.
    Purge { seq: Seq },
    /// The row of the pins is this one.
    Pins { row: &'a str },
    /// These uploads are in this message.
    MarkUploadsSent { uploads: &'a [String], message: Seq },
    /// The objects of these uploads must be removed.
    RemoveUploads { uploads: &'a [String], due: UnixMs },
}

impl Store<'_> {
    pub(super) fn apply(&self, mutation: &Mutation) -> Result<()> {
        match mutation {
            Mutation::Body { seq, body } => self.rewrite(*seq, body),
            Mutation::Reactions { seq, event, body, others } => {
                self.rewrite_reactions(*seq, *event, body, *others)
            }
            Mutation::Keep { seq, edit, version } => {
                self.overwrite_body(*seq)?;
                self.keep_version(*seq, Some(*edit), version)?;
                let oldest = version.version.saturating_sub(VERSIONS_KEPT_MAX);
                // One is dropped for each that is kept; the first stays.
                if oldest > 1 { self.drop_versions(*seq, oldest, oldest) } else { Ok(()) }
            }
            Mutation::Purge { seq } => self.purge_message(*seq),
            Mutation::Pins { row } => self.set_state(StateRow::Pins, (*row).to_owned()),
            Mutation::MarkUploadsSent { uploads, message } => {
                uploads.iter().try_for_each(|upload| self.mark_upload_sent(upload, *message))
            }
            Mutation::RemoveUploads { uploads, due } => {
                uploads.iter().try_for_each(|upload| self.schedule_upload_removal(upload, *due))
            }
        }
    }

    fn rewrite(&self, seq: Seq, body: &str) -> Result<()> {
        self.0.exec("UPDATE events SET body = ? WHERE seq = ?", &[text(body), int(seq)]).map(drop)
    }

    /// One written row, whether there are others or not.
    fn rewrite_reactions(
        &self,
        seq: Seq,
        event: Option<Seq>,
        body: &str,
        others: Option<&str>,
    ) -> Result<()> {
        const ALL: &str = "UPDATE events SET body = ?, reactors = ?, last_reaction = ? WHERE seq = ?";
        let others = others.map_or(SqlValue::Null, text);
        self.0.exec(ALL, &[text(body), others, opt_int(event), int(seq)]).map(drop)
    }

    fn overwrite_body(&self, seq: Seq) -> Result<()> {
        const BLANK: &str =
            "UPDATE events SET body = printf('%.*c', length(CAST(body AS BLOB)), ' ') WHERE seq = ?";
        self.0.exec(BLANK, &[int(seq)]).map(drop)
    }

    /// The digests are deleted too: content could be guessed by them. The versions lead to the edits. If some were dropped
    /// (EDIT-7), the log is searched from the message on: few messages are edited so often, and an index of targets would
    /// cost each reaction a row.
    fn purge_message(&self, seq: Seq) -> Result<()> {
        const EDITS: &str = "UPDATE events SET digest = NULL, body = json_remove(body, '$.mentioned')
            WHERE seq IN (SELECT edit FROM versions WHERE versions.seq = ?)";
        self.overwrite_body(seq)?;
        // A custom emoji's name is content. Blanks of the same length overwrite it in place.
        const REACTIONS: &str = "WITH RECURSIVE of_message (seq) AS (
                SELECT last_reaction FROM events WHERE seq = ?1
                UNION ALL
                SELECT e.last_reaction FROM of_message m CROSS JOIN events e ON e.seq = m.seq)
            UPDATE events SET digest = NULL, body = json_set(body, '$.emoji',
                printf('%.*c', length(CAST(json_extract(body, '$.emoji') AS BLOB)), ' '))
            WHERE seq IN (SELECT seq FROM of_message WHERE seq IS NOT NULL)";
        self.0.exec(REACTIONS, &[int(seq)])?;
        const MESSAGE: &str =
            "UPDATE events SET digest = NULL, reactors = NULL, last_reaction = NULL WHERE seq = ?";
        self.0.exec(MESSAGE, &[int(seq)])?;
        const ALL_EDITS: &str = "UPDATE events SET digest = NULL, body = json_remove(body, '$.mentioned')
            WHERE seq > ?1 AND target = ?1 AND kind = 3";
        const DROPPED: &str = "SELECT 1 FROM versions WHERE seq = ? AND version > ? LIMIT 1";
        let are_dropped = !self.0.exec(DROPPED, &[int(seq), int(VERSIONS_KEPT_MAX + 1)])?.is_empty();
        self.0.exec(if are_dropped { ALL_EDITS } else { EDITS }, &[int(seq)])?;
        self.drop_versions(seq, 0, u64::MAX)
    }
}
