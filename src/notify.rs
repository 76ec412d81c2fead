//! Notifications: the notices of a message of the queue, one webhook each, signed as Standard Webhooks specifies.
//! Not here: who is notified (`db::notification_payload`), pushes to devices (`push`), HTTP and the queue (`shell`).

use crate::auth;
use crate::db::{self, Notice, Notices, NotificationPayload, Postgres};
use crate::ids::{UnixMs, iso};
use crate::limits::*;
use crate::push::Notified;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::HashSet;
use std::future::Future;
use std::rc::Rc;

/// The way to the receiver of webhooks.
pub trait Notifier {
    /// The receiver's HTTP status; `None` without an answer in time.
    fn post(&self, webhook: &Webhook) -> impl Future<Output = Option<u16>>;
}

/// One request to the receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// `webhook-id`: the same in every attempt, so that receivers can drop duplicates.
    pub id: String,
    /// `webhook-timestamp`, Unix seconds.
    pub timestamp_s: u64,
    /// `webhook-signature`.
    pub signature: String,
    pub body: String,
}

/// The result of one attempt to deliver a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Delivered, or there is nobody left to notify.
    Done,
    /// The receiver answered 410: not delivered, and not tried again.
    Unwanted,
    /// Try again after this many seconds.
    Retry(u32),
}

/// The receiver of `NOTIFY_WEBHOOK_URL`; an empty variable: no notifications are sent.
///
/// # Takes   `loopback_http`: http to a loopback address is accepted as well, as dev builds need it.
/// # Errors  the variable is no https URL: a webhook holds what people write.
pub fn parse_receiver(url: &str, loopback_http: bool) -> Result<Option<String>, String> {
    let url = url.trim();
    if url.is_empty() {
        return Ok(None);
    }
    let named = |why| format!("NOTIFY_WEBHOOK_URL: {why}");
    auth::ensure_https(url, loopback_http).map(|()| Some(url.to_owned())).map_err(named)
}

/// The key that signs webhooks.
pub struct Secret(Vec<u8>);

impl Secret {
    /// # Takes  `whsec_` and base64, as Standard Webhooks writes a key; any other text is the key itself.
    /// # Gives  `None` for a key that is too short or not base64.
    pub fn parse(text: &str) -> Option<Self> {
        let key = match text.strip_prefix("whsec_") {
            Some(encoded) => STANDARD.decode(encoded).ok()?,
            None => text.as_bytes().to_vec(),
        };
        (key.len() >= NOTIFY_SECRET_BYTES_MIN).then_some(Self(key))
    }

    /// `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.
    pub fn sign(&self, id: &str, timestamp_s: u64, body: &str) -> String {
        // HMAC accepts a key of any length, so this never fails.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(format!("{id}.{timestamp_s}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// The circumstances of one attempt.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    pub now: UnixMs,
    /// When the notice was put into the queue.
    pub queued_at: UnixMs,
    /// For the jitter of the next attempt.
    pub random: u64,
}

/// Sends a notice's webhook if anybody has to be notified.
///
/// # Laws   At least once: only an answer of 2xx or 410, or Postgres' answer that nobody has to be notified, is final.
pub async fn deliver(
    db: &impl Postgres,
    notifier: &impl Notifier,
    secret: &Secret,
    notice: &Notice,
    attempt: Attempt,
) -> Outcome {
    let retry = Outcome::Retry(retry_s(attempt.now.saturating_sub(attempt.queued_at), attempt.random));
    let payload = match db::notification_payload(db, notice).await {
        Ok(Some(payload)) => payload,
        Ok(None) => return Outcome::Done,
        Err(_) => return retry,
    };
    match notifier.post(&webhook(secret, notice, &payload, attempt.now)).await {
        Some(200..=299) => Outcome::Done,
        Some(410) => Outcome::Unwanted,
        _ => retry,
    }
}

/// What became of the notices of a message of the queue. What is left here is to be put back into the queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Notices whose webhook failed, and seconds until each is tried again.
    pub failed: Vec<(Notice, u32)>,
    /// The receiver answered 410.
    pub unwanted: Vec<Notice>,
    /// The notices that were not tried, and seconds until they are.
    pub rest: Option<(Notices, u32)>,
}

/// Sends the webhooks of these notices, one after the other, up to `NOTIFY_WEBHOOKS_MAX`. One that fails is tried again
/// by itself, so no notice waits for another, and none is sent twice because another one failed.
///
/// # Takes   `webhooks`: where they go; `None`: this deployment has no receiver. `notified` gets whom the events concern.
/// # Errors  Seconds until all of it is to be tried again: nothing was sent, because Postgres did not answer.
/// # Cost    One statement for each event.
pub async fn deliver_all(
    db: &impl Postgres,
    webhooks: Option<(&impl Notifier, &Secret)>,
    notices: &Notices,
    attempt: Attempt,
    notified: &mut Notified,
) -> Result<Progress, u32> {
    let mut progress = Progress::default();
    let (mut sent, mut failures) = (0usize, 0u32);
    let mut rest = notices.clone();
    rest.events.reverse();
    while let Some(event) = rest.events.last() {
        let each: Vec<Notice> = rest.of(event).into_iter().skip(rest.done as usize).collect();
        let all = joined(&each);
        let asked = match &all {
            Some(all) => db::notification_payload(db, all).await,
            None => Ok(None),
        };
        let payload = match asked {
            Ok(payload) => payload.map(Rc::new),
            Err(_) if rest.events.len() == notices.events.len() && rest.done == notices.done => {
                return Err(retry_s(attempt.now.saturating_sub(attempt.queued_at), attempt.random));
            }
            Err(_) => return Ok(progress.interrupted(rest, attempt)),
        };
        if let (Some(all), Some(payload)) = (&all, &payload) {
            notified.note(all, payload);
        }
        for notice in each {
            let payload = payload.as_ref().and_then(|payload| payload_for(payload, &notice));
            if let (Some(payload), Some((notifier, secret))) = (payload, webhooks) {
                if sent >= NOTIFY_WEBHOOKS_MAX {
                    return Ok(progress.rest_of(rest, 0));
                }
                sent = sent.saturating_add(1);
                let webhook = webhook(secret, &notice, &payload, attempt.now);
                failures = match notifier.post(&webhook).await {
                    Some(200..=299) => 0,
                    Some(410) => {
                        progress.unwanted.push(notice);
                        0
                    }
                    _ => {
                        progress.failed.push((notice, retry_s(0, attempt.random)));
                        failures.saturating_add(1)
                    }
                };
                if failures == 0 {
                    rest.pauses = 0;
                }
            }
            rest.done = rest.done.saturating_add(1);
            if failures >= NOTIFY_FAILURES_MAX {
                return Ok(progress.interrupted(rest, attempt));
            }
        }
        rest.events.pop();
        rest.done = 0;
    }
    Ok(progress)
}

