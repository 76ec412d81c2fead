//! The table of routes: method, path, name.
//! Not here: their handlers (`api::dispatch`).

use super::http::Params;
use http::Method;
use std::cell::OnceCell;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    Chat,
    Inbox,
    Health,
    OpenApi,
    Protocol,
    CreateWsTicket,
    CreateRoom,
    ListRooms,
    Mine(MineRoute),
    Save,
    Unsave,
    Search,
    GetRoom,
    UpdateRoom,
    DeleteRoom,
    ListMembers,
    AddMembers,
    SetMemberRole,
    RemoveMember,
    LeaveRoom,
    GetNotificationSettings,
    SetNotificationSettings,
    Mute,
    Unmute,
    Ban,
    Unban,
    SetSlowMode,
    ListAudit,
    Report,
    ListMessages,
    SendMessage,
    EditMessage,
    DeleteMessage,
    ListVersions,
    AddReaction,
    RemoveReaction,
    ListReactors,
    ListReaders,
    Pins(PinsRoute),
    GetThread,
    MarkThreadRead,
    MarkRead,
    MarkUnread,
    ListPeople,
    GetPerson,
    GetOwnProfile,
    UpdateOwnProfile,
    PutPerson,
    PutPeople,
    Push(PushRoute),
    SignOut,
    Block,
    Unblock,
    UploadFile,
    SignDownload,
    DownloadFile,
    GetOutbox,
    RetryOutbox,
    DiscardRow,
    ListOutboxAlerts,
    Reports(ReportsRoute),
    #[cfg(feature = "dev")]
    CreateDevToken,
}

/// The routes of this person's devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushRoute {
    Key,
    Subscribe,
    List,
    Unsubscribe,
}

/// The routes of a room's pins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinsRoute {
    List,
    Pin,
    Unpin,
}

/// The routes of reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportsRoute {
    ListOwn,
    List,
    Resolve,
}

/// What the caller has over all rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MineRoute {
    Unread,
    Mentions,
    Saved,
    Threads,
    Blocks,
}

