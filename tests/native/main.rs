//! The native tests: what needs no workerd. Postgres is a real one (CHINWAG_TEST_POSTGRES).
//! The rules of the room are conversations: see `transcript`.

mod bucket;
mod contract;
mod db;
mod db_people;
mod db_plans;
mod db_projection;
mod db_threads;
mod db_unanalysed;
mod fake_postgres;
mod fixtures;
mod golden;
mod invariants;
mod membership;
mod operator;
mod postgres;
mod reading;
mod render;
mod rig;
mod room;
mod rules;
#[allow(dead_code)] // The end-to-end tests use the rest.
#[path = "../schema/mod.rs"]
mod schema;
mod sqlite;
mod transcript;
mod uploads;
