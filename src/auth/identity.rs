//! A verified caller.
//! Not here: the verification (`token`, `jwks`).

use super::permission::Role;
use crate::ids::{TenantId, UnixMs, UserId};
use crate::limits::TOKEN_LEEWAY_S;
use serde::{Deserialize, Serialize};

/// A verified caller. Only `verify` and `authenticate` make one; the Worker sends it to the room as JSON.
///
/// Crosses a deploy: tests/golden/stored/room_request.json
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    pub tenant: TenantId,
    pub user: UserId,
    /// For display only; two people can have the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The avatar's URL. It is written with the profile at once and goes no further with the caller.
    #[serde(skip)]
    pub picture: Option<String>,
    /// The token's `iat`, if it has a valid one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_ms: Option<UnixMs>,
    /// `Moderator` or `Admin` in every room of the tenant that the person is a member of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_role: Option<Role>,
    /// The token's `exp`, without the leeway.
    pub expires_ms: UnixMs,
}

impl Identity {
    /// Somebody of whom nothing more is known, without a role over the tenant.
    pub fn of(tenant: TenantId, user: UserId, expires_ms: UnixMs) -> Self {
        Self { tenant, user, name: None, picture: None, issued_ms: None, tenant_role: None, expires_ms }
    }

    /// Whether the token has expired, including the leeway (AUTH-2).
    pub fn is_expired(&self, now: UnixMs) -> bool {
        now >= self.expires_ms.saturating_add(TOKEN_LEEWAY_S * 1000)
    }
}
