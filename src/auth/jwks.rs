//! The issuer's public keys: which are known, when they are asked for again, and the one call that proves any token.
//! Not here: the fetch itself. `FetchJwks` is the port; the shell makes it real.

use super::token::{UNKNOWN_KEY, Unproved};
use super::{Algorithm, AuthConfig, Identity, VerifyError};
use crate::ids::UnixMs;
use crate::limits::{
    BODY_BYTES_MAX, JWKS_CACHE_MS, JWKS_COLD_RETRY_MS, JWKS_FETCH_TIMEOUT_MS, JWKS_REFETCH_MS, RSA_BITS,
    WAIT_STEP_MS,
};
use jsonwebtoken::{DecodingKey, DecodingKeyKind};
use serde_json::Value;
use std::cell::RefCell;
use std::future::Future;

/// The way to the issuer's key set.
pub trait FetchJwks {
    /// The body of a 200, or nothing: the port logs why, follows no redirect, reads at most 256 KiB, and gives up
    /// after `JWKS_FETCH_TIMEOUT_MS`.
    fn fetch(&self, url: &str) -> impl Future<Output = Option<Vec<u8>>>;
    /// Time passes. A request can't await another request's fetch on Workers, so it looks again and again.
    fn pause(&self, ms: u64) -> impl Future<Output = ()>;
}

#[derive(Clone, Debug)]
struct PublicKey {
    kid: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// The key set as last heard. One an isolate, shared by its requests.
#[derive(Clone, Debug, Default)]
pub struct Jwks {
    keys: Vec<PublicKey>,
    fetched_ms: Option<UnixMs>,
    started_ms: Option<UnixMs>,
    /// When a key was last asked for that the set didn't have.
    missed_ms: Option<UnixMs>,
    under_way: bool,
    /// Whether the last fetch ended well; false while one is under way.
    heard: bool,
}

/// What to do for a token's key.
#[derive(Clone, Debug)]
pub enum Lookup {
    Found(DecodingKey),
    /// It is on the caller to fetch now, and to call `update` or `failed`.
    Fetch,
    /// Somebody else fetches; look again.
    Wait,
    /// The issuer has no such key.
    Unknown,
    /// Nobody can tell, because the key set can't be had.
    Unavailable,
}

impl Jwks {
    /// The key a token names; without a name, the only one that fits its algorithm.
    pub fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<&DecodingKey> {
        let mut fitting = self.keys.iter().filter(|key| key.algorithm == algorithm);
        match kid {
            Some(kid) => fitting.find(|key| key.kid.as_deref() == Some(kid)).map(|key| &key.key),
            None => match (fitting.next(), fitting.next()) {
                (Some(only), None) => Some(&only.key),
                _ => None,
            },
        }
    }

    /// Says where the key is, or whose turn it is to fetch.
    ///
    /// # Laws   One fetch at a time. For keys that aren't in the set one a minute at most, so that made-up names can't
    ///          hammer the issuer. A known key never waits for a failing issuer: it is served stale.
    pub fn lookup(&mut self, kid: Option<&str>, algorithm: Algorithm, now: UnixMs) -> Lookup {
        let since = |then: Option<UnixMs>| then.map_or(u64::MAX, |then| now.saturating_sub(then));
        let under_way = self.under_way && since(self.started_ms) < JWKS_FETCH_TIMEOUT_MS;

        if let Some(key) = self.find(kid, algorithm) {
            let fresh = since(self.fetched_ms) < JWKS_CACHE_MS;
            if fresh || under_way || since(self.started_ms) < JWKS_REFETCH_MS {
                return Lookup::Found(key.clone());
            }
        } else {
            if under_way {
                return Lookup::Wait;
            }
            // Heard no earlier than the question was asked: that answer is the answer.
            if self.fetched_ms.is_some_and(|fetched| fetched >= now) {
                self.missed_ms = Some(now);
                return Lookup::Unknown;
            }
            let pause_over = match self.fetched_ms {
                None => since(self.started_ms) >= JWKS_COLD_RETRY_MS,
                Some(_) => since(self.missed_ms) >= JWKS_REFETCH_MS,
            };
            if !pause_over {
                return if self.heard { Lookup::Unknown } else { Lookup::Unavailable };
            }
            // The first fetch of all becomes a miss only once it is heard and lacks the key, above.
            self.missed_ms = self.fetched_ms.map(|_| now);
        }
        self.started_ms = Some(now);
        self.under_way = true;
        self.heard = false;
        Lookup::Fetch
    }

