//! Which service is called, and with which key.

use std::{fs, io::Write, net::TcpListener, os::unix::fs::PermissionsExt, process::Command};

use super::world::{KEY, World};

/// Writes the profiles of a world, for nobody else to read.
fn profiles(world: &World, text: &str) {
    let folder = world.path("config/agb");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("config.toml");
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Exit code, stdout and stderr.
fn outcome(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// An address at which a call would be noticed, and whether there was one.
fn trap() -> (String, impl Fn() -> bool) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    listener.set_nonblocking(true).unwrap();
    (url, move || listener.accept().is_ok())
}

#[test]
fn a_profile_that_a_flag_names_goes_before_the_environment() {
    let (exported, staging) = (World::new(), World::new());
    profiles(
        &exported,
        &format!(
            "[staging]\nendpoint = {:?}\napi_key = \"key-of-staging\"\n",
            staging.serve.url
        ),
    );
    let there = |arguments: &[&str]| {
        let mut command = staging.command(arguments);
        command.env("AGB_API_KEY", "key-of-staging");
        let (code, shown, said) = outcome(&mut command);
        assert_eq!(code, 0, "{said}");
        shown
    };
    exported.print(&["context", "create", "x"]);
    there(&["context", "create", "x"]);
    let list = ["context", "list", "-q"];
    exported.print(&["context", "delete", "-y", "x", "--profile", "staging"]);
    assert_eq!(
        (exported.print(&list), there(&list)),
        ("x\n".into(), String::new())
    );

    // Named by the environment, it goes behind the environment's other settings.
    there(&["context", "create", "y"]);
    let mut command = exported.command(&list);
    assert_eq!(outcome(command.env("AGB_PROFILE", "staging")).1, "x\n");
    let mut alone = exported.command(&list);
    alone.env_remove("AGB_ENDPOINT").env_remove("AGB_API_KEY");
    assert_eq!(outcome(alone.env("AGB_PROFILE", "staging")).1, "y\n");
    // A flag goes before a variable for the same thing.
    let mut command = exported.command(&[&list[..], &["--profile", "staging"]].concat());
    assert_eq!(outcome(command.env("AGB_PROFILE", "none")).1, "y\n");

    let doctor = exported.print(&["doctor", "--profile", "staging"]);
    assert_eq!(
        doctor.matches("from --profile staging").count(),
        2,
        "{doctor}"
    );
    assert!(doctor.contains(&staging.serve.url), "{doctor}");
}

#[test]
fn a_chosen_profile_that_lacks_something_is_not_filled_up_from_another_service() {
    let world = World::new();
    let (url, called) = trap();
    profiles(
        &world,
        &format!("[key]\napi_key = \"k\"\n[endpoint]\nendpoint = {url:?}\n[empty]\n"),
    );
    world.print(&["context", "create", "x"]);
    for (profile, lacks) in [
        ("key", "endpoint"),
        ("endpoint", "api_key"),
        ("empty", "endpoint"),
    ] {
        let (code, said) = world.fail(&["context", "delete", "-y", "x", "--profile", profile]);
        assert_eq!(code, 2, "{profile}: {said}");
        assert!(said.contains(&format!("has no {lacks}")), "{said}");
        assert!(
            said.contains("from the environment") && said.contains("hint:"),
            "{said}"
        );
    }
    assert_eq!(world.fail(&["ls", "x:/", "--profile", ""]).0, 2);
    assert!(!called(), "nothing was sent");
    assert_eq!(world.print(&["context", "list", "-q"]), "x\n");
    // A key of the environment that belongs to no other endpoint completes it.
    let mut command = world.command(&[
        "context",
        "list",
        "--profile",
        "endpoint",
        "--call-timeout",
        "0.2",
    ]);
    assert_ne!(outcome(command.env_remove("AGB_ENDPOINT")).0, 2);
    assert!(called());
}

#[test]
fn a_key_is_not_sent_where_a_less_trusted_source_says() {
    let world = World::new();
    let (url, called) = trap();
    let list = ["context", "list"];
    fs::write(world.path(".env"), format!("export AGB_ENDPOINT='{url}'\n")).unwrap();
    for endpoint in [None, Some(""), Some(" ")] {
        let mut command = world.command(&list);
        match endpoint {
            None => command.env_remove("AGB_ENDPOINT"),
            Some(text) => command.env("AGB_ENDPOINT", text),
        };
        let (code, _, said) = outcome(&mut command);
        assert_eq!(code, 2, "{said}");
        assert!(
            said.contains("from the environment") && said.contains("from .env"),
            "{said}"
        );
        assert!(said.contains("hint:") && !said.contains(KEY), "{said}");
        let (code, shown, _) = outcome(world.command(&["doctor"]).env("AGB_ENDPOINT", ""));
        assert!(code == 2 && shown.contains("less trusted"), "{shown}");
    }
    profiles(&world, "[default]\napi_key = \"k\"\n");
    let mut of_profile = world.command(&list);
    of_profile
        .env_remove("AGB_ENDPOINT")
        .env_remove("AGB_API_KEY");
    assert_eq!(outcome(&mut of_profile).0, 2);
    // A key of stdin, with an endpoint of the environment or of `.env`.
    for endpoint in [url.as_str(), ""] {
        let mut command = world.command(&["context", "list", "--api-key-stdin"]);
        command
            .env("AGB_ENDPOINT", endpoint)
            .stdin(std::process::Stdio::piped());
        let mut child = command
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(child.stdin.take().unwrap(), "{KEY}").unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("from stdin"), "{said}");
    }
    assert!(!called(), "nothing was sent");
}

