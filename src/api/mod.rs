//! The HTTP surface. `routes` names every route, `dispatch` calls its handler: a file per resource, a function per
//! route. It runs natively in tests.
//! Not here: sockets, storage and the runtime (`shell` implements `Ports`), and what a room decides (`room`).

mod audit;
mod blocks;
mod body;
mod chat;
mod context;
#[cfg(feature = "dev")]
mod dev;
mod edge_rates;
mod files;
mod health;
mod http;
mod inbox;
mod inbox_request;
mod members;
mod mentions;
mod messages;
mod moderation;
mod notification_settings;
mod outbox;
mod people;
mod pins;
mod ports;
mod push;
mod reactions;
mod reads;
mod reports;
mod room_access;
mod room_request;
mod rooms;
mod routes;
mod saved;
mod schema;
mod search;
mod search_query;
mod threads;
mod written_profiles;
mod ws_ticket;

pub use self::blocks::parse_unknown_people;
pub use self::http::{Body, FileReply, Reply, Request, database_unavailable, no_such_room, over_quota};
pub use edge_rates::EdgeRate;
pub use inbox_request::{InboxRequest, InboxUpgrade, PersonPoke, Poke, inbox_name};
pub use people::profile_of;
pub use ports::{Bucket, Ports, Put, ServiceState};
pub use room_request::{Membership, RoomOp, RoomRequest, UpgradeRequest, object_name};
pub use rooms::for_caller;
pub use routes::{ROUTES, Route};
pub use written_profiles::WrittenProfiles;

use self::http::Params;
use crate::error::{Code, Refusal};
use ::http::{Method, header::UPGRADE};
use context::{CallerContext, Unauthenticated};
use routes::{Found, MineRoute};

/// Answers one request. Every refusal has the shape of PROTOCOL.md, "10. Errors, limits and close codes".
/// The reply to `HEAD` is that to `GET`; the runtime sends its status and headers without the body.
pub async fn handle<P: Ports, B: Body>(ports: &P, mut request: Request<B>) -> Reply {
    if request.method == Method::HEAD {
        // Only `GET` upgrades (RFC 6455, section 4.1).
        request.headers.remove(UPGRADE);
    }
    let reply = match routes::find(&request.method, &request.path) {
        Found::Route(route, params) => dispatch(ports, route, params, request).await,
        Found::OtherMethod(allowed) => Ok(Reply::method_not_allowed(allowed)),
        Found::Nothing => Err(Refusal::new(Code::NotFound, "no such route")),
    };
    reply.unwrap_or_else(|refusal| Reply::refused(&refusal))
}

