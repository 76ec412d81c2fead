//! The key pair that signs pushes (RFC 8292): new ones for a deployment, and the one of a local stack.

use crate::inputs;
use anyhow::{Result, bail};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::SecretKey;
use p256::elliptic_curve::sec1::ToEncodedPoint;
use std::io::Read;
use std::path::Path;

/// A key pair as the variables have it: the public key and the private one, base64url.
pub struct Pair {
    public: String,
    private: String,
}

impl Pair {
    pub fn new() -> Result<Self> {
        let mut random = std::fs::File::open("/dev/urandom")?;
        // All but one of 2^32 numbers are keys.
        for _ in 0..8 {
            let mut bytes = [0; 32];
            random.read_exact(&mut bytes)?;
            if let Ok(key) = SecretKey::from_slice(&bytes) {
                return Ok(Self::of(&key));
            }
        }
        bail!("no random number was a key")
    }

    fn of(key: &SecretKey) -> Self {
        let point = key.public_key().to_encoded_point(false);
        Self {
            public: URL_SAFE_NO_PAD.encode(point.as_bytes()),
            private: URL_SAFE_NO_PAD.encode(key.to_bytes()),
        }
    }

    /// What a local stack needs to push.
    pub fn variables(&self) -> [(String, String); 3] {
        let Self { public, private } = self;
        let pairs = [
            ("VAPID_PUBLIC_KEY", public.as_str()),
            ("VAPID_PRIVATE_KEY", private),
            ("VAPID_SUBJECT", "mailto:dev@example.com"),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned()))
    }
}

/// Prints a new pair for a deployment.
pub fn run() -> Result<()> {
    let Pair { public, private } = Pair::new()?;
    println!("VAPID_PUBLIC_KEY={public}\nVAPID_PRIVATE_KEY={private}");
    Ok(())
}

/// The stack's own pair: made once, kept in its folder, so that browsers stay subscribed.
pub fn load_or_create(dir: &Path) -> Result<Pair> {
    let path = dir.join("vapid-key");
    let kept = std::fs::read_to_string(&path).ok().and_then(|text| URL_SAFE_NO_PAD.decode(text.trim()).ok());
    if let Some(key) = kept.and_then(|bytes| SecretKey::from_slice(&bytes).ok()) {
        return Ok(Pair::of(&key));
    }
    let pair = Pair::new()?;
    inputs::write_atomically(&path, &pair.private)?;
    Ok(pair)
}
