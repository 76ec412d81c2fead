//! Rules of the key set over time: cached, rotated, used while stale, one fetch a minute for unknown keys.

use super::*;
use crate::auth::jwks::VerifiedTokens;
use crate::limits::{JWKS_CACHE_MS, JWKS_FETCH_TIMEOUT_MS, JWKS_REFETCH_MS, TOKENS_KEPT_MAX};
use std::cell::Cell;

/// An issuer on the network: its current answer, and how often it was requested.
#[derive(Default)]
struct Issuer {
    body: RefCell<Option<Vec<u8>>>,
    fetch_count: Cell<u32>,
    verify_count: Cell<u32>,
    hangs: Cell<bool>,
    jwks: RefCell<Jwks>,
}

impl FetchJwks for Issuer {
    async fn fetch(&self, url: &str) -> Option<Vec<u8>> {
        assert_eq!(url, "https://issuer.example/jwks");
        self.fetch_count.set(self.fetch_count.get() + 1);
        while self.hangs.get() {
            tokio::task::yield_now().await;
        }
        tokio::task::yield_now().await;
        self.body.borrow().clone()
    }

    async fn pause(&self, _ms: u64) {
        tokio::task::yield_now().await;
    }
}

impl Signatures for Issuer {
    type Key = NativeKey;

    async fn import(&self, algorithm: Algorithm, jwk: &Value) -> Option<NativeKey> {
        tokio::task::yield_now().await;
        import_natively(algorithm, jwk)
    }

    async fn verify(&self, key: &NativeKey, signed: &[u8], signature: &[u8]) -> bool {
        self.verify_count.set(self.verify_count.get() + 1);
        tokio::task::yield_now().await;
        verify_natively(key, signed, signature)
    }
}

impl Issuer {
    fn new(keys: &[Value]) -> Self {
        let issuer = Self::default();
        issuer.publishes(keys);
        issuer
    }

    fn publishes(&self, keys: &[Value]) {
        *self.body.borrow_mut() = Some(key_set(keys));
    }

    fn answers(&self, body: Option<&str>) {
        *self.body.borrow_mut() = body.map(|body| body.as_bytes().to_vec());
    }

    async fn asks(&self, pair: &Pair, kid: &str, now: u64) -> String {
        let token = pair.token(Some(kid), &claims_with("exp", json!(NOW_S * 2)));
        outcome(authenticate(&token, &jwks_config(), &self.jwks, self, now).await)
    }
}

const ALICE: &str = "alice@acme";
const UNKNOWN: &str = "unauthenticated";
const UNAVAILABLE: &str = "upstream_unavailable";

#[tokio::test]
async fn a_key_set_is_fetched_once_and_kept_ten_minutes() {
    let pair = Pair::es256(1);
    let issuer = Issuer::new(&[pair.jwk("k1")]);
    for at in [0, 1, JWKS_REFETCH_MS, JWKS_CACHE_MS - 1] {
        assert_eq!(issuer.asks(&pair, "k1", NOW + at).await, ALICE);
        assert_eq!(issuer.fetch_count.get(), 1, "after {at} ms");
    }
    assert_eq!(issuer.asks(&pair, "k1", NOW + JWKS_CACHE_MS).await, ALICE);
    assert_eq!(issuer.fetch_count.get(), 2);
}

#[tokio::test]
async fn a_signature_is_verified_once_and_its_claims_each_time() {
    let pair = Pair::es256(1);
    let issuer = Issuer::new(&[pair.jwk("k1")]);
    let token = pair.token(Some("k1"), &claims());
    let at = async |token: &str, now| {
        outcome(authenticate(token, &jwks_config(), &issuer.jwks, &issuer, now).await)
    };
    for after in [0, 1, 60_000] {
        assert_eq!(at(&token, NOW + after).await, ALICE);
    }
    assert_eq!(issuer.verify_count.get(), 1);
    assert_eq!(at(&token, NOW + 90_000).await, "token_expired", "its time is read again");
    let (signed, _) = token.rsplit_once('.').expect("three parts");
    let forged = format!("{signed}.{}", base64url(&[7; 64]));
    assert_eq!((at(&forged, NOW).await, at(&forged, NOW).await), (UNKNOWN.into(), UNKNOWN.into()));
    assert_eq!(issuer.verify_count.get(), 3, "a wrong signature is not remembered");
}

#[tokio::test]
async fn a_verified_signature_is_forgotten_with_its_key_set() {
    let (old, new) = (Pair::es256(1), Pair::es256(2));
    let issuer = Issuer::new(&[old.jwk("k1")]);
    assert_eq!(issuer.asks(&old, "k1", NOW).await, ALICE);
    issuer.publishes(&[new.jwk("k1")]);
    assert_eq!(issuer.asks(&old, "k1", NOW + JWKS_CACHE_MS).await, UNKNOWN, "the name has another key now");
    assert_eq!(issuer.verify_count.get(), 2);
}

