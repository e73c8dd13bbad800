//! The sources of settings, and their trust.

use super::*;
use crate::ErrorKind;

fn resolve(
    builder: ClientBuilder,
    process: &[(&str, &str)],
    dotenv: &str,
) -> Result<ClientSettings> {
    builder.resolve(&Sources::of_texts(process, dotenv))
}

/// A builder and sources whose values contain the name of their source.
fn sources(
    key: &[SettingSource],
    endpoint: &[SettingSource],
) -> (ClientBuilder, Vec<(&'static str, &'static str)>, String) {
    let mut builder = ClientBuilder::default();
    let (mut process, mut dotenv) = (Vec::new(), String::new());
    for source in key {
        match source {
            SettingSource::Code => builder = builder.api_key("key-of-code"),
            SettingSource::Environment => process.push(("AGB_API_KEY", "key-of-environment")),
            SettingSource::Fallback => builder = builder.fallback_api_key("key-of-fallback"),
            _ => dotenv += "AGB_API_KEY=key-of-dotenv\n",
        }
    }
    for source in endpoint {
        match source {
            SettingSource::Code => builder = builder.endpoint("code.example"),
            SettingSource::Environment => process.push(("AGB_ENDPOINT", "environment.example")),
            SettingSource::Fallback => builder = builder.fallback_endpoint("fallback.example"),
            _ => dotenv += "AGB_ENDPOINT=dotenv.example\n",
        }
    }
    (builder, process, dotenv)
}

const ORDER: [(SettingSource, &str); 4] = [
    (SettingSource::Code, "code"),
    (SettingSource::Environment, "environment"),
    (SettingSource::Fallback, "fallback"),
    (SettingSource::Dotenv, "dotenv"),
];

/// All combinations of four sources for a key and an endpoint.
#[test]
fn a_key_is_sent_only_to_an_endpoint_of_an_equally_trusted_source() {
    let subset = |bits: usize| -> Vec<SettingSource> {
        let of = ORDER.iter().enumerate();
        of.filter(|(at, _)| bits & (1 << at) != 0)
            .map(|(_, (source, _))| *source)
            .collect()
    };
    for bits in 0..256 {
        for reads_dotenv in [true, false] {
            let (keys, endpoints) = (subset(bits & 15), subset(bits >> 4));
            let (builder, process, dotenv) = sources(&keys, &endpoints);
            let dotenv = if reads_dotenv { dotenv } else { String::new() };
            let rank = |of: &[SettingSource]| {
                let read =
                    |source: &SettingSource| reads_dotenv || *source != SettingSource::Dotenv;
                ORDER
                    .iter()
                    .position(|(source, _)| of.contains(source) && read(source))
            };
            let resolved = resolve(builder, &process, &dotenv);
            let case = format!("{keys:?} {endpoints:?} {reads_dotenv}");
            match (rank(&keys), rank(&endpoints)) {
                (Some(key), None) => {
                    let settings = resolved.unwrap();
                    assert_eq!(settings.endpoint.url, DEFAULT_ENDPOINT, "{case}");
                    assert_eq!(
                        settings.api_key.expose(),
                        format!("key-of-{}", ORDER[key].1)
                    );
                }
                (Some(key), Some(endpoint)) if endpoint <= key => {
                    let settings = resolved.unwrap();
                    let expected = format!("https://{}.example", ORDER[endpoint].1);
                    assert_eq!(settings.endpoint.url, expected, "{case}");
                    assert_eq!(
                        settings.api_key.expose(),
                        format!("key-of-{}", ORDER[key].1)
                    );
                }
                (key, _) => {
                    let error = resolved.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Configuration, "{case}");
                    let names_both = error.message().contains("less trusted");
                    assert_eq!(names_both, key.is_some(), "{case}: {error}");
                    assert!(!format!("{error:?}").contains("key-of-"), "{case}");
                }
            }
        }
    }
}

#[test]
fn a_blank_endpoint_does_not_send_the_key_to_that_of_a_dotenv() {
    let trap = "AGB_ENDPOINT=dotenv.example\n";
    for empty in ["", "  ", "\t"] {
        let process = [("AGB_API_KEY", "k"), ("AGB_ENDPOINT", empty)];
        assert!(
            resolve(ClientBuilder::default(), &process, trap).is_err(),
            "{empty:?}"
        );
        assert!(resolve(ClientBuilder::default().dotenv(false), &process, "").is_ok());
    }
    for odd in [
        "export AGB_ENDPOINT=a.example",
        "AGB_ENDPOINT='a.example' # x",
        "\u{feff}AGB_ENDPOINT=a.example",
    ] {
        assert!(
            resolve(ClientBuilder::default(), &[("AGB_API_KEY", "k")], odd).is_err(),
            "{odd}"
        );
    }
    let other = "agb_endpoint=a.example\nHTTPS_PROXY=http://a.example\n";
    let settings = resolve(ClientBuilder::default(), &[("AGB_API_KEY", "k")], other).unwrap();
    assert_eq!(settings.endpoint.url, DEFAULT_ENDPOINT);
}

