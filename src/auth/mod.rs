//! From a token to an `Identity`, and from a role to what it may do. Everything that decides who somebody is stands here.
//! Not here: a clock (time is an argument), a network (`FetchJwks` is a port), who is a member of what (`db`, `room`),
//! and what a ticket stands for (`api`).

mod config;
mod credential;
mod jwks;
mod permission;
mod token;

#[cfg(test)]
mod tests;

pub use config::{Algorithm, AuthConfig};
pub use credential::{
    CHAT_V1, Credential, Upgrade, bearer, refuse_foreign_origin, refuse_other_user, upgrade_credential,
};
pub use jwks::{FetchJwks, Jwks, Lookup, authenticate};
pub use permission::{Action, Role, authorize, effective_role, is_membership_change};
pub use token::{VerifyError, mint_hs256, verify};

use crate::ids::{TenantId, UnixMs, UserId};
use crate::limits::TOKEN_LEEWAY_S;
use serde::{Deserialize, Serialize};

/// A verified caller. Made by `verify` alone; the Worker hands it to the room as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    pub tenant: TenantId,
    pub user: UserId,
    /// For display only; two people may have the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `Moderator` or `Admin` over the whole tenant, in each room one is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_role: Option<Role>,
    /// The token's `exp`, without the leeway: what `auth_ok` tells, and when a live socket is closed.
    pub expires_ms: UnixMs,
}

impl Identity {
    /// Whether the token is over for whoever shows it now, the leeway of 30 s included.
    pub fn expired(&self, now: UnixMs) -> bool {
        now >= self.expires_ms.saturating_add(TOKEN_LEEWAY_S * 1000)
    }
}