/// Every route. A `{…}` of a path becomes one of `Params`. `HEAD` works wherever `GET` does; only a route whose answer
/// to it differs has a row for it.
pub const ROUTES: &[(Method, &str, Route)] = &[
    (Method::GET, "/chat", Route::Chat),
    (Method::GET, "/chat/inbox", Route::Inbox),
    (Method::GET, "/api/chat/health", Route::Health),
    (Method::GET, "/api/chat/openapi.json", Route::OpenApi),
    (Method::GET, "/api/chat/protocol.json", Route::Protocol),
    (Method::POST, "/api/chat/ws-ticket", Route::CreateWsTicket),
    (Method::POST, "/api/chat/rooms/create", Route::CreateRoom),
    (Method::GET, "/api/chat/rooms/list", Route::ListRooms),
    (Method::GET, "/api/chat/unread", Route::Mine(MineRoute::Unread)),
    (Method::GET, "/api/chat/mentions", Route::Mine(MineRoute::Mentions)),
    (Method::GET, "/api/chat/saved", Route::Mine(MineRoute::Saved)),
    (Method::PUT, "/api/chat/saved/{room}/{message}", Route::Save),
    (Method::DELETE, "/api/chat/saved/{room}/{message}", Route::Unsave),
    (Method::GET, "/api/chat/search", Route::Search),
    (Method::GET, "/api/chat/rooms/{room}", Route::GetRoom),
    (Method::PATCH, "/api/chat/rooms/{room}", Route::UpdateRoom),
    (Method::DELETE, "/api/chat/rooms/{room}", Route::DeleteRoom),
    (Method::GET, "/api/chat/rooms/{room}/members", Route::ListMembers),
    (Method::POST, "/api/chat/rooms/{room}/members", Route::AddMembers),
    (Method::PATCH, "/api/chat/rooms/{room}/members/{user}", Route::SetMemberRole),
    (Method::DELETE, "/api/chat/rooms/{room}/members/{user}", Route::RemoveMember),
    (Method::POST, "/api/chat/rooms/{room}/leave", Route::LeaveRoom),
    (Method::GET, "/api/chat/rooms/{room}/notification-settings", Route::GetNotificationSettings),
    (Method::PUT, "/api/chat/rooms/{room}/notification-settings", Route::SetNotificationSettings),
    (Method::PUT, "/api/chat/rooms/{room}/mutes/{user}", Route::Mute),
    (Method::DELETE, "/api/chat/rooms/{room}/mutes/{user}", Route::Unmute),
    (Method::PUT, "/api/chat/rooms/{room}/bans/{user}", Route::Ban),
    (Method::DELETE, "/api/chat/rooms/{room}/bans/{user}", Route::Unban),
    (Method::PUT, "/api/chat/rooms/{room}/slow-mode", Route::SetSlowMode),
    (Method::GET, "/api/chat/rooms/{room}/audit", Route::ListAudit),
    (Method::POST, "/api/chat/rooms/{room}/messages/{message}/report", Route::Report),
    (Method::GET, "/api/chat/rooms/{room}/messages", Route::ListMessages),
    (Method::POST, "/api/chat/rooms/{room}/messages", Route::SendMessage),
    (Method::PATCH, "/api/chat/rooms/{room}/messages/{message}", Route::EditMessage),
    (Method::DELETE, "/api/chat/rooms/{room}/messages/{message}", Route::DeleteMessage),
    (Method::GET, "/api/chat/rooms/{room}/messages/{message}/versions", Route::ListVersions),
    (Method::PUT, "/api/chat/rooms/{room}/messages/{message}/reactions/{emoji}", Route::AddReaction),
    (Method::DELETE, "/api/chat/rooms/{room}/messages/{message}/reactions/{emoji}", Route::RemoveReaction),
    (Method::GET, "/api/chat/rooms/{room}/messages/{message}/reactions/{emoji}", Route::ListReactors),
    (Method::GET, "/api/chat/rooms/{room}/messages/{message}/readers", Route::ListReaders),
    (Method::GET, "/api/chat/rooms/{room}/pins", Route::Pins(PinsRoute::List)),
    (Method::PUT, "/api/chat/rooms/{room}/pins/{message}", Route::Pins(PinsRoute::Pin)),
    (Method::DELETE, "/api/chat/rooms/{room}/pins/{message}", Route::Pins(PinsRoute::Unpin)),
    (Method::GET, "/api/chat/rooms/{room}/threads/{root}", Route::GetThread),
    (Method::POST, "/api/chat/rooms/{room}/threads/{root}/read", Route::MarkThreadRead),
    (Method::GET, "/api/chat/threads", Route::Mine(MineRoute::Threads)),
    (Method::POST, "/api/chat/rooms/{room}/read", Route::MarkRead),
    (Method::POST, "/api/chat/rooms/{room}/unread", Route::MarkUnread),
    (Method::GET, "/api/chat/people", Route::ListPeople),
    (Method::GET, "/api/chat/people/me", Route::GetOwnProfile),
    (Method::PATCH, "/api/chat/people/me", Route::UpdateOwnProfile),
    (Method::POST, "/api/chat/people/bulk", Route::PutPeople),
    (Method::GET, "/api/chat/people/{user}", Route::GetPerson),
    (Method::PUT, "/api/chat/people/{user}", Route::PutPerson),
    (Method::GET, "/api/chat/push/key", Route::Push(PushRoute::Key)),
    (Method::POST, "/api/chat/push/subscriptions", Route::Push(PushRoute::Subscribe)),
    (Method::GET, "/api/chat/push/subscriptions", Route::Push(PushRoute::List)),
    (Method::DELETE, "/api/chat/push/subscriptions/{subscription}", Route::Push(PushRoute::Unsubscribe)),
    (Method::POST, "/api/chat/people/{user}/sign-out", Route::SignOut),
    (Method::PUT, "/api/chat/people/{user}/block", Route::Block),
    (Method::DELETE, "/api/chat/people/{user}/block", Route::Unblock),
    (Method::GET, "/api/chat/people/me/blocks", Route::Mine(MineRoute::Blocks)),
    (Method::GET, "/api/chat/people/me/reports", Route::Reports(ReportsRoute::ListOwn)),
    (Method::POST, "/api/chat/rooms/{room}/attachments", Route::UploadFile),
    (Method::GET, "/api/chat/rooms/{room}/attachments/{attachment}/url", Route::SignDownload),
    (Method::GET, "/api/chat/attachments/{attachment}", Route::DownloadFile),
    (Method::HEAD, "/api/chat/attachments/{attachment}", Route::DownloadFile),
    (Method::GET, "/api/chat/rooms/{room}/outbox", Route::GetOutbox),
    (Method::POST, "/api/chat/rooms/{room}/outbox/retry", Route::RetryOutbox),
    (Method::POST, "/api/chat/rooms/{room}/outbox/discard", Route::DiscardRow),
    (Method::GET, "/api/chat/admin/outbox", Route::ListOutboxAlerts),
    (Method::GET, "/api/chat/admin/reports", Route::Reports(ReportsRoute::List)),
    (Method::POST, "/api/chat/admin/reports/{report}/resolve", Route::Reports(ReportsRoute::Resolve)),
    #[cfg(feature = "dev")]
    (Method::POST, "/api/chat/dev/token", Route::CreateDevToken),
];

