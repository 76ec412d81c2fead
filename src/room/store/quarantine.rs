//! The table `quarantine`: messages that Postgres refuses. Not here: when one is quarantined (`outbox`).

use super::sql::{Result, Store, int, int_at, text, text_at};
use crate::ids::Seq;

/// Why a message is in quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuarantineReason {
    /// Postgres refuses the row. The text is Postgres' own and may quote content, so only the tenant's admins see it.
    Refused(String),
    /// An operator decided that the row is never sent again.
    Discarded,
}

/// The column's value for `Discarded`. Rooms have stored it since the first version of the schema.
const DISCARDED: &str = "";
/// The column's value for a refusal without a text, which must not read as `DISCARDED`.
const REFUSED_WITHOUT_TEXT: &str = "refused";

impl QuarantineReason {
    fn from_column(column: String) -> Self {
        if column == DISCARDED { Self::Discarded } else { Self::Refused(column) }
    }

    fn column(&self) -> &str {
        match self {
            Self::Discarded => DISCARDED,
            Self::Refused(text) if text.is_empty() => REFUSED_WITHOUT_TEXT,
            Self::Refused(text) => text,
        }
    }
}

impl Store<'_> {
    /// The message is in quarantine for this reason, whatever the reason was before.
    pub fn quarantine(&self, seq: Seq, reason: &QuarantineReason) -> Result<()> {
        let sql = "INSERT INTO quarantine (seq, reason) VALUES (?, ?)
            ON CONFLICT (seq) DO UPDATE SET reason = excluded.reason";
        self.0.exec(sql, &[int(seq), text(reason.column())]).map(drop)
    }

    /// The message is not in quarantine any more: Postgres has it.
    pub fn release(&self, seq: Seq) -> Result<()> {
        self.0.exec("DELETE FROM quarantine WHERE seq = ?", &[int(seq)]).map(drop)
    }

    pub fn quarantined(&self) -> Result<Vec<(Seq, QuarantineReason)>> {
        let rows = self.0.exec("SELECT seq, reason FROM quarantine ORDER BY seq", &[])?;
        rows.iter()
            .map(|row| Ok((int_at(row, 0)?, QuarantineReason::from_column(text_at(row, 1)?))))
            .collect()
    }
}
