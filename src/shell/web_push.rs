//! Push services over HTTP, and the encryption of pushes by the platform's WebCrypto. Implements the ports of `push`.
//! Not here: what is sent to whom, and what an answer means (`push`).

use super::clock;
use super::web_crypto::{
    Result, bytes, derive_bits, encrypt, export_key, generate_key, import_key, object, sign, usages,
};
use crate::limits::{PUSH_REASON_BYTES_MAX, PUSH_TIMEOUT_MS, PUSH_TTL_S};
use crate::push::{Agreement, Answer, Crypto, Push, PushService, Tokens, Vapid};
use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::JsValue;
use worker::{Env, Fetch, Headers, Method, Request, RequestInit, RequestRedirect};

thread_local! {
    /// The isolate's tokens.
    pub static TOKENS: std::rc::Rc<Tokens> = std::rc::Rc::default();
}

const ECDH: &str = r#"{"name":"ECDH","namedCurve":"P-256"}"#;
const ECDSA: &str = r#"{"name":"ECDSA","namedCurve":"P-256","hash":"SHA-256"}"#;

/// The key pair of the variables; `None`: this deployment sends no pushes.
///
/// # Errors  which variable is unusable, and why.
pub fn vapid(env: &Env) -> std::result::Result<Option<Vapid>, String> {
    Vapid::parse(|name| super::variable(env, name))
}

/// The platform: WebCrypto, and `fetch`.
pub struct Platform;

impl Platform {
    async fn agree(&self, device_key: &[u8]) -> Result<Agreement> {
        let ecdh = object(ECDH)?;
        let theirs = Uint8Array::from(device_key);
        let theirs = import_key("raw", &theirs, &ecdh, false, &usages(&[])).await?;
        let ours = generate_key(&ecdh, true, &usages(&["deriveBits"])).await?;
        let part = |name: &str| Reflect::get(&ours, &JsValue::from_str(name));
        Reflect::set(&ecdh, &JsValue::from_str("public"), &theirs)?;
        let shared = derive_bits(&ecdh, &part("privateKey")?, 256).await?;
        let public_key = export_key("raw", &part("publicKey")?).await?;
        let salt = clock::random_u128().to_be_bytes();
        Ok(Agreement { public_key: bytes(&public_key), shared: bytes(&shared), salt })
    }

    async fn seal(&self, key: &[u8], nonce: &[u8], plain: &[u8]) -> Result<Vec<u8>> {
        let aes = object(r#"{"name":"AES-GCM"}"#)?;
        let key = import_key("raw", &Uint8Array::from(key), &aes, false, &usages(&["encrypt"])).await?;
        Reflect::set(&aes, &JsValue::from_str("iv"), &Uint8Array::from(nonce))?;
        Ok(bytes(&encrypt(&aes, &key, &Uint8Array::from(plain)).await?))
    }

    async fn sign(&self, jwk: &str, signed: &[u8]) -> Result<Vec<u8>> {
        let ecdsa = object(ECDSA)?;
        let key = import_key("jwk", &object(jwk)?.into(), &ecdsa, false, &usages(&["sign"])).await?;
        Ok(bytes(&sign(&ecdsa, &key, &Uint8Array::from(signed)).await?))
    }

    async fn send(&self, push: &Push) -> worker::Result<Answer> {
        let headers = Headers::new();
        headers.set("authorization", &push.authorization)?;
        headers.set("content-encoding", "aes128gcm")?;
        headers.set("content-type", "application/octet-stream")?;
        headers.set("ttl", &PUSH_TTL_S.to_string())?;
        headers.set("topic", &push.topic)?;
        headers.set("urgency", push.urgency)?;
        let mut init = RequestInit::new();
        // Redirects are not followed: they could lead to where no push may go.
        init.with_method(Method::Post).with_headers(headers).with_redirect(RequestRedirect::Manual);
        init.with_body(Some(Uint8Array::from(push.body.as_slice()).into()));
        let mut answer = Fetch::Request(Request::new_with_init(&push.endpoint, &init)?).send().await?;
        let retry_after_s = answer.headers().get("retry-after")?.and_then(|text| text.trim().parse().ok());
        let status = answer.status_code();
        // Of everything else the status says enough, and the body is as long as a stranger likes.
        let length: Option<usize> =
            answer.headers().get("content-length")?.and_then(|text| text.parse().ok());
        let is_short = status == 403 && length.is_some_and(|bytes| bytes <= PUSH_REASON_BYTES_MAX);
        let reason = if is_short { answer.text().await? } else { String::new() };
        Ok(Answer { status, retry_after_s, reason })
    }
}

impl Crypto for Platform {
    async fn agree(&self, device_key: &[u8]) -> Option<Agreement> {
        Platform::agree(self, device_key).await.ok()
    }

    async fn seal(&self, key: &[u8], nonce: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
        Platform::seal(self, key, nonce, plain).await.ok()
    }

    async fn sign(&self, jwk: &str, signed: &[u8]) -> Option<Vec<u8>> {
        Platform::sign(self, jwk, signed).await.ok()
    }
}

impl PushService for Platform {
    async fn post(&self, push: &Push) -> Option<Answer> {
        clock::within(PUSH_TIMEOUT_MS, self.send(push)).await?.ok()
    }
}