#[test]
fn the_latest_verified_signatures_are_remembered() {
    let digest = |number: usize| {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        digest
    };
    let mut verified = VerifiedTokens::default();
    (0..TOKENS_KEPT_MAX).for_each(|number| verified.insert(digest(number)));
    verified.insert(digest(1));
    assert!(verified.contains(&digest(0)), "the same one again takes no place");
    verified.insert(digest(TOKENS_KEPT_MAX));
    assert!(!verified.contains(&digest(0)), "the first has made room");
    assert!((1..=TOKENS_KEPT_MAX).all(|number| verified.contains(&digest(number))));
}

#[tokio::test]
async fn hs256_causes_no_fetch() {
    let issuer = Issuer::default();
    let token = Pair::hs256(SECRET.as_bytes()).token(None, &claims());
    assert_eq!(outcome(authenticate(&token, &config(&[]), &issuer.jwks, &issuer, NOW).await), ALICE);
    assert_eq!(issuer.fetch_count.get(), 0);
}

#[tokio::test]
async fn a_token_with_a_refused_header_causes_no_fetch() {
    let issuer = Issuer::default();
    for token in ["", "a.b.c", &Pair::hs256(SECRET.as_bytes()).token(Some("k1"), &claims())] {
        assert_eq!(outcome(authenticate(token, &jwks_config(), &issuer.jwks, &issuer, NOW).await), UNKNOWN);
    }
    assert_eq!(issuer.fetch_count.get(), 0);
}

#[tokio::test]
async fn a_new_key_is_accepted_at_once_and_a_removed_key_is_refused() {
    let (old, new) = (Pair::es256(1), Pair::es256(2));
    let issuer = Issuer::new(&[old.jwk("k1")]);
    assert_eq!(issuer.asks(&old, "k1", NOW).await, ALICE);
    issuer.publishes(&[new.jwk("k2")]);
    assert_eq!(issuer.asks(&old, "k1", NOW + 1).await, ALICE, "still cached");
    assert_eq!(issuer.asks(&new, "k2", NOW + 2).await, ALICE, "an unknown key is looked up");
    assert_eq!(issuer.asks(&old, "k1", NOW + 3).await, UNKNOWN, "the refresh has taken it away");
    assert_eq!(issuer.fetch_count.get(), 2);
}

#[tokio::test]
async fn a_revoked_key_is_refused_after_the_cache_at_the_latest() {
    let pair = Pair::eddsa(1);
    let issuer = Issuer::new(&[pair.jwk("k1")]);
    assert_eq!(issuer.asks(&pair, "k1", NOW).await, ALICE);
    issuer.publishes(&[]);
    assert_eq!(issuer.asks(&pair, "k1", NOW + JWKS_CACHE_MS).await, UNKNOWN);
}

#[tokio::test]
async fn a_kid_may_get_a_new_key() {
    let (old, new) = (Pair::eddsa(1), Pair::eddsa(2));
    let issuer = Issuer::new(&[old.jwk("k1")]);
    assert_eq!(issuer.asks(&old, "k1", NOW).await, ALICE);
    issuer.publishes(&[new.jwk("k1")]);
    assert_eq!(issuer.asks(&new, "k1", NOW + JWKS_CACHE_MS).await, ALICE);
    assert_eq!(issuer.asks(&old, "k1", NOW + JWKS_CACHE_MS).await, UNKNOWN);
}

#[tokio::test]
async fn unknown_keys_cause_one_fetch_a_minute() {
    let (pair, stranger) = (Pair::es256(1), Pair::es256(2));
    let issuer = Issuer::new(&[pair.jwk("k1")]);
    for (at, fetch_count) in
        [(0, 1), (1, 1), (JWKS_REFETCH_MS - 1, 1), (JWKS_REFETCH_MS, 2), (JWKS_REFETCH_MS + 1, 2)]
    {
        for kid in ["made", "up", "names"] {
            assert_eq!(issuer.asks(&stranger, kid, NOW + at).await, UNKNOWN);
        }
        assert_eq!(issuer.fetch_count.get(), fetch_count, "after {at} ms");
        assert_eq!(issuer.asks(&pair, "k1", NOW + at).await, ALICE, "nobody else notices");
    }
}

