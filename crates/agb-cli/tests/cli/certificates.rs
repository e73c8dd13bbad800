//! Certificates, TLS and proxies: what a command reports about each problem.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    process::Command,
    thread,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

use super::test_env::TestEnv;

/// A certificate and its key in PEM.
struct Pem {
    certificate: String,
    key: String,
}

fn params(name: &str) -> CertificateParams {
    CertificateParams::new([name.to_owned()]).unwrap()
}

fn self_signed(params: CertificateParams) -> Pem {
    let key = KeyPair::generate().unwrap();
    Pem {
        certificate: params.self_signed(&key).unwrap().pem(),
        key: key.serialize_pem(),
    }
}

/// A service with this certificate, and its address without a scheme.
fn tls_env(pem: &Pem) -> (TestEnv, String) {
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| folder.path().join(name));
    fs::write(&certificate, &pem.certificate).unwrap();
    fs::write(&key, &pem.key).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let [certificate, key] = [certificate, key].map(|path| path.to_str().unwrap().to_owned());
    let env = TestEnv::with(&["--tls-cert", &certificate, "--tls-key", &key]);
    fs::write(env.path("server.pem"), &pem.certificate).unwrap();
    let (_, address) = env.serve.url.split_once("://").unwrap();
    let address = address.to_owned();
    (env, address)
}

/// Runs a command against an endpoint. Returns the exit code and stderr.
fn list(env: &TestEnv, endpoint: &str, arguments: &[&str]) -> (i32, String) {
    let all = [&["context", "list", "--endpoint", endpoint], arguments].concat();
    run(env.command(&all).env("AGB_TIMEOUT_MS", "5000"))
}

fn run(command: &mut Command) -> (i32, String) {
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), stderr)
}

#[track_caller]
fn assert_reported((code, stderr): (i32, String), message: &str, hint: &str) {
    assert_eq!(code, 7, "{stderr}");
    assert!(stderr.contains(message), "{stderr}");
    let hints = stderr.lines().find(|line| line.starts_with("hint: "));
    assert!(hints.is_some_and(|line| line.contains(hint)), "{stderr}");
    let repeated = stderr
        .lines()
        .any(|line| !line.starts_with("hint: ") && line.contains(hint));
    assert!(!repeated, "{stderr}");
}

#[test]
fn a_self_signed_certificate_is_trusted_by_flag_environment_and_profile() {
    let (env, address) = tls_env(&self_signed(params("127.0.0.1")));
    let endpoint = format!("https://{address}");
    assert_reported(list(&env, &endpoint, &[]), "self-signed", "--ca-file");
    let (code, stderr) = list(&env, &endpoint, &["--ca-file", "server.pem"]);
    assert_eq!(code, 0, "{stderr}");
    let mut command = env.command(&["context", "list", "--endpoint", &endpoint]);
    assert_eq!(run(command.env("AGB_CA_FILE", "server.pem")).0, 0);
    let login = [
        "login",
        "--api-key-stdin",
        "--endpoint",
        &endpoint,
        "--ca-file",
        "server.pem",
    ];
    fs::write(env.path("key"), "a-key\n").unwrap();
    let key = fs::File::open(env.path("key")).unwrap();
    let (code, stderr) = run(env.command(&login).stdin(key));
    assert_eq!(code, 0, "{stderr}");
    let bare = |arguments: &[&str]| {
        let mut command = env.command(arguments);
        command.env_remove("AGB_ENDPOINT").env_remove("AGB_API_KEY");
        command
    };
    // The path in the profile is absolute.
    let mut elsewhere = bare(&["context", "list"]);
    assert_eq!(run(elsewhere.current_dir(env.path("project"))).0, 0);
    let (code, stderr) = list(&env, &endpoint, &["--ca-file", "none.pem"]);
    assert!(
        code == 2 && stderr.contains("none.pem (from --ca-file)"),
        "{stderr}"
    );
    fs::write(env.path("empty.pem"), "").unwrap();
    let (code, stderr) = list(&env, &endpoint, &["--ca-file", "empty.pem"]);
    assert!(code == 2 && stderr.contains("no certificate"), "{stderr}");
    fs::write(
        env.path("key.pem"),
        KeyPair::generate().unwrap().serialize_pem(),
    )
    .unwrap();
    let (code, stderr) = list(&env, &endpoint, &["--ca-file", "key.pem"]);
    assert!(
        code == 2 && stderr.contains("key.pem (from --ca-file) contains no certificate"),
        "{stderr}"
    );
}

