//! A WebSocket ticket: one object a ticket, so that single use is the object's single thread and no ticket
//! waits for another. It empties itself when the ticket is used or over. Not here: who gets one (`api`).

use super::clock;
use crate::auth::Identity;
use crate::ids::UnixMs;
use crate::limits::TICKET_MS;
use serde::{Deserialize, Serialize};
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object};

#[durable_object]
pub struct WsTicket {
    state: State,
}

// A panic in here loses nothing but this ticket, and the object holds no state of its own.
impl std::panic::UnwindSafe for WsTicket {}
impl std::panic::RefUnwindSafe for WsTicket {}

#[derive(Serialize, Deserialize)]
struct Kept {
    identity: Identity,
    expires_ms: UnixMs,
}

const KEY: &str = "ticket";

impl DurableObject for WsTicket {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }

    /// `PUT` keeps the identity in the body; `POST` takes it out: JSON, `null` when there is none (any more).
    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let storage = self.state.storage();
        if request.method() == worker::Method::Put {
            let identity: Identity = request.json().await?;
            let kept = Kept { identity, expires_ms: clock::now() + TICKET_MS };
            storage.put(KEY, serde_json::to_string(&kept)?).await?;
            storage.set_alarm(std::time::Duration::from_millis(TICKET_MS)).await?;
            return Response::empty();
        }
        let kept: Option<String> = storage.get(KEY).await?;
        let Some(kept) = kept else { return Response::from_json(&None::<Identity>) };
        // The input gate holds other takers back until this is gone.
        storage.delete_all().await?;
        storage.delete_alarm().await?;
        let kept: Kept = serde_json::from_str(&kept)?;
        Response::from_json(&Some(kept.identity).filter(|_| clock::now() < kept.expires_ms))
    }

    async fn alarm(&self) -> Result<Response> {
        self.state.storage().delete_all().await?;
        Response::empty()
    }
}
