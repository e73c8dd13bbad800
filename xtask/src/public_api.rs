//! `cargo xtask public-api`: compares the public API of each published library with the list in its `public-api.txt`, so
//! that each change of it shows in a diff. The generated client has none: its code is checked in.
//!
//! Rustdoc writes the API as JSON only with an unstable option, which `RUSTC_BOOTSTRAP` allows with a stable compiler. Only
//! rustdoc gets this variable: build scripts read it, too, and would compile their crates for an unstable compiler.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cargo;
use crate::failure::Failure;
use crate::temporary;

/// Name of the list, in the folder of its package.
const LIST: &str = "public-api.txt";

/// The crate whose code is generated.
const GENERATED: &str = "agbcloud_api";

/// Maximum number of differing lines that are shown.
const MAX_SHOWN: usize = 40;

/// Implementations that say nothing to a reader. `Send` and `Sync` stay: losing one breaks users.
const OMITTED_TRAITS: [&str; 5] = [
    "core::marker::Freeze",
    "core::marker::Unpin",
    "core::marker::UnsafeUnpin",
    "core::panic::unwind_safe::RefUnwindSafe",
    "core::panic::unwind_safe::UnwindSafe",
];

/// A published package with a library.
#[derive(Debug, PartialEq)]
struct Library {
    /// Name of the crate, with underscores.
    name: String,
    list: PathBuf,
}

/// Checks the lists, or writes them.
pub(crate) fn run(root: &Path, write: bool) -> Result<(), Failure> {
    let failure = |problem| Failure::new(problem, "run the command to see the whole error");
    let arguments = ["metadata", "--format-version", "1", "--locked", "--no-deps"];
    let metadata = cargo::output(root, &arguments).map_err(failure)?;
    let metadata: Value = serde_json::from_slice(&metadata)
        .map_err(|error| failure(format!("can't read the output of cargo metadata: {error}")))?;
    let target = metadata["target_directory"].as_str().unwrap_or("target");
    let documents = Path::new(target).join("doc");
    document(root)?;
    let mut changed = false;
    for Library { name, list } in libraries(&metadata) {
        let current = public_api(&documents.join(format!("{name}.json")))?;
        let listed = std::fs::read_to_string(&list).unwrap_or_default();
        println!("{name}: {} items", current.lines().count());
        if current == listed {
            continue;
        }
        print!("{}", difference(&listed, &current));
        if write {
            std::fs::write(&list, &current).map_err(|error| {
                let problem = format!("can't write {}: {error}", list.display());
                Failure::new(problem, "check the permissions of the folder")
            })?;
        } else {
            changed = true;
        }
    }
    match changed {
        false => Ok(()),
        true => Err(Failure::new(
            format!("a public API differs from its {LIST}"),
            "run `cargo xtask public-api --write` if the change is intended, and describe it in CHANGELOG.md",
        )),
    }
}

/// Writes the JSON of all packages. Documents the whole workspace, as CI does, so that no dependency is compiled again.
fn document(root: &Path) -> Result<(), Failure> {
    let folder = temporary::folder("rustdoc")?;
    let rustdoc = folder.path().join("rustdoc");
    executable(
        &rustdoc,
        "#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc \"$@\"\n",
    )
    .map_err(|error| {
        let problem = format!("can't write {}: {error}", rustdoc.display());
        Failure::new(problem, "set TMPDIR to a writable folder")
    })?;
    let rustdoc = rustdoc.to_string_lossy();
    let arguments = [
        "doc",
        "--locked",
        "--workspace",
        "--all-features",
        "--no-deps",
        "--quiet",
    ];
    let environment = [
        ("RUSTDOC", &*rustdoc),
        ("RUSTDOCFLAGS", "-Z unstable-options --output-format json"),
    ];
    cargo::output_with(root, &arguments, &environment)
        .map_err(|problem| Failure::new(problem, "run `cargo doc` to see the whole error"))?;
    Ok(())
}

#[cfg(unix)]
fn executable(path: &Path, content: &str) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    std::fs::write(path, content)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn executable(_: &Path, _: &str) -> std::io::Result<()> {
    Err(std::io::Error::other("this task needs a shell"))
}

