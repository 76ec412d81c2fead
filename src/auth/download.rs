//! Grants to download one file for a while without a token: for `<img>` and `<video>`, which can't send a header.
//! Not here: who may have the file (`room`), and the route (`api`).

use super::identity::Identity;
use crate::error::{Code, Refusal};
use crate::ids::{TenantId, UnixMs, UserId};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// The key that signs grants. `Debug` hides it.
#[derive(Clone)]
pub(super) struct DownloadKey(Vec<u8>);

impl std::fmt::Debug for DownloadKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DownloadKey(redacted)")
    }
}

impl DownloadKey {
    /// A key of its own: what is signed with it is no token, and a token is no grant.
    pub fn derive(secret: &str) -> Option<Self> {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
        mac.update(b"chinwag download grant v1");
        Some(Self(mac.finalize().into_bytes().to_vec()))
    }

    /// A grant for this person and this file, until then.
    pub fn sign(&self, caller: &Identity, attachment: &str, expires_ms: UnixMs) -> Result<String, Refusal> {
        let payload = Payload(caller.tenant.clone(), caller.user.clone(), expires_ms);
        let payload = serde_json::to_vec(&payload).map_err(|_| Refusal::fault())?;
        let payload = URL_SAFE_NO_PAD.encode(payload);
        let mac = self.mac(attachment, &payload).ok_or_else(Refusal::fault)?.finalize().into_bytes();
        Ok(format!("{payload}.{}", URL_SAFE_NO_PAD.encode(mac)))
    }

    /// The person to whom this file was granted. They have no role over the tenant by it.
    ///
    /// # Errors  `unauthenticated` for a grant that was not made here, or for another file; `token_expired`.
    pub fn verify(&self, attachment: &str, grant: &str, now: UnixMs) -> Result<Identity, Refusal> {
        let (payload, signature) = grant.split_once('.').ok_or_else(not_granted)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| not_granted())?;
        let mac = self.mac(attachment, payload).ok_or_else(Refusal::fault)?;
        mac.verify_slice(&signature).map_err(|_| not_granted())?;
        let payload = URL_SAFE_NO_PAD.decode(payload).ok();
        let payload = payload.and_then(|payload| serde_json::from_slice::<Payload>(&payload).ok());
        let Payload(tenant, user, expires_ms) = payload.ok_or_else(not_granted)?;
        if now >= expires_ms {
            return Err(Refusal::new(Code::TokenExpired, "the grant has expired: ask for another URL"));
        }
        Ok(Identity {
            tenant,
            user,
            name: None,
            picture: None,
            issued_ms: None,
            tenant_role: None,
            expires_ms,
        })
    }

    /// The MAC over the file's id and what is granted. JSON keeps different pairs different.
    fn mac(&self, attachment: &str, payload: &str) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(serde_json::json!([attachment, payload]).to_string().as_bytes());
        Some(mac)
    }
}

/// Who may download, and until when.
#[derive(Serialize, Deserialize)]
struct Payload(TenantId, UserId, UnixMs);

pub(super) fn not_granted() -> Refusal {
    Refusal::new(Code::Unauthenticated, "the grant is not one of this file")
}
