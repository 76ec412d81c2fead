//! Messages over REST: history, send, edit, delete, versions.
//! Not here: what the room does with them (`room`).

use super::context::RoomContext;
use super::http::{Body, Reply, Request};
use super::ports::Ports;
use crate::error::{Code, Refusal};
use crate::room::{PageQuery, RoomCall};

/// `GET /rooms/:id/messages`.
pub async fn list<P: Ports>(cx: RoomContext<'_, P>) -> Result<Reply, Refusal> {
    let page = PageQuery {
        before: cx.query.integer("before")?,
        after: cx.query.integer("after")?,
        around: cx.query.integer("around")?,
        at: cx.query.time("at")?,
        limit: Some(cx.query.limit()?),
        thread_id: cx.query.text("threadId").map(str::to_owned),
    };
    if [page.before, page.after, page.around, page.at].iter().flatten().count() > 1 {
        return Err(Refusal::new(Code::BadRequest, "only one of before, after, around, at"));
    }
    cx.call(RoomCall::Page(page)).await
}

/// `POST /rooms/:id/messages`.
pub async fn send<P: Ports, B: Body>(cx: RoomContext<'_, P>, request: Request<B>) -> Result<Reply, Refusal> {
    let body = request.read_json().await?;
    cx.call(RoomCall::Say { body }).await
}

/// `PATCH /rooms/:id/messages/:mid`.
pub async fn edit<P: Ports, B: Body>(cx: RoomContext<'_, P>, request: Request<B>) -> Result<Reply, Refusal> {
    let body = request.read_json().await?;
    cx.call(RoomCall::Edit { message: cx.params.message(), body }).await
}

/// `DELETE /rooms/:id/messages/:mid`.
pub async fn delete<P: Ports>(cx: RoomContext<'_, P>) -> Result<Reply, Refusal> {
    cx.call(RoomCall::Delete { message: cx.params.message() }).await
}

/// `GET /rooms/:id/messages/:mid/versions`.
pub async fn list_versions<P: Ports>(cx: RoomContext<'_, P>) -> Result<Reply, Refusal> {
    let before = cx.query.integer("before")?;
    cx.call(RoomCall::Versions { message: cx.params.message(), before }).await
}
