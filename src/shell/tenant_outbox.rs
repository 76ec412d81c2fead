//! The Durable Object of one tenant that lists the tenant's rooms with outbox problems. Its name is the tenant's id.
//! Not here: the list's statements (`outbox_alerts`), and who may see it (`api`).

use super::sqlite::ObjectSql;
use crate::outbox_alerts::OutboxAlerts;
use crate::room::OutboxReport;
use worker::{DurableObject, Env, Error, Method, Request, Response, Result, State, durable_object};

#[durable_object]
pub struct TenantOutbox(ObjectSql);

// All of its state is in its storage.
impl std::panic::UnwindSafe for TenantOutbox {}
impl std::panic::RefUnwindSafe for TenantOutbox {}

impl DurableObject for TenantOutbox {
    fn new(state: State, _env: Env) -> Self {
        Self(ObjectSql::new(&state))
    }

    /// `PUT` stores a room's report; `GET` returns the list.
    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let list = OutboxAlerts(&self.0);
        let failed = |error: crate::room::store::StoreError| Error::RustError(error.0);
        if request.method() == Method::Put {
            let report: OutboxReport = request.json().await?;
            list.take(&report).map_err(failed)?;
            return Response::empty();
        }
        Response::from_json(&list.list().map_err(failed)?)
    }

    async fn alarm(&self) -> Result<Response> {
        Response::empty()
    }
}
