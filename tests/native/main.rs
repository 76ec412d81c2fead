//! The native tests: what needs no workerd. Postgres is a real one (CHINWAG_TEST_POSTGRES).
//! The rules of the room are conversations: see `transcript`.

mod cast;
mod db;
mod db_plans;
mod db_projection;
mod golden;
mod laws;
mod ledger;
mod operator;
mod postgres;
mod rig;
mod room;
mod rules;
mod sqlite;
mod telling;
mod transcript;
