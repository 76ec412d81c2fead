//! Pins in batches on a real Postgres: replaced, late, read for a rebuild, and deleted with their room.

use crate::db::{batch, done, group, message_row, room, tenant, up_to};
use crate::postgres::{Database, NativePostgres};
use chinwag::db::{self, PinRow, Postgres, Projected, Projection};
use serde_json::json;

fn pins(from: u64, to: u64, seqs: &[u64]) -> Projection {
    let pin = |seq: &u64| PinRow {
        seq: *seq,
        id: message_row("r1", *seq, "alice", "").id,
        position: 10 + seq,
        pinned_by: "alice".into(),
        at_ms: 1_795_424_703_123,
    };
    Projection { pins: Some(seqs.iter().map(pin).collect()), ..batch("acme", "r1", from, to, Vec::new()) }
}

async fn stored(pg: &NativePostgres) -> Vec<PinRow> {
    db::messages_after(pg, &tenant("acme"), &room("r1"), 0, up_to(1)).await.expect("a page").pins
}

#[tokio::test]
async fn pin_5_a_batch_replaces_the_pins_and_a_late_one_changes_none() {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    group(&pg, "acme", "r1", "alice", &["bob"]).await;
    let first = pins(0, 3, &[1, 2]);
    done(&pg, &first).await;
    assert_eq!(Some(stored(&pg).await), first.pins);
    let rows = "SELECT json_agg(ctid ORDER BY seq) FROM chat_pins";
    let before = pg.query(rows, json!({})).await.expect("rows");
    done(&pg, &pins(3, 4, &[1, 2])).await;
    assert_eq!(pg.query(rows, json!({})).await.expect("rows"), before, "no row was written again");
    let second = pins(4, 6, &[2, 3]);
    done(&pg, &second).await;
    assert!(matches!(db::project(&pg, &first).await, Ok(Projected::Ahead { .. })));
    done(&pg, &batch("acme", "r1", 6, 7, Vec::new())).await;
    assert_eq!(Some(stored(&pg).await), second.pins, "a batch without pins keeps them");
    pg.client.batch_execute("DELETE FROM chat_rooms").await.expect("deleted");
    let left: i64 = pg.client.query_one("SELECT count(*) FROM chat_pins", &[]).await.expect("a count").get(0);
    assert_eq!(left, 0);
}
