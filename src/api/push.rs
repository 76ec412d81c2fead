//! Push subscriptions over REST. Not here: who is notified, and sending (`push`).

use super::context::CallerContext;
use super::http::{Body, Reply, Request, database_unavailable};
use super::ports::Ports;
use super::routes::PushRoute;
use crate::db::{self, Subscription};
use crate::error::{Code, Refusal};
use crate::limits::PERSON_TEXT_CHARS_MAX;
use crate::protocol::{Fields, person};
use crate::push::{self, DeviceKeys};
use serde_json::json;

pub async fn answer<P: Ports, B: Body>(
    route: PushRoute,
    cx: CallerContext<'_, P>,
    request: Request<B>,
) -> Result<Reply, Refusal> {
    match route {
        PushRoute::Key => key(&cx),
        PushRoute::Subscribe => subscribe(cx, request).await,
        PushRoute::List => list(cx).await,
        PushRoute::Unsubscribe => unsubscribe(cx).await,
    }
}

/// `GET /push/key`.
fn key<P: Ports>(cx: &CallerContext<'_, P>) -> Result<Reply, Refusal> {
    let key = cx
        .ports
        .push_key()
        .ok_or_else(|| Refusal::new(Code::UpstreamUnavailable, "this deployment sends no pushes"))?;
    Ok(Reply::ok(json!({"publicKey": key})))
}

/// `POST /push/subscriptions`.
async fn subscribe<P: Ports, B: Body>(
    cx: CallerContext<'_, P>,
    request: Request<B>,
) -> Result<Reply, Refusal> {
    let CallerContext { ports, caller, .. } = cx;
    let subscription = subscription(&mut request.read_fields().await?)?;
    let kept = db::put_subscription(ports.db(), (&caller.tenant, &caller.user), &subscription).await;
    kept.map_err(database_unavailable)?;
    Ok(Reply::ok(json!({"id": subscription.id})))
}

fn subscription(fields: &mut Fields) -> Result<Subscription, Refusal> {
    let endpoint = fields.text("endpoint")?;
    push::ensure_endpoint(&endpoint, cfg!(feature = "dev")).map_err(|why| {
        Refusal::invalid("endpoint", &format!("{why}; expected an https URL of a push service"))
    })?;
    let Some(mut keys) = fields.object_to_store("keys")?.flatten() else {
        return Err(Refusal::bad_field("keys", "an object"));
    };
    let mut part = |name: &str| keys.text(name).map_err(|refusal| refusal.field("keys"));
    let (p256dh, auth) = (part("p256dh")?, part("auth")?);
    if DeviceKeys::parse(&p256dh, &auth).is_none() {
        return Err(Refusal::invalid("keys", "expected p256dh of 65 bytes and auth of 16, base64url"));
    }
    let device = match fields.text_opt("device")?.as_deref().map(str::trim) {
        None | Some("") => None,
        Some(name) => Some(person::line(name).ok_or_else(|| {
            Refusal::invalid(
                "device",
                &format!("expected at most {PERSON_TEXT_CHARS_MAX} characters on one line"),
            )
        })?),
    };
    Ok(Subscription { id: push::subscription_id(&endpoint), endpoint, p256dh, auth, device })
}

/// `GET /push/subscriptions`.
async fn list<P: Ports>(cx: CallerContext<'_, P>) -> Result<Reply, Refusal> {
    let CallerContext { ports, caller, .. } = cx;
    let subscriptions = db::list_subscriptions(ports.db(), &caller.tenant, &caller.user).await;
    Ok(Reply::ok(json!({"subscriptions": subscriptions.map_err(database_unavailable)?})))
}

/// `DELETE /push/subscriptions/:id`.
async fn unsubscribe<P: Ports>(cx: CallerContext<'_, P>) -> Result<Reply, Refusal> {
    let CallerContext { ports, caller, params, .. } = cx;
    let id = params.get("subscription");
    let dropped = db::drop_subscriptions(ports.db(), &caller.tenant, &[id], Some(&caller.user)).await;
    match dropped.map_err(database_unavailable)? {
        0 => Err(Refusal::new(Code::NotFound, "there is no such subscription")),
        _ => Ok(Reply::ok(json!({}))),
    }
}
