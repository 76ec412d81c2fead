//! The tenant's list of reports: pages of it, one of them, and how it was resolved.
//! Not here: who may read and resolve them (`api`), and how a report comes here (`projection`).

use super::audit::{AuditCursor, AuditRow};
use super::cursor::{Page, PageAnswer};
use super::port::{DbError, Postgres, decode, encode};
use crate::ids::{RoomId, TenantId, UserId};
use crate::limits::PAGE_BYTES_MAX;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReportState {
    Open,
    Dismissed,
    Deleted,
    Muted,
    Banned,
}

impl ReportState {
    pub const ALL: &'static [Self] = &[Self::Open, Self::Dismissed, Self::Deleted, Self::Muted, Self::Banned];

    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Dismissed => "dismissed",
            Self::Deleted => "deleted",
            Self::Muted => "muted",
            Self::Banned => "banned",
        }
    }
}

/// A report, as far as resolving it needs it, and as REST shows it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub room: RoomId,
    pub message: String,
    pub author: String,
    pub state: ReportState,
    pub shown: Value,
}

/// A page of the tenant's reports, newest first, at most `PAGE_BYTES_MAX` of text.
pub async fn list_reports(
    db: &impl Postgres,
    tenant: &TenantId,
    state: Option<ReportState>,
    cursor: Option<&AuditCursor>,
    limit: u64,
) -> Result<Page, DbError> {
    let (at_ms, id) = AuditCursor::place(cursor);
    let state = state.map(ReportState::name);
    let input = json!({
        "tenant": tenant, "state": state, "atMs": at_ms, "id": id, "limit": limit, "bytes": PAGE_BYTES_MAX,
    });
    let answer: PageAnswer<AuditCursor> =
        decode(db.query(include_str!("sql/list_reports.sql"), input).await?)?;
    Ok(answer.page())
}

/// A page of what this person has reported, newest first.
///
/// # Cost  one range of `chat_reports_by_reporter`; at most 100 rows, each with at most 500 characters of text.
pub async fn list_own_reports(
    db: &impl Postgres,
    (tenant, user): (&TenantId, &UserId),
    cursor: Option<&AuditCursor>,
    limit: u64,
) -> Result<Page, DbError> {
    let (at_ms, id) = AuditCursor::place(cursor);
    let input = json!({"tenant": tenant, "user": user, "atMs": at_ms, "id": id, "limit": limit});
    let answer: PageAnswer<AuditCursor> =
        decode(db.query(include_str!("sql/list_own_reports.sql"), input).await?)?;
    Ok(answer.page())
}

pub async fn get_report(db: &impl Postgres, tenant: &TenantId, id: &str) -> Result<Option<Report>, DbError> {
    let input = json!({"tenant": tenant, "id": id, "state": null});
    decode(db.query(include_str!("sql/resolve_report.sql"), input).await?)
}

/// Resolves the report if it is open.
///
/// # Gives  the report as it is now: somebody else may have resolved it in another way.
pub async fn resolve_report(
    db: &impl Postgres,
    (tenant, id): (&TenantId, &str),
    state: ReportState,
    by: &UserId,
    note: Option<&str>,
) -> Result<Option<Report>, DbError> {
    let input = json!({"tenant": tenant, "id": id, "state": state, "by": by, "note": note});
    decode(db.query(include_str!("sql/resolve_report.sql"), input).await?)
}

/// The reports among these notes are in the tenant's list. For a room that is about to be deleted, whose outbox can't
/// bring them any more.
pub async fn write_reports(
    db: &impl Postgres,
    tenant: &TenantId,
    room: &RoomId,
    notes: &[AuditRow],
) -> Result<(), DbError> {
    let input = json!({"tenant": tenant, "room": room, "notes": encode(&notes)?});
    db.query("SELECT chat_write_reports_v1($1)", input).await.map(drop)
}
