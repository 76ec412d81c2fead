//! The table of routes: method, path, name. Not here: what they do (`api`).

use http::Method;
use std::cell::OnceCell;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    Chat,
    Health,
    OpenApi,
    Protocol,
    WsTicket,
    CreateRoom,
    ListRooms,
    Unread,
    Mentions,
    Search,
    GetRoom,
    ChangeRoom,
    DeleteRoom,
    ListMembers,
    AddMembers,
    SetRole,
    RemoveMember,
    LeaveRoom,
    ReadNotify,
    SetNotify,
    Mute,
    Unmute,
    Ban,
    Unban,
    SlowMode,
    ReadAudit,
    Report,
    ListMessages,
    SendMessage,
    EditMessage,
    DeleteMessage,
    MessageVersions,
    AddReaction,
    RemoveReaction,
    GetThread,
    MarkRead,
    MarkUnread,
    Upload,
    Download,
    Outbox,
    RetryOutbox,
    DiscardRow,
    TenantOutbox,
    #[cfg(feature = "dev")]
    DevToken,
}

/// Every route there is. `:room` is the room's id.
pub const ROUTES: &[(Method, &str, Route)] = &[
    (Method::GET, "/chat", Route::Chat),
    (Method::GET, "/api/chat/health", Route::Health),
    (Method::GET, "/api/chat/openapi.json", Route::OpenApi),
    (Method::GET, "/api/chat/protocol.json", Route::Protocol),
    (Method::POST, "/api/chat/ws-ticket", Route::WsTicket),
    (Method::POST, "/api/chat/rooms/create", Route::CreateRoom),
    (Method::GET, "/api/chat/rooms/list", Route::ListRooms),
    (Method::GET, "/api/chat/unread", Route::Unread),
    (Method::GET, "/api/chat/mentions", Route::Mentions),
    (Method::GET, "/api/chat/search", Route::Search),
    (Method::GET, "/api/chat/rooms/{room}", Route::GetRoom),
    (Method::PATCH, "/api/chat/rooms/{room}", Route::ChangeRoom),
    (Method::DELETE, "/api/chat/rooms/{room}", Route::DeleteRoom),
    (Method::GET, "/api/chat/rooms/{room}/members", Route::ListMembers),
    (Method::POST, "/api/chat/rooms/{room}/members", Route::AddMembers),
    (Method::PATCH, "/api/chat/rooms/{room}/members/{user}", Route::SetRole),
    (Method::DELETE, "/api/chat/rooms/{room}/members/{user}", Route::RemoveMember),
    (Method::POST, "/api/chat/rooms/{room}/leave", Route::LeaveRoom),
    (Method::GET, "/api/chat/rooms/{room}/notification-settings", Route::ReadNotify),
    (Method::PUT, "/api/chat/rooms/{room}/notification-settings", Route::SetNotify),
    (Method::PUT, "/api/chat/rooms/{room}/mutes/{user}", Route::Mute),
    (Method::DELETE, "/api/chat/rooms/{room}/mutes/{user}", Route::Unmute),
    (Method::PUT, "/api/chat/rooms/{room}/bans/{user}", Route::Ban),
    (Method::DELETE, "/api/chat/rooms/{room}/bans/{user}", Route::Unban),
    (Method::PUT, "/api/chat/rooms/{room}/slow-mode", Route::SlowMode),
    (Method::GET, "/api/chat/rooms/{room}/audit", Route::ReadAudit),
    (Method::POST, "/api/chat/rooms/{room}/messages/{message}/report", Route::Report),
    (Method::GET, "/api/chat/rooms/{room}/messages", Route::ListMessages),
    (Method::POST, "/api/chat/rooms/{room}/messages", Route::SendMessage),
    (Method::PATCH, "/api/chat/rooms/{room}/messages/{message}", Route::EditMessage),
    (Method::DELETE, "/api/chat/rooms/{room}/messages/{message}", Route::DeleteMessage),
    (Method::GET, "/api/chat/rooms/{room}/messages/{message}/versions", Route::MessageVersions),
    (Method::PUT, "/api/chat/rooms/{room}/messages/{message}/reactions/{emoji}", Route::AddReaction),
    (Method::DELETE, "/api/chat/rooms/{room}/messages/{message}/reactions/{emoji}", Route::RemoveReaction),
    (Method::GET, "/api/chat/rooms/{room}/threads/{root}", Route::GetThread),
    (Method::POST, "/api/chat/rooms/{room}/read", Route::MarkRead),
    (Method::POST, "/api/chat/rooms/{room}/unread", Route::MarkUnread),
    (Method::POST, "/api/chat/rooms/{room}/attachments", Route::Upload),
    (Method::GET, "/api/chat/attachments/{attachment}", Route::Download),
    (Method::HEAD, "/api/chat/attachments/{attachment}", Route::Download),
    (Method::GET, "/api/chat/rooms/{room}/outbox", Route::Outbox),
    (Method::POST, "/api/chat/rooms/{room}/outbox/retry", Route::RetryOutbox),
    (Method::POST, "/api/chat/rooms/{room}/outbox/discard", Route::DiscardRow),
    (Method::GET, "/api/chat/admin/outbox", Route::TenantOutbox),
    #[cfg(feature = "dev")]
    (Method::POST, "/api/chat/dev/token", Route::DevToken),
];

/// What stands in a path's `{…}`, without its percent signs.
#[derive(Debug, Default)]
pub struct Params(Vec<(String, String)>);

impl Params {
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

pub enum Found {
    Route(Route, Params),
    /// The path is known; these methods are allowed.
    OtherMethod(String),
    Nothing,
}

type Methods = Vec<(Method, Route)>;

thread_local! {
    static ROUTER: OnceCell<matchit::Router<Methods>> = const { OnceCell::new() };
}

/// Builds the matcher: one entry a path, with its methods. A path that could not be inserted would fail the test below.
fn router() -> matchit::Router<Methods> {
    let mut paths: Vec<(&str, Methods)> = Vec::new();
    for (method, path, route) in ROUTES {
        match paths.iter_mut().find(|(known, _)| known == path) {
            Some((_, methods)) => methods.push((method.clone(), *route)),
            None => paths.push((path, vec![(method.clone(), *route)])),
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
        let router = cell.get_or_init(router);
        let Ok(found) = router.at(path) else { return Found::Nothing };
        let params = found.params.iter().map(|(name, value)| (name.to_owned(), decoded(value)));
        match found.value.iter().find(|(known, _)| known == method) {
            Some((_, route)) => Found::Route(*route, Params(params.collect())),
            None => {
                let methods: Vec<&str> = found.value.iter().map(|(known, _)| known.as_str()).collect();
                Found::OtherMethod(methods.join(", "))
            }
        }
    })
}

/// A path's segment without its percent signs; what isn't UTF-8 is no id of ours.
fn decoded(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned()
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
            matches!(find(&Method::DELETE, "/api/chat/rooms/r/messages"), Found::OtherMethod(m) if m == "GET, POST")
        );
        assert!(matches!(find(&Method::GET, "/api/chat/nothing"), Found::Nothing));
    }
}
