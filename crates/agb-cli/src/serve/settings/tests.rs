use std::{fs, path::PathBuf};

use agbcloud_server::Storage;
use clap::{Args, FromArgMatches};

use super::{ConfigFile, DEFAULT_DATA_DIR, LogFormat, Settings};
use crate::{environment::EnvironmentArguments, failure::Code};

/// A valid value of a setting.
fn value(name: &str) -> &'static str {
    match name {
        "log" => "debug",
        "durability" => "relaxed",
        "log-format" => "json",
        "quarantine-days" => "30",
        "direct-downloads" => "true",
        _ => "given",
    }
}

/// A line of the config file.
fn line(name: &str) -> String {
    match name {
        "quarantine-days" | "direct-downloads" => format!("{name} = {}\n", value(name)),
        _ => format!("{name} = \"{}\"\n", value(name)),
    }
}

fn names() -> Vec<String> {
    let serve = Settings::augment_args(clap::Command::new("serve"));
    let longs = serve
        .get_arguments()
        .filter_map(|argument| argument.get_long());
    longs
        .filter(|name| !["config", "help"].contains(name))
        .map(str::to_owned)
        .collect()
}

/// Writes a file that only its owner can read.
fn write(path: &std::path::Path, text: &str) {
    fs::write(path, text).unwrap();
    #[cfg(unix)]
    set_mode(path, 0o600);
}

#[cfg(unix)]
fn set_mode(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(unix)]
#[test]
fn a_config_file_that_others_can_change_or_that_exposes_a_key_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agb.toml");
    for (text, mode, is_rejected) in [
        ("log = \"info\"", 0o644, false),
        ("log = \"info\"", 0o666, true),
        ("log = \"info\"", 0o664, true),
        ("api-key = \"k\"", 0o600, false),
        ("api-key = \"k\"", 0o604, true),
        ("api-key = \"k\"", 0o602, true),
        ("metadata = \"postgres://u:p@h/d\"", 0o600, false),
        ("metadata = \"postgres://u:p@h/d\"", 0o644, true),
        ("blobs = \"s3://b\"", 0o644, true),
    ] {
        fs::write(&path, text).unwrap();
        set_mode(&path, mode);
        let file = ConfigFile {
            config: Some(path.clone()),
        };
        let result = Settings::default()
            .with_config_file(&file, &EnvironmentArguments::default())
            .map(drop);
        let code = result.map_err(|failure| failure.code);
        let expected = if is_rejected {
            Err(Code::NotAllowed)
        } else {
            Ok(())
        };
        assert_eq!(code, expected, "{text} {mode:o}");
    }
}

fn file(text: &str) -> Result<Settings, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agb.toml");
    write(&path, text);
    let config = Some(path);
    Settings::default()
        .with_config_file(&ConfigFile { config }, &EnvironmentArguments::default())
        .map_err(|failure| failure.to_string())
}

#[test]
fn the_config_file_uses_the_names_of_the_flags() {
    assert!(names().len() > 10);
    for name in names() {
        file(&line(&name)).unwrap_or_else(|error| panic!("{error}"));
    }
    let all = names().iter().map(|name| line(name)).collect::<String>();
    let settings = file(&all).unwrap();
    assert_eq!(settings.api_keys, ["given"]);
    assert_eq!(settings.log_format, Some(LogFormat::Json));
    assert_eq!(settings.limits.as_deref(), Some("given"));
}

#[test]
fn storage_urls_replace_the_data_folder() {
    let storage = |data_dir: Option<&str>, metadata: Option<&str>, blobs: Option<&str>| {
        let settings = Settings {
            data_dir: data_dir.map(PathBuf::from),
            metadata: metadata.map(str::to_owned),
            blobs: blobs.map(str::to_owned),
            ..Settings::default()
        };
        settings.storage().map_err(|failure| failure.code)
    };
    assert_eq!(
        storage(None, None, None),
        Ok(Storage::folder(DEFAULT_DATA_DIR))
    );
    assert_eq!(storage(Some("a"), None, None), Ok(Storage::folder("a")));
    assert_eq!(
        storage(None, Some("sqlite:a"), None),
        Ok(Storage::folder("a"))
    );
    for (data_dir, metadata, blobs) in [
        (Some("a"), Some("sqlite:a"), None),
        (Some("a"), None, Some("file:a")),
        (None, None, Some("file:a")),
        (None, Some("mysql:a"), None),
    ] {
        assert_eq!(storage(data_dir, metadata, blobs), Err(Code::Usage));
    }
}

