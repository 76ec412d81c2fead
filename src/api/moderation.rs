//! Moderation over REST: mute, ban, slow mode, report.
//! Not here: who may moderate whom, and what follows (`room`).

use super::body::{needed_reason, reason, time};
use super::context::RoomContext;
use super::http::{Body, Reply, Request, refuse_quota};
use super::ports::Ports;
use super::room_request::RoomOp;
use crate::db;
use crate::error::Refusal;
use crate::limits::SLOW_MODE_S_MAX;
use crate::room::{AdminChange, RoomCall};

/// `PUT /rooms/:id/mutes/:user`. The body may be left out: the mute then has no end.
pub async fn mute<P: Ports, B: Body>(cx: RoomContext<'_, P>, request: Request<B>) -> Result<Reply, Refusal> {
    let mut fields = request.read_optional_fields().await?;
    let user = cx.params.user()?;
    cx.change(AdminChange::Mute { user, until_ms: time(&mut fields, "until")? }).await
}

/// `DELETE /rooms/:id/mutes/:user`.
pub async fn unmute<P: Ports>(cx: RoomContext<'_, P>) -> Result<Reply, Refusal> {
    let user = cx.params.user()?;
    cx.change(AdminChange::Unmute { user }).await
}

/// `PUT /rooms/:id/bans/:user`. The body may be left out: the ban then has no end and no reason.
pub async fn ban<P: Ports, B: Body>(cx: RoomContext<'_, P>, request: Request<B>) -> Result<Reply, Refusal> {
    let mut fields = request.read_optional_fields().await?;
    let until_ms = time(&mut fields, "until")?;
    let user = cx.params.user()?;
    cx.change(AdminChange::Ban { user, until_ms, reason: reason(&mut fields)? }).await
}

/// `DELETE /rooms/:id/bans/:user`.
pub async fn unban<P: Ports>(cx: RoomContext<'_, P>) -> Result<Reply, Refusal> {
    let user = cx.params.user()?;
    cx.change(AdminChange::Unban { user }).await
}

/// `PUT /rooms/:id/slow-mode`.
pub async fn set_slow_mode<P: Ports, B: Body>(
    cx: RoomContext<'_, P>,
    request: Request<B>,
) -> Result<Reply, Refusal> {
    let seconds = request.read_fields().await?.integer("seconds")?;
    let in_range = u32::try_from(seconds).ok().filter(|_| seconds <= SLOW_MODE_S_MAX);
    let seconds = in_range.ok_or_else(|| Refusal::invalid("seconds", &format!("0 to {SLOW_MODE_S_MAX}")))?;
    cx.change(AdminChange::SlowMode { seconds }).await
}

/// `POST /rooms/:id/messages/:mid/report`.
pub async fn report<P: Ports, B: Body>(
    cx: RoomContext<'_, P>,
    request: Request<B>,
) -> Result<Reply, Refusal> {
    let reason = needed_reason(&mut request.read_fields().await?)?;
    let membership = cx.membership().await?;
    // Without a membership Postgres is away: the report is taken uncounted.
    if membership.is_some() {
        let (db, per_day) = (cx.ports.fail_fast_db(), cx.ports.limits().reports_per_day);
        let counted = db::count_report(db, &cx.caller.tenant, &cx.caller.user, per_day).await;
        counted.map_err(|error| refuse_quota(error, cx.ports.now()))?;
    }
    cx.send(membership, RoomOp::Call(RoomCall::Report { message: cx.params.message(), reason })).await
}