#[test]
fn insecure_is_limited_to_loopback_unless_it_is_given_twice() {
    let (env, address) = tls_env(&self_signed(params("127.0.0.1")));
    let endpoint = format!("https://{address}");
    env.serve_is_reached(&endpoint, &["--insecure"]);
    let (code, stderr) = list(&env, "https://agb.test", &["--insecure"]);
    assert_eq!(code, 4, "{stderr}");
    assert!(
        stderr.contains("--ca-file") && stderr.contains("twice"),
        "{stderr}"
    );
    let arguments = ["--insecure", "--insecure"];
    let (code, stderr) = list(&env, &endpoint, &arguments);
    assert_eq!(code, 0, "{stderr}");
    assert!(
        stderr.contains("warning: certificates are not verified"),
        "{stderr}"
    );
}

impl TestEnv {
    /// Transfers a file, with requests to the service and to the object store.
    #[track_caller]
    fn serve_is_reached(&self, endpoint: &str, arguments: &[&str]) {
        for command in [
            &["context", "create", "one"][..],
            &["put", "project/a.txt", "one:/a.txt"],
            &["cat", "one:/a.txt"],
        ] {
            let all = [command, &["--endpoint", endpoint], arguments].concat();
            let (code, stderr) = run(&mut self.command(&all));
            assert_eq!(code, 0, "{command:?}: {stderr}");
        }
    }
}

#[test]
fn problems_of_certificates_are_named() {
    let mut ca = params("127.0.0.1");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let (env, address) = tls_env(&self_signed(ca));
    let endpoint = format!("https://{address}");
    let reported = list(&env, &endpoint, &["--ca-file", "server.pem"]);
    assert_reported(reported, "certificate authority as its own", "CA:FALSE");

    let mut ca = params("ca.test");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    let issued = |params: CertificateParams| {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &ca).unwrap().pem();
        let (env, address) = tls_env(&Pem {
            certificate,
            key: key.serialize_pem(),
        });
        fs::write(env.path("ca.pem"), ca.pem()).unwrap();
        (env, format!("https://{address}"))
    };
    let (env, endpoint) = issued(params("127.0.0.1"));
    env.serve_is_reached(&endpoint, &["--ca-file", "ca.pem"]);
    assert_reported(list(&env, &endpoint, &[]), "not trusted", "--ca-file");
    // An older certificate authority with the same name.
    let mut old = params("ca.test");
    old.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    fs::write(env.path("old.pem"), self_signed(old).certificate).unwrap();
    let reported = list(&env, &endpoint, &["--ca-file", "old.pem"]);
    assert_reported(reported, "not trusted", "--ca-file");
    let by_name = endpoint.replace("127.0.0.1", "localhost");
    let reported = list(&env, &by_name, &["--ca-file", "ca.pem"]);
    assert_reported(reported, "other host names", "host name of the certificate");

    let mut expired = params("127.0.0.1");
    expired.not_after = date_time_ymd(2020, 1, 1);
    let (env, endpoint) = issued(expired);
    let reported = list(&env, &endpoint, &["--ca-file", "ca.pem"]);
    assert_reported(reported, "has expired", "renew");
    let mut future = params("127.0.0.1");
    future.not_before = date_time_ymd(2090, 1, 1);
    let (env, endpoint) = issued(future);
    let reported = list(&env, &endpoint, &["--ca-file", "ca.pem"]);
    assert_reported(reported, "not valid yet", "clock");
}

