//! The chores of this repository, in Rust: `cargo xtask NAME`.
//!
//! `generate` writes the raw client crate from the specification; `check` fails when the two, the
//! examples or the service's routes have drifted apart.

mod generate;
mod spec;

fn main() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap();
    for f in generate::generate(root).unwrap() {
        std::fs::create_dir_all(root.join(&f.path).parent().unwrap()).unwrap();
        std::fs::write(root.join(&f.path), &f.content).unwrap();
    }
}
