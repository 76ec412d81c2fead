//! The issuer's public keys (JWKS): which are known, when they are fetched again, and verification of any token.
//! Not here: the fetch itself. `FetchJwks` is its port, implemented by `shell`.

use super::config::{Algorithm, AuthConfig};
use super::identity::Identity;
use super::token::{UNKNOWN_KEY, UnverifiedToken, VerifyError};
use crate::ids::UnixMs;
use crate::limits::{
    BODY_BYTES_MAX, JWKS_CACHE_MS, JWKS_COLD_RETRY_MS, JWKS_FETCH_TIMEOUT_MS, JWKS_REFETCH_MS, RSA_BITS,
    WAIT_STEP_MS,
};
use jsonwebtoken::{DecodingKey, DecodingKeyKind};
use serde_json::Value;
use std::cell::RefCell;
use std::future::Future;

/// Fetches the issuer's key set.
pub trait FetchJwks {
    /// The body of a 200, otherwise `None`. The port logs the cause, follows no redirect, reads at most 256 KiB, and
    /// stops after `JWKS_FETCH_TIMEOUT_MS`.
    fn fetch(&self, url: &str) -> impl Future<Output = Option<Vec<u8>>>;
    /// Waits. On Workers a request can't await another request's fetch, so it polls.
    fn pause(&self, ms: u64) -> impl Future<Output = ()>;
}

#[derive(Clone, Debug)]
struct PublicKey {
    kid: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// The key set as it was last fetched. Each isolate has one, shared by its requests.
#[derive(Clone, Debug, Default)]
pub struct Jwks {
    keys: Vec<PublicKey>,
    fetched_ms: Option<UnixMs>,
    started_ms: Option<UnixMs>,
    /// When a key was last requested that the set doesn't have.
    missed_ms: Option<UnixMs>,
    is_fetching: bool,
    /// Whether the last fetch succeeded; false while one is in progress.
    is_fetched: bool,
}

/// How to get a token's key.
#[derive(Clone, Debug)]
pub enum Lookup {
    Found(DecodingKey),
    /// The caller must fetch now, and then call `update` or `fail`.
    Fetch,
    /// Another request is fetching; look up again later.
    Wait,
    /// The issuer has no such key.
    Unknown,
    /// The key set can't be fetched, so nobody knows.
    Unavailable,
}

impl Jwks {
    /// The key that the token names. Without a name, the only key for its algorithm.
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

    /// Finds the key, or decides who fetches the key set.
    ///
    /// # Laws   One fetch at a time. Unknown keys cause at most one fetch a minute, so that invented key ids can't
    ///          flood the issuer. A known key never waits for a failing issuer: it is used although it is stale.
    pub fn lookup(&mut self, kid: Option<&str>, algorithm: Algorithm, now: UnixMs) -> Lookup {
        let since = |then: Option<UnixMs>| then.map_or(u64::MAX, |then| now.saturating_sub(then));
        let is_fetching = self.is_fetching && since(self.started_ms) < JWKS_FETCH_TIMEOUT_MS;

        if let Some(key) = self.find(kid, algorithm) {
            let fresh = since(self.fetched_ms) < JWKS_CACHE_MS;
            if fresh || is_fetching || since(self.started_ms) < JWKS_REFETCH_MS {
                return Lookup::Found(key.clone());
            }
        } else {
            if is_fetching {
                return Lookup::Wait;
            }
            // The set was fetched after this lookup began, so it is current.
            if self.fetched_ms.is_some_and(|fetched| fetched >= now) {
                self.missed_ms = Some(now);
                return Lookup::Unknown;
            }
            let pause_over = match self.fetched_ms {
                None => since(self.started_ms) >= JWKS_COLD_RETRY_MS,
                Some(_) => since(self.missed_ms) >= JWKS_REFETCH_MS,
            };
            if !pause_over {
                return if self.is_fetched { Lookup::Unknown } else { Lookup::Unavailable };
            }
            // The very first fetch counts as a miss only after it succeeded without the key, above.
            self.missed_ms = self.fetched_ms.map(|_| now);
        }
        self.started_ms = Some(now);
        self.is_fetching = true;
        self.is_fetched = false;
        Lookup::Fetch
    }

