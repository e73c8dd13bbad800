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