#[test]
fn the_help_lists_every_limit() {
    let serve = Settings::augment_args(clap::Command::new("serve"));
    let help = serve.clone().render_long_help().to_string();
    for name in agbcloud_server::Limits::NAMES {
        assert!(help.contains(name), "{name}");
    }
}

#[test]
fn the_documentation_lists_every_flag() {
    let page = include_str!("../../../../../docs/running.md");
    for name in names() {
        assert!(page.contains(&format!("| `--{name}`")), "{name}");
    }
}

#[test]
fn an_error_shows_an_unknown_name_but_no_key() {
    let error = file("listen = \"127.0.0.1:1\"\nlisten-on = \"x\"")
        .err()
        .unwrap();
    assert!(
        error.contains("line 2") && error.contains("`listen-on`"),
        "{error}"
    );
    for text in [
        "api-key = { secret = 1 }",
        "api-key = [\"secret\", 1]",
        "api-key = \"secret",
        "log = \"secret\"",
    ] {
        let error = file(text).err().unwrap();
        assert!(
            error.contains("line 1") && !error.contains("secret"),
            "{error}"
        );
    }
}

/// The Debug output of every setting with an environment variable.
fn values(settings: &Settings) -> String {
    let Settings {
        listen,
        data_dir,
        metadata,
        blobs,
        durability,
        public_url,
        keys,
        tls_cert,
        tls_key,
        metrics_listen,
        limits,
        quarantine_days,
        direct_downloads,
        log,
        log_format,
        api_keys: _,
        faults: _,
    } = settings;
    let texts = (listen, public_url, metrics_listen, limits, metadata, blobs);
    let paths = (data_dir, keys, tls_cert, tls_key);
    let others = (
        durability,
        quarantine_days,
        direct_downloads,
        log,
        log_format,
    );
    format!("{texts:?} {paths:?} {others:?}")
}

#[test]
fn a_config_file_of_a_flag_takes_precedence_over_the_environment() {
    let command = || Settings::augment_args(clap::Command::new("agb"));
    let names: Vec<_> = command()
        .get_arguments()
        .filter(|argument| argument.get_env().is_some())
        .map(|argument| argument.get_long().unwrap().to_owned())
        .collect();
    assert!(names.len() > 10);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agb.toml");
    for name in names {
        let id = name.replace('-', "_");
        let (given, other) = match name.as_str() {
            "log" => ("debug", "\"info\""),
            "durability" => ("relaxed", "\"strict\""),
            "log-format" => ("json", "\"text\""),
            "quarantine-days" => ("30", "31"),
            "direct-downloads" => ("true", "false"),
            _ => ("given", "\"file\""),
        };
        write(&path, &format!("{name} = {other}\n"));
        let parse = || {
            let words = ["agb", &format!("--{name}={given}")];
            Settings::from_arg_matches(&command().get_matches_from(words)).unwrap()
        };
        for (environment, file_wins) in [
            (&[][..], false),
            (&[id.as_str()], true),
            (&[id.as_str(), "config"], false),
        ] {
            let file = ConfigFile {
                config: Some(path.clone()),
            };
            let environment = EnvironmentArguments::of(environment);
            let settings = parse().with_config_file(&file, &environment).unwrap();
            let is_given = values(&settings) == values(&parse());
            assert_ne!(is_given, file_wins, "{name}: {}", values(&settings));
        }
    }
}

#[test]
fn flags_and_the_config_file_complete_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agb.toml");
    write(
        &path,
        "listen = \"file\"\nlimits = \"file\"\napi-key = [\"a\", \"b\"]",
    );
    let merge = |settings: Settings| {
        let file = ConfigFile {
            config: Some(path.clone()),
        };
        settings
            .with_config_file(&file, &EnvironmentArguments::default())
            .unwrap()
    };
    let settings = merge(Settings {
        listen: Some("flag".to_owned()),
        ..Settings::default()
    });
    assert_eq!(settings.listen.as_deref(), Some("flag"));
    assert_eq!(settings.limits.as_deref(), Some("file"));
    assert_eq!(settings.api_keys, ["a", "b"]);
    let settings = merge(Settings {
        api_keys: vec!["c".to_owned()],
        ..Settings::default()
    });
    assert_eq!(settings.api_keys, ["c"]);
}
