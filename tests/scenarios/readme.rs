//! What the README shows is what the quickstart does.

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
