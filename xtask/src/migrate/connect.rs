//! Connections to a database, by TLS unless it is on this machine. `migrate` and `verify` use them.
//! Not here: what they are for.

use anyhow::{Context, Result, bail};
use std::net::IpAddr;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config};

/// Whether a connection to this database is encrypted and the server's certificate checked: always, except on this
/// machine, where `sslmode=require` asks for it.
///
/// # Errors  `sslmode=disable` on another machine, and what is no address of a database.
pub fn wants_tls(url: &str) -> Result<bool> {
    let config = parse(url)?;
    let names_this_machine = |host: &Host| match host {
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()),
        Host::Unix(_) => true,
    };
    let is_local = config.get_hosts().iter().all(names_this_machine)
        && config.get_hostaddrs().iter().all(IpAddr::is_loopback);
    match config.get_ssl_mode() {
        SslMode::Disable if !is_local => bail!("sslmode=disable is for a Postgres on this machine alone"),
        SslMode::Require => Ok(true),
        _ => Ok(!is_local),
    }
}

/// The certificate is checked in any case, which is what libpq's stricter words ask for.
fn parse(url: &str) -> Result<Config> {
    let url =
        url.replace("sslmode=verify-full", "sslmode=require").replace("sslmode=verify-ca", "sslmode=require");
    url.parse().context("no address of a Postgres database")
}

/// Runs this very command in an xtask that has TLS. It is a minute more of compiling, so only who needs it has it.
pub fn rerun_with_tls() -> Result<()> {
    crate::log::say("this takes TLS: building xtask with it");
    let status = std::process::Command::new("cargo")
        .args([
            "run",
            "--quiet",
            "--manifest-path",
            &crate::root().join("Cargo.toml").to_string_lossy(),
            "--package",
            "xtask",
            "--features",
            "tls",
            "--target-dir",
            &crate::root().join("target/tls").to_string_lossy(),
            "--",
        ])
        .args(std::env::args_os().skip(1))
        .status()?;
    std::process::exit(status.code().unwrap_or(1));
}

#[cfg(not(feature = "tls"))]
pub async fn connect(url: &str) -> Result<Client> {
    if wants_tls(url)? {
        bail!("this needs TLS, which this xtask was built without");
    }
    let (client, connection) =
        parse(url)?.connect(tokio_postgres::NoTls).await.context("cannot reach Postgres")?;
    tokio::spawn(connection);
    Ok(client)
}

#[cfg(feature = "tls")]
pub async fn connect(url: &str) -> Result<Client> {
    let mut config = parse(url)?;
    config.ssl_mode(if wants_tls(url)? { SslMode::Require } else { SslMode::Disable });
    let mut roots = rustls::RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let client = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let tls = tokio_postgres_rustls::MakeRustlsConnect::new(client);
    let (client, connection) = config.connect(tls).await.context("cannot reach Postgres by TLS")?;
    tokio::spawn(connection);
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_encrypted_unless_it_stays_on_this_machine() {
        let tls = |url: &str| wants_tls(&format!("postgres://{url}")).map_err(|error| error.to_string());
        for local in [
            "u:p@127.0.0.1:5432/d",
            "u@localhost/d?sslmode=disable",
            "u@[::1]/d",
            "u@127.9.9.9/d?sslmode=prefer",
        ] {
            assert_eq!(tls(local), Ok(false), "{local}");
        }
        for remote in [
            "u:p@ep-x.aws.neon.tech/d",
            "u@10.0.0.5/d?sslmode=prefer",
            "u@db/d?sslmode=verify-full",
            "u@localhost.example.com/d",
            "u@localhost,db.example.com/d",
            "u@localhost/d?hostaddr=10.0.0.5",
            "u@localhost/d?sslmode=require",
            "u@/d?host=db.example.com",
        ] {
            assert_eq!(tls(remote), Ok(true), "{remote}");
        }
        for refused in ["u@db.example.com/d?sslmode=disable", "u@10.0.0.5/d?sslmode=disable"] {
            assert!(tls(refused).unwrap_err().contains("on this machine alone"), "{refused}");
        }
        assert!(wants_tls("mysql://x").is_err());
    }

    #[tokio::test]
    async fn another_machine_is_not_spoken_to_in_plain_text() {
        // 192.0.2.0/24 is nobody's: the refusal comes before any connection.
        let refused = connect("postgres://u:secret@192.0.2.1/d?sslmode=disable&connect_timeout=1").await;
        assert!(refused.err().unwrap().to_string().contains("on this machine alone"));
        if !cfg!(feature = "tls") {
            let refused = connect("postgres://u:secret@192.0.2.1/d?connect_timeout=1").await;
            assert!(refused.err().unwrap().to_string().contains("needs TLS"));
        }
    }
}
