//! Fixtures of the auth tests: configurations, an issuer that signs any claims, and its keys.
//! Not here: rules; each subject has its file.

mod config;
mod credential;
mod download;
mod jwks;
mod keys;
mod permission;
mod token;

use super::jwks::fetch_keys;

use super::*;
use crate::error::{Code, Refusal};
use crate::ids::{TenantId, UserId};
use futures_util::FutureExt;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde_json::{Value, json};
use std::cell::RefCell;

/// 2026-11-23, in seconds.
pub const NOW_S: u64 = 1_795_424_703;
pub const NOW: u64 = NOW_S * 1000;
pub const AUDIENCE: &str = "chat";
pub const SECRET: &str = "a secret of the tests, long enough";

/// A deployment with these variables beside the secret.
pub fn config(vars: &[(&str, &str)]) -> AuthConfig {
    parse_config(vars).expect("a config that is accepted")
}

pub fn parse_config(vars: &[(&str, &str)]) -> Result<AuthConfig, String> {
    AuthConfig::parse(|name| {
        let var = vars.iter().find(|(var, _)| *var == name).map(|(_, value)| value.to_string());
        var.or_else(|| (name == "JWT_SECRET").then(|| SECRET.to_owned()))
    })
}

/// A deployment that takes its keys from an issuer and accepts no secret.
pub fn jwks_config() -> AuthConfig {
    config(&[
        ("JWT_ALGORITHMS", "RS256,ES256,EdDSA"),
        ("JWT_JWKS_URL", "https://issuer.example/jwks"),
        ("JWT_AUDIENCE", AUDIENCE),
    ])
}

pub fn claims() -> Value {
    json!({"sub": "alice", "tenantId": "acme", "exp": NOW_S + 60, "aud": AUDIENCE})
}

/// The claims with one of them replaced, or taken out by `null`.
pub fn claims_with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    let map = claims.as_object_mut().expect("an object");
    if value.is_null() {
        map.remove(name)
    } else {
        map.insert(name.to_owned(), value)
    };
    claims
}

/// The algorithm as jsonwebtoken names it.
fn named(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    match algorithm {
        Algorithm::Hs256 => jsonwebtoken::Algorithm::HS256,
        Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
    }
}

/// A public key of the crate, in place of a `CryptoKey`.
#[derive(Clone, Debug)]
pub struct NativeKey(Algorithm, DecodingKey);

pub type Jwks = super::Jwks<NativeKey>;

pub fn import_natively(algorithm: Algorithm, jwk: &Value) -> Option<NativeKey> {
    let jwk: Jwk = serde_json::from_value(jwk.clone()).ok()?;
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    // The crate returns an error, and not `false`, for a point that isn't on its curve.
    jsonwebtoken::crypto::verify("", b"", &key, named(algorithm)).ok()?;
    Some(NativeKey(algorithm, key))
}

pub fn verify_natively(NativeKey(algorithm, key): &NativeKey, signed: &[u8], signature: &[u8]) -> bool {
    jsonwebtoken::crypto::verify(&base64url(signature), signed, key, named(*algorithm)).unwrap_or(false)
}

/// An issuer that answers every fetch with this body, or with nothing.
pub struct Published<'a>(pub Option<&'a [u8]>);

impl FetchJwks for Published<'_> {
    async fn fetch(&self, _url: &str) -> Option<Vec<u8>> {
        self.0.map(<[u8]>::to_vec)
    }

    async fn pause(&self, _ms: u64) {}
}

impl Signatures for Published<'_> {
    type Key = NativeKey;

    async fn import(&self, algorithm: Algorithm, jwk: &Value) -> Option<NativeKey> {
        import_natively(algorithm, jwk)
    }

    async fn verify(&self, key: &NativeKey, signed: &[u8], signature: &[u8]) -> bool {
        verify_natively(key, signed, signature)
    }
}

/// The keys after a fetch that was started at `now`.
pub fn update(jwks: &mut Jwks, body: &[u8], now: u64) {
    let shared = RefCell::new(std::mem::take(jwks));
    fetch_keys("", &shared, &Published(Some(body)), now).now_or_never().expect("nothing to wait for");
    *jwks = shared.into_inner();
}

/// The outcome with these keys and no issuer to ask.
pub fn verify(token: &str, config: &AuthConfig, jwks: &Jwks, now: u64) -> Result<Identity, VerifyError> {
    let jwks = RefCell::new(jwks.clone());
    authenticate(token, config, &jwks, &Published(None), now).now_or_never().expect("nothing to wait for")
}

