//! The queue of notifications: rooms put notices in; the queue consumer takes them out and sends webhooks and pushes.
//! Not here: who is notified, and of what (`notify`, `db`).

use super::database::Database;
use super::web_push::{self, TOKENS};
use super::{clock, variable, write_log};
use crate::api::ServiceState;
use crate::db::{Notice, Notices, PushRetry, QueueMessage};
use crate::limits::{NOTIFY_BATCH_BYTES_MAX, NOTIFY_BATCH_MAX, NOTIFY_TIMEOUT_MS, QUEUE_TIMEOUT_MS};
use crate::notify::{self, Attempt, Notifier, Outcome, Progress, Secret, Webhook};
use crate::oplog::{Complaint, Entry};
use crate::push::{self, Notified, Pusher, Sent, Tokens, Vapid};
use futures_util::FutureExt;
use futures_util::future::join_all;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use worker::{
    Context, Env, Fetch, Headers, MessageBatch, MessageExt, Method, Queue, QueueContentType,
    QueueRetryOptionsBuilder, RawMessage, RawMessageBuilder, Request, RequestInit, RequestRedirect, Result,
    event,
};

const QUEUE: &str = "NOTIFICATIONS";
const URL: &str = "NOTIFY_WEBHOOK_URL";
const SECRET: &str = "NOTIFY_WEBHOOK_SECRET";
/// How long to wait after a notice could not be handled because of an error of ours.
const BROKEN_RETRY_S: u32 = 60;

/// Puts notices into the queue; true when they are in it, or when this deployment sends no notifications.
pub async fn hand_over(env: &Env, notices: &[Notices]) -> bool {
    // An unusable variable is corrected sooner or later: until then the notices wait in the room.
    let (Ok(receiver), Ok(vapid)) = (receiver(env), web_push::vapid(env)) else { return false };
    let Ok(queue) = env.queue(QUEUE) else { return true };
    if receiver.is_none() && vapid.is_none() {
        return true;
    }
    put_in_time(&queue, notices.iter().map(|notices| (QueueMessage::Many(notices.clone()), 0)).collect())
        .await
}

/// Puts messages into the queue, each with its delay in seconds; true when they are in it.
async fn put_in_time(queue: &Queue, messages: Vec<(QueueMessage, u32)>) -> bool {
    let count = messages.len() as u64;
    let taken = matches!(clock::within(QUEUE_TIMEOUT_MS, put(queue, &messages)).await, Some(Ok(())));
    if !taken {
        write_log(&Entry::warn("notices_not_queued").with("count", &count));
    }
    taken
}

async fn put(queue: &Queue, messages: &[(QueueMessage, u32)]) -> Result<()> {
    let (mut batch, mut bytes) = (Vec::new(), 0usize);
    for (message, delay_s) in messages {
        let text = serde_json::to_string(message)?;
        if batch.len() >= NOTIFY_BATCH_MAX || bytes.saturating_add(text.len()) > NOTIFY_BATCH_BYTES_MAX {
            queue.send_raw_batch(std::mem::take(&mut batch)).await?;
            bytes = 0;
        }
        bytes = bytes.saturating_add(text.len());
        let message = RawMessageBuilder::new(JsValue::from_str(&text)).delay_seconds(*delay_s);
        batch.push(message.build_with_content_type(QueueContentType::Text));
    }
    queue.send_raw_batch(batch).await
}

/// The receiver of webhooks; `None`: this deployment sends no notifications.
///
/// # Errors  `NOTIFY_WEBHOOK_URL` is unusable.
pub fn receiver(env: &Env) -> std::result::Result<Option<String>, String> {
    notify::parse_receiver(&variable(env, URL).unwrap_or_default(), cfg!(feature = "dev"))
}

/// Whether the configuration has all that notifications need.
pub fn state(env: &Env) -> ServiceState {
    let has_secret = variable(env, SECRET).and_then(|text| Secret::parse(&text)).is_some();
    let has_queue = env.queue(QUEUE).is_ok();
    match (receiver(env), web_push::vapid(env)) {
        (Ok(None), Ok(None)) => ServiceState::Off,
        (Ok(None), Ok(Some(_))) if has_queue => ServiceState::Ok,
        (Ok(Some(_)), Ok(_)) if has_secret && has_queue => ServiceState::Ok,
        _ => ServiceState::Misconfigured,
    }
}

