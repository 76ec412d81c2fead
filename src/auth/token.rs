//! The form of a token, and each of its claims.
//! Not here: its signature (`signature`), its key (`jwks`). No crate validates claims for us: jsonwebtoken accepts a
//! missing `iss`, `aud` or `sub`, an array as `iss`, a future `nbf`, and `crit` (docs/PLATFORM.md, JSON and JWT).

use super::config::AuthConfig;
use super::identity::Identity;
use super::permission::Role;
use super::signature::Algorithm;
use crate::error::{Code, Refusal};
use crate::ids::{INTEGER_MAX, TenantId, UnixMs, UserId};
use crate::limits::{TOKEN_BYTES_MAX, TOKEN_LEEWAY_S};
use crate::protocol::person;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// The latest time in a token, in seconds: its milliseconds are still an exact JavaScript number.
const TIME_S_MAX: u64 = INTEGER_MAX / 1000;

/// Why a token was not accepted. The messages tell its issuer what to correct, and nothing about our keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum VerifyError {
    #[error("{0}")]
    Refused(&'static str),
    #[error("the token has expired")]
    Expired,
    /// The issuer's key set can't be fetched at the moment.
    #[error("the token's key can't be looked up at the moment")]
    KeysUnavailable,
}

use VerifyError::Refused;

impl From<VerifyError> for Refusal {
    fn from(error: VerifyError) -> Self {
        let code = match error {
            Refused(_) => Code::Unauthenticated,
            VerifyError::Expired => Code::TokenExpired,
            VerifyError::KeysUnavailable => Code::UpstreamUnavailable,
        };
        Refusal::new(code, error.to_string())
    }
}

pub(super) const WRONG_SIGNATURE: VerifyError = Refused("the token's signature is wrong");
pub(super) const UNKNOWN_KEY: VerifyError = Refused("the token is signed with an unknown key");

/// A token with an acceptable header, whose signature is not yet verified.
pub(super) struct UnverifiedToken<'a> {
    pub algorithm: Algorithm,
    pub kid: Option<String>,
    token: &'a str,
    signed: &'a str,
    claims: &'a str,
    signature: &'a str,
}

impl<'a> UnverifiedToken<'a> {
    pub fn parse(token: &'a str, config: &AuthConfig) -> Result<Self, VerifyError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Refused("the token is larger than 8 KiB"));
        }
        let malformed = Refused("the token is not a signed JWT");
        let (signed, signature) = token.rsplit_once('.').ok_or(malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(malformed)?;
        if claims.contains('.') {
            return Err(malformed);
        }
        let header = members(header).ok_or(malformed)?;
        // RFC 7515, section 4.1.11: critical extensions must be understood, and none is implemented.
        if header.contains_key("crit") {
            return Err(Refused("the token's header has a crit member"));
        }
        let algorithm = header
            .get("alg")
            .and_then(Value::as_str)
            .and_then(Algorithm::from_name)
            .filter(|algorithm| config.algorithms.contains(algorithm))
            .ok_or(Refused("the token's algorithm is not accepted here"))?;
        let kid = match header.get("kid") {
            None => None,
            Some(Value::String(kid)) => Some(kid.clone()),
            Some(_) => return Err(Refused("the token's kid is not a text")),
        };
        Ok(Self { algorithm, kid, token, signed, claims, signature })
    }

    /// SHA-256 of the whole token.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.token).into()
    }

    /// What the signature is of.
    pub fn signed(&self) -> &'a [u8] {
        self.signed.as_bytes()
    }

    /// # Errors  it is not base64url.
    pub fn signature(&self) -> Result<Vec<u8>, VerifyError> {
        URL_SAFE_NO_PAD.decode(self.signature).map_err(|_| WRONG_SIGNATURE)
    }

    /// The caller whom the claims name. Only for a token whose signature is verified. Whatever must hold of a person
    /// besides their token is asked here: every token passes, also one whose signature was verified before.
    pub fn identity(&self, config: &AuthConfig, now: UnixMs) -> Result<Identity, VerifyError> {
        let claims = members(self.claims).ok_or(Refused("the token's claims are not one JSON object"))?;
        identity(&claims, config, now)
    }
}

