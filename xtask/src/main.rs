//! `cargo xtask`: everything the project does to itself. This file reads the command line and nothing more.

mod bench;
mod build;
mod check;
mod config;
mod dev;
mod fuzz;
mod inputs;
mod log;
mod migrate;
mod mutants;
mod postgres;
mod process;
mod setup;
mod sim;
mod smoke;
mod suite;
mod token;
mod vapid;
mod verify;
mod worker;
mod wrangler;

use anyhow::{Context, Result, bail};
use bench::baseline::Baseline;
use bench::workload::Workload;
use lexopt::prelude::*;
use std::path::{Path, PathBuf};

const USAGE: &str = "cargo xtask <command>
  dev      [--headless] [--port N] [--data DIR] [--postgres URL] [--jwt-secret S] [--var NAME=VALUE]... [--no-build | --worker DIR]
  build    [--features a,b] [--out DIR]
  check
  test     [--only native|sim|wasm|e2e|fuzz|faults|browser] [--keep]
  faults   --minutes N [--seed S] | --rebuild MESSAGES
  sim      [--seeds N] [--from SEED] [--seed S] | --mutants | --mutant NAME
  bench    [WORKLOAD]... [--against bare,sqlite,usual,usual-new,partyserver,node,axum] [--worker DIR] [--runs N] | --lane | --rest | --cold | --loops[=PART] | --projection | --search MESSAGES
  pictures
  vapid
  token    --sub USER [--tenant T] [--name N] [--role R]... [--ttl SECONDS] [--data DIR]
  migrate  --url URL [--dir DIR] [--worker-password P]
  verify   --url URL [--token JWT] [--postgres URL] [--room ID]... [--data DIR]
  smoke    --url URL [--token JWT --token JWT] [--postgres URL] [--data DIR]
Environment: CHINWAG_FEATURES cargo features of the Worker, CHINWAG_TEST_WORKER the Worker that --no-build runs,
CHINWAG_WITHOUT the bindings that a stack lacks,
CHINWAG_QUEUE_RETRIES how often a stack's queue of notifications tries again, CHINWAG_TOKEN what `verify` shows without --token,
CHINWAG_TOKEN_A and CHINWAG_TOKEN_B what `smoke` shows without --token, DATABASE_URL where `smoke` finds Postgres without --postgres,
CHINWAG_WORKER_PASSWORD the password that `migrate` gives to the Worker's role without --worker-password.";

fn main() {
    if let Err(error) = run() {
        eprintln!("xtask: {error:#}");
        std::process::exit(1);
    }
}

/// The project's root, whatever the folder xtask was called in.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

fn run() -> Result<()> {
    let mut args = lexopt::Parser::from_env();
    let command = match args.next()? {
        Some(Value(name)) => name.string()?,
        Some(Short('h') | Long("help")) | None => {
            println!("{USAGE}");
            return Ok(());
        }
        Some(other) => return Err(other.unexpected().into()),
    };
    // `cargo xtask dev --help` asks for the same page.
    if std::env::args().any(|arg| arg == "--help" || arg == "-h") {
        println!("{USAGE}");
        return Ok(());
    }
    match command.as_str() {
        "dev" => dev::run(parse_dev_options(args)?),
        "build" => build::run(parse_build_options(args)?),
        "check" => ensure_no_more(args).and_then(|()| check::run()),
        "test" => suite::run(&parse_test_options(args)?),
        "faults" => suite::run_faults(&parse_faults_options(args)?),
        "bench" => bench::run(&parse_bench_options(args)?),
        "sim" => sim::run(&args.raw_args()?.collect::<Vec<_>>()),
        "pictures" => ensure_no_more(args).and_then(|()| suite::take_pictures()),
        "vapid" => ensure_no_more(args).and_then(|()| vapid::run()),
        "token" => token::run(parse_token_options(args)?),
        "migrate" => {
            let (url, dir, worker_password) = parse_migrate_options(args)?;
            migrate::run(&url, &dir, worker_password.as_deref())
        }
        "verify" => verify::run(&parse_verify_options(args)?),
        "smoke" => smoke::run(&parse_smoke_options(args)?),
        other => bail!("no command `{other}`\n{USAGE}"),
    }
}