#[test]
fn a_wrong_scheme_is_named() {
    let (env, address) = tls_env(&self_signed(params("127.0.0.1")));
    let reported = list(&env, &format!("http://{address}"), &["--call-timeout", "5"]);
    assert_reported(reported, "not HTTP", "use https://");
    let env = TestEnv::new();
    let endpoint = env.serve.url.replace("http:", "https:");
    assert_reported(
        list(&env, &endpoint, &[]),
        "does not speak TLS",
        "use http://",
    );
}

#[test]
fn an_unknown_host_is_named() {
    let env = TestEnv::new();
    let endpoint = "http://no-such-host.invalid";
    let reported = list(&env, endpoint, &["--call-timeout", "3"]);
    let message = "can't resolve the host name no-such-host.invalid";
    assert_reported(reported, message, "spelling");
    let mut command = env.command(&["doctor", "--endpoint", endpoint]);
    let output = command.output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(
        shown.contains(&format!("connection\tfailed\t{message}")),
        "{shown}"
    );
    for check in ["clock", "access"] {
        assert!(shown.contains(&format!("{check}\tskipped\t")), "{shown}");
    }
}

/// A proxy that answers each connection with a status.
fn proxy(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            if matches!(stream.read(&mut request), Ok(1..)) {
                let _ = write!(stream, "HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n");
            }
        }
    });
    format!("http://user:secret@{address}")
}

#[test]
fn problems_of_a_proxy_are_named() {
    let env = TestEnv::new();
    let endpoint = "https://agb.test";
    let through = |proxy: &str, command: &[&str]| {
        let all = [command, &["--endpoint", endpoint, "--call-timeout", "3"]].concat();
        let output = env
            .command(&all)
            .env("HTTPS_PROXY", proxy)
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        assert!(
            !stdout.contains("secret") && !stderr.contains("secret"),
            "{stdout}{stderr}"
        );
        (output.status.code().unwrap(), stdout, stderr)
    };
    let list = ["context", "list"];
    let (code, _, stderr) = through(&proxy("407 Proxy Authentication Required"), &list);
    assert_eq!(code, 4, "{stderr}");
    assert!(
        stderr.contains("the proxy requires authentication"),
        "{stderr}"
    );
    let refusing = proxy("403 Forbidden");
    let (code, _, stderr) = through(&refusing, &list);
    assert_reported((code, stderr), "the proxy refuses", "NO_PROXY");
    let (code, _, stderr) = through("http://127.0.0.1:1", &list);
    assert_reported((code, stderr), "can't connect to the proxy", "HTTPS_PROXY");

    let (code, shown, _) = through(&refusing, &["doctor"]);
    assert_eq!(code, 7, "{shown}");
    let (_, address) = refusing.split_once('@').unwrap();
    assert!(
        shown.contains(&format!("proxy\tok\thttp://{address} accepts connections")),
        "{shown}"
    );
    assert!(
        shown.contains("connection\tfailed\tthe proxy refuses"),
        "{shown}"
    );
    let (code, shown, _) = through("http://127.0.0.1:1", &["doctor"]);
    assert_eq!(code, 7, "{shown}");
    assert!(
        shown.contains("proxy\tfailed\tcan't connect to http://127.0.0.1:1"),
        "{shown}"
    );
}

