//! The pages for operators name what there is.

use std::{fs, path::Path};

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn page(name: &str) -> String {
    fs::read_to_string(repository().join("docs").join(name)).unwrap()
}

/// What stands between backticks.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

#[test]
fn each_rule_of_security_has_a_test_that_is_there() {
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
fn each_limit_stands_in_the_page_on_running_it() {
    let page = page("running.md");
    for name in agbcloud_server::Limits::NAMES {
        assert!(page.contains(&format!("| `{name}` |")), "{name}");
    }
}

#[test]
fn the_config_file_that_is_shown_has_names_of_flags() {
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

/// What stands between two texts.
fn between(text: &'static str, start: &str, end: &str) -> &'static str {
    let (_, rest) = text.split_once(start).unwrap();
    let (part, _) = rest.split_once(end).unwrap();
    part
}

#[test]
fn the_program_of_the_readme_is_the_quickstart_but_for_the_client() {
    let readme = include_str!("../../README.md");
    let quickstart = include_str!("../../crates/agbcloud/examples/quickstart.rs");
    // That the whole of it compiles is tested in `src/lib.rs`.
    let program = between(readme, "```rust,no_run\n", "```");
    let (_, shown) = program
        .split_once("let client = Client::from_env()?;")
        .unwrap();
    let (_, shown) = shown.split_once('\n').unwrap();
    let function = "async fn quickstart(client: Client) -> agbcloud::Result<()> {\n";
    let (_, run) = quickstart.split_once(function).unwrap();
    assert_eq!(shown, run);
    assert!(shown.lines().count() >= 10, "there is something to compare");
    assert!(
        program.lines().count() <= 25,
        "twenty lines, and an import or two"
    );
}
