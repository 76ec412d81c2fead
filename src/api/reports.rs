//! The tenant's list of reports, and resolving them, for its moderators and admins; and everybody's own reports.
//! Not here: reporting (`moderation`), what a room allows to resolve a report (`room`), and the statements (`db`).

use super::body::{line, one_of};
use super::context::{CallerContext, RoomContext};
use super::http::{Body, Reply, Request, database_unavailable};
use super::ports::Ports;
use super::room_access::refuse_strangers;
use super::room_request::{Membership, RoomOp};
use super::routes::ReportsRoute;
use crate::auth::{self, Action};
use crate::db::{self, AuditCursor, Report, ReportState};
use crate::error::{Code, Refusal};
use crate::ids::UserId;
use crate::limits::REASON_CHARS_MAX;
use crate::protocol::room::RoomKind;
use crate::room::{AdminChange, RoomCall};
use serde_json::json;

/// What a moderator does about a report.
#[derive(Clone, Copy)]
enum Resolution {
    Dismiss,
    Delete,
    Mute,
    Ban,
}

impl Resolution {
    const ALL: &'static [Self] = &[Self::Dismiss, Self::Delete, Self::Mute, Self::Ban];

    fn name(self) -> &'static str {
        match self {
            Self::Dismiss => "dismiss",
            Self::Delete => "delete",
            Self::Mute => "mute",
            Self::Ban => "ban",
        }
    }

    /// The state of the report afterwards.
    fn state(self) -> ReportState {
        match self {
            Self::Dismiss => ReportState::Dismissed,
            Self::Delete => ReportState::Deleted,
            Self::Mute => ReportState::Muted,
            Self::Ban => ReportState::Banned,
        }
    }
}

pub async fn answer<P: Ports, B: Body>(
    route: ReportsRoute,
    cx: CallerContext<'_, P>,
    request: Request<B>,
) -> Result<Reply, Refusal> {
    match route {
        ReportsRoute::ListOwn => list_own(cx).await,
        ReportsRoute::List => list(cx).await,
        ReportsRoute::Resolve => resolve(cx, request).await,
    }
}

/// `GET /admin/reports`.
async fn list<P: Ports>(cx: CallerContext<'_, P>) -> Result<Reply, Refusal> {
    let CallerContext { ports, caller, query, .. } = cx;
    auth::authorize(RoomKind::Group, None, caller.tenant_role, Action::HandleReports)?;
    let state = query.one_of("state", ReportState::ALL, ReportState::name)?;
    let cursor = query.cursor().map(AuditCursor::parse).transpose()?;
    let limit = query.limit()?;
    let page = db::list_reports(ports.db(), &caller.tenant, state, cursor.as_ref(), limit).await;
    let page = page.map_err(database_unavailable)?;
    Ok(Reply::ok(json!({"reports": page.items, "nextCursor": page.next_cursor})))
}

/// `GET /people/me/reports`: what became of the caller's own reports.
async fn list_own<P: Ports>(cx: CallerContext<'_, P>) -> Result<Reply, Refusal> {
    let CallerContext { ports, caller, query, .. } = cx;
    let cursor = query.cursor().map(AuditCursor::parse).transpose()?;
    let limit = query.limit()?;
    let who = (&caller.tenant, &caller.user);
    let page = db::list_own_reports(ports.db(), who, cursor.as_ref(), limit).await;
    let page = page.map_err(database_unavailable)?;
    Ok(Reply::ok(json!({"reports": page.items, "nextCursor": page.next_cursor})))
}

/// `POST /admin/reports/:id/resolve`. The room acts first: if the answer is lost, or the report can't be marked then, it
/// is still open, and the same request completes it.
async fn resolve<P: Ports, B: Body>(cx: CallerContext<'_, P>, request: Request<B>) -> Result<Reply, Refusal> {
    auth::authorize(RoomKind::Group, None, cx.caller.tenant_role, Action::HandleReports)?;
    let mut fields = request.read_fields().await?;
    let action = one_of(&mut fields, "action", Resolution::ALL, Resolution::name)?;
    let action = action.ok_or_else(|| Refusal::bad_field("action", "text"))?;
    let note = line(&mut fields, "note", REASON_CHARS_MAX)?.filter(|note| !note.is_empty());
    let (ports, id) = (cx.ports, cx.params.get("report").to_owned());
    let no_such_report = || Refusal::new(Code::NotFound, "there is no such report");
    // Postgres would refuse the text.
    if id.contains('\0') {
        return Err(no_such_report());
    }
    let report = db::get_report(ports.db(), &cx.caller.tenant, &id).await.map_err(database_unavailable)?;
    let report = report.ok_or_else(no_such_report)?;
    if report.author == cx.caller.user.as_str() {
        return Err(Refusal::new(Code::Forbidden, "nobody resolves a report of their own message"));
    }
    let cx = cx.with_room(report.room.clone());
    let report = if report.state == ReportState::Open {
        if let Some(refused) = act(&cx, &report, action).await? {
            return Ok(refused);
        }
        let (key, by) = ((&cx.caller.tenant, id.as_str()), &cx.caller.user);
        let resolved = db::resolve_report(ports.db(), key, action.state(), by, note.as_deref()).await;
        resolved.map_err(database_unavailable)?.ok_or_else(no_such_report)?
    } else {
        report
    };
    if report.state != action.state() {
        return Err(Refusal::new(Code::VersionConflict, "somebody else has resolved this report"));
    }
    Ok(Reply::ok(json!({"report": report.shown})))
}

/// Does what the resolution asks of the room.
///
/// # Gives  the room's refusal, if the report stays open.
async fn act<P: Ports>(
    cx: &RoomContext<'_, P>,
    report: &Report,
    action: Resolution,
) -> Result<Option<Reply>, Refusal> {
    let no_such_member = || Refusal::new(Code::MemberNotFound, "there is no such member");
    let author = || UserId::parse(&report.author).ok_or_else(no_such_member);
    let op = match action {
        Resolution::Dismiss => return Ok(None),
        Resolution::Delete => RoomOp::Call(RoomCall::DeleteReported { message: report.message.clone() }),
        Resolution::Mute => RoomOp::Change(AdminChange::MuteReported { user: author()? }),
        Resolution::Ban => RoomOp::Change(AdminChange::BanReported { user: author()?, reason: None }),
    };
    let snapshot = db::room_snapshot(cx.ports.fail_fast_db(), &cx.caller.tenant, &cx.room, None).await;
    let membership = match refuse_strangers(snapshot) {
        Ok(snapshot) => snapshot.map(|room| Membership {
            members_version: room.members_version,
            last_seq: room.last_seq,
            notify: None,
            person: None,
        }),
        // The message went with its room.
        Err(_) if matches!(action, Resolution::Delete) => return Ok(None),
        Err(refusal) => return Err(refusal),
    };
    let reply = cx.send(membership, op).await?;
    Ok(match &reply {
        Reply::Json { status: 200, .. } => None,
        Reply::Json { status: 404, .. } if matches!(action, Resolution::Delete) => None,
        _ => Some(reply),
    })
}