/// Where notifications go.
struct Channels<'a> {
    receiver: Option<Receiver>,
    secret: Option<Secret>,
    vapid: Option<Vapid>,
    env: &'a Env,
}

impl<'a> Channels<'a> {
    /// # Errors  what is wrong with a variable.
    fn of(env: &'a Env) -> std::result::Result<Self, String> {
        let receiver = receiver(env)?.map(Receiver);
        let secret = variable(env, SECRET).and_then(|text| Secret::parse(&text));
        if receiver.is_some() && secret.is_none() {
            return Err(format!("{SECRET}: missing or too short"));
        }
        Ok(Self { receiver, secret, vapid: web_push::vapid(env)?, env })
    }

    fn webhooks(&self) -> Option<(&Receiver, &Secret)> {
        self.receiver.as_ref().zip(self.secret.as_ref())
    }
}

/// Handles each message of a batch by itself: only what fails is retried.
#[event(queue)]
async fn queue(batch: MessageBatch<JsValue>, env: Env, _context: Context) -> Result<()> {
    let channels = Channels::of(&env);
    let channels = &channels;
    let each = batch.raw_iter().map(|message| async move {
        let outcome = AssertUnwindSafe(outcome(&message, channels)).catch_unwind().await;
        match outcome.unwrap_or(Outcome::Retry(BROKEN_RETRY_S)) {
            Outcome::Done | Outcome::Unwanted => message.ack(),
            Outcome::Retry(seconds) => {
                let options = QueueRetryOptionsBuilder::new().with_delay_seconds(seconds).build();
                message.retry_with_options(&options);
            }
        }
    });
    join_all(each).await;
    Ok(())
}

async fn outcome(message: &RawMessage, channels: &std::result::Result<Channels<'_>, String>) -> Outcome {
    let impossible = |why: &str| {
        write_log(&Entry::error("notification_impossible").with("why", &Complaint(why)));
        Outcome::Retry(BROKEN_RETRY_S)
    };
    let channels = match channels {
        Ok(channels) => channels,
        Err(why) => return impossible(why),
    };
    let text = message.body().as_string();
    let Some(notices) = text.and_then(|text| serde_json::from_str::<QueueMessage>(&text).ok()) else {
        return impossible("a message of the queue that this version cannot read");
    };
    let database = Database::new(channels.env);
    let queued_at = message.timestamp().as_millis();
    let attempt = Attempt { now: clock::now(), queued_at, random: clock::random_u64() };
    let outcome = match notices {
        QueueMessage::One(notice) => deliver_one(channels, &database, &notice, attempt).await,
        QueueMessage::Many(notices) => deliver_many(channels, &database, &notices, attempt).await,
        QueueMessage::Push(retry) => push_again(channels, &database, &retry, attempt).await,
    };
    database.close();
    outcome
}

async fn deliver_one(
    channels: &Channels<'_>,
    database: &Database,
    notice: &Notice,
    attempt: Attempt,
) -> Outcome {
    // The deployment may send no webhooks any more.
    let Some((receiver, secret)) = channels.webhooks() else { return Outcome::Done };
    let outcome = notify::deliver(database, receiver, secret, notice, attempt).await;
    match outcome {
        Outcome::Done => {}
        Outcome::Unwanted => write_unwanted(notice),
        Outcome::Retry(_) => write_failed(notice),
    }
    outcome
}

async fn deliver_many(
    channels: &Channels<'_>,
    database: &Database,
    notices: &Notices,
    attempt: Attempt,
) -> Outcome {
    let mut notified = Notified::default();
    let delivered = notify::deliver_all(database, channels.webhooks(), notices, attempt, &mut notified).await;
    let progress = match delivered {
        Ok(progress) => progress,
        Err(delay_s) => return Outcome::Retry(delay_s),
    };
    let mut left = left_of(progress);
    if let Some(vapid) = &channels.vapid {
        let sent = push::tell(database, &pusher(vapid, &TOKENS.with(Rc::clone), attempt), notified).await;
        match sent {
            Ok(sent) => left.extend(pushes_left(sent)),
            // Nobody was notified: the whole is tried again. Its webhooks keep their ids.
            Err(_) => return Outcome::Retry(BROKEN_RETRY_S),
        }
    }
    put_back(channels.env, left).await
}

