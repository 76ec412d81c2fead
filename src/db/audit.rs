//! Entries of the audit log, and pages of it.
//! Not here: who may read it (`api`), and how entries are written (`people`, `projection`).

use super::cursor::{self, Page, PageAnswer};
use super::port::{DbError, Postgres, decode};
use crate::error::Refusal;
use crate::ids::{RoomId, TenantId, UnixMs};
use crate::limits::FOREVER_MS;
use crate::protocol::room::AuditAction;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// An entry of the audit log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditRow {
    /// The same in each retry.
    pub id: String,
    pub at_ms: UnixMs,
    pub actor: String,
    pub action: AuditAction,
    pub target: Option<String>,
    pub reason: Option<String>,
    /// Only of a report: it goes to the tenant's list as well. In a direct room it goes only there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<ReportedMessage>,
}

/// What a report is about, as it was then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportedMessage {
    /// The report's id in the tenant's list.
    pub id: String,
    pub author: String,
    pub text: String,
}

/// The place after the last entry of a page of the audit log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditCursor {
    at_ms: UnixMs,
    id: String,
}

impl AuditCursor {
    /// Time and id where a page begins, as statements take them.
    pub(super) fn place(cursor: Option<&Self>) -> (Option<UnixMs>, Option<&str>) {
        (cursor.map(|c| c.at_ms), cursor.map(|c| c.id.as_str()))
    }

    /// # Errors  `bad_request`: no page returned this cursor.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        cursor::parse(text, |c: &Self| c.at_ms <= FOREVER_MS && !c.id.contains('\0'))
    }
}

/// A page of the audit log, newest first.
pub async fn list_audit(
    db: &impl Postgres,
    tenant: &TenantId,
    room: &RoomId,
    cursor: Option<&AuditCursor>,
    limit: u64,
) -> Result<Page, DbError> {
    let (at_ms, id) = AuditCursor::place(cursor);
    let input = json!({"tenant": tenant, "room": room, "atMs": at_ms, "id": id, "limit": limit});
    let answer: PageAnswer<AuditCursor> = decode(db.query(include_str!("sql/list_audit.sql"), input).await?)?;
    Ok(answer.page())
}
