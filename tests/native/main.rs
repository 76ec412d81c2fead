//! The native tests: what needs no workerd. Postgres is a real one (CHINWAG_TEST_POSTGRES).

mod db;
mod db_plans;
mod db_projection;
mod postgres;