/// An issuer's key pair.
pub struct Pair {
    pub algorithm: Algorithm,
    pub private: EncodingKey,
}

impl Pair {
    pub fn hs256(secret: &[u8]) -> Self {
        Self { algorithm: Algorithm::Hs256, private: EncodingKey::from_secret(secret) }
    }

    /// PKCS#8 around a scalar of the seed's bytes.
    pub fn es256(seed: u8) -> Self {
        let mut der = vec![0x30, 0x41, 2, 1, 0, 0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
        der.extend([6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7, 4, 0x27, 0x30, 0x25, 2, 1, 1, 4, 0x20]);
        der.extend([seed; 32]);
        Self { algorithm: Algorithm::Es256, private: EncodingKey::from_ec_der(&der) }
    }

    pub fn eddsa(seed: u8) -> Self {
        let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        der.extend([seed; 32]);
        Self { algorithm: Algorithm::EdDsa, private: EncodingKey::from_ed_der(&der) }
    }

    /// A key made for these tests alone (making one takes seconds without optimisation).
    pub fn rs256() -> Self {
        let text: String = include_str!("rsa_test_key.txt").split_whitespace().collect();
        let der = EncodingKey::from_base64_secret(&text).expect("base64");
        Self { algorithm: Algorithm::Rs256, private: EncodingKey::from_rsa_der(der.as_bytes()) }
    }

    pub fn jwk(&self, kid: &str) -> Value {
        let jwk = Jwk::from_encoding_key(&self.private, named(self.algorithm)).expect("a sound key");
        let mut jwk = serde_json::to_value(jwk).expect("JSON");
        jwk["kid"] = json!(kid);
        jwk
    }

    /// A token with the header its algorithm has.
    pub fn token(&self, kid: Option<&str>, claims: &Value) -> String {
        let mut header = json!({"typ": "JWT", "alg": self.algorithm.name()});
        if let Some(kid) = kid {
            header["kid"] = json!(kid);
        }
        self.sign(&header.to_string(), &claims.to_string())
    }

    /// A rightly signed token of any two texts.
    pub fn sign(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", base64url(header.as_bytes()), base64url(claims.as_bytes()));
        let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &self.private, named(self.algorithm));
        format!("{signed}.{}", signature.expect("a signature"))
    }
}

pub fn base64url(bytes: &[u8]) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    bytes.chunks(3).fold(String::new(), |mut text, chunk| {
        let bits = (0..3).fold(0, |bits, i| bits << 8 | u32::from(*chunk.get(i).unwrap_or(&0)));
        text.extend((0..=chunk.len()).map(|i| char::from(alphabet[(bits >> (18 - 6 * i)) as usize & 63])));
        text
    })
}

pub fn key_set(keys: &[Value]) -> Vec<u8> {
    json!({"keys": keys}).to_string().into_bytes()
}

/// Keys as they are after one good fetch at `NOW`.
pub fn fetched(keys: &[Value]) -> Jwks {
    let mut jwks = Jwks::default();
    update(&mut jwks, &key_set(keys), NOW);
    jwks
}

/// The outcome of a token as text: `alice@acme`, or the code of the refusal.
pub fn outcome(result: Result<Identity, VerifyError>) -> String {
    match result {
        Ok(identity) => format!("{}@{}", identity.user, identity.tenant),
        Err(error) => Refusal::from(error).code.name().to_owned(),
    }
}

#[test]
fn an_identity_travels_as_json_and_comes_back_the_same() {
    let (tenant, user) = (TenantId::parse("acme").expect("an id"), UserId::parse("alice").expect("an id"));
    let identity = Identity { tenant_role: Some(Role::Moderator), ..Identity::of(tenant, user, NOW) };
    let text = serde_json::to_string(&identity).expect("JSON");
    assert_eq!(
        text,
        format!(r#"{{"tenant":"acme","user":"alice","tenantRole":"moderator","expiresMs":{NOW}}}"#)
    );
    assert_eq!(serde_json::from_str::<Identity>(&text).expect("the same"), identity);
}

#[test]
fn verify_errors_are_the_contracts_codes() {
    for (error, code) in [
        (VerifyError::Refused("why"), Code::Unauthenticated),
        (VerifyError::Expired, Code::TokenExpired),
        (VerifyError::KeysUnavailable, Code::UpstreamUnavailable),
    ] {
        assert_eq!(Refusal::from(error).code, code);
    }
}
