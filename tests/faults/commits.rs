//! The moments between two commits: the runtime is killed after the room's own and before Postgres', and Postgres
//! commits without anybody hearing of it. Not here: a Postgres that is away (`outages`).

use crate::ground::Ground;
use crate::proxy::Fault;
use crate::rig::processes::{SIGKILL, signal};
use crate::swarm::{Swarm, Talk};
use crate::{Struck, struck};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The reply is lost and the connection reset: the batch is in Postgres, and the room doesn't know.
pub async fn a_commit_is_ambiguous(ground: Arc<Ground>) -> Struck {
    let mut swarm = Swarm::begin(&ground, Talk::default()).await;
    let before = ground.database.count(|s| &s.swallowed);
    for round in 1..=3 {
        let known = swarm.last_seq().await;
        ground.database.set(Fault::SwallowReply);
        ground.database.strikes(|s| &s.swallowed, before, round).await;
        ground.database.set(Fault::Pass);
        assert!(swarm.last_seq().await > known, "Postgres has committed what nobody heard of");
        swarm.goes_on(100).await;
    }
    let swallowed = ground.database.count(|s| &s.swallowed) - before;
    let whole = swarm.end().await;
    struck(swallowed, format!("{swallowed} replies swallowed, {} messages", whole.log.len()))
}
