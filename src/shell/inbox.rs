//! The Durable Object of one person's inbox: passes workerd's callbacks to `object`.
//! Not here: its platform (`workerd`), what is done with a callback (`object`), what follows from it (`inbox`).

use super::ports::OBJECT_REQUEST_HEADER;
use super::workerd::{Workerd, answer_to_close, end, limits, respond};
use crate::object::InboxObject;
use std::rc::Rc;
use worker::{
    DurableObject, Env, Error, Request, Response, Result, State, WebSocket, WebSocketIncomingMessage,
    durable_object,
};

#[durable_object]
pub struct Inbox(Rc<InboxObject<Workerd>>);

// The object catches every panic and drops the inbox; its other state is single cells.
impl std::panic::UnwindSafe for Inbox {}
impl std::panic::RefUnwindSafe for Inbox {}

impl DurableObject for Inbox {
    fn new(state: State, env: Env) -> Self {
        let limits = limits(&env);
        Self(InboxObject::new(Workerd::new(state, env), limits))
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let inbox_request = match request.headers().get(OBJECT_REQUEST_HEADER)? {
            Some(inbox_request) => inbox_request,
            None => request.text().await?,
        };
        respond(self.0.clone().handle_request(serde_json::from_str(&inbox_request)?).await)
    }

    async fn websocket_message(&self, ws: WebSocket, message: WebSocketIncomingMessage) -> Result<()> {
        let Some(connection) = self.0.platform().connection(&ws) else { return Ok(()) };
        match message {
            WebSocketIncomingMessage::String(text) => {
                #[cfg(feature = "test-hooks")]
                if self.0.platform().hooked(&ws, &text) {
                    return Ok(());
                }
                self.0.received(connection, text);
            }
            WebSocketIncomingMessage::Binary(_) => self.0.received_binary(connection),
        }
        Ok(())
    }

    async fn websocket_close(&self, ws: WebSocket, code: usize, _: String, _: bool) -> Result<()> {
        self.gone(&ws, answer_to_close(code));
        Ok(())
    }

    async fn websocket_error(&self, ws: WebSocket, _: Error) -> Result<()> {
        self.gone(&ws, 1011);
        Ok(())
    }

    async fn alarm(&self) -> Result<Response> {
        self.0.clone().alarm().await;
        Response::empty()
    }
}

impl Inbox {
    fn gone(&self, ws: &WebSocket, code: u16) {
        if let Some(connection) = self.0.platform().connection(ws) {
            self.0.gone(connection);
        }
        end(ws, code);
    }
}
