//! The console blocks of the documentation.

use std::path::Path;

use super::support::Serve;

#[test]
fn the_transcripts_in_the_documentation_are_correct() {
    let scratch = tempfile::tempdir().unwrap();
    let serve = Serve::start(&scratch.path().join("data"), &[]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    // Each page has its own key, and so its own contexts.
    for page in ["docs/cli.md", "README.md"] {
        let cases = trycmd::TestCases::new();
        cases
            .env("AGB_ENDPOINT", &serve.url)
            .env("AGB_API_KEY", format!("key-of-{page}"))
            .env("NO_COLOR", "1")
            .case(root.join(page));
        for folder in ["XDG_CONFIG_HOME", "XDG_STATE_HOME"] {
            cases.env(folder, scratch.path().join(folder).display().to_string());
        }
        cases.run();
    }
}

#[test]
fn every_command_of_the_table_for_users_of_other_tools_is_in_a_transcript() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    let page = std::fs::read_to_string(page).unwrap();
    let section = page.split("## Coming from other tools\n").nth(1).unwrap();
    let rows = section.lines().filter_map(|line| line.strip_suffix("` |"));
    let commands: Vec<_> = rows.map(|row| row.rsplit_once('`').unwrap().1).collect();
    assert!(commands.len() >= 15, "{commands:?}");
    for command in commands {
        let line = format!("\n$ {command}\n");
        assert!(
            command.starts_with("agb ") && section.contains(&line),
            "{command}"
        );
    }
}
