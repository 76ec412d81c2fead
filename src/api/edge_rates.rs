//! Rate limits at the edge, per tenant and person: the platform counts them by location and by windows of the clock, so
//! they stop floods and count nothing exactly. Not here: exact limits (the room's buckets, the quotas in `db`), and the
//! bindings that count (`shell`; their numbers stand in wrangler.toml).

use super::routes::Route;
use crate::error::{Code, Refusal};
use crate::ids::UnixMs;

/// What is counted at the edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EdgeRate {
    Rest,
    Search,
    CreateRoom,
    CreateTicket,
    Upgrade,
}

impl EdgeRate {
    pub const ALL: [Self; 5] =
        [Self::Rest, Self::Search, Self::CreateRoom, Self::CreateTicket, Self::Upgrade];

    /// The binding in wrangler.toml.
    pub fn binding(self) -> &'static str {
        match self {
            Self::Rest => "RATE_REST",
            Self::Search => "RATE_SEARCH",
            Self::CreateRoom => "RATE_CREATE_ROOM",
            Self::CreateTicket => "RATE_CREATE_TICKET",
            Self::Upgrade => "RATE_UPGRADE",
        }
    }

    /// The window that the binding counts over (wrangler.toml, `period`).
    fn window_ms(self) -> u64 {
        match self {
            Self::Rest | Self::Search => 10_000,
            Self::CreateRoom | Self::CreateTicket | Self::Upgrade => 60_000,
        }
    }

    /// The refusal of a request past this rate: it is possible again when the window is over.
    pub fn refusal(self, now: UnixMs) -> Refusal {
        let rest_ms = self.window_ms().saturating_sub(now.checked_rem(self.window_ms()).unwrap_or(0));
        Refusal::new(Code::RateLimited, format!("too many {}", self.name())).retry_after_ms(rest_ms)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Rest => "requests",
            Self::Search => "searches",
            Self::CreateRoom => "new rooms",
            Self::CreateTicket => "tickets",
            Self::Upgrade => "connections",
        }
    }

    /// What a request of this route is counted as.
    pub fn of(route: Route) -> &'static [Self] {
        match route {
            Route::Chat | Route::Inbox => &[Self::Upgrade],
            Route::Search => &[Self::Rest, Self::Search],
            Route::CreateRoom => &[Self::Rest, Self::CreateRoom],
            Route::CreateWsTicket => &[Self::Rest, Self::CreateTicket],
            _ => &[Self::Rest],
        }
    }
}
