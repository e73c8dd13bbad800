//! TLS to a real server: the one that `AGB_TEST_POSTGRES_TLS` names. Its certificate is
//! `tests/http/tls/one-certificate.pem`, for `localhost` and 127.0.0.1. `cargo xtask test-distributed --only engines` starts it.

use super::*;

const TRUSTED: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/http/tls/one-certificate.pem"
);
const OTHER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/http/tls/two-certificate.pem"
);
/// A name that the certificate does not have, for the address of the server.
const OTHER_NAME: &str = "db.example.com";

/// Returns whether connections are encrypted.
async fn is_encrypted(url: &str) -> Result<bool, OpenError> {
    let store = try_open(url).await?.store;
    let query = "SELECT ssl::int::bigint FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    Ok(store.number(query).await == 1)
}

/// Replaces the host of a URL by another name for the same address.
fn renamed(url: &str) -> String {
    let (start, rest) = url.split_once("127.0.0.1:").unwrap();
    with(&format!("{start}{OTHER_NAME}:{rest}"), "hostaddr=127.0.0.1")
}

#[tokio::test]
async fn modes_encrypt_and_verify_as_those_of_libpq() {
    let Ok(url) = std::env::var("AGB_TEST_POSTGRES_TLS") else {
        println!("skipped: AGB_TEST_POSTGRES_TLS is not set");
        return;
    };
    for (mode, roots, by_address, by_other_name) in [
        ("disable", None, Some(false), Some(false)),
        ("disable", Some(TRUSTED), Some(false), Some(false)),
        ("prefer", None, Some(true), Some(true)),
        ("require", None, Some(true), Some(true)),
        ("require", Some(TRUSTED), Some(true), Some(true)),
        ("require", Some(OTHER), None, None),
        ("verify-ca", Some(TRUSTED), Some(true), Some(true)),
        ("verify-ca", Some(OTHER), None, None),
        ("verify-full", Some(TRUSTED), Some(true), None),
        ("verify-full", Some(OTHER), None, None),
        // No public authority certifies the server.
        ("verify-full", None, None, None),
        ("verify-full", Some("system"), None, None),
    ] {
        let mut parameters = format!("sslmode={mode}");
        if let Some(roots) = roots {
            parameters += &format!("&sslrootcert={roots}");
        }
        for (url, expected) in [(url.clone(), by_address), (renamed(&url), by_other_name)] {
            let found = is_encrypted(&with(&url, &parameters)).await;
            match expected {
                Some(encrypted) => assert_eq!(found.unwrap(), encrypted, "{parameters}"),
                None => assert!(
                    matches!(found, Err(OpenError::Connect(_))),
                    "{parameters}: {found:?}"
                ),
            }
        }
    }
    // Encrypted by default.
    assert!(is_encrypted(&url).await.unwrap());
}

#[tokio::test]
async fn a_server_without_tls_is_used_only_if_the_mode_allows_it() {
    let Some(url) = database() else { return };
    let store = try_open(&with(&url, "sslmode=disable")).await.unwrap();
    let ssl = "SELECT (current_setting('ssl') = 'on')::int::bigint";
    if store.store.number(ssl).await == 1 {
        println!("skipped: the server of AGB_TEST_POSTGRES has TLS");
        return;
    }
    assert!(!is_encrypted(&with(&url, "sslmode=prefer")).await.unwrap());
    for mode in ["require", "verify-full"] {
        let found = is_encrypted(&with(&url, &format!("sslmode={mode}"))).await;
        assert!(matches!(found, Err(OpenError::Connect(_))), "{found:?}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_needs_no_tls_whatever_the_mode() {
    let Ok(url) = std::env::var("AGB_TEST_POSTGRES_SOCKET") else {
        println!("skipped: AGB_TEST_POSTGRES_SOCKET is not set");
        return;
    };
    for mode in ["prefer", "require", "verify-full"] {
        let encrypted = is_encrypted(&with(&url, &format!("sslmode={mode}"))).await;
        assert!(!encrypted.unwrap(), "{mode}");
    }
    let missing = try_open(&with(&url, "sslmode=verify-ca")).await;
    assert!(matches!(missing, Err(OpenError::Config(_))));
}