#[test]
fn a_dotenv_is_read_in_the_working_directory_alone_and_not_at_all_if_so_asked() {
    let world = World::new();
    world.print(&["context", "create", "x"]);
    let text = format!("AGB_ENDPOINT={}\nAGB_API_KEY={KEY}\n", world.serve.url);
    fs::write(world.path(".env"), text).unwrap();
    let bare = |arguments: &[&str]| {
        let mut command = world.command(arguments);
        command.env_remove("AGB_API_KEY").env_remove("AGB_ENDPOINT");
        command
    };
    let list = ["context", "list", "-q"];
    assert_eq!(outcome(&mut bare(&list)).1, "x\n");
    for (code, command) in [
        (
            2,
            bare(&[&list[..], &["--no-dotenv"]].concat()).env("X", "1"),
        ),
        (2, bare(&list).env("AGB_NO_DOTENV", "1")),
        (2, bare(&list).current_dir(world.path("project"))),
        (0, bare(&list).env("AGB_NO_DOTENV", "0")),
        (0, bare(&list).env("AGB_NO_DOTENV", "")),
    ] {
        let (ended, _, said) = outcome(command);
        assert_eq!(ended, code, "{said}");
        assert!(code == 0 || said.contains("no API key"), "{said}");
    }
    // Its other lines are no settings of the network.
    let (proxy, called) = trap();
    let text = format!("HTTP_PROXY={proxy}\nhttp_proxy={proxy}\nALL_PROXY={proxy}\n");
    fs::write(world.path(".env"), text).unwrap();
    assert_eq!(world.print(&list), "x\n");
    assert!(!called());
}

#[test]
fn a_wrong_path_of_the_endpoint_is_no_missing_context() {
    let world = World::new();
    world.print(&["context", "create", "x"]);
    world.print(&["put", "project/a.txt", "x:/a.txt"]);
    for arguments in [
        &["context", "get", "x"][..],
        &["context", "get", "SdkCtx-1"],
        &["context", "delete", "-y", "x"],
        &["context", "create", "x"],
        &["ls", "x:/"],
        &["cat", "x:/a.txt"],
        &["get", "x:/a.txt", "copy"],
        &["put", "project/a.txt", "x:/b.txt"],
        &["rm", "-f", "x:/a.txt"],
        &["sync", "project", "x:/p"],
        &["context", "list"],
    ] {
        let mut command = world.command(arguments);
        command.env("AGB_ENDPOINT", format!("{}/sdk", world.serve.url));
        let (code, _, said) = outcome(&mut command);
        assert_eq!(code, 2, "{arguments:?}: {said}");
        assert!(said.contains("hint: check the endpoint"), "{said}");
        assert!(
            !said.contains("no context") && !said.contains("agb context create"),
            "{said}"
        );
    }
    let mut doctor = world.command(&["doctor"]);
    let doctor = doctor.env("AGB_ENDPOINT", format!("{}/sdk", world.serve.url));
    let (code, shown, _) = outcome(doctor);
    assert!(code == 2 && shown.contains("with its path"), "{shown}");
    assert_eq!(world.fail(&["context", "get", "none"]).0, 3);
    assert_eq!(world.print(&["cat", "x:/a.txt"]), "hello");
}
