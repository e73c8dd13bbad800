//! [`nearest`]: the known name that a wrong one resembles.

/// Returns the known name with the fewest differences from the given one, if they are few enough to be a typing error.
pub(crate) fn nearest<'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let near = known
        .into_iter()
        .filter_map(|name| Some((distance(given, name)?, name)));
    near.min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Returns the number of characters that were inserted, removed, replaced or swapped with the next one. `None` if they are too
/// many for a typing error. Case counts as equal, and hyphens as underscores.
pub(crate) fn distance(given: &str, known: &str) -> Option<usize> {
    let normal = |name: &str| name.to_lowercase().replace('-', "_");
    let (given, known) = (normal(given), normal(known));
    let length = given.chars().count();
    let distance = strsim::osa_distance(&given, &known);
    let limit = match length {
        0 => return None,
        // Without one of two characters, or with another one, it is another name: ps is not ls.
        1 | 2 if known.chars().count() <= length && !is_permutation(&given, &known) => 0,
        1..=5 => 1,
        6..=8 => 2,
        _ => 3,
    };
    (distance <= limit).then_some(distance)
}

fn is_permutation(one: &str, other: &str) -> bool {
    let sorted = |text: &str| {
        let mut chars: Vec<char> = text.chars().collect();
        chars.sort_unstable();
        chars
    };
    sorted(one) == sorted(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_resembles_the_intended_name() {
        let known = ["endpoint", "api_key", "ca_file"];
        for (given, expected) in [
            ("endpont", Some("endpoint")),
            ("apikey", Some("api_key")),
            ("api-key", Some("api_key")),
            ("Endpoint", Some("endpoint")),
            ("ednpoint", Some("endpoint")),
            ("color", None),
        ] {
            assert_eq!(nearest(given, known), expected, "{given}");
        }
    }

    #[test]
    fn names_of_other_things_are_not_near() {
        let commands = [
            "ls", "cat", "put", "get", "stat", "sync", "schema", "serve", "logout", "upload",
            "find",
        ];
        for (given, expected) in [
            ("sl", Some("ls")),
            ("gt", Some("get")),
            ("gte", Some("get")),
            ("snyc", Some("sync")),
            ("fnd", Some("find")),
            ("", None),
            ("ps", None),
            ("auth", None),
            ("check", None),
            ("about", None),
            ("upgrade", None),
            ("less", None),
            ("share", None),
            ("tail", None),
        ] {
            assert_eq!(nearest(given, commands), expected, "{given}");
        }
    }
}
