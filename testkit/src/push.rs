//! Web Push from the other side: a device that decrypts (RFC 8291), the check of who pushes (RFC 8292), and the platform's
//! cryptography for native tests. All keys follow from a name. Not here: what a push says.

use aes_gcm::aead::Aead;
use aes_gcm::{Aes128Gcm, Nonce};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, Mac};
use p256::ecdsa::signature::{Signer, Verifier};
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use p256::elliptic_curve::sec1::ToEncodedPoint;
use p256::{PublicKey, SecretKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

fn secret_key(name: &str) -> SecretKey {
    SecretKey::from_slice(&Sha256::digest(name.as_bytes())).expect("a hash is a private key")
}

fn point(key: &SecretKey) -> Vec<u8> {
    key.public_key().to_encoded_point(false).as_bytes().to_vec()
}

fn ecdh(ours: &SecretKey, theirs: &[u8]) -> Option<Vec<u8>> {
    let theirs = PublicKey::from_sec1_bytes(theirs).ok()?;
    let shared = p256::ecdh::diffie_hellman(ours.to_nonzero_scalar(), theirs.as_affine());
    Some(shared.raw_secret_bytes().to_vec())
}

fn hmac(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).expect("any length");
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

fn aes(key: &[u8]) -> Aes128Gcm {
    <Aes128Gcm as aes_gcm::KeyInit>::new_from_slice(key).expect("16 bytes")
}

fn gcm_nonce(bytes: &[u8]) -> Nonce<aes_gcm::aead::consts::U12> {
    <[u8; 12]>::try_from(bytes).expect("12 bytes").into()
}

/// `VAPID_PUBLIC_KEY` and `VAPID_PRIVATE_KEY`.
pub fn vapid_keys(name: &str) -> [String; 2] {
    let key = secret_key(name);
    [BASE64.encode(point(&key)), BASE64.encode(key.to_bytes())]
}

/// The claims of a header `Authorization`, and its public key.
///
/// # Panics  it is not signed by the key that it names.
pub fn verify(authorization: &str) -> (Value, String) {
    let (token, key) =
        authorization.strip_prefix("vapid t=").and_then(|rest| rest.split_once(", k=")).expect("vapid");
    let (signed, signature) = token.rsplit_once('.').expect("a JWT");
    let (header, claims) = signed.split_once('.').expect("a JWT");
    let decode = |text: &str| BASE64.decode(text).expect("base64url");
    let parse = |text: &str| serde_json::from_slice::<Value>(&decode(text)).expect("JSON");
    assert_eq!(parse(header), json!({"typ": "JWT", "alg": "ES256"}));
    let verifying = VerifyingKey::from_sec1_bytes(&decode(key)).expect("a point");
    let signature = Signature::from_slice(&decode(signature)).expect("r and s");
    verifying.verify(signed.as_bytes(), &signature).expect("signed by this key");
    (parse(claims), key.to_owned())
}

/// What WebCrypto does in a Worker. The key pair of an agreement follows from the name.
pub fn agree(name: &str, device_key: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let ours = secret_key(name);
    Some((point(&ours), ecdh(&ours, device_key)?))
}

pub fn seal(key: &[u8], nonce: &[u8], plain: &[u8]) -> Vec<u8> {
    aes(key).encrypt(&gcm_nonce(nonce), plain).expect("encrypted")
}

pub fn sign(jwk: &str, signed: &[u8]) -> Vec<u8> {
    let jwk: Value = serde_json::from_str(jwk).expect("a JWK");
    let private = BASE64.decode(jwk["d"].as_str().expect("d")).expect("base64url");
    let signature: Signature = SigningKey::from_slice(&private).expect("a key").sign(signed);
    signature.to_bytes().to_vec()
}

/// A browser that has subscribed.
pub struct Device {
    key: SecretKey,
    secret: Vec<u8>,
}

impl Device {
    pub fn new(name: &str) -> Self {
        Self {
            key: secret_key(name),
            secret: Sha256::digest(format!("auth {name}").as_bytes())[..16].to_vec(),
        }
    }

    /// The body of `POST /push/subscriptions`.
    pub fn subscription(&self, endpoint: &str) -> Value {
        let keys = json!({"p256dh": BASE64.encode(point(&self.key)), "auth": BASE64.encode(&self.secret)});
        json!({"endpoint": endpoint, "keys": keys})
    }

    /// The plaintext of a push; `None`: it is for another device, or broken.
    pub fn open(&self, body: &[u8]) -> Option<Vec<u8>> {
        let (salt, rest) = body.split_at_checked(16)?;
        let (record_bytes, rest) = rest.split_at_checked(4)?;
        let (key_bytes, rest) = rest.split_first()?;
        let (sender, sealed) = rest.split_at_checked(usize::from(*key_bytes))?;
        let record_bytes = u32::from_be_bytes(record_bytes.try_into().ok()?);
        if sealed.len() > usize::try_from(record_bytes).ok()? {
            return None;
        }
        let info = [b"WebPush: info\0", point(&self.key).as_slice(), sender, &[1]].concat();
        let input_key = hmac(&hmac(&self.secret, &ecdh(&self.key, sender)?), &info);
        let pseudorandom = hmac(salt, &input_key);
        let key = hmac(&pseudorandom, b"Content-Encoding: aes128gcm\0\x01");
        let nonce = hmac(&pseudorandom, b"Content-Encoding: nonce\0\x01");
        let mut plain = aes(&key[..16]).decrypt(&gcm_nonce(&nonce[..12]), sealed).ok()?;
        // The delimiter of the last record.
        (plain.pop()? == 2).then_some(plain)
    }
}