impl Progress {
    /// The receiver or Postgres is down: the rest waits longer each time.
    fn interrupted(self, mut rest: Notices, attempt: Attempt) -> Self {
        let waited_ms = 1_000u64.saturating_mul(1 << rest.pauses.min(12));
        rest.pauses = rest.pauses.saturating_add(1);
        self.rest_of(rest, retry_s(waited_ms, attempt.random))
    }

    fn rest_of(mut self, mut rest: Notices, delay_s: u32) -> Self {
        rest.events.reverse();
        self.rest = Some((rest, delay_s));
        self
    }
}

/// One notice for the people of all of these, which are of one event.
fn joined(notices: &[Notice]) -> Option<Notice> {
    let users = notices.iter().flat_map(|notice| notice.users.iter().cloned()).collect();
    notices.first().map(|first| Notice { users, ..first.clone() })
}

/// The payload with the recipients that are of this notice; `None`: there are none.
fn payload_for(payload: &NotificationPayload, notice: &Notice) -> Option<NotificationPayload> {
    let users: HashSet<&str> = notice.users.iter().map(String::as_str).collect();
    let is_theirs = |recipient: &&Value| {
        recipient.get("userId").and_then(Value::as_str).is_some_and(|user| users.contains(user))
    };
    let recipients: Vec<Value> = payload.recipients.iter().filter(is_theirs).cloned().collect();
    (!recipients.is_empty()).then(|| NotificationPayload { recipients, ..payload.clone() })
}

/// The signed request for this payload.
pub fn webhook(secret: &Secret, notice: &Notice, payload: &NotificationPayload, now: UnixMs) -> Webhook {
    let id = format!("{}.{}.{}", notice.message, notice.event, notice.part);
    let timestamp_s = now / 1000;
    let NotificationPayload { room, message, recipients, .. } = payload;
    let body = json!({
        "type": if notice.event == notice.seq { "message.created" } else { "message.updated" },
        "timestamp": iso(now),
        "data": {"tenantId": notice.tenant, "room": room, "message": message, "recipients": recipients},
    })
    .to_string();
    Webhook { signature: secret.sign(&id, timestamp_s, &body), id, timestamp_s, body }
}

/// Seconds until the next attempt: as long as the notice has waited, so that the delay doubles; of that a random half
/// to all, so that notices that failed together are not retried together.
fn retry_s(waited_ms: u64, random: u64) -> u32 {
    let waited_s = u32::try_from(waited_ms / 1000).unwrap_or(u32::MAX);
    let max_s = waited_s.clamp(NOTIFY_RETRY_MIN_S, NOTIFY_RETRY_MAX_S);
    let half = max_s.div_ceil(2);
    let jitter = random.checked_rem(u64::from(max_s.saturating_sub(half)).saturating_add(1)).unwrap_or(0);
    half.saturating_add(u32::try_from(jitter).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_matches_the_example_of_standard_webhooks() {
        // https://github.com/standard-webhooks/standard-webhooks, libraries/python/tests.
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert!(Secret::parse("whsec_").is_none() && Secret::parse("whsec_!").is_none());
        assert!(Secret::parse("short").is_none() && Secret::parse(&"x".repeat(24)).is_some());
    }

    #[test]
    fn a_receiver_is_https_or_in_dev_builds_on_loopback() {
        assert_eq!(parse_receiver(" ", false), Ok(None));
        let https = "https://hooks.example/chat";
        assert_eq!(parse_receiver(https, false), Ok(Some(https.to_owned())));
        for (url, loopback_http) in
            [("http://hooks.example/", true), ("http://127.0.0.1:9/", false), ("hooks.example", false)]
        {
            let error = parse_receiver(url, loopback_http).expect_err(url);
            assert!(error.starts_with("NOTIFY_WEBHOOK_URL: "), "{error}");
        }
        assert!(parse_receiver("http://127.0.0.1:9/", true).is_ok());
    }

    #[test]
    fn retries_back_off_with_jitter() {
        let after = |waited_s: u64| (retry_s(waited_s * 1000, 0), retry_s(waited_s * 1000, 1_799));
        assert_eq!([after(0).0, after(1).0, after(2).0], [1, 1, 1]);
        assert_eq!(after(600).0, 300);
        assert!((300..=600).contains(&after(600).1));
        assert_eq!(after(1 << 40).0, NOTIFY_RETRY_MAX_S / 2);
        assert!((0..5_000).all(|n| retry_s(n * 7_919, n) <= NOTIFY_RETRY_MAX_S));
    }
}
