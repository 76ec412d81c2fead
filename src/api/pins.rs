//! Pins over REST.
//! Not here: who may pin, and the list (`room::pins`).

use super::context::RoomContext;
use super::http::Reply;
use super::ports::Ports;
use super::routes::PinsRoute;
use crate::error::Refusal;
use crate::room::RoomCall;

pub async fn answer<P: Ports>(route: PinsRoute, cx: RoomContext<'_, P>) -> Result<Reply, Refusal> {
    let message = cx.params.message();
    cx.call(match route {
        PinsRoute::List => RoomCall::Pins,
        PinsRoute::Pin => RoomCall::Pin { message, pin: true },
        PinsRoute::Unpin => RoomCall::Pin { message, pin: false },
    })
    .await
}
