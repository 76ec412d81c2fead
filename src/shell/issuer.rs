//! The issuer of tokens: its key set over HTTP, and its signatures by the platform's WebCrypto. Implements the ports
//! `auth::FetchJwks` and `auth::Signatures`.
//! Not here: which keys are strong enough, and what a token claims (`auth`).

use super::clock;
use crate::auth::{self, Algorithm, AuthConfig, FetchJwks, Identity, Jwks, Signatures};
use crate::error::Refusal;
use crate::limits::{BODY_BYTES_MAX, JWKS_FETCH_TIMEOUT_MS};
use crate::oplog::Entry;
use js_sys::{Array, JSON, Uint8Array};
use serde_json::Value;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::{Fetch, Request, RequestInit, RequestRedirect};

thread_local! {
    /// The issuer's keys, one set for each isolate.
    static JWKS: Rc<RefCell<Jwks<WebCryptoKey>>> = Rc::default();
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], js_name = importKey, catch)]
    async fn import_key(
        format: &str,
        key: &JsValue,
        algorithm: &JsValue,
        extractable: bool,
        usages: &JsValue,
    ) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], js_name = verify, catch)]
    async fn verify_signature(
        algorithm: &JsValue,
        key: &JsValue,
        signature: &Uint8Array,
        signed: &Uint8Array,
    ) -> Result<JsValue, JsValue>;
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
        let parameters: JsValue = JSON::parse(parameters(algorithm)).ok()?.unchecked_into();
        let jwk: JsValue = JSON::parse(&jwk.to_string()).ok()?.unchecked_into();
        let usages = Array::of1(&JsValue::from_str("verify"));
        let key = import_key("jwk", &jwk, &parameters, false, &usages).await.ok()?;
        Some(WebCryptoKey { parameters, key })
    }

    async fn verify(&self, key: &WebCryptoKey, signed: &[u8], signature: &[u8]) -> bool {
        let (signature, signed) = (Uint8Array::from(signature), Uint8Array::from(signed));
        let verified = verify_signature(&key.parameters, &key.key, &signature, &signed).await;
        verified.is_ok_and(|verified| verified.is_truthy())
    }
}
