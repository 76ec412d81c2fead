//! Signatures of public keys by the platform's WebCrypto: implements the port `auth::Signatures`.
//! Not here: which keys are strong enough, and what a token claims (`auth`).

use super::ports::Issuer;
use crate::auth::{Algorithm, Signatures};
use js_sys::{Array, JSON, Uint8Array};
use serde_json::Value;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

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