#[test]
fn code_precedes_environment_dotenv_and_default() {
    let dotenv = "AGB_API_KEY=from-file\nAGB_ENDPOINT=file.example\nAGB_TIMEOUT_MS=3\n";
    let process = [
        ("AGB_API_KEY", "from-env"),
        ("AGB_ENDPOINT", "env.example"),
        ("AGB_TIMEOUT_MS", "2"),
    ];
    let code = ClientBuilder::default()
        .api_key("from-code")
        .endpoint("code.example")
        .timeout(Duration::from_millis(1));

    for (builder, process, dotenv, key, endpoint, timeout) in [
        (
            code,
            &process[..],
            dotenv,
            "from-code",
            "https://code.example",
            1,
        ),
        (
            ClientBuilder::default(),
            &process[..],
            dotenv,
            "from-env",
            "https://env.example",
            2,
        ),
        (
            ClientBuilder::default(),
            &[],
            dotenv,
            "from-file",
            "https://file.example",
            3,
        ),
        (
            ClientBuilder::default(),
            &[("AGB_API_KEY", "k")],
            "",
            "k",
            DEFAULT_ENDPOINT,
            60_000,
        ),
    ] {
        let settings = resolve(builder, process, dotenv).unwrap();
        assert_eq!(settings.api_key.expose(), key);
        assert_eq!(settings.endpoint.url, endpoint);
        assert_eq!(settings.timeout, Duration::from_millis(timeout));
    }
}

#[test]
fn a_dotenv_is_not_expanded() {
    for (written, key) in [
        ("ab$cd#ef", "ab$cd#ef"),
        ("ab${HOME}", "ab${HOME}"),
        ("\"ab$HOME$\"", "ab$HOME$"),
        ("'ab$HOME' # mine", "ab$HOME"),
        ("ab\\$HOME", "ab$HOME"),
    ] {
        let dotenv = format!("\u{feff}AGB_API_KEY={written}\n");
        let settings = resolve(ClientBuilder::default(), &[], &dotenv).unwrap();
        assert_eq!(settings.api_key.expose(), key);
    }
    let trap = "AGB_API_KEY=k\nAGB_ENDPOINT=http://a.example/${PATH}\n";
    let resolved = resolve(ClientBuilder::default(), &[], trap);
    assert!(resolved.is_err() || resolved.unwrap().endpoint.url.contains("PATH"));
}

#[test]
fn setting_sources_returns_the_sources() {
    let dotenv = "AGB_API_KEY=k\n";
    let process = [("AGB_ENDPOINT", "env.example")];
    let builder = ClientBuilder::default().fallback_api_key("f");
    let sources_of = |builder: &ClientBuilder, sources| {
        let setting_sources = builder.setting_sources_in(sources);
        (setting_sources.endpoint, setting_sources.api_key)
    };
    let both = Sources::of_texts(&process, dotenv);
    let plain = ClientBuilder::default();
    assert_eq!(
        sources_of(&plain, &both),
        (SettingSource::Environment, SettingSource::Dotenv)
    );
    assert_eq!(
        sources_of(&builder, &both),
        (SettingSource::Environment, SettingSource::Fallback)
    );
    let none = Sources::of_texts(&[], "");
    assert_eq!(
        sources_of(&builder, &none),
        (SettingSource::Default, SettingSource::Fallback)
    );
    let builder = builder.endpoint("a").api_key("k");
    assert_eq!(
        sources_of(&builder, &both),
        (SettingSource::Code, SettingSource::Code)
    );
}

#[test]
fn an_empty_variable_is_unset() {
    let settings = resolve(
        ClientBuilder::default(),
        &[("AGB_API_KEY", "")],
        "AGB_API_KEY=file",
    )
    .unwrap();
    assert_eq!(settings.api_key.expose(), "file");
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_utf_8_is_rejected() {
    for (name, part) in [
        ("AGB_API_KEY", "API key must be visible ASCII"),
        ("AGB_ENDPOINT", "endpoint"),
        ("AGB_TIMEOUT_MS", "AGB_TIMEOUT_MS"),
    ] {
        let builder = match name {
            "AGB_API_KEY" => ClientBuilder::default(),
            _ => ClientBuilder::default().api_key("k"),
        };
        let sources = Sources::of_bytes(name, b"1\xff.example");
        let error = builder.resolve(&sources).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn errors_name_the_invalid_setting_and_show_no_key() {
    for (process, dotenv, part) in [
        (&[][..], "", "AGB_API_KEY"),
        (&[], "A=1\nAGB_API_KEY='secret-1\n", "line 2"),
        (&[("AGB_API_KEY", "secret-1\u{7}")], "", "API key"),
        (
            &[("AGB_API_KEY", "k"), ("AGB_TIMEOUT_MS", "soon")],
            "",
            "AGB_TIMEOUT_MS",
        ),
        (
            &[("AGB_API_KEY", "k"), ("AGB_TIMEOUT_MS", "0")],
            "",
            "AGB_TIMEOUT_MS",
        ),
        (
            &[("AGB_API_KEY", "k"), ("AGB_ENDPOINT", "ftp://a")],
            "",
            "http",
        ),
    ] {
        let error = resolve(ClientBuilder::default(), process, dotenv).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains(part), "{error}");
        assert!(!format!("{error:?}").contains("secret-1"), "{error:?}");
    }
}

#[test]
fn debug_does_not_show_the_key() {
    let builder = ClientBuilder::default().api_key("secret-1");
    let builder = builder.endpoint("https://me:secret-1@a.example?k=secret-1");
    assert!(!format!("{builder:?}").contains("secret-1"));
}
