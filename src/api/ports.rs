//! What handlers need from the world: configuration, time, Postgres, the bucket, rooms and tickets.
//! Not here: the ports themselves. `shell` has the real ones; tests and the simulator have their own.

use super::edge_rates::EdgeRate;
use super::http::Reply;
use super::inbox_request::InboxRequest;
use super::room_request::RoomRequest;
use crate::auth::{AuthConfig, Identity};
use crate::db::{Directory, Postgres};
use crate::error::Refusal;
use crate::ids::{TenantId, UnixMs, UserId};
use crate::limits::Limits;
use crate::outbox_alerts::Listed;
use crate::room::moderation::Rules;
use serde::Serialize;
use std::future::Future;
use std::rc::Rc;

pub trait Ports {
    type Db: Postgres;
    type Bucket: Bucket;

    fn config(&self) -> &AuthConfig;
    /// The limits of the variable `LIMITS`.
    fn limits(&self) -> Limits {
        Limits::default()
    }
    /// Counts one request of `key`; false past the rate. A rate that this deployment does not count is never exceeded.
    fn is_within(&self, _rate: EdgeRate, _key: &str) -> impl Future<Output = bool> {
        async { true }
    }
    /// Whom the directory lists: the variable `DIRECTORY`.
    fn directory(&self) -> Directory {
        Directory::default()
    }
    /// Whether people who are not known can't be added to rooms: the variable `UNKNOWN_PEOPLE`.
    fn refuses_unknown_people(&self) -> bool {
        false
    }
    /// Writes what the token says of the person once the request is answered, if it is due.
    fn note_person(&self, _caller: &Identity) {}
    /// Pokes these inboxes once the request is answered.
    fn poke(&self, _pokes: Vec<InboxRequest>) {}
    fn now(&self) -> UnixMs;
    fn random(&self) -> u128;
    /// # Errors  the code and message for the sender of this token.
    fn authenticate(&self, token: &str) -> impl Future<Output = Result<Identity, Refusal>>;
    /// The tenant's moderation rules, if it has any.
    fn moderation(&self, tenant: &TenantId) -> Option<Rc<Rules>>;
    fn db(&self) -> &Self::Db;
    /// Like `db` with a short deadline, and for a while after a failure it fails at once: the room can decide as well.
    fn fail_fast_db(&self) -> &Self::Db;
    /// # Errors  `upstream_unavailable`: this deployment has no bucket.
    fn bucket(&self) -> Result<&Self::Bucket, Refusal>;
    /// Whether notifications are sent. A Worker without them is complete.
    fn notifications(&self) -> ServiceState {
        ServiceState::Off
    }
    /// The public key that browsers subscribe with; `None`: this deployment sends no pushes.
    fn push_key(&self) -> Option<String> {
        None
    }
    /// The room's reply, always `Reply::Json`.
    fn call_room(&self, request: &RoomRequest) -> impl Future<Output = Result<Reply, Refusal>>;
    /// The person's inbox has closed the sockets whose tokens are refused.
    ///
    /// # Errors  upstream_unavailable.
    fn end_inbox_sessions(
        &self,
        _tenant: &TenantId,
        _person: &UserId,
    ) -> impl Future<Output = Result<(), Refusal>> {
        async { Ok(()) }
    }
    /// The tenant's list of outbox alerts.
    fn outbox_alerts(&self, tenant: &TenantId) -> impl Future<Output = Result<Vec<Listed>, Refusal>>;
    /// A new ticket for this person, valid for `TICKET_MS`.
    fn create_ticket(&self, identity: &Identity) -> impl Future<Output = Result<String, Refusal>>;
    /// The person that the ticket was made for. The ticket is invalid afterwards.
    fn redeem_ticket(&self, ticket: &str) -> impl Future<Output = Result<Option<Identity>, Refusal>>;
    /// `JWT_SECRET`, for the dev sign-in.
    #[cfg(feature = "dev")]
    fn dev_secret(&self) -> Option<String>;
}

/// What the configuration says of a service that a deployment may do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceState {
    Ok,
    Off,
    /// Wanted, but a binding or a secret is missing.
    Misconfigured,
}

/// The storage of uploaded files.
pub trait Bucket {
    type Put: Put;

    /// Begins an object of exactly this many bytes.
    ///
    /// # Errors  `upstream_unavailable`.
    fn put(&self, key: &str, size: u64) -> impl Future<Output = Result<Self::Put, Refusal>>;
}

/// An object that is being written. If it is dropped before `finish`, it is not stored.
pub trait Put {
    /// Returns when the bucket can take more.
    fn write(&mut self, bytes: &[u8]) -> impl Future<Output = Result<(), Refusal>>;
    /// The object is stored afterwards.
    fn finish(self) -> impl Future<Output = Result<(), Refusal>>;
}
