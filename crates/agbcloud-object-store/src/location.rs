//! Locations of `object_store` and paths of a context: the same text, with a slash in front.

use agbcloud::{FolderPath, RemotePath};
use object_store::{Result, path::Path};

use crate::error::invalid_location;

/// Returns the path of a file. A location of more than 1023 bytes, with a backslash or with a control character outside of
/// ASCII has none, nor has the empty location.
pub(crate) fn file_path(location: &Path) -> Result<RemotePath> {
    RemotePath::new(format!("/{location}")).map_err(invalid_location)
}

/// Returns the path of the folder whose files have the prefix.
pub(crate) fn folder_path(prefix: Option<&Path>) -> Result<FolderPath> {
    let prefix = prefix.map(Path::as_ref).unwrap_or_default();
    FolderPath::new(format!("/{prefix}")).map_err(invalid_location)
}

/// Returns the location of a listed path, byte for byte.
pub(crate) fn location_of(path: &str) -> Result<Path> {
    Ok(Path::parse(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_and_paths_have_the_same_text() {
        for path in ["/a", "/data/50 % #1.txt", "/a%2Fb/%48", "/🙀/x\u{308}"] {
            let location = location_of(path).unwrap();
            assert_eq!(file_path(&location).unwrap().as_str(), path);
            assert_eq!(folder_path(Some(&location)).unwrap().as_str(), path);
        }
        assert_eq!(folder_path(None).unwrap(), FolderPath::root());
        assert_eq!(
            folder_path(Some(&Path::default())).unwrap(),
            FolderPath::root()
        );
    }

    #[test]
    fn a_location_without_a_path_is_an_error() {
        let longest = Path::from("x".repeat(1023));
        assert!(file_path(&longest).is_ok());
        let long = Path::from("x".repeat(1024));
        let backslash = Path::parse("a\\b").unwrap();
        let control = Path::parse("a\u{85}b").unwrap();
        for location in [long, backslash, control, Path::default()] {
            let error = file_path(&location).unwrap_err();
            assert!(matches!(error, object_store::Error::Generic { .. }));
        }
    }
}
