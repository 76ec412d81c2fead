//! Proof that a token was signed: HS256 here and at once, the algorithms of public keys through the port `Signatures`.
//! Not here: which key a token names (`jwks`), and WebCrypto (`shell`). Crates for RSA and elliptic curves were an eighth
//! of the Worker, and the platform has both.

use crate::limits::RSA_BITS;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::future::Future;

/// The algorithms of PROTOCOL.md, "2. Identity". A token with any other is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Hs256,
    Rs256,
    Es256,
    EdDsa,
}

impl Algorithm {
    pub const ALL: [Self; 4] = [Self::Hs256, Self::Rs256, Self::Es256, Self::EdDsa];

    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

/// Signatures of public keys.
pub trait Signatures {
    /// A key that is ready for use. Clones are the same key.
    type Key: Clone;
    /// Reads a key that `strong_key` has made. `None`: it is none of its kind (a point that isn't on the curve).
    fn import(&self, algorithm: Algorithm, jwk: &Value) -> impl Future<Output = Option<Self::Key>>;
    /// Whether this is the key's signature of these bytes. ES256: r and s, 32 bytes each (RFC 7518, section 3.4).
    fn verify(&self, key: &Self::Key, signed: &[u8], signature: &[u8]) -> impl Future<Output = bool>;
}

/// A secret of HMAC-SHA256: that of HS256, and those derived from it. `Debug` hides it.
#[derive(Clone)]
pub(super) struct Secret(Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

impl Secret {
    pub fn new(secret: &str) -> Self {
        Self(secret.as_bytes().to_vec())
    }

    /// A key of its own: what is signed with it is not signed with this one, and the other way round.
    pub fn derive(&self, purpose: &[u8]) -> Option<Self> {
        self.sign(purpose).map(Self)
    }

    /// `None` never in practice: HMAC takes a secret of any length.
    pub fn sign(&self, signed: &[u8]) -> Option<Vec<u8>> {
        Some(self.mac(signed)?.finalize().into_bytes().to_vec())
    }

    /// The comparison takes the same time wherever the signature is wrong.
    pub fn has_signed(&self, signed: &[u8], signature: &[u8]) -> bool {
        self.mac(signed).is_some_and(|mac| mac.verify_slice(signature).is_ok())
    }

    fn mac(&self, signed: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(signed);
        Some(mac)
    }
}

/// Signs claims with HS256, for the dev sign-in, `xtask token` and tests. Production never issues tokens.
///
/// # Errors  never in practice: HMAC takes a secret of any length.
pub fn mint_hs256(secret: &str, claims: &Value) -> Result<String, String> {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&json!({"typ": "JWT", "alg": "HS256"})), part(claims));
    let signature = Secret::new(secret).sign(signed.as_bytes()).ok_or("HMAC takes no such secret")?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// The members of a JWK that are its public key, and their algorithm, if its kind is accepted and it is strong enough.
/// Secrets (`oct`) are never taken from a URL.
pub(super) fn strong_key(jwk: &Value) -> Option<(Algorithm, Value)> {
    let text = |name| jwk.get(name).and_then(Value::as_str);
    let bytes = |name| URL_SAFE_NO_PAD.decode(text(name)?).ok();
    let of_32 =
        |name| bytes(name).filter(|bytes| bytes.len() == 32).map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
    match (text("kty")?, text("crv")) {
        ("RSA", _) => {
            let (n, e) = (without_zeros(bytes("n")?), without_zeros(bytes("e")?));
            let key = json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode(&n), "e": URL_SAFE_NO_PAD.encode(&e)});
            is_strong_rsa(&n, &e).then_some((Algorithm::Rs256, key))
        }
        ("EC", Some("P-256")) => {
            let key = json!({"kty": "EC", "crv": "P-256", "x": of_32("x")?, "y": of_32("y")?});
            Some((Algorithm::Es256, key))
        }
        ("OKP", Some("Ed25519")) => {
            Some((Algorithm::EdDsa, json!({"kty": "OKP", "crv": "Ed25519", "x": of_32("x")?})))
        }
        _ => None,
    }
}

fn without_zeros(number: Vec<u8>) -> Vec<u8> {
    number.into_iter().skip_while(|byte| *byte == 0).collect()
}

fn is_strong_rsa(n: &[u8], e: &[u8]) -> bool {
    let bits =
        n.len().saturating_mul(8).saturating_sub(n.first().map_or(0, |byte| byte.leading_zeros() as usize));
    // With e = 1 every signature would be valid.
    RSA_BITS.contains(&bits) && e.last().is_some_and(|byte| byte % 2 == 1) && e != [1]
}
