//! Web Push: who is notified of an event is notified on each of their devices, once. Sending follows RFC 8030.
//! Not here: who is notified (`db::notification_payload`), HTTP, WebCrypto and the queue (`shell`).

mod encryption;
mod endpoint;
mod payload;
mod vapid;

pub use encryption::{Agreement, Crypto, DeviceKeys, POINT_BYTES, encrypt};
pub use endpoint::{ensure_endpoint, subscription_id};
pub use payload::{payload, topic};
pub use vapid::{Tokens, Vapid};

use crate::db::{self, Addressee, DbError, Device, Notice, NotificationPayload, Postgres, PushRetry};
use crate::ids::UnixMs;
use crate::limits::*;
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::future::Future;
use std::rc::Rc;

/// The way to push services.
pub trait PushService: Crypto {
    /// `None` without an answer in time.
    fn post(&self, push: &Push) -> impl Future<Output = Option<Answer>>;
}

/// One request to a push service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    pub endpoint: String,
    pub authorization: String,
    pub topic: String,
    pub urgency: &'static str,
    pub body: Vec<u8>,
}

/// What a push service answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub retry_after_s: Option<u32>,
    /// The beginning of the body of a refusal.
    pub reason: String,
}

/// What became of one push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Sent,
    /// The subscription is over.
    Ended,
    /// It was refused because of this deployment (this status; 0: it could not be made): the subscription stays.
    Refused(u16),
    /// Try again after so many seconds; `None`: when it suits.
    Retry(Option<u32>),
}

/// Of each person the newest event that they are to be notified of. Several events of a room are one push.
#[derive(Default)]
pub struct Notified(BTreeMap<String, One>);

struct One {
    notice: Notice,
    payload: Rc<NotificationPayload>,
    is_urgent: bool,
    tries: u32,
}

impl Notified {
    /// These recipients are to be notified of this event.
    pub fn note(&mut self, notice: &Notice, payload: &Rc<NotificationPayload>) {
        for recipient in &payload.recipients {
            let text = |name: &str| recipient.get(name).and_then(|value| value.as_str()).unwrap_or_default();
            let is_urgent = payload::is_urgent(text("reason"));
            let one = One {
                notice: Notice { users: Vec::new(), ..notice.clone() },
                payload: payload.clone(),
                is_urgent,
                tries: 0,
            };
            match self.0.get_mut(text("userId")) {
                Some(known) if known.notice.event >= notice.event => known.is_urgent |= is_urgent,
                Some(known) => *known = One { is_urgent: is_urgent || known.is_urgent, ..one },
                None => drop(self.0.insert(text("userId").to_owned(), one)),
            }
        }
    }
}

/// What sending needs.
pub struct Pusher<'a, S> {
    pub vapid: &'a Vapid,
    pub tokens: &'a Tokens,
    pub service: &'a S,
    /// http to a loopback address is accepted, as dev builds need it.
    pub loopback_http: bool,
    pub now: UnixMs,
}

/// The result of telling people: what is to be put into the queue, each with its delay in seconds, and the statuses of
/// refusals that are this deployment's fault.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sent {
    pub again: Vec<(PushRetry, u32)>,
    pub refused: Vec<u16>,
}

/// Tells these people of a room on their devices.
///
/// # Laws   at most once for an event and device: a device is taken before it is notified. Who is notified of a later event is not
///          notified of an earlier one afterwards.
/// # Errors Postgres did not answer: nobody was notified, and no device was taken.
pub async fn tell<S: PushService>(
    db: &impl Postgres,
    pusher: &Pusher<'_, S>,
    notified: Notified,
) -> Result<Sent, DbError> {
    let Some(One { notice, .. }) = notified.0.values().next() else { return Ok(Sent::default()) };
    let place = (notice.tenant.clone(), notice.room.clone());
    let users: Vec<Addressee> = notified
        .0
        .iter()
        .map(|(user, one)| Addressee { user_id: user.clone(), event: one.notice.event })
        .collect();
    let devices = db::take_pushes(db, (&place.0, &place.1), &users, None).await?;
    Ok(send(db, pusher, &notified, devices).await)
}

/// Tells devices that could not be notified before, unless there is nothing to tell any more.
///
/// # Errors  Postgres did not answer.
pub async fn tell_again<S: PushService>(
    db: &impl Postgres,
    pusher: &Pusher<'_, S>,
    retry: &PushRetry,
) -> Result<Sent, DbError> {
    let PushRetry { tenant, room, seq, message, event, calls_all, user, devices, tries } = retry.clone();
    let notice = Notice { tenant, room, seq, message, event, part: 0, calls_all, users: vec![user.clone()] };
    let Some(payload) = db::notification_payload(db, &notice).await? else { return Ok(Sent::default()) };
    let mut notified = Notified::default();
    notified.note(&notice, &Rc::new(payload));
    notified.0.values_mut().for_each(|one| one.tries = tries);
    let users = [Addressee { user_id: user, event }];
    let devices = db::take_pushes(db, (&notice.tenant, &notice.room), &users, Some(&devices)).await?;
    Ok(send(db, pusher, &notified, devices).await)
}