pub enum Found {
    Route(Route, Params),
    /// The path exists; these methods are allowed.
    OtherMethod(String),
    Nothing,
}

type Methods = Vec<(Method, Route)>;

thread_local! {
    static ROUTER: OnceCell<matchit::Router<Methods>> = const { OnceCell::new() };
}

/// One entry per path, with its methods, `HEAD` included. The test below fails for a path that could not be inserted.
fn router() -> matchit::Router<Methods> {
    let mut paths: Vec<(&str, Methods)> = Vec::new();
    let has_own_head = |path: &str| ROUTES.iter().any(|(method, p, _)| *method == Method::HEAD && *p == path);
    for (method, path, route) in ROUTES {
        let mut rows = vec![(method.clone(), *route)];
        if *method == Method::GET && !has_own_head(path) {
            rows.push((Method::HEAD, *route));
        }
        match paths.iter_mut().find(|(known, _)| known == path) {
            Some((_, methods)) => methods.append(&mut rows),
            None => paths.push((path, rows)),
        }
    }
    let mut router = matchit::Router::new();
    for (path, methods) in paths {
        let _ = router.insert(path, methods);
    }
    router
}

pub fn find(method: &Method, path: &str) -> Found {
    ROUTER.with(|cell| {
        let Ok(found) = cell.get_or_init(router).at(path) else { return Found::Nothing };
        match found.value.iter().find(|(known, _)| known == method) {
            Some((_, route)) => Found::Route(*route, Params::decode(found.params.iter())),
            None => {
                let methods: Vec<&str> = found.value.iter().map(|(known, _)| known.as_str()).collect();
                Found::OtherMethod(methods.join(", "))
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_of_the_table_is_found() {
        for (method, path, route) in ROUTES {
            let path = path.replace("{room}", "r%2F1").replace("{user}", "u");
            let Found::Route(found, params) = find(method, &path) else { panic!("{path}") };
            assert_eq!(found, *route);
            assert_eq!(params.get("room"), if path.contains("r%2F1") { "r/1" } else { "" });
        }
        assert!(
            matches!(find(&Method::DELETE, "/api/chat/rooms/r/messages"), Found::OtherMethod(m) if m == "GET, HEAD, POST")
        );
        assert!(matches!(find(&Method::GET, "/api/chat/nothing"), Found::Nothing));
    }
}
