//! The issuer of tokens: its key set over HTTP, and its signatures by the platform's WebCrypto. Implements the ports
//! `auth::FetchJwks` and `auth::Signatures`.
//! Not here: which keys are strong enough, and what a token claims (`auth`).

use super::{clock, web_crypto};
use crate::auth::{self, Algorithm, AuthConfig, FetchJwks, Identity, Jwks, Signatures};
use crate::error::Refusal;
use crate::limits::{BODY_BYTES_MAX, JWKS_FETCH_TIMEOUT_MS};
use crate::oplog::Entry;
use js_sys::Uint8Array;
use serde_json::Value;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use worker::{Fetch, Request, RequestInit, RequestRedirect};

thread_local! {
    /// The issuer's keys, one set for each isolate.
    static JWKS: Rc<RefCell<Jwks<WebCryptoKey>>> = Rc::default();
}

/// A `CryptoKey` with the parameters that each use of it takes. It belongs to no request.
#[derive(Clone)]
pub struct WebCryptoKey {
    parameters: JsValue,
    key: JsValue,
}

fn parameters(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Hs256 => r#"{"name":"HMAC","hash":"SHA-256"}"#,
        Algorithm::Rs256 => r#"{"name":"RSASSA-PKCS1-v1_5","hash":"SHA-256"}"#,
        Algorithm::Es256 => r#"{"name":"ECDSA","namedCurve":"P-256","hash":"SHA-256"}"#,
        Algorithm::EdDsa => r#"{"name":"Ed25519"}"#,
    }
}

/// Verifies a token with the isolate's keys.
pub async fn authenticate(token: &str, config: &AuthConfig) -> Result<Identity, Refusal> {
    let jwks = JWKS.with(Rc::clone);
    auth::authenticate(token, config, &jwks, &Issuer, clock::now()).await.map_err(Refusal::from)
}

struct Issuer;

impl FetchJwks for Issuer {
    async fn fetch(&self, url: &str) -> Option<Vec<u8>> {
        let get = async {
            let mut init = RequestInit::new();
            // Redirects are not followed: only a 200 counts. workerd does not accept the mode `error`.
            init.with_redirect(RequestRedirect::Manual);
            let request = Request::new_with_init(url, &init).ok()?;
            let mut response = Fetch::Request(request).send().await.ok()?;
            let body = response.bytes().await.ok()?;
            (response.status_code() == 200 && body.len() <= BODY_BYTES_MAX).then_some(body)
        };
        let body = clock::within(JWKS_FETCH_TIMEOUT_MS, get).await.flatten();
        if body.is_none() {
            super::write_log(&Entry::warn("jwks_not_fetched"));
        }
        body
    }

    async fn pause(&self, ms: u64) {
        clock::sleep(ms).await;
    }
}

impl Signatures for Issuer {
    type Key = WebCryptoKey;

    async fn import(&self, algorithm: Algorithm, jwk: &Value) -> Option<WebCryptoKey> {
        let parameters = web_crypto::object(parameters(algorithm)).ok()?;
        let jwk = web_crypto::object(&jwk.to_string()).ok()?;
        let usages = web_crypto::usages(&["verify"]);
        let key = web_crypto::import_key("jwk", &jwk, &parameters, false, &usages).await.ok()?;
        Some(WebCryptoKey { parameters: parameters.into(), key })
    }

    async fn verify(&self, key: &WebCryptoKey, signed: &[u8], signature: &[u8]) -> bool {
        let (signature, signed) = (Uint8Array::from(signature), Uint8Array::from(signed));
        let verified = web_crypto::verify(&key.parameters, &key.key, &signature, &signed).await;
        verified.is_ok_and(|verified| verified.is_truthy())
    }
}
