//! Telling people of what they weren't there for: a webhook, signed by the convention of Standard Webhooks.
//! Not here: who is to be told (`db::to_tell`), HTTP and the queue (`shell`).

use crate::db::{self, Notice, NotificationPayload, Postgres};
use crate::ids::{UnixMs, iso};
use crate::limits::{NOTIFY_RETRY_MAX_S, NOTIFY_RETRY_MIN_S, NOTIFY_SECRET_BYTES_MIN};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use std::future::Future;

/// Where notifications go.
pub trait Notifier {
    /// The receiver's HTTP status; `None`: no answer in time.
    fn post(&self, webhook: &Webhook) -> impl Future<Output = Option<u16>>;
}

/// One request to the receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// `webhook-id`: the same in every try, so that receivers can drop repeats.
    pub id: String,
    /// `webhook-timestamp`, Unix seconds.
    pub timestamp_s: u64,
    /// `webhook-signature`.
    pub signature: String,
    pub body: String,
}

/// What becomes of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Told, or nobody is to be told any more.
    Done,
    /// The receiver is gone for good (410), by its own word: not told, and not tried again.
    Unwanted,
    /// To be tried again after this many seconds.
    Retry(u32),
}

/// The key that webhooks are signed with.
pub struct Secret(Vec<u8>);

impl Secret {
    /// # Takes  `whsec_` and base64, as the convention writes it; anything else is the key itself.
    /// # Gives  `None` for a key that is too short, or no base64.
    pub fn parse(text: &str) -> Option<Self> {
        let key = match text.strip_prefix("whsec_") {
            Some(encoded) => STANDARD.decode(encoded).ok()?,
            None => text.as_bytes().to_vec(),
        };
        (key.len() >= NOTIFY_SECRET_BYTES_MIN).then_some(Self(key))
    }

    /// `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.
    pub fn sign(&self, id: &str, timestamp_s: u64, body: &str) -> String {
        // A key of any length is one.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(format!("{id}.{timestamp_s}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// Tells whom it concerns, if anybody.
///
/// # Takes  `sent`: when it was put into the queue; `random` for the jitter.
/// # Laws   at least once: only an answer of 2xx or 410, or Postgres' word that nobody is to be told, is an end.
pub async fn deliver(
    db: &impl Postgres,
    (notifier, secret): (&impl Notifier, &Secret),
    notice: &Notice,
    (now, sent, random): (UnixMs, UnixMs, u64),
) -> Outcome {
    let again = Outcome::Retry(retry_s(now.saturating_sub(sent), random));
    let told = match db::notification_payload(db, notice).await {
        Ok(Some(told)) => told,
        Ok(None) => return Outcome::Done,
        Err(_) => return again,
    };
    match notifier.post(&webhook(secret, notice, &told, now)).await {
        Some(200..=299) => Outcome::Done,
        Some(410) => Outcome::Unwanted,
        _ => again,
    }
}

/// The request that tells this.
pub fn webhook(secret: &Secret, notice: &Notice, told: &NotificationPayload, now: UnixMs) -> Webhook {
    let id = format!("{}.{}.{}", notice.message, notice.event, notice.part);
    let timestamp_s = now / 1000;
    let body = json!({
        "type": if notice.event == notice.seq { "message.created" } else { "message.updated" },
        "timestamp": iso(now),
        "data": {"tenantId": notice.tenant, "room": told.room, "message": told.message, "recipients": told.recipients},
    })
    .to_string();
    Webhook { signature: secret.sign(&id, timestamp_s, &body), id, timestamp_s, body }
}

/// Seconds until the next try: as long as it has waited, so that the time doubles, and of that half to all, so that those
/// who failed together don't come back together.
fn retry_s(waited_ms: u64, random: u64) -> u32 {
    let waited_s = u32::try_from(waited_ms / 1000).unwrap_or(u32::MAX);
    let most = waited_s.clamp(NOTIFY_RETRY_MIN_S, NOTIFY_RETRY_MAX_S);
    let half = most.div_ceil(2);
    let jitter = random.checked_rem(u64::from(most.saturating_sub(half)).saturating_add(1)).unwrap_or(0);
    half.saturating_add(u32::try_from(jitter).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_conventions_own_example() {
        // https://github.com/standard-webhooks/standard-webhooks, libraries/python/tests.
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert!(Secret::parse("whsec_").is_none() && Secret::parse("whsec_!").is_none());
        assert!(Secret::parse("short").is_none() && Secret::parse(&"x".repeat(24)).is_some());
    }

    #[test]
    fn tries_come_ever_more_rarely_and_not_together() {
        let after = |waited_s: u64| (retry_s(waited_s * 1000, 0), retry_s(waited_s * 1000, 1_799));
        assert_eq!([after(0).0, after(1).0, after(2).0], [1, 1, 1]);
        assert_eq!(after(600).0, 300);
        assert!((300..=600).contains(&after(600).1));
        assert_eq!(after(1 << 40).0, NOTIFY_RETRY_MAX_S / 2);
        assert!((0..5_000).all(|n| retry_s(n * 7_919, n) <= NOTIFY_RETRY_MAX_S));
    }
}
