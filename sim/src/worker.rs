//! The Worker in front of the objects: the real routes and access checks over simulated ports.
//! Not here: real tokens; a bearer token says who it is, and until when (`token`).

use crate::postgres::Db;
use crate::token::parse_token;
use crate::world::World;
use crate::world::network::LATENCY_MS;
use chinwag::api::{Body, Bucket, InboxRequest, Ports, Put, Reply, RoomRequest};
use chinwag::auth::{AuthConfig, Identity};
use chinwag::error::{Code, Refusal};
use chinwag::ids::{TenantId, UnixMs, UserId};
use chinwag::object::Answer;
use chinwag::outbox_alerts::Listed;
use chinwag::room::moderation::Rules;
use std::rc::Rc;

pub struct Worker {
    world: Rc<World>,
    config: AuthConfig,
    db: Db,
    fail_fast_db: Db,
    bucket: SimBucket,
}

/// The bucket of files. It may fail before a file is there, after it is, and in removing.
pub struct SimBucket(Rc<World>);

pub struct SimPut {
    world: Rc<World>,
    key: String,
    size: u64,
    bytes: Vec<u8>,
}

fn unavailable() -> Refusal {
    Refusal::new(Code::UpstreamUnavailable, "the bucket is unavailable")
}

impl Bucket for SimBucket {
    type Put = SimPut;

    async fn put(&self, key: &str, size: u64) -> Result<SimPut, Refusal> {
        self.0.clock.sleep(LATENCY_MS).await;
        if self.0.faults.bucket_unavailable.get() {
            return Err(unavailable());
        }
        Ok(SimPut { world: self.0.clone(), key: key.into(), size, bytes: Vec::new() })
    }
}

impl Put for SimPut {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.world.clock.sleep(LATENCY_MS).await;
        self.bytes.extend_from_slice(bytes);
        if self.world.faults.bucket_unavailable.get() { Err(unavailable()) } else { Ok(()) }
    }

    async fn finish(self) -> Result<(), Refusal> {
        assert_eq!(self.bytes.len() as u64, self.size, "a bucket takes exactly what was announced");
        self.world.clock.sleep(LATENCY_MS).await;
        if self.world.faults.bucket_unavailable.get() {
            return Err(unavailable());
        }
        self.world.recorder.count("files stored");
        self.world.backends.bucket.borrow_mut().insert(self.key, self.bytes);
        // Its answer may be lost.
        if self.world.clock.random().is_multiple_of(8) { Err(unavailable()) } else { Ok(()) }
    }
}

impl Worker {
    pub fn new(world: &Rc<World>) -> Self {
        let secret = |name: &str| (name == "JWT_SECRET").then(|| "s".repeat(32));
        let config = AuthConfig::parse(secret).expect("a configuration");
        let db = |fail_fast| Db { world: world.clone(), fail_fast };
        let bucket = SimBucket(world.clone());
        Self { world: world.clone(), config, db: db(false), fail_fast_db: db(true), bucket }
    }
}

impl Ports for Worker {
    type Db = Db;
    type Bucket = SimBucket;

    fn config(&self) -> &AuthConfig {
        &self.config
    }

    fn poke(&self, pokes: Vec<InboxRequest>) {
        for poke in pokes {
            let world = self.world.clone();
            self.world.clock.spawn(async move { _ = world.carry_poke(None, poke).await });
        }
    }

    fn now(&self) -> UnixMs {
        self.world.clock.now()
    }

    fn random(&self) -> u128 {
        u128::from(self.world.clock.random())
    }

    async fn authenticate(&self, token: &str) -> Result<Identity, Refusal> {
        let caller = parse_token(token).ok_or_else(|| Refusal::new(Code::Unauthenticated, "no token"))?;
        if caller.expires_ms <= self.world.clock.now() {
            return Err(Refusal::new(Code::TokenExpired, "expired"));
        }
        Ok(caller)
    }

    fn moderation(&self, tenant: &TenantId) -> Option<Rc<Rules>> {
        self.world.moderation.rules_for(tenant.as_str())
    }

    fn db(&self) -> &Db {
        &self.db
    }

    fn fail_fast_db(&self) -> &Db {
        &self.fail_fast_db
    }

    fn bucket(&self) -> Result<&SimBucket, Refusal> {
        Ok(&self.bucket)
    }

    async fn call_room(&self, request: &RoomRequest) -> Result<Reply, Refusal> {
        match self.world.request_room(request.clone()).await? {
            Answer::Reply(reply) => Ok(reply),
            Answer::Upgraded { .. } => Err(Refusal::fault()),
        }
    }

    async fn end_inbox_sessions(&self, tenant: &TenantId, person: &UserId) -> Result<(), Refusal> {
        let request = InboxRequest::EndSessions { tenant: tenant.clone(), user: person.clone() };
        self.world.request_inbox(tenant, person, request).await.map(drop)
    }

    async fn outbox_alerts(&self, _: &TenantId) -> Result<Vec<Listed>, Refusal> {
        Ok(Vec::new())
    }

    async fn create_ticket(&self, _: &Identity) -> Result<String, Refusal> {
        Err(Refusal::fault())
    }

    async fn redeem_ticket(&self, _: &str) -> Result<Option<Identity>, Refusal> {
        Ok(None)
    }
}

/// A request's body that is here already.
pub struct Text(pub String);

impl Body for Text {
    async fn read(self, _max: usize) -> Result<Vec<u8>, Refusal> {
        Ok(self.0.into_bytes())
    }

    async fn next(&mut self) -> Option<Result<Vec<u8>, Refusal>> {
        let text = std::mem::take(&mut self.0);
        (!text.is_empty()).then(|| Ok(text.into_bytes()))
    }
}