fn identity(claims: &Map<String, Value>, config: &AuthConfig, now: UnixMs) -> Result<Identity, VerifyError> {
    if let Some(issuer) = &config.issuer {
        match claims.get("iss") {
            Some(Value::String(iss)) if iss == issuer => {}
            _ => return Err(Refused("the token's iss is not the accepted one")),
        }
    }
    if let Some(audience) = &config.audience {
        // RFC 7519, section 4.1.3: one text, or a list of texts that contains ours.
        let ours = match claims.get("aud") {
            Some(Value::String(aud)) => aud == audience,
            Some(Value::Array(list)) => {
                list.iter().all(Value::is_string) && list.iter().any(|aud| aud.as_str() == Some(audience))
            }
            _ => false,
        };
        if !ours {
            return Err(Refused("the token's aud is not the accepted one"));
        }
    }
    let leeway_ms = TOKEN_LEEWAY_S * 1000;
    match time_ms(claims, "nbf").ok_or(Refused("the token's nbf is not a time in seconds"))? {
        Some(nbf_ms) if nbf_ms > now.saturating_add(leeway_ms) => {
            return Err(Refused("the token is not valid yet"));
        }
        _ => {}
    }
    let identity = Identity {
        user: id(claims, "sub", UserId::parse)
            .ok_or(Refused("the token's sub is not an id (1 to 128 characters, not . or ..)"))?,
        tenant: id(claims, &config.tenant_claim, TenantId::parse)
            .ok_or(Refused("the token's tenant is not an id (1 to 128 characters, not . or ..)"))?,
        name: text_claim(claims, "name", person::name),
        picture: text_claim(claims, "picture", person::avatar_url),
        issued_ms: time_ms(claims, "iat").flatten(),
        tenant_role: tenant_role(claims.get(&config.roles_claim))
            .ok_or(Refused("the token's roles are not a list of texts"))?,
        expires_ms: time_ms(claims, "exp")
            .flatten()
            .ok_or(Refused("the token's exp is missing or not a time in seconds"))?,
    };
    if identity.is_expired(now) { Err(VerifyError::Expired) } else { Ok(identity) }
}

fn id<T>(claims: &Map<String, Value>, name: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
    claims.get(name)?.as_str().and_then(parse)
}

/// A NumericDate (RFC 7519, section 2), which may have a fraction; less than a millisecond is dropped.
/// The outer `None` means that the claim is present and no valid time: a text, negative, or too large.
fn time_ms(claims: &Map<String, Value>, name: &str) -> Option<Option<UnixMs>> {
    let Some(value) = claims.get(name) else { return Some(None) };
    let ms = match value.as_u64() {
        Some(s) => s.checked_mul(1000)?,
        None => (value.as_f64().filter(|s| (0.0..=TIME_S_MAX as f64).contains(s))? * 1000.0) as UnixMs,
    };
    (ms <= TIME_S_MAX * 1000).then_some(Some(ms))
}

/// Names and pictures are only displayed, so invalid ones are left out instead of refusing the token.
fn text_claim(
    claims: &Map<String, Value>,
    name: &str,
    parse: impl Fn(&str) -> Option<String>,
) -> Option<String> {
    claims.get(name)?.as_str().and_then(parse)
}

/// The highest role over the tenant; unknown roles are skipped. The outer `None` means that the claim has a wrong type.
fn tenant_role(claim: Option<&Value>) -> Option<Option<Role>> {
    let roles = match claim {
        None | Some(Value::Null) => return Some(None),
        Some(Value::Array(roles)) => roles,
        Some(_) => return None,
    };
    let names = roles.iter().map(Value::as_str).collect::<Option<Vec<_>>>()?;
    let role = |name| match name {
        "admin" => Some(Role::Admin),
        "moderator" => Some(Role::Moderator),
        _ => None,
    };
    Some(names.into_iter().filter_map(role).max())
}

/// One part of a token as a JSON object: base64url without padding, no repeated key.
fn members(part: &str) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice::<Members>(&bytes).ok().map(|Members(map)| map)
}

struct Members(Map<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Members, A::Error> {
                let mut map = Map::new();
                while let Some((name, value)) = access.next_entry::<String, Value>()? {
                    // Of a repeated key, two readers can take different values.
                    if map.insert(name, value).is_some() {
                        return Err(A::Error::custom("a key is repeated"));
                    }
                }
                Ok(Members(map))
            }
        }
        deserializer.deserialize_map(Object)
    }
}
