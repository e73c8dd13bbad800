use super::*;
use tempfile::TempDir;

/// Writes the source files of a crate `x` and returns the descriptions of its cycles.
fn cycles(files: &[(&str, &str)]) -> Vec<String> {
    let root = TempDir::new().unwrap();
    for (name, content) in files {
        let file = root.path().join("crates/x/src").join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
    }
    let cycles = check(root.path()).into_iter();
    cycles.map(|(_, cycle)| cycle).collect()
}

#[test]
fn modules_in_one_direction_have_no_cycle() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b::B; pub struct A(B);"),
        ("b.rs", "pub struct B;"),
    ];
    assert_eq!(cycles(&files), Vec::<String>::new());
}

#[test]
fn a_cycle_is_reported_with_the_place_of_each_use() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::b::B;\npub struct A(B);"),
        ("b.rs", "pub struct B;\nfn f() { super::c::g() }"),
        ("c.rs", "\n\npub fn g() { println!(\"{}\", crate::a::A) }"),
    ];
    let expected = "a uses b (crates/x/src/a.rs:1), b uses c (crates/x/src/b.rs:2), \
                    c uses a (crates/x/src/c.rs:3)";
    assert_eq!(cycles(&files), [expected]);
}

#[test]
fn a_use_by_a_descendant_counts_for_its_ancestor() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a/mod.rs", "mod inner; pub mod other;"),
        ("a/inner.rs", "use crate::b::B;"),
        ("a/other.rs", "pub struct O;"),
        ("b.rs", "use crate::a::other::O; pub struct B(O);"),
    ];
    let expected = "a uses b (crates/x/src/a/inner.rs:1), b uses a (crates/x/src/b.rs:1)";
    assert_eq!(cycles(&files), [expected]);
}

#[test]
fn siblings_in_a_folder_can_form_a_cycle() {
    let files = [
        ("lib.rs", "mod a;"),
        ("a.rs", "mod b; mod c;"),
        ("a/b.rs", "pub use super::c::C; pub struct B;"),
        ("a/c.rs", "use super::b; pub struct C(b::B);"),
    ];
    let expected = "a::b uses a::c (crates/x/src/a/b.rs:1), a::c uses a::b (crates/x/src/a/c.rs:1)";
    assert_eq!(cycles(&files), [expected]);
}

#[test]
fn a_parent_and_its_child_have_no_cycle() {
    let files = [
        ("lib.rs", "mod a;"),
        ("a/mod.rs", "mod b; use self::b::B; pub struct A(B);"),
        ("a/b.rs", "use super::A; use crate::a; pub struct B(A);"),
    ];
    assert_eq!(cycles(&files), Vec::<String>::new());
}

#[test]
fn a_reexport_counts_as_the_module_that_defines_the_item() {
    let files = [
        ("lib.rs", "mod a; mod b; pub use a::A; pub use b::B;"),
        ("a.rs", "use crate::B; pub struct A(B);"),
        ("b.rs", "pub struct B; fn f(_: crate::A) {}"),
    ];
    let expected = "a uses b (crates/x/src/a.rs:1), b uses a (crates/x/src/b.rs:1)";
    assert_eq!(cycles(&files), [expected]);
}

#[test]
fn tests_and_imports_for_documentation_do_not_count() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b::B; pub struct A(B);"),
        (
            "b.rs",
            "#[cfg(doc)] use crate::a::A;\n#[cfg(test)] mod tests { use crate::a::A; }\n\
             #[cfg(all(test, unix))] fn f(_: crate::a::A) {}\npub struct B;",
        ),
    ];
    assert_eq!(cycles(&files), Vec::<String>::new());
}

#[test]
fn links_in_the_documentation_do_not_count() {
    let files = [
        (
            "lib.rs",
            "mod a; mod b; macro_rules! define { ($($t:tt)*) => { $($t)* }; }",
        ),
        (
            "a.rs",
            "define! { use crate::b::B; pub struct A(crate::b::B); }",
        ),
        (
            "b.rs",
            "//! [a](crate::a)\n/// [A](crate::a::A)\npub struct B;\n\
             define! { /// From [A](crate::a::A).\n #[doc = \"crate::a::A\"]\n pub struct C; }",
        ),
    ];
    assert_eq!(cycles(&files), Vec::<String>::new());
}

#[test]
fn a_path_in_a_macro_counts() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        (
            "a.rs",
            "define! { /// From b.\n pub struct A { b: Option<crate::b::B> } }",
        ),
        ("b.rs", "define! { set fn f(a: super::a::A) -> u8; }"),
    ];
    let expected = "a uses b (crates/x/src/a.rs:1), b uses a (crates/x/src/b.rs:1)";
    assert_eq!(cycles(&files), [expected]);
}

#[test]
fn names_of_other_crates_do_not_count() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b::B; pub struct A(B);"),
        ("b.rs", "use serde::a; use std::a::A; pub struct B(a::A);"),
    ];
    assert_eq!(cycles(&files), Vec::<String>::new());
}

#[test]
fn a_file_that_can_not_be_parsed_is_reported() {
    let found = cycles(&[("lib.rs", "mod a;"), ("a.rs", "struct")]);
    assert!(found[0].starts_with("can't parse "), "{found:?}");
}
