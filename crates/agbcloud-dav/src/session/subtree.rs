//! Keys of ordered maps that are paths.

use std::ops::Range;

/// The keys below a folder: between its path with a slash and its path with the character after the slash.
pub(super) fn below(folder: &str) -> Range<String> {
    let folder = folder.trim_end_matches('/');
    format!("{folder}/")..format!("{folder}0")
}

/// The path that a copied path has.
pub(super) fn moved(path: &str, from: &str, to: &str) -> String {
    format!("{to}{}", &path[from.len()..])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn only_paths_below_the_folder_are_in_its_range() {
        let paths = ["/a", "/a!", "/a/b", "/a/\u{10ffff}", "/a0", "/ab"];
        let paths = BTreeSet::from(paths.map(str::to_owned));
        let found: Vec<&String> = paths.range(below("/a")).collect();
        assert_eq!(found, ["/a/b", "/a/\u{10ffff}"]);
        assert_eq!(paths.range(below("/")).count(), 6);
    }
}
