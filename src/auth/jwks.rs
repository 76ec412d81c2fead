//! The issuer's public keys (JWKS): which are known, when they are fetched again, and verification of any token.
//! Not here: the fetch itself. `FetchJwks` is its port, implemented by `shell`.

use super::config::AuthConfig;
use super::identity::Identity;
use super::signature::{Algorithm, Signatures, strong_key};
use super::token::{UNKNOWN_KEY, UnverifiedToken, VerifyError, WRONG_SIGNATURE};
use crate::ids::UnixMs;
use crate::limits::{
    BODY_BYTES_MAX, JWKS_CACHE_MS, JWKS_COLD_RETRY_MS, JWKS_FETCH_TIMEOUT_MS, JWKS_REFETCH_MS,
    TOKENS_KEPT_MAX, WAIT_STEP_MS,
};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
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
struct PublicKey<K> {
    kid: Option<String>,
    algorithm: Algorithm,
    key: K,
}

/// Digests of tokens whose signature was verified with a key of the present set, the latest `TOKENS_KEPT_MAX`. Their
/// claims are read again each time.
#[derive(Clone, Debug, Default)]
pub(super) struct VerifiedTokens {
    digests: BTreeSet<[u8; 32]>,
    in_order: VecDeque<[u8; 32]>,
}

impl VerifiedTokens {
    pub fn contains(&self, digest: &[u8; 32]) -> bool {
        self.digests.contains(digest)
    }

    pub fn insert(&mut self, digest: [u8; 32]) {
        if !self.digests.insert(digest) {
            return;
        }
        self.in_order.push_back(digest);
        if self.in_order.len() > TOKENS_KEPT_MAX
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.digests.remove(&oldest);
        }
    }
}

/// The key set as it was last fetched. Each isolate has one, shared by its requests.
#[derive(Clone, Debug)]
pub struct Jwks<K> {
    keys: Vec<PublicKey<K>>,
    verified: VerifiedTokens,
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
pub enum Lookup<K> {
    Found(K),
    /// The caller must fetch now, and then call `replace` or `fail`.
    Fetch,
    /// Another request is fetching; look up again later.
    Wait,
    /// The issuer has no such key.
    Unknown,
    /// The key set can't be fetched, so nobody knows.
    Unavailable,
}

impl<K> Default for Jwks<K> {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            verified: VerifiedTokens::default(),
            fetched_ms: None,
            started_ms: None,
            missed_ms: None,
            is_fetching: false,
            is_fetched: false,
        }
    }
}