fn parse_build_options(mut args: lexopt::Parser) -> Result<build::Options> {
    let mut options = build::Options { features: build::features_from_env(), ..Default::default() };
    while let Some(arg) = args.next()? {
        match arg {
            Long("features") => options.features = build::parse_features(&args.value()?.string()?),
            Long("out") => options.out = Some(PathBuf::from(args.value()?)),
            Long("rebuild") => options.rebuild = true,
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(options)
}

fn parse_test_options(mut args: lexopt::Parser) -> Result<suite::Options> {
    let mut options = suite::Options::default();
    while let Some(arg) = args.next()? {
        match arg {
            Long("only") => options.only = Some(args.value()?.string()?.parse()?),
            Long("keep") => options.keep = true,
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(options)
}

fn parse_faults_options(mut args: lexopt::Parser) -> Result<suite::Faults> {
    let (mut minutes, mut seed) = (None, None);
    while let Some(arg) = args.next()? {
        match arg {
            Long("minutes") => minutes = Some(args.value()?.parse()?),
            Long("seed") => seed = Some(args.value()?.parse()?),
            Long("rebuild") => return Ok(suite::Faults::Rebuild { messages: args.value()?.parse()? }),
            other => return Err(other.unexpected().into()),
        }
    }
    let minutes = minutes.context("faults needs --minutes N or --rebuild MESSAGES")?;
    Ok(suite::Faults::Long { minutes, seed })
}

fn parse_bench_options(mut args: lexopt::Parser) -> Result<bench::Options> {
    let mut options = bench::Options::default();
    while let Some(arg) = args.next()? {
        match arg {
            Long("worker") => options.worker = Some(PathBuf::from(args.value()?)),
            Long("runs") => options.runs = args.value()?.parse()?,
            Long("rest") => options.rest = true,
            Long("lane") => (options.lane, options.runs) = (true, 1),
            Long("cold") => options.cold = true,
            Long("loops") => {
                let part = args.optional_value().map(|part| part.string()).transpose()?;
                options.loops = Some(part.unwrap_or_default());
            }
            Long("against") => {
                let names = args.value()?.string()?;
                options.against = names.split(',').map(Baseline::find).collect::<Result<_>>()?;
            }
            Value(name) => options.workloads.push(Workload::find(&name.string()?)?),
            Long("projection") => options.database = Some(bench::database::Measure::Projection),
            Long("search") => {
                options.database = Some(bench::database::Measure::Search(args.value()?.parse()?))
            }
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(options)
}

/// Postgres's URL, the folder of the migrations, and the password that the Worker's role gets.
fn parse_migrate_options(mut args: lexopt::Parser) -> Result<(String, PathBuf, Option<String>)> {
    let (mut url, mut dir) = (None, root().join("migrations"));
    let mut worker_password =
        std::env::var("CHINWAG_WORKER_PASSWORD").ok().filter(|password| !password.is_empty());
    while let Some(arg) = args.next()? {
        match arg {
            Long("url") => url = Some(args.value()?.string()?),
            Long("dir") => dir = PathBuf::from(args.value()?),
            Long("worker-password") => worker_password = Some(args.value()?.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok((url.context("migrate needs --url postgres://user:password@host/database")?, dir, worker_password))
}

fn ensure_no_more(mut args: lexopt::Parser) -> Result<()> {
    match args.next()? {
        Some(other) => Err(other.unexpected().into()),
        None => Ok(()),
    }
}

fn parse_dev_options(mut args: lexopt::Parser) -> Result<dev::Options> {
    let mut options = dev::Options::default();
    while let Some(arg) = args.next()? {
        match arg {
            Long("headless") => options.headless = true,
            Long("port") => options.port = args.value()?.parse()?,
            Long("data") => options.data = std::path::absolute(PathBuf::from(args.value()?))?,
            Long("postgres") => options.postgres_url = Some(args.value()?.string()?),
            Long("worker-postgres") => options.worker_postgres = Some(args.value()?.string()?),
            Long("jwt-secret") => options.jwt_secret = Some(args.value()?.string()?),
            Long("var") => {
                let var = args.value()?.string()?;
                let (name, value) =
                    var.split_once('=').with_context(|| format!("--var {var}: give NAME=VALUE"))?;
                options.vars.push((name.into(), value.into()));
            }
            Long("no-build") => {
                let dir = std::env::var_os("CHINWAG_TEST_WORKER").map(PathBuf::from);
                options.worker = Some(std::path::absolute(dir.unwrap_or_else(|| root().join("build")))?);
            }
            Long("worker") => options.worker = Some(std::path::absolute(PathBuf::from(args.value()?))?),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(options)
}

fn parse_token_options(mut args: lexopt::Parser) -> Result<token::Options> {
    let mut options = token::Options::default();
    while let Some(arg) = args.next()? {
        match arg {
            Long("sub") => options.sub = args.value()?.string()?,
            Long("tenant") => options.tenant = args.value()?.string()?,
            Long("name") => options.name = Some(args.value()?.string()?),
            Long("role") => options.roles.push(args.value()?.string()?),
            Long("ttl") => options.ttl_s = args.value()?.parse()?,
            Long("data") => options.data = PathBuf::from(args.value()?),
            other => return Err(other.unexpected().into()),
        }
    }
    if options.sub.is_empty() {
        bail!("token needs --sub USER");
    }
    Ok(options)
}

fn parse_verify_options(mut args: lexopt::Parser) -> Result<verify::Options> {
    let token = std::env::var("CHINWAG_TOKEN").unwrap_or_default();
    let mut options = verify::Options { token, data: root().join(".dev"), ..Default::default() };
    while let Some(arg) = args.next()? {
        match arg {
            Long("url") => options.url = args.value()?.string()?,
            Long("token") => options.token = args.value()?.string()?,
            Long("postgres") => options.postgres = Some(args.value()?.string()?),
            Long("room") => options.rooms.push(args.value()?.string()?),
            Long("data") => options.data = PathBuf::from(args.value()?),
            other => return Err(other.unexpected().into()),
        }
    }
    if options.url.is_empty() || options.token.is_empty() {
        bail!("verify needs --url https://… and --token JWT (or CHINWAG_TOKEN)");
    }
    Ok(options)
}

fn parse_smoke_options(mut args: lexopt::Parser) -> Result<smoke::Options> {
    let mut options = smoke::Options { data: root().join(".dev"), ..Default::default() };
    let (mut tokens, mut url) = (Vec::new(), None);
    while let Some(arg) = args.next()? {
        match arg {
            Long("url") => url = Some(args.value()?.string()?),
            Long("token") => tokens.push(args.value()?.string()?),
            Long("postgres") => options.postgres = Some(args.value()?.string()?),
            Long("data") => options.data = PathBuf::from(args.value()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    if tokens.is_empty() {
        tokens = ["CHINWAG_TOKEN_A", "CHINWAG_TOKEN_B"].into_iter().filter_map(variable).collect();
    }
    options.postgres = options.postgres.or_else(|| variable("DATABASE_URL"));
    let needs = "smoke needs --url https://… and the tokens of two people: --token A --token B";
    options.url = url.filter(|url| !url.is_empty()).context(needs)?;
    options.tokens = tokens.try_into().ok().context(needs)?;
    Ok(options)
}
