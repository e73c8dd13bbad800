//! What the README shows is what is compiled.

#[test]
fn the_example_of_the_readme_is_the_quickstart() {
    let readme = include_str!("../../README.md");
    let quickstart = include_str!("../../crates/agbcloud/examples/quickstart.rs");
    let (_, rest) = readme.split_once("```rust\n").unwrap();
    let (shown, _) = rest.split_once("```").unwrap();
    let (_, compiled) = quickstart.split_once("\n\n").unwrap();
    assert_eq!(shown, compiled);
    assert!(
        shown.lines().count() <= 25,
        "twenty lines, and an import or two"
    );
}
