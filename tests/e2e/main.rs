//! End-to-end tests: the real Worker under `wrangler dev`, a real Postgres, real WebSocket clients.
//! Not here: rules that need no runtime (`tests/native`), and the page in a browser (`tests/browser`).
//!
//! Run by `cargo xtask test --only e2e`, which builds the Worker with the features `dev` and `test-hooks` and passes it
//! in CHINWAG_TEST_WORKER. Tests that break nothing share one stack and use a tenant each (`Tenant::shared`); those
//! that stop, kill or flood something have a stack of their own.

mod rig;

mod edge_rates;
mod faults;
mod files;
mod files_large;
mod frames;
mod identity;
mod inbox;
mod inbox_notices;
mod legacy_client;
mod limits;
mod memory;
mod notifications;
mod openapi;
mod operator;
mod panics;
mod people;
mod presence;
mod profiles;
mod purge;
mod push;
mod races;
mod reactions;
mod reading;
mod reports;
mod rest;
mod rest_refusals;
mod resume;
mod roles;
mod sleep;
mod smoke;
mod tenants;
mod upgrade;
