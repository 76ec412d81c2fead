//! Authentication (token → `Identity`) and authorization (role → permitted actions).
//! Not here: a clock (time is an argument), the network (`FetchJwks` is a port), memberships (`db`, `room`), and
//! tickets (`api`).

mod config;
mod credential;
mod download;
mod identity;
mod jwks;
mod permission;
mod token;

#[cfg(test)]
mod tests;

pub use config::{Algorithm, AuthConfig, ensure_https};
pub use credential::{
    CHAT_V1, Credential, Upgrade, bearer, refuse_foreign_origin, refuse_other_user, upgrade_credential,
};
pub use identity::Identity;
pub use jwks::{FetchJwks, Jwks, Lookup, authenticate, verify};
pub use permission::{Action, Role, authorize, authorize_resolution, effective_role};
pub use token::{VerifyError, mint_hs256};