#[test]
fn problems_of_a_proxy_for_http_are_named() {
    let env = TestEnv::new();
    let endpoint = "http://agb.test";
    let through = |variable: &str, proxy: &str, command: &str| {
        let all = [command, "--endpoint", endpoint, "--call-timeout", "3"];
        let output = env.command(&all).env(variable, proxy).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        assert!(
            !format!("{stdout}{stderr}").contains("secret"),
            "{stdout}{stderr}"
        );
        (output.status.code().unwrap(), stdout, stderr)
    };
    let (code, _, stderr) = through("HTTP_PROXY", "http://127.0.0.1:1", "ls");
    let message = "can't connect to the proxy http://127.0.0.1:1";
    assert_reported((code, stderr), message, "check HTTP_PROXY");
    let (code, _, stderr) = through("ALL_PROXY", "http://127.0.0.1:1", "ls");
    assert_reported((code, stderr), message, "check ALL_PROXY");
    let asking = proxy("407 Proxy Authentication Required");
    let (code, _, stderr) = through("HTTP_PROXY", &asking, "ls");
    assert_eq!(code, 4, "{stderr}");
    assert!(
        stderr.contains("hint: set HTTP_PROXY=http://user:password@"),
        "{stderr}"
    );
    let refusing = proxy("403 Forbidden");
    let (code, _, stderr) = through("http_proxy", &refusing, "ls");
    assert_eq!(code, 4, "{stderr}");
    assert!(stderr.contains("the proxy http://127.0.0.1:"), "{stderr}");
    assert!(
        stderr.contains("NO_PROXY") && !stderr.contains("API key"),
        "{stderr}"
    );

    for command in ["ls", "doctor"] {
        let (code, stdout, stderr) = through("HTTP_PROXY", "notaurl::", command);
        assert_eq!(code, 2, "{stdout}{stderr}");
        let shown = format!("{stdout}{stderr}");
        assert!(
            shown.contains("HTTP_PROXY is not the URL of a proxy"),
            "{shown}"
        );
    }
    // It does not apply to the endpoint.
    let (_, _, stderr) = through("HTTPS_PROXY", "notaurl::", "ls");
    assert!(!stderr.contains("PROXY is not"), "{stderr}");
}

#[test]
fn a_client_certificate_is_requested_by_name() {
    use std::sync::Arc;

    use rustls::{RootCertStore, ServerConfig, ServerConnection, server::WebPkiClientVerifier};

    let mut ca = params("ca.test");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    let server_key = KeyPair::generate().unwrap();
    let server = params("127.0.0.1").signed_by(&server_key, &ca).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(ca.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
    let key = rustls::pki_types::PrivateKeyDer::try_from(server_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(vec![server.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut connection = ServerConnection::new(config.clone()).unwrap();
            while connection.complete_io(&mut stream).is_ok() && connection.is_handshaking() {}
            let body = r#"{"success":true,"code":"ok","httpStatusCode":200,"data":[]}"#;
            let length = body.len();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
            let mut tls = rustls::Stream::new(&mut connection, &mut stream);
            let mut request = [0; 4096];
            if matches!(tls.read(&mut request), Ok(1..)) {
                let _ = tls.write_all(answer.as_bytes());
            }
            // The client may still be writing, and must read the alert first.
            let _ = stream.read(&mut request);
        }
    });
    let env = TestEnv::new();
    fs::write(env.path("ca.pem"), ca.pem()).unwrap();
    let trusting = ["--ca-file", "ca.pem", "--call-timeout", "5"];
    let reported = list(&env, &endpoint, &trusting);
    assert_reported(reported, "requires a client certificate", "--client-cert");
    let client_key = KeyPair::generate().unwrap();
    let client = params("client.test").signed_by(&client_key, &ca).unwrap();
    let pem = format!("{}{}", client.pem(), client_key.serialize_pem());
    fs::write(env.path("client.pem"), pem).unwrap();
    let with_certificate = [&trusting[..], &["--client-cert", "client.pem"]].concat();
    let (code, stderr) = list(&env, &endpoint, &with_certificate);
    assert_eq!(code, 0, "{stderr}");
    let (code, stderr) = list(&env, &endpoint, &["--client-key", "client.pem"]);
    assert!(
        code == 2 && stderr.contains("needs a certificate"),
        "{stderr}"
    );
}
