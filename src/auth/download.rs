//! Grants to download one file for a while without a token: for `<img>` and `<video>`, which can't send a header.
//! Not here: who may have the file (`room`), and the route (`api`).

use super::identity::Identity;
use super::signature::Secret;
use crate::error::{Code, Refusal};
use crate::ids::{TenantId, UnixMs, UserId};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// The key that signs grants.
#[derive(Clone, Debug)]
pub(super) struct DownloadKey(Secret);

impl DownloadKey {
    /// A key of its own: what is signed with it is no token, and a token is no grant.
    pub fn derive(secret: &str) -> Option<Self> {
        Secret::new(secret).derive(b"chinwag download grant v1").map(Self)
    }

    /// A grant for this person and this file, until then.
    pub fn sign(&self, caller: &Identity, attachment: &str, expires_ms: UnixMs) -> Result<String, Refusal> {
        let payload = Payload(caller.tenant.clone(), caller.user.clone(), expires_ms);
        let payload = serde_json::to_vec(&payload).map_err(|_| Refusal::fault())?;
        let payload = URL_SAFE_NO_PAD.encode(payload);
        let signature = self.0.sign(&signed(attachment, &payload)).ok_or_else(Refusal::fault)?;
        Ok(format!("{payload}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The person to whom this file was granted. They have no role over the tenant by it.
    ///
    /// # Errors  `unauthenticated` for a grant that was not made here, or for another file; `token_expired`.
    pub fn verify(&self, attachment: &str, grant: &str, now: UnixMs) -> Result<Identity, Refusal> {
        let (payload, signature) = grant.split_once('.').ok_or_else(not_granted)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| not_granted())?;
        if !self.0.has_signed(&signed(attachment, payload), &signature) {
            return Err(not_granted());
        }
        let payload = URL_SAFE_NO_PAD.decode(payload).ok();
        let payload = payload.and_then(|payload| serde_json::from_slice::<Payload>(&payload).ok());
        let Payload(tenant, user, expires_ms) = payload.ok_or_else(not_granted)?;
        if now >= expires_ms {
            return Err(Refusal::new(Code::TokenExpired, "the grant has expired: ask for another URL"));
        }
        Ok(Identity::of(tenant, user, expires_ms))
    }
}

/// The file's id and what is granted. JSON keeps different pairs different.
fn signed(attachment: &str, payload: &str) -> Vec<u8> {
    serde_json::json!([attachment, payload]).to_string().into_bytes()
}

/// Who may download, and until when.
#[derive(Serialize, Deserialize)]
struct Payload(TenantId, UserId, UnixMs);

pub(super) fn not_granted() -> Refusal {
    Refusal::new(Code::Unauthenticated, "the grant is not one of this file")
}
