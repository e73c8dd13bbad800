//! The password file of libpq: `PGPASSFILE`, or `~/.pgpass`.

use std::path::{Path, PathBuf};

use crate::system::permissions::{Protection, check_permissions};

/// What a password is for.
pub(super) struct Target<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// Returns the path of the password file.
pub(super) fn path(variable: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    match variable("PGPASSFILE") {
        Some(path) => Some(PathBuf::from(path)),
        None => variable("HOME").map(|home| Path::new(&home).join(".pgpass")),
    }
}

/// Returns the password of a target. `None` if the file is missing or contains none. Ignores a file that other users can read, as
/// libpq does, and logs a warning.
pub(super) fn password(path: &Path, target: &Target<'_>) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    if let Err(error) = check_permissions(path, Protection::ReadAndWrite) {
        tracing::warn!(%error, "ignoring the password file of PostgreSQL");
        return None;
    }
    find(&text, target)
}

fn find(text: &str, target: &Target<'_>) -> Option<String> {
    let port = target.port.to_string();
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .find_map(|line| {
            let fields = fields(line);
            let [host, found_port, database, user, password] = fields.as_slice() else {
                return None;
            };
            let matches = [
                (host, target.host),
                (found_port, &port),
                (database, target.database),
                (user, target.user),
            ];
            matches
                .iter()
                .all(|(field, value)| *field == "*" || *field == value)
                .then(|| password.clone())
        })
}

/// Splits a line at colons. A backslash escapes a colon or a backslash.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let add = match character {
            // The password is the rest of the line.
            ':' if fields.len() < 5 => {
                fields.push(String::new());
                continue;
            }
            '\\' => characters.next(),
            other => Some(other),
        };
        if let (Some(field), Some(add)) = (fields.last_mut(), add) {
            field.push(add);
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_matching_line_has_the_password() {
        let text = "# host:port:database:user:password\n\
                    db1:5432:agb:other:wrong\n\
                    db1:5432:agb:me:one\n\
                    *:*:agb:me:a\\:b\\\\c\n\
                    short:line\n";
        let find = |host, port| {
            let target = Target {
                host,
                port,
                database: "agb",
                user: "me",
            };
            find(text, &target)
        };
        assert_eq!(find("db1", 5432).as_deref(), Some("one"));
        assert_eq!(find("db2", 1).as_deref(), Some("a:b\\c"));
        let target = Target {
            host: "db1",
            port: 5432,
            database: "x",
            user: "me",
        };
        assert_eq!(super::find(text, &target), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_ignored() {
        use std::fs;
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pgpass");
        fs::write(&path, "*:*:*:*:secret\n").unwrap();
        let target = Target {
            host: "h",
            port: 1,
            database: "d",
            user: "u",
        };
        for (mode, found) in [(0o600, Some("secret")), (0o644, None)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(password(&path, &target).as_deref(), found);
        }
    }
}
