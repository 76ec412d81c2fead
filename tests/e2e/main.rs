//! End to end: the real Worker under `wrangler dev`, a real Postgres, real WebSocket clients.
//! Not here: rules that need no runtime (`tests/native`), the page in a browser.
//!
//! Run by `cargo xtask test --only e2e`, which builds the Worker with the features `dev` and `test-hooks` and names
//! it in CHINWAG_TEST_WORKER. Tests that do no harm share one stack and keep apart by their tenants (`Tenant::shared`);
//! those that stop, kill or flood things have stacks of their own.

mod rig;

mod faults;
mod files;
mod files_large;
mod frames;
mod identity;
mod legacy_client;
mod limits;
mod notifications;
mod openapi;
mod operator;
mod panics;
mod people;
mod presence;
mod purge;
mod races;
mod reading;
mod rest;
mod rest_refusals;
mod resume;
mod roles;
mod sleep;
mod tenants;
mod upgrade;