/// Each item of the API, one in a line.
fn public_api(document: &Path) -> Result<String, Failure> {
    let api = public_api::Builder::from_rustdoc_json(document)
        .omit_blanket_impls(true)
        .build()
        .map_err(|error| {
            Failure::new(
                format!("can't read {}: {error}", document.display()),
                "the format of rustdoc changes with Rust: use the version of the comment at `public-api` in the root \
                 Cargo.toml, or update the crate",
            )
        })?;
    let mut list = String::new();
    for item in api.items().map(ToString::to_string) {
        if !is_omitted(&item) {
            list += &item;
            list.push('\n');
        }
    }
    Ok(list)
}

fn is_omitted(item: &str) -> bool {
    item.starts_with("impl")
        && OMITTED_TRAITS.iter().any(|name| {
            item.contains(&format!(" {name} for ")) || item.contains(&format!(" !{name} for "))
        })
}

/// The handwritten libraries that are published, of the output of `cargo metadata`.
fn libraries(metadata: &Value) -> Vec<Library> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let published = packages.filter(|package| package["publish"].is_null());
    let libraries = published.filter_map(|package| {
        let targets = package["targets"].as_array()?;
        let library = targets.iter().find(|target| {
            let kinds = target["kind"].as_array().into_iter().flatten();
            kinds.into_iter().any(|kind| kind == "lib") && target["name"] != GENERATED
        })?;
        let manifest = Path::new(package["manifest_path"].as_str()?);
        Some(Library {
            name: library["name"].as_str()?.to_owned(),
            list: manifest.with_file_name(LIST),
        })
    });
    libraries.collect()
}

/// The lines that are in one list only, `-` for the first and `+` for the second.
fn difference(old: &str, new: &str) -> String {
    let only = |sign: char, lines: &str, others: &str| {
        let others: std::collections::HashSet<&str> = others.lines().collect();
        let lines = lines.lines().filter(|line| !others.contains(line));
        lines
            .map(|line| format!("  {sign} {line}"))
            .collect::<Vec<_>>()
    };
    let mut lines = only('-', old, new);
    lines.extend(only('+', new, old));
    let more = lines.len().saturating_sub(MAX_SHOWN);
    lines.truncate(MAX_SHOWN);
    let mut text = lines.iter().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{line}");
        text
    });
    if more > 0 {
        let _ = writeln!(text, "  … and {more} more lines");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn libraries_that_are_published_have_a_list() {
        let package = |name: &str, kind: &str, publish: Value| {
            let manifest = format!("/r/{name}/Cargo.toml");
            let targets = json!([{"name": "build-script", "kind": ["custom-build"]}, {"name": name, "kind": [kind]}]);
            json!({"manifest_path": manifest, "publish": publish, "targets": targets})
        };
        let metadata = json!({"packages": [
            package("sdk", "lib", Value::Null),
            package("private", "lib", json!([])),
            package(GENERATED, "lib", Value::Null),
            package("tool", "bin", Value::Null),
        ]});
        let sdk = Library {
            name: "sdk".to_owned(),
            list: PathBuf::from("/r/sdk/public-api.txt"),
        };
        assert_eq!(libraries(&metadata), [sdk]);
    }

    #[test]
    fn only_auto_traits_without_meaning_are_omitted() {
        assert!(is_omitted("impl core::marker::Freeze for sdk::Client"));
        assert!(is_omitted("impl<T> !core::marker::Unpin for sdk::Pages<T>"));
        assert!(!is_omitted("impl core::marker::Send for sdk::Client"));
        assert!(!is_omitted("impl<T> !core::marker::Sync for sdk::Pages<T>"));
        assert!(!is_omitted("pub fn sdk::freeze(core::marker::Freeze for )"));
    }

    #[test]
    fn a_difference_shows_removed_and_added_lines() {
        assert_eq!(difference("a\nb\n", "b\nc\n"), "  - a\n  + c\n");
        assert_eq!(difference("a\n", "a\n"), "");
        let many = (0..100).map(|n| format!("{n}\n")).collect::<String>();
        assert!(difference("", &many).ends_with("  … and 60 more lines\n"));
    }
}
