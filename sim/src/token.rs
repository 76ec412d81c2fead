//! The bearer tokens of the simulation: they say who it is and until when. Not here: real tokens (`chinwag::auth`).

use chinwag::auth::{Identity, Role};
use chinwag::ids::{TenantId, UnixMs, UserId};

/// `tenant|user|expires_ms`.
pub fn token(tenant: &str, user: &str, expires_ms: UnixMs) -> String {
    format!("{tenant}|{user}|{expires_ms}")
}

/// The token of a tenant's admin.
pub fn admin_token(tenant: &str, user: &str, expires_ms: UnixMs) -> String {
    format!("{}|admin", token(tenant, user, expires_ms))
}

pub fn parse_token(token: &str) -> Option<Identity> {
    let mut parts = token.split('|');
    Some(Identity {
        tenant: TenantId::parse(parts.next()?)?,
        user: UserId::parse(parts.next()?)?,
        name: None,
        picture: None,
        issued_ms: None,
        expires_ms: parts.next()?.parse().ok()?,
        tenant_role: parts.next().map(|_| Role::Admin),
    })
}