impl<K: Clone> Jwks<K> {
    /// The key that the token names. Without a name, the only key for its algorithm.
    pub fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<&K> {
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
    pub fn lookup(&mut self, kid: Option<&str>, algorithm: Algorithm, now: UnixMs) -> Lookup<K> {
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

    /// Replaces the key set: a key that is no longer in it is no longer accepted.
    ///
    /// # Takes  `now`: when the fetch was started. The result is dropped if a later fetch has already succeeded.
    fn replace(&mut self, keys: Vec<PublicKey<K>>, now: UnixMs) {
        if self.fetched_ms.is_some_and(|fetched| fetched > now) {
            return;
        }
        self.is_fetching = false;
        self.keys = keys;
        self.verified = VerifiedTokens::default();
        self.fetched_ms = Some(now);
        self.is_fetched = true;
    }

    /// Records a failed fetch. Known keys stay known.
    fn fail(&mut self) {
        self.is_fetching = false;
    }
}

/// Reads the keys of a key set. Keys of other kinds and weak ones are skipped. `None`: it is no key set.
async fn read_keys<S: Signatures>(body: &[u8], signatures: &S) -> Option<Vec<PublicKey<S::Key>>> {
    let set = (body.len() <= BODY_BYTES_MAX).then(|| serde_json::from_slice::<Value>(body).ok()).flatten()?;
    let mut keys = Vec::new();
    for jwk in set.get("keys")?.as_array()? {
        let Some((kid, algorithm, jwk)) = key_for_signatures(jwk) else { continue };
        if let Some(key) = signatures.import(algorithm, &jwk).await {
            keys.push(PublicKey { kid, algorithm, key });
        }
    }
    Some(keys)
}

/// Name, algorithm and numbers of a JWK, if it is strong and meant for signatures.
fn key_for_signatures(jwk: &Value) -> Option<(Option<String>, Algorithm, Value)> {
    let (algorithm, key) = strong_key(jwk)?;
    let for_signatures = jwk.get("use").is_none_or(|u| u == "sig")
        && jwk
            .get("key_ops")
            .is_none_or(|ops| ops.as_array().is_some_and(|ops| ops.iter().any(|op| op == "verify")));
    let for_algorithm = jwk.get("alg").is_none_or(|alg| alg == algorithm.name());
    let kid = match jwk.get("kid") {
        None => None,
        Some(kid) => Some(kid.as_str()?.to_owned()),
    };
    (for_signatures && for_algorithm).then_some((kid, algorithm, key))
}

/// Verifies a token, and fetches the issuer's key set if necessary.
///
/// # Gives   the caller, from the signed claims only.
/// # Errors  `Refused` → 401 `unauthenticated`; `Expired` → 401 `token_expired` (only if everything else is valid);
///           `KeysUnavailable` → 503 for an unknown key while the key set can't be fetched.
/// # Cost    HS256 never waits. A signature of a public key is verified once per isolate and key set.
pub async fn authenticate<P: FetchJwks + Signatures>(
    token: &str,
    config: &AuthConfig,
    jwks: &RefCell<Jwks<P::Key>>,
    port: &P,
    now: UnixMs,
) -> Result<Identity, VerifyError> {
    let token = UnverifiedToken::parse(token, config)?;
    let is_signed = match token.algorithm {
        Algorithm::Hs256 => {
            let secret = config.secret.as_ref().ok_or(UNKNOWN_KEY)?;
            secret.has_signed(token.signed(), &token.signature()?)
        }
        _ => {
            let key = find_key(&token, config, jwks, port, now).await?;
            is_signed_by(&key, &token, jwks, port).await?
        }
    };
    if !is_signed {
        return Err(WRONG_SIGNATURE);
    }
    token.identity(config, now)
}

async fn is_signed_by<P: Signatures>(
    key: &P::Key,
    token: &UnverifiedToken<'_>,
    jwks: &RefCell<Jwks<P::Key>>,
    port: &P,
) -> Result<bool, VerifyError> {
    let digest = token.digest();
    if jwks.borrow().verified.contains(&digest) {
        return Ok(true);
    }
    let key_set = jwks.borrow().fetched_ms;
    let is_signed = port.verify(key, token.signed(), &token.signature()?).await;
    // A key that was removed meanwhile proves nothing any more.
    if is_signed && jwks.borrow().fetched_ms == key_set {
        jwks.borrow_mut().verified.insert(digest);
    }
    Ok(is_signed)
}

/// The key that the token names. The key belongs to the token's algorithm, so a public key is never used as a secret.
async fn find_key<P: FetchJwks + Signatures>(
    token: &UnverifiedToken<'_>,
    config: &AuthConfig,
    jwks: &RefCell<Jwks<P::Key>>,
    port: &P,
    now: UnixMs,
) -> Result<P::Key, VerifyError> {
    let url = config.jwks_url.as_deref().ok_or(UNKNOWN_KEY)?;
    let mut waited_ms: u64 = 0;
    loop {
        let lookup = jwks.borrow_mut().lookup(token.kid.as_deref(), token.algorithm, now);
        match lookup {
            Lookup::Found(key) => return Ok(key),
            Lookup::Unknown => return Err(UNKNOWN_KEY),
            Lookup::Unavailable => return Err(VerifyError::KeysUnavailable),
            Lookup::Wait if waited_ms >= JWKS_FETCH_TIMEOUT_MS => return Err(VerifyError::KeysUnavailable),
            Lookup::Wait => {
                port.pause(WAIT_STEP_MS).await;
                waited_ms = waited_ms.saturating_add(WAIT_STEP_MS);
            }
            Lookup::Fetch => fetch_keys(url, jwks, port, now).await,
        }
    }
}

/// Replaces the key set by the issuer's, if the issuer has one to give. A body that is no key set is a failed fetch.
///
/// # Takes  `now`: when the fetch was started.
pub(super) async fn fetch_keys<P: FetchJwks + Signatures>(
    url: &str,
    jwks: &RefCell<Jwks<P::Key>>,
    port: &P,
    now: UnixMs,
) {
    let keys = match port.fetch(url).await {
        Some(body) => read_keys(&body, port).await,
        None => None,
    };
    match keys {
        Some(keys) => jwks.borrow_mut().replace(keys, now),
        None => jwks.borrow_mut().fail(),
    }
}