    /// Takes the fetched set in place of the old one: a key that is gone from it is no longer accepted.
    /// Keys of other kinds are passed over; what is no key set at all counts as a failed fetch.
    ///
    /// # Takes  `now`: when the fetch was started. One that comes in after a later one was heard is dropped.
    pub fn update(&mut self, body: &[u8], now: UnixMs) {
        if self.fetched_ms.is_some_and(|fetched| fetched > now) {
            return;
        }
        self.under_way = false;
        let set =
            (body.len() <= BODY_BYTES_MAX).then(|| serde_json::from_slice::<Value>(body).ok()).flatten();
        if let Some(keys) = set.as_ref().and_then(|set| set.get("keys")).and_then(Value::as_array) {
            self.keys = keys.iter().filter_map(public_key).collect();
            self.fetched_ms = Some(now);
            self.heard = true;
        }
    }

    /// The fetch brought nothing; what was known stays known.
    pub fn failed(&mut self) {
        self.under_way = false;
    }
}

/// A JWK for signatures, of a kind we accept and strong enough; else `None`. Secrets (`oct`) never come from a URL.
fn public_key(jwk: &Value) -> Option<PublicKey> {
    let text = |name| jwk.get(name).and_then(Value::as_str);
    let (algorithm, key) = match (text("kty")?, text("crv")) {
        ("RSA", _) => (Algorithm::Rs256, DecodingKey::from_rsa_components(text("n")?, text("e")?)),
        ("EC", Some("P-256")) => (Algorithm::Es256, DecodingKey::from_ec_components(text("x")?, text("y")?)),
        ("OKP", Some("Ed25519")) => (Algorithm::EdDsa, DecodingKey::from_ed_components(text("x")?)),
        _ => return None,
    };
    let key = key.ok()?;
    let for_signatures = jwk.get("use").is_none_or(|u| u == "sig")
        && jwk
            .get("key_ops")
            .is_none_or(|ops| ops.as_array().is_some_and(|ops| ops.iter().any(|op| op == "verify")));
    let for_algorithm = jwk.get("alg").is_none_or(|alg| alg == algorithm.name());
    let kid = match jwk.get("kid") {
        None => None,
        Some(kid) => Some(kid.as_str()?.to_owned()),
    };
    (for_signatures && for_algorithm && is_sound(&key, algorithm)).then_some(PublicKey {
        kid,
        algorithm,
        key,
    })
}

fn is_sound(key: &DecodingKey, algorithm: Algorithm) -> bool {
    let right_size = match key.kind() {
        DecodingKeyKind::RsaModulusExponent { n, e } => {
            let n: Vec<u8> = n.iter().copied().skip_while(|byte| *byte == 0).collect();
            let bits = n
                .len()
                .saturating_mul(8)
                .saturating_sub(n.first().map_or(0, |byte| byte.leading_zeros() as usize));
            // e = 1 would make every signature its own proof.
            let odd = e.last().is_some_and(|byte| byte % 2 == 1);
            let one = e.iter().rev().skip(1).all(|byte| *byte == 0) && e.last() == Some(&1);
            RSA_BITS.contains(&bits) && odd && !one
        }
        // The crate slices an Ed25519 key unchecked and would panic on a shorter one.
        DecodingKeyKind::SecretOrDer(bytes) => match algorithm {
            Algorithm::EdDsa => bytes.len() == 32,
            _ => bytes.len() == 65,
        },
    };
    // An error, rather than "no", is a point that isn't on its curve.
    right_size && jsonwebtoken::crypto::verify("", b"", key, algorithm.of_the_crate()).is_ok()
}

/// Proves a token, fetching the issuer's key set when it has to.
///
/// # Errors  as `verify`, and `KeysUnavailable` (503) for an unknown key while the key set can't be had.
/// # Cost    nothing but the signature for HS256 and for keys known less than ten minutes.
pub async fn authenticate(
    token: &str,
    config: &AuthConfig,
    jwks: &RefCell<Jwks>,
    fetcher: &impl FetchJwks,
    now: UnixMs,
) -> Result<Identity, VerifyError> {
    let token = Unproved::parse(token, config)?;
    if token.algorithm == Algorithm::Hs256 {
        return token.prove_by_secret(config, now);
    }
    let url = config.jwks_url.as_deref().ok_or(UNKNOWN_KEY)?;
    let mut waited_ms: u64 = 0;
    loop {
        let lookup = jwks.borrow_mut().lookup(token.kid.as_deref(), token.algorithm, now);
        match lookup {
            Lookup::Found(key) => return token.prove(&key, config, now),
            Lookup::Unknown => return Err(UNKNOWN_KEY),
            Lookup::Unavailable => return Err(VerifyError::KeysUnavailable),
            Lookup::Wait if waited_ms >= JWKS_FETCH_TIMEOUT_MS => return Err(VerifyError::KeysUnavailable),
            Lookup::Wait => {
                fetcher.pause(WAIT_STEP_MS).await;
                waited_ms = waited_ms.saturating_add(WAIT_STEP_MS);
            }
            Lookup::Fetch => match fetcher.fetch(url).await {
                Some(body) => jwks.borrow_mut().update(&body, now),
                None => jwks.borrow_mut().failed(),
            },
        }
    }
}
