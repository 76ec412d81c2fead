//! The only source of time and randomness. Not here: what they are used for.

use crate::ids::UnixMs;
use futures_util::future::{Either, select};
use std::pin::pin;
use worker::{Date, Delay, Request};

pub fn now() -> UnixMs {
    Date::now().as_millis()
}

pub async fn sleep(ms: u64) {
    Delay::from(std::time::Duration::from_millis(ms)).await;
}

/// What the work gives; `None`: it takes longer, and is dropped.
pub async fn within<T>(ms: u64, work: impl Future<Output = T>) -> Option<T> {
    match select(pin!(work), pin!(sleep(ms))).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}

pub fn random_u64() -> u64 {
    getrandom::u64().unwrap_or_else(|_| now())
}

pub fn random_u128() -> u128 {
    u128::from(random_u64()) << 64 | u128::from(random_u64())
}

/// The platform's id of a request, or a random one where it gives none (the dev server).
pub fn request_id(request: &Request) -> String {
    let ray = request.headers().get("cf-ray").ok().flatten();
    ray.unwrap_or_else(|| format!("{:016x}", random_u64()))
}
