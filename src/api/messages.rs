//! Messages over REST: history and threads, saying, editing, deleting, reacting, and how far somebody has read.
//! Not here: what the room makes of them (`room`).

use super::routes::Params;
use super::{Body, Ports, Query, Reply, Request, read_json, room_access};
use crate::auth::Identity;
use crate::error::{Code, Refusal};
use crate::ids::RoomId;
use crate::protocol::Fields;
use crate::room::{PageQuery, RoomCall};

/// `GET /rooms/:id/messages`.
pub async fn list<P: Ports>(
    ports: &P,
    caller: Identity,
    room: RoomId,
    query: &Query,
) -> Result<Reply, Refusal> {
    let page = PageQuery {
        before: query.integer("before")?,
        after: query.integer("after")?,
        around: query.integer("around")?,
        limit: Some(query.limit()?),
        thread_id: query.text("threadId").map(str::to_owned),
    };
    if [page.before, page.after, page.around].iter().flatten().count() > 1 {
        return Err(Refusal::new(Code::BadRequest, "only one of before, after, around"));
    }
    room_access::call(ports, caller, room, RoomCall::Page(page)).await
}

/// `POST /rooms/:id/messages`.
pub async fn send<P: Ports, B: Body>(
    ports: &P,
    caller: Identity,
    room: RoomId,
    request: Request<B>,
) -> Result<Reply, Refusal> {
    let body = read_json(request).await?;
    room_access::call(ports, caller, room, RoomCall::Say { body }).await
}

/// `PATCH /rooms/:id/messages/:mid`.
pub async fn edit<P: Ports, B: Body>(
    ports: &P,
    caller: Identity,
    room: RoomId,
    params: &Params,
    request: Request<B>,
) -> Result<Reply, Refusal> {
    let body = read_json(request).await?;
    room_access::call(ports, caller, room, RoomCall::Edit { message: message(params), body }).await
}

/// `DELETE /rooms/:id/messages/:mid`.
pub async fn delete<P: Ports>(
    ports: &P,
    caller: Identity,
    room: RoomId,
    params: &Params,
) -> Result<Reply, Refusal> {
    room_access::call(ports, caller, room, RoomCall::Delete { message: message(params) }).await
}

/// `GET /rooms/:id/messages/:mid/versions`.
pub async fn versions<P: Ports>(
    ports: &P,
    caller: Identity,
    room: RoomId,
    params: &Params,
) -> Result<Reply, Refusal> {
    room_access::call(ports, caller, room, RoomCall::Versions { message: message(params) }).await
}

/// `PUT` and `DELETE /rooms/:id/messages/:mid/reactions/:emoji`.
pub async fn react<P: Ports>(
    ports: &P,
    caller: Identity,
    room: RoomId,
    params: &Params,
    add: bool,
) -> Result<Reply, Refusal> {
    let emoji = params.get("emoji").to_owned();
    room_access::call(ports, caller, room, RoomCall::React { message: message(params), emoji, add }).await
}

/// `GET /rooms/:id/threads/:rootId`.
pub async fn thread<P: Ports>(
    ports: &P,
    caller: Identity,
    room: RoomId,
    params: &Params,
    query: &Query,
) -> Result<Reply, Refusal> {
    let (before, limit) = (query.integer("before")?, Some(query.limit()?));
    room_access::call(
        ports,
        caller,
        room,
        RoomCall::Thread { root: params.get("root").to_owned(), before, limit },
    )
    .await
}

/// `POST /rooms/:id/read` and `/unread`.
pub async fn mark<P: Ports, B: Body>(
    ports: &P,
    caller: Identity,
    room: RoomId,
    request: Request<B>,
    read: bool,
) -> Result<Reply, Refusal> {
    let seq = Fields::parse(&read_json(request).await?)?.integer("seq")?;
    room_access::call(
        ports,
        caller,
        room,
        if read { RoomCall::Read { seq } } else { RoomCall::Unread { seq } },
    )
    .await
}

fn message(params: &Params) -> String {
    params.get("message").to_owned()
}
