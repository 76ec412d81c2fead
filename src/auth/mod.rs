//! Authentication (token → `Identity`) and authorization (role → permitted actions).
//! Not here: a clock (time is an argument), the network and public-key signatures (`FetchJwks` and `Signatures` are ports),
//! memberships (`db`, `room`), and tickets (`api`).

mod config;
mod credential;
mod download;
mod identity;
mod jwks;
mod permission;
mod signature;
mod token;

#[cfg(test)]
mod tests;

pub use config::{AuthConfig, ensure_https};
pub use credential::{
    CHAT_V1, Credential, Upgrade, bearer, refuse_foreign_origin, refuse_other_user, upgrade_credential,
};
pub use identity::Identity;
pub use jwks::{FetchJwks, Jwks, Lookup, authenticate};
pub use permission::{Action, Role, authorize, authorize_resolution, effective_role};
pub use signature::{Algorithm, Signatures, mint_hs256};
pub use token::VerifyError;