#[tokio::test]
async fn a_known_key_is_served_stale_while_the_issuer_is_down() {
    let pair = Pair::es256(1);
    let issuer = Issuer::new(&[pair.jwk("k1")]);
    assert_eq!(issuer.asks(&pair, "k1", NOW).await, ALICE);
    let later = NOW + JWKS_CACHE_MS;
    for (at, body, fetch_count) in [
        (0, None, 2),
        (1, None, 2),
        (JWKS_REFETCH_MS, Some("<html>down</html>"), 3),
        (2 * JWKS_REFETCH_MS, Some(r#"{"keys":{}}"#), 4),
        (3 * JWKS_REFETCH_MS, Some("[]"), 5),
    ] {
        issuer.answers(body);
        assert_eq!(issuer.asks(&pair, "k1", later + at).await, ALICE, "{body:?}");
        assert_eq!(issuer.fetch_count.get(), fetch_count, "{body:?}");
    }
}

#[tokio::test]
async fn an_unknown_key_while_the_issuer_is_down_is_503_and_still_one_fetch_a_minute() {
    let (pair, new) = (Pair::es256(1), Pair::es256(2));
    let issuer = Issuer::new(&[pair.jwk("k1")]);
    assert_eq!(issuer.asks(&pair, "k1", NOW).await, ALICE);
    issuer.answers(None);
    for at in [1, 2, JWKS_REFETCH_MS] {
        assert_eq!(issuer.asks(&new, "k2", NOW + at).await, UNAVAILABLE);
    }
    assert_eq!(issuer.fetch_count.get(), 2);
    assert_eq!(issuer.asks(&pair, "k1", NOW + JWKS_REFETCH_MS).await, ALICE, "a known one isn't touched");
    issuer.publishes(&[pair.jwk("k1"), new.jwk("k2")]);
    assert_eq!(issuer.asks(&new, "k2", NOW + JWKS_REFETCH_MS + 1).await, ALICE);
}

#[tokio::test]
async fn without_a_key_set_it_is_503_and_fetched_again_within_seconds() {
    let pair = Pair::es256(1);
    let issuer = Issuer::default();
    assert_eq!(issuer.asks(&pair, "k1", NOW).await, UNAVAILABLE);
    assert_eq!(issuer.asks(&pair, "k1", NOW + 4_999).await, UNAVAILABLE);
    assert_eq!(issuer.fetch_count.get(), 1);
    issuer.publishes(&[pair.jwk("k1")]);
    assert_eq!(issuer.asks(&pair, "k1", NOW + 5_000).await, ALICE);
}

#[tokio::test]
async fn concurrent_requests_share_one_fetch() {
    let pair = Pair::es256(1);
    let issuer = Issuer::new(&[pair.jwk("k1")]);
    let ask = |kid| issuer.asks(&pair, kid, NOW);
    let all = tokio::join!(ask("k1"), ask("k1"), ask("k2"), ask("k1"), ask("k3"));
    assert_eq!(all, (ALICE.into(), ALICE.into(), UNKNOWN.into(), ALICE.into(), UNKNOWN.into()));
    assert_eq!(issuer.fetch_count.get(), 1);
}

#[tokio::test]
async fn waiting_for_a_fetch_that_hangs_ends() {
    let pair = Pair::es256(1);
    let issuer = Issuer::new(&[pair.jwk("k1")]);
    issuer.hangs.set(true);
    // The first one's client goes away in the middle of its fetch.
    let given_up =
        tokio::time::timeout(std::time::Duration::from_millis(5), issuer.asks(&pair, "k1", NOW)).await;
    assert!(given_up.is_err());
    issuer.hangs.set(false);
    assert_eq!(issuer.asks(&pair, "k1", NOW + 1).await, UNAVAILABLE, "waited its time");
    assert_eq!(issuer.fetch_count.get(), 1);
    assert_eq!(
        issuer.asks(&pair, "k1", NOW + JWKS_FETCH_TIMEOUT_MS).await,
        ALICE,
        "and somebody else fetches"
    );
    assert_eq!(issuer.fetch_count.get(), 2);
}

#[test]
fn a_key_set_over_256_kib_is_no_key_set() {
    let pair = Pair::es256(1);
    let mut body = key_set(&[pair.jwk("k1")]);
    body.resize(crate::limits::BODY_BYTES_MAX + 1, b' ');
    let mut jwks = Jwks::default();
    update(&mut jwks, &body, NOW);
    assert!(jwks.find(Some("k1"), Algorithm::Es256).is_none());
    body.pop();
    update(&mut jwks, &body, NOW);
    assert!(jwks.find(Some("k1"), Algorithm::Es256).is_some());
}

#[test]
fn a_late_key_set_does_not_replace_a_newer_one() {
    let (old, new) = (Pair::es256(1), Pair::es256(2));
    let mut jwks = Jwks::default();
    update(&mut jwks, &key_set(&[new.jwk("k2")]), NOW + 1);
    update(&mut jwks, &key_set(&[old.jwk("k1")]), NOW);
    assert!(jwks.find(Some("k1"), Algorithm::Es256).is_none());
    assert!(jwks.find(Some("k2"), Algorithm::Es256).is_some());
}
