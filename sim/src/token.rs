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
    let (tenant, user) = (TenantId::parse(parts.next()?)?, UserId::parse(parts.next()?)?);
    let expires_ms = parts.next()?.parse().ok()?;
    Some(Identity {
        tenant_role: parts.next().map(|_| Role::Admin),
        ..Identity::of(tenant, user, expires_ms)
    })
}
