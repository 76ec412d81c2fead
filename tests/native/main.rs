//! Native tests: everything that needs no workerd. Postgres is a real one (CHINWAG_TEST_POSTGRES). The rules of the
//! room are conversations: see `transcript`.

mod actions;
mod bucket;
mod contract;
mod db;
mod db_migrations;
mod db_people;
mod db_plans;
mod db_profiles;
mod db_projection;
mod db_quotas;
mod db_reactions;
mod db_reports;
mod db_restore;
mod db_threads;
mod db_unanalysed;
mod directions;
mod frames;
mod golden;
mod golden_stored;
mod invariants;
mod operator;
mod platform;
mod postgres;
mod reading;
mod render;
mod rest_requests;
mod rig;
mod room;
mod rules;
mod tasks;
mod tenant_binding;
mod tidy;
mod transcript;
mod uploads;
mod world;
