//! The documentation matches the code.

use std::{fs, path::Path};

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn page(name: &str) -> String {
    fs::read_to_string(repository().join("docs").join(name)).unwrap()
}

/// Returns the texts between backticks.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

#[test]
fn every_test_named_in_the_security_page_exists() {
    let mut found = 0;
    for line in page("security.md")
        .lines()
        .filter(|line| line.starts_with('|'))
    {
        for named in quoted(line) {
            let Some((file, test)) = named.split_once(".rs: ") else {
                continue;
            };
            let file = match file.contains("crates/")
                || file.contains("tests/")
                || file.contains("xtask/")
            {
                true => format!("{file}.rs"),
                false => format!("crates/agbcloud-server/tests/http/{file}.rs"),
            };
            let code = fs::read_to_string(repository().join(&file)).expect(&file);
            assert!(
                code.contains(&format!("fn {test}(")),
                "{file} has no {test}"
            );
            found += 1;
        }
    }
    assert!(found > 30, "{found}");
}

#[test]
fn every_limit_is_documented() {
    let page = page("running.md");
    for name in agbcloud_server::Limits::NAMES {
        assert!(page.contains(&format!("| `{name}` |")), "{name}");
    }
}

#[test]
fn the_documented_config_file_uses_names_of_flags() {
    let page = page("running.md");
    let shown = page.split("```toml").nth(1).unwrap();
    let shown = shown.split("```").next().unwrap();
    let mut names = 0;
    for line in shown.lines().filter(|line| line.contains(" = ")) {
        let name = line.split(' ').next().unwrap();
        assert!(page.contains(&format!("| `--{name}` |")), "{name}");
        names += 1;
    }
    assert!(names > 5, "{names}");
}

/// Returns the text between two markers.
fn between(text: &'static str, start: &str, end: &str) -> &'static str {
    let (_, rest) = text.split_once(start).unwrap();
    let (part, _) = rest.split_once(end).unwrap();
    part
}

#[test]
fn the_readme_shows_the_quickstart_example() {
    let readme = include_str!("../../README.md");
    let quickstart = include_str!("../../crates/agbcloud/examples/quickstart.rs");
    // A doc test in `src/lib.rs` compiles the program.
    let program = between(readme, "```rust,no_run\n", "```");
    let (_, shown) = program
        .split_once("let client = Client::from_env()?;")
        .unwrap();
    let (_, shown) = shown.split_once('\n').unwrap();
    let function = "async fn quickstart(client: Client) -> agbcloud::Result<()> {\n";
    let (_, run) = quickstart.split_once(function).unwrap();
    assert_eq!(shown, run);
    assert!(shown.lines().count() >= 10, "the program is too short");
    assert!(program.lines().count() <= 25, "the program is too long");
}
