//! The body of a push: RFC 8291 over RFC 8188, one record. Elliptic curves and AES are the port `Crypto`'s; HKDF is here.
//! Not here: what is in a push (`payload`), and who signs it (`vapid`).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::future::Future;

/// Bytes of an uncompressed point of P-256.
pub const POINT_BYTES: usize = 65;
pub const SECRET_BYTES: usize = 16;
const RECORD_BYTES: u32 = 4096;

/// What the platform's WebCrypto does.
pub trait Crypto {
    /// A new key pair agrees with the public key of the device. `None`: that is no point of the curve.
    fn agree(&self, device_key: &[u8]) -> impl Future<Output = Option<Agreement>>;
    /// AES-128-GCM.
    fn seal(&self, key: &[u8], nonce: &[u8], plain: &[u8]) -> impl Future<Output = Option<Vec<u8>>>;
    /// ECDSA over P-256 with SHA-256: r and s, 32 bytes each.
    fn sign(&self, jwk: &str, signed: &[u8]) -> impl Future<Output = Option<Vec<u8>>>;
}

/// The result of ECDH with a key pair that is used once.
pub struct Agreement {
    pub public_key: Vec<u8>,
    pub shared: Vec<u8>,
    pub salt: [u8; 16],
}

/// The keys of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceKeys {
    point: Vec<u8>,
    secret: Vec<u8>,
}

impl DeviceKeys {
    /// Base64url, as browsers give them. `None`: not the length of such a key.
    pub fn parse(p256dh: &str, auth: &str) -> Option<Self> {
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok();
        let (point, secret) = (decode(p256dh)?, decode(auth)?);
        let is_point = point.len() == POINT_BYTES && point.first() == Some(&4);
        (is_point && secret.len() == SECRET_BYTES).then_some(Self { point, secret })
    }
}

/// The encrypted body for this device; `None`: its key is no point of the curve.
pub async fn encrypt(crypto: &impl Crypto, keys: &DeviceKeys, plain: &[u8]) -> Option<Vec<u8>> {
    let Agreement { public_key, shared, salt } = crypto.agree(&keys.point).await?;
    let info = [b"WebPush: info\0", keys.point.as_slice(), &public_key, &[1]].concat();
    let input_key = hmac(&hmac(&keys.secret, &shared)?, &info)?;
    let pseudorandom = hmac(&salt, &input_key)?;
    let key = hmac(&pseudorandom, b"Content-Encoding: aes128gcm\0\x01")?;
    let nonce = hmac(&pseudorandom, b"Content-Encoding: nonce\0\x01")?;
    // The delimiter of the last record.
    let record = [plain, &[2]].concat();
    let sealed = crypto.seal(key.get(..16)?, nonce.get(..12)?, &record).await?;
    let key_bytes = u8::try_from(public_key.len()).ok()?;
    Some([salt.as_slice(), &RECORD_BYTES.to_be_bytes(), &[key_bytes], &public_key, &sealed].concat())
}

fn hmac(key: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(data);
    Some(mac.finalize().into_bytes().to_vec())
}
