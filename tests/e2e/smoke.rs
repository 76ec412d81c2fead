//! `cargo xtask smoke`: green on a sound stack, and on broken ones it names the part that is broken. It leaves nothing
//! behind either way. Not here: what an answer means, part by part (`xtask/src/smoke/parts.rs`).

use crate::rig::stack::{Setting, folder};
use crate::rig::{Stack, Tenant, stack};
use serde_json::json;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

async fn smoke(stack: &Arc<Stack>, tokens: [&str; 2]) -> Output {
    let xtask = std::env::var_os("CHINWAG_XTASK").expect("CHINWAG_XTASK");
    let mut command = tokio::process::Command::new(xtask);
    command.args(["smoke", "--url", &format!("http://{}", stack.host)]).arg("--data").arg(&stack.dir);
    command.args(["--token", tokens[0], "--token", tokens[1]]).env_remove("DATABASE_URL");
    command.output().await.expect("xtask runs")
}

/// The parts that a run names as broken; empty if it is green. It is printed, so that a failing test shows it.
async fn broken(t: &Tenant) -> String {
    let (admin, bob) = (t.admin_token(), t.token("bob"));
    let output = smoke(&t.stack, [&admin, &bob]).await;
    let (printed, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{printed}{error}");
    let named = error.lines().find_map(|line| line.strip_prefix("xtask: broken: "));
    assert_eq!(named.is_none(), output.status.success(), "{error}");
    named.unwrap_or_default().to_owned()
}

async fn leaves_nothing(t: &Tenant) {
    let sql = t.stack.sql().await;
    // A deleted room is gone at once for everybody; its rows follow in pieces.
    crate::rig::eventually("no room is left behind", Duration::from_secs(30), || async {
        let count = sql.query_one("SELECT count(*) FROM chat_rooms WHERE tenant_id = $1", &[&t.id]).await;
        (count.expect("a count").get::<_, i64>(0) == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_sound_stack_passes_and_is_left_as_it_was() {
    let t = Tenant::shared();
    let (admin, bob) = (t.admin_token(), t.token("bob"));
    let output = smoke(&t.stack, [&admin, &bob]).await;
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    let steps =
        "answer tokens services create join say edit react upload delete resume list unread search verify";
    for step in steps.split(' ').chain(["clean up"]) {
        assert!(printed.contains(&format!("ok    {step} ")), "{step}: {printed}");
    }
    assert!(printed.ends_with("all 16 steps passed\n"), "{printed}");
    leaves_nothing(&t).await;

    // A member's token opens no `health?deep=1`: that step says so, and is no failure.
    let alice = t.token("alice");
    let output = smoke(&t.stack, [&alice, &bob]).await;
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        printed.contains("skip  services") && printed.ends_with("passed, not made: services\n"),
        "{printed}"
    );
    leaves_nothing(&t).await;
}

#[tokio::test]
async fn tokens_of_another_key_or_of_one_person_are_named() {
    let t = Tenant::shared();
    let forged = json!({"sub": "alice", "exp": crate::rig::tenant::now_ms() / 1000 + 60, "tenantId": t.id});
    let forged =
        chinwag::auth::mint_hs256("another secret, as long as one must be", &forged).expect("a token");
    let bob = t.token("bob");
    for tokens in [[forged.as_str(), &bob], [&bob, &bob], [&t.token_with("alice", json!({"exp": 1})), &bob]] {
        let output = smoke(&t.stack, tokens).await;
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!((error.trim(), output.status.code()), ("xtask: broken: JWT", Some(1)));
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(
            printed.contains("README.md:") && printed.contains("(Configuration): | `JWT_SECRET`"),
            "{printed}"
        );
    }
    leaves_nothing(&t).await;
}

#[tokio::test]
async fn a_missing_bucket_missing_tables_and_a_dead_postgres_are_named() {
    let env = vec![("CHINWAG_WITHOUT".to_owned(), "r2_buckets".to_owned())];
    let stack = Stack::start_with(folder(), Setting { env, ..Setting::default() });
    let t = Tenant::new(&stack);
    assert_eq!(broken(&t).await, "R2");
    leaves_nothing(&t).await;

    let sql = stack.sql().await;
    sql.batch_execute("ALTER TABLE chat_rooms RENAME TO chat_rooms_away").await.expect("renamed");
    assert_eq!(broken(&t).await, "the migrations");
    sql.batch_execute("ALTER TABLE chat_rooms_away RENAME TO chat_rooms").await.expect("named back");
    drop(sql);

    let away = stack.stop_postgres();
    assert_eq!(broken(&t).await, "Hyperdrive");
    away.back().await;
    leaves_nothing(&t).await;
}

#[tokio::test]
async fn notifications_without_a_secret_and_too_narrow_limits_are_named() {
    let limits = r#"LIMITS={"messagesPerS":0.1,"messagesBurst":2}"#;
    let stack = Stack::start(&["NOTIFY_WEBHOOK_URL=https://hooks.invalid/chat", limits]);
    let t = Tenant::new(&stack);
    assert_eq!(broken(&t).await, "Queue, limits, not made: search");
    leaves_nothing(&t).await;
}

#[tokio::test]
async fn a_stack_that_is_not_there_is_named() {
    let t = Tenant { stack: stack::shared(), id: "nobody".to_owned() };
    let xtask = std::env::var_os("CHINWAG_XTASK").expect("CHINWAG_XTASK");
    let mut command = tokio::process::Command::new(xtask);
    command.args([
        "smoke",
        "--url",
        "http://127.0.0.1:1",
        "--token",
        &t.token("a"),
        "--token",
        &t.token("b"),
    ]);
    let output = command.output().await.expect("xtask runs");
    assert_eq!(String::from_utf8_lossy(&output.stderr).trim(), "xtask: broken: the address");
}
