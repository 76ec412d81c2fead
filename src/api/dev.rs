//! The dev sign-in: a token for anybody who asks. The feature `dev` compiles it in, which no deploy can have.

use super::http::{Body, Reply, Request};
use super::ports::Ports;
use crate::auth::mint_hs256;
use crate::error::{Code, Refusal};
use crate::ids::{TenantId, UserId};
use serde_json::json;

/// Present in every dev build and in no other; the test suite searches both for it.
const MARKER: &str = "chinwag-dev-sign-in";
/// Seconds: a working day.
const TTL_S: u64 = 8 * 3600;

/// `POST /dev/token {sub, tenant?, name?}` → `{token}`.
pub async fn create_token<P: Ports, B: Body>(ports: &P, request: Request<B>) -> Result<Reply, Refusal> {
    let mut fields = request.read_fields().await?;
    let sub = fields.text("sub")?;
    let tenant = fields.text_opt("tenant")?.unwrap_or_else(|| "dev".into());
    if UserId::parse(&sub).is_none() || TenantId::parse(&tenant).is_none() {
        return Err(Refusal::invalid("sub", "an id of 1 to 128 characters, not . or .."));
    }
    let secret =
        ports.dev_secret().ok_or_else(|| Refusal::new(Code::NotFound, "no JWT_SECRET to sign with"))?;
    let claims = json!({
        "sub": sub, ports.config().tenant_claim.as_str(): tenant, "name": fields.text_opt("name")?,
        "exp": ports.now() / 1000 + TTL_S, "iss": ports.config().issuer, "aud": ports.config().audience,
    });
    let claims = claims.as_object().cloned().unwrap_or_default();
    let claims: serde_json::Map<_, _> = claims.into_iter().filter(|(_, value)| !value.is_null()).collect();
    let token = mint_hs256(&secret, &claims.into()).map_err(|e| Refusal::new(Code::Internal, e))?;
    Ok(Reply::ok(json!({"token": token, "by": MARKER})))
}
