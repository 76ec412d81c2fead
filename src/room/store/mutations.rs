//! What an event does to rows that stand already: messages rewritten, their earlier words kept, and all of them gone.
//! Not here: when (`change`, `thread`, `message`), and other statements (`store`, `uploads`).
//!
//! SQLite overwrites a row in place if the new one is as long; else the old bytes stay in the page's free space, which nobody
//! can have wiped on the platform. So words are written over with as many blanks before they go (docs/ARCHITECTURE.md, What
//! is deleted, says what that leaves). Blanks behind each message, so that reactions fit in too, left no less.

use super::{Result, SqlValue, Store, corrupt_column, int, text_at};
use crate::db::VersionRow;
use crate::ids::{Seq, UnixMs};
use crate::limits::VERSIONS_KEPT_MAX;

/// What an event does to what is stored.
pub enum Mutation<'a> {
    /// The message at `seq` is this from now on.
    Body { seq: Seq, body: &'a str },
    /// The message at `seq` was this before the event at `edit`; its new body is another `Change`, after this one.
    Keep { seq: Seq, edit: Seq, version: VersionRow },
    /// Nothing stays of what the message at `seq` said; its new body is another `Change`, after this one.
    Purge { seq: Seq },
    /// These uploads are this message's.
    MarkUploadsSent { uploads: &'a [String], message: Seq },
    /// The objects of these uploads are to be removed.
    RemoveUploads { uploads: &'a [String], due: UnixMs },
}

impl Store<'_> {
    pub(super) fn apply(&self, change: &Mutation) -> Result<()> {
        match change {
            Mutation::Body { seq, body } => self.rewrite(*seq, body),
            Mutation::Keep { seq, edit, version } => {
                self.write_over(*seq)?;
                self.keep_version(*seq, Some(*edit), version)?;
                let oldest = version.version.saturating_sub(VERSIONS_KEPT_MAX);
                // One goes for each that comes; the first stays.
                if oldest > 1 { self.drop_versions(*seq, oldest, oldest) } else { Ok(()) }
            }
            Mutation::Purge { seq } => self.leave_nothing(*seq),
            Mutation::MarkUploadsSent { uploads, message } => {
                uploads.iter().try_for_each(|upload| self.mark_upload_sent(upload, *message))
            }
            Mutation::RemoveUploads { uploads, due } => {
                uploads.iter().try_for_each(|upload| self.schedule_upload_removal(upload, *due))
            }
        }
    }

    fn rewrite(&self, seq: Seq, body: &str) -> Result<()> {
        let params = [SqlValue::Text(body.to_owned()), int(seq)];
        self.0.exec("UPDATE events SET body = ? WHERE seq = ?", &params).map(drop)
    }

    fn write_over(&self, seq: Seq) -> Result<()> {
        const BLANK: &str =
            "UPDATE events SET body = printf('%.*c', length(CAST(body AS BLOB)), ' ') WHERE seq = ?";
        self.0.exec(BLANK, &[int(seq)]).map(drop)
    }

    /// The digests go too: by them words could be guessed.
    fn leave_nothing(&self, seq: Seq) -> Result<()> {
        const EDITS: &str = "UPDATE events SET digest = NULL, body = json_remove(body, '$.mentioned')
            WHERE seq IN (SELECT edit FROM versions WHERE versions.seq = ?)";
        self.write_over(seq)?;
        self.0.exec("UPDATE events SET digest = NULL WHERE seq = ?", &[int(seq)])?;
        self.0.exec(EDITS, &[int(seq)])?;
        self.drop_versions(seq, 0, u64::MAX)
    }

    fn drop_versions(&self, seq: Seq, from: u64, to: u64) -> Result<()> {
        const BLANK: &str = "UPDATE versions SET body = printf('%.*c', length(CAST(body AS BLOB)), ' ')
            WHERE seq = ? AND version BETWEEN ? AND ?";
        let params = [int(seq), int(from), int(to)];
        self.0.exec(BLANK, &params)?;
        self.0.exec("DELETE FROM versions WHERE seq = ? AND version BETWEEN ? AND ?", &params).map(drop)
    }

    pub fn keep_version(&self, seq: Seq, edit: Option<Seq>, version: &VersionRow) -> Result<()> {
        let body = serde_json::to_string(version).map_err(|_| corrupt_column(3))?;
        let edit = edit.map_or(SqlValue::Null, int);
        let params = [int(seq), int(version.version), edit, SqlValue::Text(body)];
        const KEEP: &str = "INSERT OR REPLACE INTO versions (seq, version, edit, body) VALUES (?, ?, ?, ?)";
        self.0.exec(KEEP, &params).map(drop)
    }

    /// What this message said before, oldest first.
    pub fn versions(&self, seq: Seq) -> Result<Vec<VersionRow>> {
        let rows = self.0.exec("SELECT body FROM versions WHERE seq = ? ORDER BY version", &[int(seq)])?;
        rows.iter()
            .map(|row| serde_json::from_str(&text_at(row, 0)?).map_err(|_| corrupt_column(0)))
            .collect()
    }

    /// Who wrote the present words of a message that was edited, and when.
    pub fn last_edit(&self, seq: Seq) -> Result<Option<(String, UnixMs)>> {
        const LAST: &str = "SELECT body FROM versions WHERE seq = ? ORDER BY version DESC LIMIT 1";
        let Some(row) = self.0.exec(LAST, &[int(seq)])?.pop() else { return Ok(None) };
        let kept: VersionRow = serde_json::from_str(&text_at(&row, 0)?).map_err(|_| corrupt_column(0))?;
        Ok(Some((kept.replaced_by, kept.replaced_at_ms)))
    }
}