/// Calls the route's handler. Arguments are evaluated in order: the caller is known before the body is read.
async fn dispatch<P: Ports, B: Body>(
    ports: &P,
    route: Route,
    params: Params,
    request: Request<B>,
) -> Result<Reply, Refusal> {
    let cx = Unauthenticated::of(ports, (route, params), &request);
    match route {
        Route::Chat => chat::upgrade(cx, &request.query).await,
        Route::Inbox => inbox::upgrade(cx, &request.query).await,
        Route::Health => health::check(cx).await,
        Route::OpenApi | Route::Protocol => Ok(schema::document(route)),
        Route::CreateWsTicket => ws_ticket::create(cx.require_caller().await?).await,
        Route::CreateRoom => rooms::create(cx.require_caller().await?, request).await,
        Route::ListRooms => rooms::list(cx.require_caller().await?).await,
        Route::GetRoom => rooms::get(cx.require_room().await?).await,
        Route::UpdateRoom => rooms::update(cx.require_room().await?, request).await,
        Route::DeleteRoom => rooms::delete(cx.require_room().await?).await,
        Route::ListMembers => members::list(cx.require_room().await?).await,
        Route::AddMembers => members::add(cx.require_room().await?, request).await,
        Route::SetMemberRole => members::set_role(cx.require_room().await?, request).await,
        Route::RemoveMember => members::remove(cx.require_room().await?).await,
        Route::LeaveRoom => members::leave(cx.require_room().await?).await,
        Route::GetNotificationSettings => notification_settings::get(cx.require_room().await?).await,
        Route::SetNotificationSettings => notification_settings::set(cx.require_room().await?, request).await,
        Route::Mute => moderation::mute(cx.require_room().await?, request).await,
        Route::Unmute => moderation::unmute(cx.require_room().await?).await,
        Route::Ban => moderation::ban(cx.require_room().await?, request).await,
        Route::Unban => moderation::unban(cx.require_room().await?).await,
        Route::SetSlowMode => moderation::set_slow_mode(cx.require_room().await?, request).await,
        Route::Report => moderation::report(cx.require_room().await?, request).await,
        Route::ListAudit => audit::list(cx.require_room().await?).await,
        Route::ListMessages => messages::list(cx.require_room().await?).await,
        Route::SendMessage => messages::send(cx.require_room().await?, request).await,
        Route::EditMessage => messages::edit(cx.require_room().await?, request).await,
        Route::DeleteMessage => messages::delete(cx.require_room().await?).await,
        Route::ListVersions => messages::list_versions(cx.require_room().await?).await,
        Route::AddReaction => reactions::set(cx.require_room().await?, true).await,
        Route::RemoveReaction => reactions::set(cx.require_room().await?, false).await,
        Route::ListReactors => reactions::list(cx.require_room().await?).await,
        Route::Pins(route) => pins::answer(route, cx.require_room().await?).await,
        Route::ListReaders => reads::list_readers(cx.require_room().await?).await,
        Route::GetThread => threads::get(cx.require_room().await?).await,
        Route::MarkThreadRead => threads::mark_read(cx.require_room().await?, request).await,
        Route::MarkRead => reads::mark_read(cx.require_room().await?, request).await,
        Route::MarkUnread => reads::mark_unread(cx.require_room().await?, request).await,
        Route::Mine(route) => list_mine(route, cx.require_caller().await?).await,
        Route::Save | Route::Unsave => saved::change(cx.require_room().await?, route == Route::Save).await,
        Route::Search => search::search(cx.require_caller().await?).await,
        Route::ListPeople => people::list(cx.require_caller().await?).await,
        Route::GetPerson => people::get(cx.require_caller().await?).await,
        Route::GetOwnProfile => people::get_own(cx.require_caller().await?).await,
        Route::UpdateOwnProfile => people::update_own(cx.require_caller().await?, request).await,
        Route::PutPerson => people::put(cx.require_caller().await?, request).await,
        Route::SignOut => people::sign_out(cx.require_caller().await?).await,
        Route::Block | Route::Unblock => blocks::set(cx.require_caller().await?, route == Route::Block).await,
        Route::PutPeople => people::put_many(cx.require_caller().await?, request).await,
        Route::Push(route) => push::answer(route, cx.require_caller().await?, request).await,
        Route::UploadFile => files::upload(cx.require_room().await?, request).await,
        Route::SignDownload => files::sign_download(cx.require_room().await?).await,
        Route::DownloadFile => files::download(cx, &request).await,
        Route::GetOutbox => outbox::get(cx.require_room().await?).await,
        Route::RetryOutbox => outbox::retry(cx.require_room().await?).await,
        Route::DiscardRow => outbox::discard(cx.require_room().await?, request).await,
        Route::ListOutboxAlerts => outbox::list_alerts(cx.require_caller().await?).await,
        Route::Reports(route) => reports::answer(route, cx.require_caller().await?, request).await,
        #[cfg(feature = "dev")]
        Route::CreateDevToken => dev::create_token(ports, request).await,
    }
}

async fn list_mine<P: Ports>(route: MineRoute, cx: CallerContext<'_, P>) -> Result<Reply, Refusal> {
    match route {
        MineRoute::Unread => reads::list_unread(cx).await,
        MineRoute::Mentions => mentions::list(cx).await,
        MineRoute::Saved => saved::list(cx).await,
        MineRoute::Threads => threads::list(cx).await,
        MineRoute::Blocks => blocks::list(cx).await,
    }
}
