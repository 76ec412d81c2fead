//! The Worker in front of the objects: the real routes and the real gate over simulated ports.
//! Not here: tokens; a bearer says who it is, and until when.

use crate::postgres::Db;
use crate::world::World;
use chinwag::api::{Body, Bucket, Ports, Put, Reply, RoomRequest};
use chinwag::auth::{AuthConfig, Identity, Role};
use chinwag::error::{Code, Refusal};
use chinwag::ids::{TenantId, UnixMs, UserId};
use chinwag::object::Answer;
use chinwag::outbox_alerts::Listed;
use std::rc::Rc;

pub struct Worker {
    pub world: Rc<World>,
    config: AuthConfig,
    patient: Db,
    hasty: Db,
    bucket: Objects,
}

/// The bucket of files. It may fail before an object is there, after it is, and in removing.
pub struct Objects(Rc<World>);

pub struct Object {
    world: Rc<World>,
    key: String,
    size: u64,
    bytes: Vec<u8>,
}

fn away() -> Refusal {
    Refusal::new(Code::UpstreamUnavailable, "the bucket is away")
}

impl Bucket for Objects {
    type Put = Object;

    async fn put(&self, key: &str, size: u64) -> Result<Object, Refusal> {
        self.0.sleep(World::WAY_MS).await;
        if self.0.bucket_is_away.get() {
            return Err(away());
        }
        Ok(Object { world: self.0.clone(), key: key.into(), size, bytes: Vec::new() })
    }
}

impl Put for Object {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.world.sleep(World::WAY_MS).await;
        self.bytes.extend_from_slice(bytes);
        if self.world.bucket_is_away.get() { Err(away()) } else { Ok(()) }
    }

    async fn finish(self) -> Result<(), Refusal> {
        assert_eq!(self.bytes.len() as u64, self.size, "a bucket takes exactly what was announced");
        self.world.sleep(World::WAY_MS).await;
        if self.world.bucket_is_away.get() {
            return Err(away());
        }
        self.world.counters.count("objects stored");
        self.world.bucket.borrow_mut().insert(self.key, self.bytes);
        // Its answer may be lost.
        if self.world.random().is_multiple_of(8) { Err(away()) } else { Ok(()) }
    }
}

impl Worker {
    pub fn new(world: &Rc<World>) -> Self {
        let secret = |name: &str| (name == "JWT_SECRET").then(|| "s".repeat(32));
        let config = AuthConfig::parse(secret).expect("a configuration");
        let db = |hasty| Db { world: world.clone(), hasty };
        let bucket = Objects(world.clone());
        Self { world: world.clone(), config, patient: db(false), hasty: db(true), bucket }
    }
}

/// What a client shows: `tenant|user|expires_ms`, and `|admin` of a tenant's admin.
pub fn token(tenant: &str, user: &str, expires_ms: UnixMs) -> String {
    format!("{tenant}|{user}|{expires_ms}")
}

pub fn identity(token: &str) -> Option<Identity> {
    let mut parts = token.split('|');
    Some(Identity {
        tenant: TenantId::parse(parts.next()?)?,
        user: UserId::parse(parts.next()?)?,
        name: None,
        expires_ms: parts.next()?.parse().ok()?,
        tenant_role: parts.next().map(|_| Role::Admin),
    })
}

impl Ports for Worker {
    type Db = Db;
    type Bucket = Objects;

    fn config(&self) -> &AuthConfig {
        &self.config
    }

    fn now(&self) -> UnixMs {
        self.world.now()
    }

    fn random(&self) -> u128 {
        u128::from(self.world.random())
    }

    async fn authenticate(&self, token: &str) -> Result<Identity, Refusal> {
        let who = identity(token).ok_or_else(|| Refusal::new(Code::Unauthenticated, "no token"))?;
        if who.expires_ms <= self.world.now() {
            return Err(Refusal::new(Code::TokenExpired, "expired"));
        }
        Ok(who)
    }

    fn db(&self) -> &Db {
        &self.patient
    }

    fn fail_fast_db(&self) -> &Db {
        &self.hasty
    }

    fn bucket(&self) -> Result<&Objects, Refusal> {
        Ok(&self.bucket)
    }

    async fn call_room(&self, ask: &RoomRequest) -> Result<Reply, Refusal> {
        match self.world.ask(ask.clone()).await? {
            Answer::Reply(reply) => Ok(reply),
            Answer::Upgraded { .. } => Err(Refusal::fault()),
        }
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
        let whole = std::mem::take(&mut self.0);
        (!whole.is_empty()).then(|| Ok(whole.into_bytes()))
    }
}
