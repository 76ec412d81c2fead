//! The way into a room. Postgres is asked for the membership first, so that strangers wake no room; when it gives no
//! answer, the room decides by the members it knows.
//! Not here: the room's own check (`Room::admit`).

use super::context::RoomContext;
use super::http::{Reply, no_such_room};
use super::ports::Ports;
use super::room_request::{Membership, RoomOp, RoomRequest};
use crate::auth::Identity;
use crate::db::{self, DbError};
use crate::error::{Code, Refusal};
use crate::ids::RoomId;
use crate::room::{AdminChange, RoomCall};

/// Applies the rule of every way into a room to what Postgres answered.
///
/// # Gives   `None` if Postgres gave no answer: the room decides.
/// # Errors  `room_not_found` if Postgres knows no such room or membership.
pub fn refuse_strangers<T>(answer: Result<Option<T>, DbError>) -> Result<Option<T>, Refusal> {
    match answer {
        Ok(Some(found)) => Ok(Some(found)),
        Ok(None) => Err(no_such_room()),
        Err(_) => Ok(None),
    }
}

/// The room has done what follows from a change in Postgres, whoever is a member of it.
///
/// # Errors  upstream_unavailable → it can't be reached, or has no answer of Postgres.
pub async fn tell_room<P: Ports>(
    ports: &P,
    caller: &Identity,
    room: RoomId,
    op: RoomOp,
) -> Result<(), Refusal> {
    let request = RoomRequest { caller: caller.clone(), room, membership: None, op };
    match ports.call_room(&request).await? {
        Reply::Json { status: 200, .. } => Ok(()),
        _ => {
            let message = "a room can't be reached: send the same request again";
            Err(Refusal::new(Code::UpstreamUnavailable, message))
        }
    }
}

impl<P: Ports> RoomContext<'_, P> {
    /// The caller's membership of the room, by the rule of `refuse_strangers`.
    ///
    /// # Errors  like it; and those of `db::Account::admit`.
    pub async fn membership(&self) -> Result<Option<Membership>, Refusal> {
        let access =
            db::access(self.ports.fail_fast_db(), &self.caller.tenant, &self.caller.user, &self.room);
        let access = refuse_strangers(access.await)?;
        if let Some(access) = &access {
            access.admit(&self.caller)?;
        }
        Ok(access.map(Membership::from))
    }

    /// Asks the room on a member's behalf.
    pub async fn call(&self, call: RoomCall) -> Result<Reply, Refusal> {
        self.send(self.membership().await?, RoomOp::Call(call)).await
    }

    /// Changes the room on a member's behalf. The change is made in Postgres, so nothing changes while it is down.
    pub async fn change(&self, change: AdminChange) -> Result<Reply, Refusal> {
        self.send(self.membership().await?, RoomOp::Change(change)).await
    }

    /// Sends an operation to the room.
    pub async fn send(&self, membership: Option<Membership>, op: RoomOp) -> Result<Reply, Refusal> {
        self.ports.call_room(&self.request(membership, op)).await
    }

    pub fn request(&self, membership: Option<Membership>, op: RoomOp) -> RoomRequest {
        RoomRequest { caller: self.caller.clone(), room: self.room.clone(), membership, op }
    }
}
