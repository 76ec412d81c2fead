//! Who pushes: the deployment's key pair, and the tokens that it signs for push services (RFC 8292).
//! Not here: signing itself (`encryption::Crypto`).

use super::encryption::{Crypto, POINT_BYTES};
use crate::ids::UnixMs;
use crate::limits::{VAPID_LIFETIME_MS, VAPID_ORIGINS_MAX, VAPID_TOKEN_MS};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// The key pair of `VAPID_PUBLIC_KEY` and `VAPID_PRIVATE_KEY`, and the address of `VAPID_SUBJECT`.
#[derive(Clone)]
pub struct Vapid {
    /// Uncompressed.
    point: Vec<u8>,
    private_key: Vec<u8>,
    subject: String,
}

impl Vapid {
    /// Reads the three variables; all empty: no pushes are sent.
    ///
    /// # Errors  which of them is unusable, and why.
    pub fn parse(var: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, String> {
        const NAMES: [&str; 3] = ["VAPID_PUBLIC_KEY", "VAPID_PRIVATE_KEY", "VAPID_SUBJECT"];
        let [public_key, private_key, subject] =
            NAMES.map(|name| var(name).unwrap_or_default().trim().to_owned());
        let missing: Vec<&str> = NAMES
            .into_iter()
            .zip([&public_key, &private_key, &subject])
            .filter_map(|(name, value)| value.is_empty().then_some(name))
            .collect();
        match missing.as_slice() {
            [] => {}
            all if all.len() == NAMES.len() => return Ok(None),
            some => return Err(format!("{}: missing, and pushes need it", some.join(", "))),
        }
        let key = |name: &str, text: &str, size: usize| {
            let bytes =
                URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok().filter(|key| key.len() == size);
            bytes.ok_or_else(|| format!("{name}: expected base64url of {size} bytes"))
        };
        let point = key("VAPID_PUBLIC_KEY", &public_key, POINT_BYTES)?;
        let private_key = key("VAPID_PRIVATE_KEY", &private_key, 32)?;
        if point.first() != Some(&4) {
            return Err("VAPID_PUBLIC_KEY: expected an uncompressed point".to_owned());
        }
        ensure_subject(&subject)?;
        Ok(Some(Self { point, private_key, subject }))
    }

    /// Base64url, as `pushManager.subscribe` takes it.
    pub fn public_key(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.point)
    }

    /// The private key as a JWK.
    fn jwk(&self) -> String {
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (x, y) = self.point.get(1..).unwrap_or_default().split_at_checked(32).unwrap_or_default();
        json!({"kty": "EC", "crv": "P-256", "x": part(x), "y": part(y), "d": part(&self.private_key)})
            .to_string()
    }
}

/// Apple refuses addresses that cannot be real.
fn ensure_subject(subject: &str) -> Result<(), String> {
    let host = match (subject.strip_prefix("mailto:"), subject.strip_prefix("https://")) {
        (Some(mail), _) => mail.split_once('@').filter(|(name, _)| !name.is_empty()).map(|(_, host)| host),
        (_, Some(rest)) => rest.split('/').next(),
        _ => None,
    };
    let is_real = host.is_some_and(|host| host.contains('.') && !host.contains(char::is_whitespace));
    is_real.then_some(()).ok_or_else(|| {
        "VAPID_SUBJECT: expected mailto:somebody@example.com or https://example.com, where push services write to".to_owned()
    })
}

/// The tokens of an isolate: one for each push service, kept for an hour, because some count how often it changes.
#[derive(Default)]
pub struct Tokens(RefCell<BTreeMap<String, (String, UnixMs)>>);

impl Tokens {
    /// The header `Authorization` for this origin. `None`: the private key does not sign.
    pub async fn authorization(
        &self,
        vapid: &Vapid,
        crypto: &impl Crypto,
        origin: &str,
        now: UnixMs,
    ) -> Option<String> {
        let known =
            self.0.borrow().get(origin).filter(|(_, until)| *until > now).map(|(header, _)| header.clone());
        if known.is_some() {
            return known;
        }
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let expires_s = now.saturating_add(VAPID_LIFETIME_MS) / 1000;
        let claims = json!({"aud": origin, "exp": expires_s, "sub": vapid.subject});
        let signed = format!("{}.{}", part(json!({"typ": "JWT", "alg": "ES256"})), part(claims));
        let signature = URL_SAFE_NO_PAD.encode(crypto.sign(&vapid.jwk(), signed.as_bytes()).await?);
        let header = format!("vapid t={signed}.{signature}, k={}", vapid.public_key());
        let mut tokens = self.0.borrow_mut();
        tokens.retain(|_, (_, until)| *until > now);
        // Endpoints are what people post: their number of origins has no other bound.
        if tokens.len() < VAPID_ORIGINS_MAX {
            tokens.insert(origin.to_owned(), (header.clone(), now.saturating_add(VAPID_TOKEN_MS)));
        }
        Some(header)
    }
}
