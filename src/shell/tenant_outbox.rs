//! The small object of one tenant that keeps its list of rooms in trouble, named by the tenant.
//! Not here: the list's statements (`troubles`), and who may see it (`api`).

use super::sqlite::ObjectSql;
use crate::outbox_alerts::OutboxAlerts;
use crate::room::OutboxReport;
use worker::{DurableObject, Env, Error, Method, Request, Response, Result, State, durable_object};

#[durable_object]
pub struct TenantOutbox(ObjectSql);

// What it knows stands in its storage alone.
impl std::panic::UnwindSafe for TenantOutbox {}
impl std::panic::RefUnwindSafe for TenantOutbox {}

impl DurableObject for TenantOutbox {
    fn new(state: State, _env: Env) -> Self {
        Self(ObjectSql::new(&state))
    }

    /// `PUT` takes an announcement; `GET` gives the list.
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