    /// Replaces the key set: a key that is no longer in it is no longer accepted. Keys of other kinds are skipped; a
    /// body that is no key set counts as a failed fetch.
    ///
    /// # Takes  `now`: when the fetch was started. The result is dropped if a later fetch has already succeeded.
    pub fn update(&mut self, body: &[u8], now: UnixMs) {
        if self.fetched_ms.is_some_and(|fetched| fetched > now) {
            return;
        }
        self.is_fetching = false;
        let set =
            (body.len() <= BODY_BYTES_MAX).then(|| serde_json::from_slice::<Value>(body).ok()).flatten();
        if let Some(keys) = set.as_ref().and_then(|set| set.get("keys")).and_then(Value::as_array) {
            self.keys = keys.iter().filter_map(public_key).collect();
            self.fetched_ms = Some(now);
            self.is_fetched = true;
        }
    }

    /// Records a failed fetch. Known keys stay known.
    pub fn fail(&mut self) {
        self.is_fetching = false;
    }
}

/// The key of a JWK for signatures if its kind is accepted and it is strong enough. Secrets (`oct`) are never taken
/// from a URL.
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
    (for_signatures && for_algorithm && is_strong(&key, algorithm)).then_some(PublicKey {
        kid,
        algorithm,
        key,
    })
}

fn is_strong(key: &DecodingKey, algorithm: Algorithm) -> bool {
    let right_size = match key.kind() {
        DecodingKeyKind::RsaModulusExponent { n, e } => {
            let n: Vec<u8> = n.iter().copied().skip_while(|byte| *byte == 0).collect();
            let bits = n
                .len()
                .saturating_mul(8)
                .saturating_sub(n.first().map_or(0, |byte| byte.leading_zeros() as usize));
            // With e = 1 every signature would be valid.
            let odd = e.last().is_some_and(|byte| byte % 2 == 1);
            let one = e.iter().rev().skip(1).all(|byte| *byte == 0) && e.last() == Some(&1);
            RSA_BITS.contains(&bits) && odd && !one
        }
        // The crate slices an Ed25519 key without a check and would panic on a shorter one.
        DecodingKeyKind::SecretOrDer(bytes) => match algorithm {
            Algorithm::EdDsa => bytes.len() == 32,
            _ => bytes.len() == 65,
        },
    };
    // The crate returns an error, and not `false`, for a point that isn't on its curve.
    right_size && jsonwebtoken::crypto::verify("", b"", key, algorithm.to_crate()).is_ok()
}

/// Verifies a token with the known keys; `authenticate` also fetches the key set.
///
/// # Gives   the caller, from the signed claims only.
/// # Errors  `Refused` → 401 `unauthenticated`, `Expired` → 401 `token_expired` (only if everything else is valid).
pub fn verify(token: &str, config: &AuthConfig, jwks: &Jwks, now: UnixMs) -> Result<Identity, VerifyError> {
    let token = UnverifiedToken::parse(token, config)?;
    match token.algorithm {
        Algorithm::Hs256 => token.verify_by_secret(config, now),
        algorithm => {
            let key = jwks.find(token.kid.as_deref(), algorithm).ok_or(UNKNOWN_KEY)?;
            token.verify(key, config, now)
        }
    }
}

/// Verifies a token, and fetches the issuer's key set if necessary.
///
/// # Errors  like `verify`, and `KeysUnavailable` (503) for an unknown key while the key set can't be fetched.
/// # Cost    only the signature check for HS256 and for keys fetched less than ten minutes ago.
pub async fn authenticate(
    token: &str,
    config: &AuthConfig,
    jwks: &RefCell<Jwks>,
    fetcher: &impl FetchJwks,
    now: UnixMs,
) -> Result<Identity, VerifyError> {
    let token = UnverifiedToken::parse(token, config)?;
    if token.algorithm == Algorithm::Hs256 {
        return token.verify_by_secret(config, now);
    }
    let url = config.jwks_url.as_deref().ok_or(UNKNOWN_KEY)?;
    let mut waited_ms: u64 = 0;
    loop {
        let lookup = jwks.borrow_mut().lookup(token.kid.as_deref(), token.algorithm, now);
        match lookup {
            Lookup::Found(key) => return token.verify(&key, config, now),
            Lookup::Unknown => return Err(UNKNOWN_KEY),
            Lookup::Unavailable => return Err(VerifyError::KeysUnavailable),
            Lookup::Wait if waited_ms >= JWKS_FETCH_TIMEOUT_MS => return Err(VerifyError::KeysUnavailable),
            Lookup::Wait => {
                fetcher.pause(WAIT_STEP_MS).await;
                waited_ms = waited_ms.saturating_add(WAIT_STEP_MS);
            }
            Lookup::Fetch => match fetcher.fetch(url).await {
                Some(body) => jwks.borrow_mut().update(&body, now),
                None => jwks.borrow_mut().fail(),
            },
        }
    }
}
