//! The part `engines`: starts each engine, and writes and reads through it, so that a later failure is one of the service.

use std::path::Path;
use std::time::Duration;

use super::engines::{BUCKET, DATABASE, Engines, ROLE, S3Client, Server};
use super::proxy::{Direction, Mode, Proxy};
use super::suites;
use crate::failure::Failure;

pub(super) fn run(root: &Path, engines: &mut Engines, garage: bool) -> Result<(), Failure> {
    failover(engines)?;
    let server = engines.postgres()?;
    pgbouncer(engines, &server)?;
    tls(root, engines, &server)?;
    store(engines)?;
    if garage {
        cluster(engines)?;
    }
    Ok(())
}

/// A standby has each acknowledged row of a killed primary.
fn failover(engines: &mut Engines) -> Result<(), Failure> {
    let mut primary = engines.postgres()?;
    let settings = primary.sql(
        DATABASE,
        "SELECT current_setting('fsync'), current_setting('data_checksums'), rolsuper, rolbypassrls
         FROM pg_roles WHERE rolname = 'agb'",
    )?;
    expect(&settings, "on|on|f|f", "the settings of PostgreSQL")?;
    primary.psql(ROLE, DATABASE, "CREATE TABLE t (n INT PRIMARY KEY)")?;
    let mut standby = primary.start_standby("standby")?;
    for number in 0..20 {
        primary.psql(ROLE, DATABASE, &format!("INSERT INTO t VALUES ({number})"))?;
    }
    primary.kill();
    if primary.psql(ROLE, DATABASE, "SELECT 1").is_ok() {
        return Err(unexpected("the killed primary still answers"));
    }
    let insert = "INSERT INTO t VALUES (20)";
    if standby.psql(ROLE, DATABASE, insert).is_ok() {
        return Err(unexpected(
            "the standby accepts writes before its promotion",
        ));
    }
    standby.promote()?;
    standby.psql(ROLE, DATABASE, insert)?;
    let count = standby.psql(ROLE, DATABASE, "SELECT count(*) FROM t")?;
    expect(&count, "21", "the rows of the promoted standby")?;
    // The data of the killed server survives too.
    primary.start_again()?;
    primary.restart()?;
    let count = primary.sql(DATABASE, "SELECT count(*) FROM t")?;
    expect(&count, "20", "the rows of the restarted primary")?;
    println!("PostgreSQL: 20 acknowledged rows survive kill -9 and failover");
    Ok(())
}

/// Transactions of one client run on any of the server's connections.
fn pgbouncer(engines: &mut Engines, server: &Server) -> Result<(), Failure> {
    let bouncer = engines.pgbouncer(server.port())?;
    let count = server.psql_on(
        bouncer.port(),
        ROLE,
        DATABASE,
        "SELECT count(*) FROM pg_class",
    )?;
    if count.trim().is_empty() {
        return Err(unexpected("PgBouncer returned no row"));
    }
    let mode = server.psql_on(bouncer.port(), ROLE, DATABASE, "SHOW server_version_num")?;
    println!("PgBouncer: transactions of PostgreSQL {}", mode.trim());
    Ok(())
}

/// The service encrypts and verifies as `sslmode` says.
fn tls(root: &Path, engines: &mut Engines, plain: &Server) -> Result<(), Failure> {
    let mut encrypted = engines.postgres()?;
    let folder = root.join("crates/agbcloud-server/tests/http/tls");
    encrypted.enable_tls(
        &folder.join("one-certificate.pem"),
        &folder.join("one-key.pem"),
    )?;
    suites::run_tls(root, plain, &encrypted)?;
    println!("PostgreSQL: TLS in the modes of libpq");
    Ok(())
}

fn store(engines: &mut Engines) -> Result<(), Failure> {
    let store = engines.s3s()?;
    put_and_get(store.client(), store.client())?;
    let forged = S3Client {
        secret_key: "another".to_owned(),
        ..store.client().clone()
    };
    if forged.request("GET", &object(), &[]).is_ok() {
        return Err(unexpected("s3s-fs accepts a wrong signature"));
    }
    if store.object_count() == 0 {
        return Err(unexpected("the object is not in the folder of s3s-fs"));
    }
    through_proxy(store.client())?;
    println!("s3s-fs: signatures are checked, bytes pass the proxy");
    Ok(())
}

/// Requests pass or fail by the mode of the proxy.
fn through_proxy(store: &S3Client) -> Result<(), Failure> {
    let proxy = Proxy::start(&store.address)?;
    // The signature covers the address.
    let client = S3Client {
        address: proxy.address(),
        timeout: Duration::from_secs(1),
        ..store.clone()
    };
    let modes = [
        (Mode::Pass, true),
        (Mode::Latency(Duration::from_millis(10)), true),
        (Mode::Blackhole, false),
        (Mode::CutAfter(10_000), false),
        (Mode::Reset, false),
        (Mode::HalfOpen(Direction::ToServer), false),
        (Mode::HalfOpen(Direction::ToClient), false),
        (Mode::Pass, true),
    ];
    for (mode, passes) in modes {
        proxy.switch(mode);
        if put_and_get(&client, &client).is_ok() != passes {
            let expected = if passes { "pass" } else { "fail" };
            return Err(unexpected(&format!(
                "requests through the proxy must {expected} in the mode {mode:?}"
            )));
        }
    }
    println!(
        "proxy: {} connections in {} modes",
        proxy.accepted(),
        modes.len()
    );
    Ok(())
}

/// Two of three nodes serve what was written to all.
fn cluster(engines: &mut Engines) -> Result<(), Failure> {
    let mut garage = engines.garage()?;
    let client = |garage: &super::engines::Garage, node| {
        let client = garage.client(node);
        client.ok_or_else(|| unexpected("Garage has fewer nodes"))
    };
    let (first, second) = (client(&garage, 0)?, client(&garage, 1)?);
    put_and_get(&first, &second)?;
    garage.kill(2);
    put_and_get(&second, &first)?;
    garage.start_again(2)?;
    put_and_get(&first, &client(&garage, 2)?)?;
    println!("Garage: two of three nodes serve reads and writes");
    Ok(())
}

/// Writes by one client, reads and deletes by the other.
fn put_and_get(writer: &S3Client, reader: &S3Client) -> Result<(), Failure> {
    let mut content = vec![0; 100_000];
    fastrand::fill(&mut content);
    writer.request("PUT", &object(), &content)?;
    let found = reader.request("GET", &object(), &[])?;
    match found.body == content {
        true => Ok(()),
        false => Err(unexpected("the store returned other bytes")),
    }
}

fn object() -> String {
    format!("/{BUCKET}/smoke/object")
}

fn expect(found: &str, expected: &str, what: &str) -> Result<(), Failure> {
    match found.trim() == expected {
        true => Ok(()),
        false => Err(unexpected(&format!(
            "{what}: expected {expected}, found {}",
            found.trim()
        ))),
    }
}

fn unexpected(problem: &str) -> Failure {
    Failure::new(
        problem,
        "the engine does not behave as the tests require: check its version",
    )
}
