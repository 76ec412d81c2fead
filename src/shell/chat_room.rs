//! The Durable Object of one room: passes workerd's callbacks to `object`.
//! Not here: its platform (`workerd`), what is done with a callback (`object`), what follows from it (`room`).

use super::ports::{OBJECT_REQUEST_HEADER, moderation};
use super::workerd::{Workerd, answer_to_close, end, limits, respond};
use super::write_log;
use crate::object::Object;
use crate::oplog::{Complaint, Entry};
use std::rc::Rc;
use worker::{
    DurableObject, Env, Error, Request, Response, Result, State, WebSocket, WebSocketIncomingMessage,
    durable_object,
};

#[durable_object]
pub struct ChatRoom(Rc<Object<Workerd>>);

// The object catches every panic and drops the room; its other state is single cells.
impl std::panic::UnwindSafe for ChatRoom {}
impl std::panic::RefUnwindSafe for ChatRoom {}

impl DurableObject for ChatRoom {
    fn new(state: State, env: Env) -> Self {
        let limits = limits(&env);
        // The Worker refuses to serve then, so only requests that were under way get here.
        let moderation = moderation(&env).unwrap_or_else(|why| {
            write_log(&Entry::error("moderation_config_invalid").with("why", &Complaint(&why)));
            Rc::default()
        });
        let platform = Workerd::new(state, env);
        Self(Object::new(platform, limits, moderation))
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let room_request = match request.headers().get(OBJECT_REQUEST_HEADER)? {
            Some(room_request) => room_request,
            None => request.text().await?,
        };
        respond(self.0.clone().handle_request(serde_json::from_str(&room_request)?).await)
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

    async fn websocket_close(&self, ws: WebSocket, code: usize, _: String, is_clean: bool) -> Result<()> {
        self.gone(&ws, answer_to_close(code), is_clean);
        Ok(())
    }

    async fn websocket_error(&self, ws: WebSocket, _: Error) -> Result<()> {
        self.gone(&ws, 1011, false);
        Ok(())
    }

    async fn alarm(&self) -> Result<Response> {
        self.0.clone().alarm().await;
        Response::empty()
    }
}

impl ChatRoom {
    fn gone(&self, ws: &WebSocket, code: u16, is_clean: bool) {
        if let Some(connection) = self.0.platform().connection(ws) {
            self.0.gone(connection, ws, is_clean);
        }
        end(ws, code);
    }
}