async fn send<S: PushService>(
    db: &impl Postgres,
    pusher: &Pusher<'_, S>,
    notified: &Notified,
    mut devices: Vec<Device>,
) -> Sent {
    let mut sent = Sent::default();
    let mut left: BTreeMap<String, (Vec<String>, u32)> = BTreeMap::new();
    // The platform limits the requests of one event. Those that are over it wait in the queue.
    for device in devices.split_off(devices.len().min(PUSHES_MAX)) {
        left.entry(device.user_id).or_default().0.push(device.id);
    }
    let mut ended: Vec<&str> = Vec::new();
    for some in devices.chunks(PUSHES_AT_ONCE) {
        let outcomes = join_all(some.iter().map(|device| push(pusher, notified, device))).await;
        for (device, outcome) in some.iter().zip(outcomes) {
            match outcome {
                Outcome::Sent => {}
                Outcome::Ended => ended.push(&device.id),
                Outcome::Refused(status) => sent.refused.push(status),
                Outcome::Retry(after_s) => {
                    let tries = notified.0.get(&device.user_id).map_or(0, |one| one.tries);
                    let after_s = after_s.unwrap_or(0).max(PUSH_RETRY_MIN_S << tries.min(6));
                    let (ids, delay_s) = left.entry(device.user_id.clone()).or_default();
                    ids.push(device.id.clone());
                    *delay_s = (*delay_s).max(after_s.min(PUSH_RETRY_MAX_S));
                }
            }
        }
    }
    if let (Some(One { notice, .. }), false) = (notified.0.values().next(), ended.is_empty()) {
        // What is not dropped is dropped at the next push to it.
        let _ = db::drop_subscriptions(db, &notice.tenant, &ended, None).await;
    }
    for (user, (devices, delay_s)) in left {
        let Some(One { notice, tries, .. }) = notified.0.get(&user) else { continue };
        let Notice { tenant, room, seq, message, event, calls_all, .. } = notice.clone();
        // Those that were over the limit were not tried.
        let tries = if delay_s == 0 { *tries } else { tries.saturating_add(1) };
        if tries <= PUSH_TRIES_MAX {
            let again = PushRetry { tenant, room, seq, message, event, calls_all, user, devices, tries };
            sent.again.push((again, delay_s));
        }
    }
    sent
}

async fn push<S: PushService>(pusher: &Pusher<'_, S>, notified: &Notified, device: &Device) -> Outcome {
    let Pusher { vapid, tokens, service, loopback_http, now } = pusher;
    let Device { user_id, endpoint, p256dh, auth, .. } = device;
    let (Some(one), Some(keys)) = (notified.0.get(user_id), DeviceKeys::parse(p256dh, auth)) else {
        return Outcome::Ended;
    };
    let Some(origin) = endpoint::origin(endpoint) else { return Outcome::Ended };
    if ensure_endpoint(endpoint, *loopback_http).is_err() {
        return Outcome::Ended;
    }
    let Some(authorization) = tokens.authorization(vapid, *service, origin, *now).await else {
        return Outcome::Refused(0);
    };
    let plain = payload(&one.payload, device);
    let Some(body) = encrypt(*service, &keys, plain.as_bytes()).await else { return Outcome::Ended };
    let push = Push {
        endpoint: endpoint.clone(),
        authorization,
        topic: topic(&one.notice.room),
        urgency: if one.is_urgent { "high" } else { "normal" },
        body,
    };
    outcome(service.post(&push).await)
}

/// What an answer means. Google and Apple say in the body whether a 403 is about the subscription's key or about the token.
fn outcome(answer: Option<Answer>) -> Outcome {
    let Some(Answer { status, retry_after_s, reason }) = answer else { return Outcome::Retry(None) };
    let is_other_key = ["do not correspond", "does not correspond", "VapidPkHashMismatch"];
    match status {
        200..=299 => Outcome::Sent,
        404 | 410 => Outcome::Ended,
        403 if is_other_key.iter().any(|words| reason.contains(words)) => Outcome::Ended,
        408 | 425 | 429 | 500..=599 => Outcome::Retry(retry_after_s),
        _ => Outcome::Refused(status),
    }
}
