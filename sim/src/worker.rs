//! The Worker in front of the objects: the real routes and the real gate over simulated ports.
//! Not here: tokens; a bearer says who it is, and until when.

use crate::postgres::Db;
use crate::world::World;
use chinwag::api::{Ask, Body, Ports, Reply};
use chinwag::auth::{AuthConfig, Identity, Role};
use chinwag::error::{Code, Refusal};
use chinwag::ids::{TenantId, UnixMs, UserId};
use chinwag::object::Answer;
use chinwag::troubles::Listed;
use std::rc::Rc;

pub struct Worker {
    pub world: Rc<World>,
    config: AuthConfig,
    patient: Db,
    hasty: Db,
}

impl Worker {
    pub fn new(world: &Rc<World>) -> Self {
        let secret = |name: &str| (name == "JWT_SECRET").then(|| "s".repeat(32));
        let config = AuthConfig::parse(secret).expect("a configuration");
        let db = |hasty| Db { world: world.clone(), hasty };
        Self { world: world.clone(), config, patient: db(false), hasty: db(true) }
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

    fn hasty_db(&self) -> &Db {
        &self.hasty
    }

    async fn ask_room(&self, ask: &Ask) -> Result<Reply, Refusal> {
        match self.world.ask(ask.clone()).await? {
            Answer::Reply(reply) => Ok(reply),
            Answer::Upgraded { .. } => Err(Refusal::fault()),
        }
    }

    async fn troubles(&self, _: &TenantId) -> Result<Vec<Listed>, Refusal> {
        Ok(Vec::new())
    }

    async fn keep_ticket(&self, _: &Identity) -> Result<String, Refusal> {
        Err(Refusal::fault())
    }

    async fn take_ticket(&self, _: &str) -> Result<Option<Identity>, Refusal> {
        Ok(None)
    }
}

/// A request's body that is here already.
pub struct Text(pub String);

impl Body for Text {
    async fn read(self, _max: usize) -> Result<Vec<u8>, Refusal> {
        Ok(self.0.into_bytes())
    }
}