async fn push_again(
    channels: &Channels<'_>,
    database: &Database,
    retry: &PushRetry,
    attempt: Attempt,
) -> Outcome {
    // The deployment may send no pushes any more.
    let Some(vapid) = &channels.vapid else { return Outcome::Done };
    match push::tell_again(database, &pusher(vapid, &TOKENS.with(Rc::clone), attempt), retry).await {
        Ok(sent) => put_back(channels.env, pushes_left(sent)).await,
        Err(_) => Outcome::Retry(BROKEN_RETRY_S),
    }
}

fn pusher<'a>(vapid: &'a Vapid, tokens: &'a Tokens, attempt: Attempt) -> Pusher<'a, web_push::Platform> {
    let loopback_http = cfg!(feature = "dev");
    Pusher { vapid, tokens, service: &web_push::Platform, loopback_http, now: attempt.now }
}

fn pushes_left(sent: Sent) -> Vec<(QueueMessage, u32)> {
    for status in sent.refused {
        write_log(&Entry::error("push_refused").with("status", &u64::from(status)));
    }
    sent.again.into_iter().map(|(retry, delay_s)| (QueueMessage::Push(retry), delay_s)).collect()
}

fn left_of(progress: Progress) -> Vec<(QueueMessage, u32)> {
    progress.unwanted.iter().for_each(write_unwanted);
    progress.failed.iter().for_each(|(notice, _)| write_failed(notice));
    let rest = progress.rest.map(|(rest, delay_s)| (QueueMessage::Many(rest), delay_s));
    let failed = progress.failed.into_iter().map(|(notice, delay_s)| (QueueMessage::One(notice), delay_s));
    rest.into_iter().chain(failed).collect()
}

/// Puts what is left of a message into the queue; then the message itself is done.
async fn put_back(env: &Env, left: Vec<(QueueMessage, u32)>) -> Outcome {
    if left.is_empty() {
        return Outcome::Done;
    }
    let Ok(queue) = env.queue(QUEUE) else { return Outcome::Retry(BROKEN_RETRY_S) };
    // Otherwise all of it is sent again, under the same ids.
    if put_in_time(&queue, left).await { Outcome::Done } else { Outcome::Retry(BROKEN_RETRY_S) }
}

fn write_unwanted(notice: &Notice) {
    write_about(Entry::error("notification_unwanted"), notice);
}

fn write_failed(notice: &Notice) {
    write_about(Entry::warn("notification_failed"), notice);
}

fn write_about(entry: Entry, notice: &Notice) {
    write_log(&entry.with("tenant", &notice.tenant).with("room", &notice.room).with("seq", &notice.seq));
}

/// The receiver at this URL.
struct Receiver(String);

impl Notifier for Receiver {
    async fn post(&self, webhook: &Webhook) -> Option<u16> {
        clock::within(NOTIFY_TIMEOUT_MS, self.send(webhook)).await?.ok()
    }
}

impl Receiver {
    async fn send(&self, webhook: &Webhook) -> Result<u16> {
        let headers = Headers::new();
        headers.set("content-type", "application/json")?;
        headers.set("webhook-id", &webhook.id)?;
        headers.set("webhook-timestamp", &webhook.timestamp_s.to_string())?;
        headers.set("webhook-signature", &webhook.signature)?;
        let mut init = RequestInit::new();
        // Redirects are not followed: the signature is for this receiver only.
        init.with_method(Method::Post).with_headers(headers).with_redirect(RequestRedirect::Manual);
        init.with_body(Some(JsValue::from_str(&webhook.body)));
        let answer = Fetch::Request(Request::new_with_init(&self.0, &init)?).send().await?;
        Ok(answer.status_code())
    }
}
