//! Push subscriptions, and which devices are to be notified of an event (migrations/0024_push.sql).
//! Not here: who is notified (`notify`), and what is sent to a device (`push`).

use super::port::{DbError, Postgres, decode};
use super::unread::bounds;
use crate::ids::{RoomId, Seq, TenantId, UserId};
use crate::limits::{PUSH_SUBSCRIPTIONS_MAX, PUSH_UNSEEN_DAYS};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A device as its browser has subscribed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    pub id: String,
    pub endpoint: String,
    /// The device's public key and its secret, base64url.
    pub p256dh: String,
    pub auth: String,
    pub device: Option<String>,
}

/// A device that is to be notified now.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    pub user_id: String,
    /// Of the subscription.
    pub id: String,
    pub endpoint: String,
    pub p256dh: String,
    pub auth: String,
    /// What the person has unread in the room, at most `UNREAD_MAX`.
    pub unread: u64,
    /// In how many of the rooms that the device was notified of something is unread.
    pub rooms: u64,
}

/// Somebody who is to be notified of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Addressee {
    pub user_id: String,
    pub event: Seq,
}

/// The subscription is kept, and belongs to this person alone. Of more than `PUSH_SUBSCRIPTIONS_MAX` the one unseen for
/// longest ends.
pub async fn put_subscription(
    db: &impl Postgres,
    (tenant, user): (&TenantId, &UserId),
    subscription: &Subscription,
) -> Result<(), DbError> {
    let Subscription { id, endpoint, p256dh, auth, device } = subscription;
    let input = json!({"tenant": tenant, "user": user, "id": id, "endpoint": endpoint, "p256dh": p256dh, "auth": auth,
                       "device": device, "most": PUSH_SUBSCRIPTIONS_MAX, "days": PUSH_UNSEEN_DAYS});
    db.query("SELECT chat_put_push_v1($1)", input).await.map(drop)
}

/// `[{id, service, device, createdAt, seenAt}]`. The endpoint itself is a secret of the device.
pub async fn list_subscriptions(
    db: &impl Postgres,
    tenant: &TenantId,
    user: &UserId,
) -> Result<Vec<Value>, DbError> {
    decode(db.query(include_str!("sql/list_pushes.sql"), json!({"tenant": tenant, "user": user})).await?)
}

/// The subscriptions end. `owner`: only if they are theirs. Gives how many ended.
pub async fn drop_subscriptions(
    db: &impl Postgres,
    tenant: &TenantId,
    ids: &[&str],
    owner: Option<&UserId>,
) -> Result<u64, DbError> {
    let input = json!({"tenant": tenant, "ids": ids, "owner": owner});
    decode(db.query("SELECT chat_drop_pushes_v1($1)", input).await?)
}

/// The devices that are to be notified. Each is given once for an event, and never for an older one: whoever asks sends.
///
/// # Takes  `again`: these devices were given before, and are given once more.
/// # Cost   one statement; a row written for each device.
pub async fn take_pushes(
    db: &impl Postgres,
    (tenant, room): (&TenantId, &RoomId),
    users: &[Addressee],
    again: Option<&[String]>,
) -> Result<Vec<Device>, DbError> {
    let mut input = json!({"tenant": tenant, "room": room, "users": users, "most": PUSH_SUBSCRIPTIONS_MAX,
                           "days": PUSH_UNSEEN_DAYS, "bounds": bounds()});
    if let (Some(input), Some(devices)) = (input.as_object_mut(), again) {
        input.insert("devices".to_owned(), json!(devices));
    }
    decode(db.query("SELECT chat_take_pushes_v1($1)", input).await?)
}
