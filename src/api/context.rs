//! Who sends a request, and which room it is about. A handler's first argument states what it requires, so no handler
//! of members can run without authentication.
//! Not here: whether the caller is a member of the room (`room_access`), and the proof of a token (`auth`).

use super::edge_rates::EdgeRate;
use super::http::{Params, Query, Request, no_such_room};
use super::ports::Ports;
use super::routes::Route;
use crate::auth::{self, Identity};
use crate::db;
use crate::error::Refusal;
use crate::ids::RoomId;
use http::HeaderMap;
use serde_json::Value;

/// A request whose sender is not yet known.
pub struct Unauthenticated<'p, 'h, P> {
    pub ports: &'p P,
    pub route: Route,
    pub headers: &'h HeaderMap,
    pub params: Params,
    pub query: Query,
}

impl<'p, 'h, P: Ports> Unauthenticated<'p, 'h, P> {
    pub fn of<B>(ports: &'p P, (route, params): (Route, Params), request: &'h Request<B>) -> Self {
        let query = Query::parse(&request.query);
        Self { ports, route, headers: &request.headers, params, query }
    }

    /// # Errors  `unauthenticated` without a valid token in `Authorization`; `rate_limited` past a rate of the edge.
    async fn require_token(self) -> Result<CallerContext<'p, P>, Refusal> {
        let caller = self.ports.authenticate(auth::bearer(self.headers)?).await?;
        count_at_edge(self.ports, &caller, self.route).await?;
        self.ports.note_person(&caller);
        Ok(self.with_caller(caller))
    }

    /// # Errors  like `require_token`; those of `ensure_active`.
    pub async fn require_caller(self) -> Result<CallerContext<'p, P>, Refusal> {
        let cx = self.require_token().await?;
        ensure_active(cx.ports, &cx.caller).await?;
        Ok(cx)
    }

    /// The request of a caller who was verified otherwise.
    pub fn with_caller(self, caller: Identity) -> CallerContext<'p, P> {
        CallerContext { ports: self.ports, caller, params: self.params, query: self.query }
    }

    /// The handler asks for the membership, and with it for the account.
    ///
    /// # Errors  like `require_token`; `room_not_found` if the path's `room` is no id.
    pub async fn require_room(self) -> Result<RoomContext<'p, P>, Refusal> {
        let cx = self.require_token().await?;
        let room = RoomId::parse(cx.params.get("room")).ok_or_else(no_such_room)?;
        Ok(cx.with_room(room))
    }
}

/// # Errors  those of `db::ensure_active`.
/// # Cost  a lookup by primary key, as nothing may be remembered that an admin can change (PEOPLE-6).
pub async fn ensure_active<P: Ports>(ports: &P, caller: &Identity) -> Result<(), Refusal> {
    db::ensure_active(ports.fail_fast_db(), caller).await
}

/// Counts a request of this person at the edge.
///
/// # Errors  rate_limited, with `retryAfterMs` to the end of the window.
pub async fn count_at_edge<P: Ports>(ports: &P, caller: &Identity, route: Route) -> Result<(), Refusal> {
    if !ports.limits().edge_rates {
        return Ok(());
    }
    // Different pairs have different keys, whatever their characters.
    let key = Value::from(vec![caller.tenant.as_str(), caller.user.as_str()]).to_string();
    for rate in EdgeRate::of(route) {
        if !ports.is_within(*rate, &key).await {
            return Err(rate.refusal(ports.now()));
        }
    }
    Ok(())
}

/// A request of a verified caller.
pub struct CallerContext<'p, P> {
    pub ports: &'p P,
    pub caller: Identity,
    pub params: Params,
    pub query: Query,
}

impl<'p, P> CallerContext<'p, P> {
    pub fn with_room(self, room: RoomId) -> RoomContext<'p, P> {
        let Self { ports, caller, params, query } = self;
        RoomContext { ports, caller, room, params, query }
    }
}

/// A request of a verified caller about one room. Whether they are a member of it is not yet known.
pub struct RoomContext<'p, P> {
    pub ports: &'p P,
    pub caller: Identity,
    pub room: RoomId,
    pub params: Params,
    pub query: Query,
}
