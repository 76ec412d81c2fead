//! The port `room::store::Sql` over an in-process SQLite, which counts written rows as the platform bills them and
//! fails on demand. Not here: statements (`src/room/store`).

use chinwag::room::store::{Row, Sql, SqlValue, StoreError};
use rusqlite::types::Value;
use rusqlite::{Connection, StatementStatus, params_from_iter};
use std::cell::Cell;

pub struct Sqlite {
    db: Connection,
    /// Rows written by the rules of docs/PLATFORM.md, What it costs: one for a table row, one for an index entry.
    pub rows_written: Cell<u64>,
    pub statements: Cell<u64>,
    /// Instructions of SQLite's virtual machine that ran: what a statement costs, the same in each run.
    pub steps: Cell<u64>,
    /// Which statement, counted from now, fails without effect; 0: none.
    pub fails_at: Cell<u64>,
    /// Whether written rows are counted. Counting takes longer than writing.
    pub counts_rows: Cell<bool>,
    /// What the database pretends to take on the disk.
    pub size_bytes: Cell<u64>,
}

impl Default for Sqlite {
    fn default() -> Self {
        Self::new()
    }
}

impl Sqlite {
    pub fn new() -> Self {
        let db = Connection::open_in_memory().unwrap();
        // More than the room has statements: parsing one takes longer than running it.
        db.set_prepared_statement_cache_capacity(256);
        let zero = || Cell::new(0);
        Self {
            db,
            rows_written: zero(),
            statements: zero(),
            steps: zero(),
            fails_at: zero(),
            counts_rows: Cell::new(true),
            size_bytes: zero(),
        }
    }

    /// Every row of every table, to compare before and after.
    pub fn dump(&self) -> String {
        let tables = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name";
        let names: Vec<String> =
            self.rows(tables, []).into_iter().map(|row| format!("{:?}", row[0])).collect();
        let mut dump = String::new();
        for name in names {
            let name = name.trim_start_matches("Text(\"").trim_end_matches("\")").to_owned();
            dump += &format!("{name}: {:#?}\n", self.rows(&format!("SELECT * FROM {name} ORDER BY 1"), []));
        }
        dump
    }

    /// Runs a statement of a test, which may read and damage what is stored. It is not counted and never fails.
    pub fn rows<P: rusqlite::Params>(&self, sql: &str, params: P) -> Vec<Vec<Value>> {
        let mut statement = self.db.prepare_cached(sql).unwrap();
        let columns = statement.column_count();
        let row = |row: &rusqlite::Row| (0..columns).map(|i| row.get(i)).collect();
        statement.query_map(params, row).unwrap().map(Result::unwrap).collect()
    }

    /// Drops every table: afterwards it is like new.
    pub fn delete_all(&self) {
        let tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
        for row in self.rows(tables, []) {
            let Value::Text(name) = &row[0] else { panic!("a table without a name") };
            self.db.execute_batch(&format!("DROP TABLE {name}")).unwrap();
        }
    }

    fn run(&self, sql: &str, params: &[SqlValue]) -> rusqlite::Result<Vec<Row>> {
        assert!(params.len() <= 100, "the platform binds at most 100 parameters");
        let mut statement = self.db.prepare_cached(sql)?;
        let columns = statement.column_count();
        let params = params.iter().map(|p| match p {
            SqlValue::Null => Value::Null,
            // As workerd does: 100 / 32 of two parameters is 3.125 there.
            SqlValue::Integer(n) => Value::Real(*n as f64),
            SqlValue::Text(text) => Value::Text(text.clone()),
        });
        let value = |value: Value| match value {
            Value::Null => SqlValue::Null,
            Value::Integer(n) => SqlValue::Integer(n),
            Value::Text(text) => SqlValue::Text(text),
            other => panic!("the store holds no {other:?}"),
        };
        let row = |row: &rusqlite::Row| (0..columns).map(|i| row.get(i).map(value)).collect();
        let rows = statement.query_map(params_from_iter(params), row)?.collect();
        let steps = statement.reset_status(StatementStatus::VmStep);
        self.steps.set(self.steps.get() + u64::from(steps.cast_unsigned()));
        rows
    }

    /// How many rows a successful statement is billed for: its table rows, plus one for every index that holds an
    /// inserted row (a partial index that doesn't match costs nothing), plus one for each updated indexed column.
    /// What triggers write counts as well; `before`: the changes before the statement.
    /// An insert of several rows would need more; the room has none, and the assert makes sure of it.
    fn billed_rows(&self, sql: &str, before: u64) -> u64 {
        let words: Vec<&str> = sql.split_whitespace().collect();
        if !matches!(words[0], "INSERT" | "UPDATE" | "DELETE") {
            return 0;
        }
        let changed = self.db.changes();
        let by_triggers = self.db.total_changes() - before - changed;
        let table = words[words.iter().position(|w| matches!(*w, "INTO" | "UPDATE" | "FROM")).unwrap() + 1];
        let indexes = self.rows(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = ?",
            [table],
        );
        let mut entries = 0;
        for index in &indexes {
            let Value::Text(definition) = &index[1] else { panic!("an index without SQL") };
            let column = definition.split(['(', ')']).nth(1).unwrap();
            if words[0] == "UPDATE" {
                let set = sql.split("SET").nth(1).unwrap().split("WHERE").next().unwrap();
                let mut set = set.split(',').map(|one| one.split('=').next().unwrap().trim());
                entries += if set.any(|set| definition.contains(set)) { changed } else { 0 };
            } else if words[0] == "INSERT" && changed > 0 {
                assert_eq!(changed, 1, "several rows in one insert: teach this counter");
                let holds = definition.split_once("WHERE").map_or("1", |(_, condition)| condition);
                let matching = format!("SELECT 1 FROM {table} WHERE rowid = ? AND ({holds})");
                entries += match table {
                    // The table has no rowid. A column that the insert doesn't name is NULL, and so not in its index.
                    "uploads" => u64::from(sql.contains(column)),
                    _ => self.rows(&matching, [self.db.last_insert_rowid()]).len() as u64,
                };
            }
        }
        changed + by_triggers + entries
    }
}

impl Sql for Sqlite {
    fn exec(&self, sql: &'static str, params: &[SqlValue]) -> Result<Vec<Row>, StoreError> {
        self.statements.set(self.statements.get() + 1);
        if self.fails_at.get() > 0 {
            self.fails_at.set(self.fails_at.get() - 1);
            if self.fails_at.get() == 0 {
                return Err(StoreError("the disk is gone".into()));
            }
        }
        let before = self.db.total_changes();
        let rows = self.run(sql, params).map_err(|e| StoreError(format!("{e}: {sql}")))?;
        if self.counts_rows.get() {
            self.rows_written.set(self.rows_written.get() + self.billed_rows(sql, before));
        }
        Ok(rows)
    }

    fn size_bytes(&self) -> u64 {
        self.size_bytes.get()
    }

    fn atomically(&self, work: &mut dyn FnMut() -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.rows("SAVEPOINT work", []);
        let outcome = work();
        if outcome.is_err() {
            self.rows("ROLLBACK TO work", []);
        }
        self.rows("RELEASE work", []);
        outcome
    }
}
