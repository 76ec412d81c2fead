//! A WebSocket ticket, one Durable Object each: the object's single thread makes it single use, and no ticket waits for
//! another. The object deletes its storage when the ticket is used or has expired. Not here: who gets one (`api`).

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

// A panic loses only this ticket, and the object has no state in memory.
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

    /// `PUT` stores the identity in the body; `POST` takes it out and returns it as JSON, `null` when there is none.
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
        // The input gate holds other requests back until the identity is deleted.
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
