//! [`nearest`]: the known name that a wrong one resembles.

/// Minimum similarity of a suggestion, from 0 to 1, as in the suggestions of clap.
const MIN_SIMILARITY: f64 = 0.7;

/// Returns the known name that is most similar to the given one, if it is similar enough to be a typing error.
pub(crate) fn nearest<'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let given = given.to_lowercase().replace('-', "_");
    let similar = known
        .into_iter()
        .map(|name| (strsim::jaro(&given, &name.to_lowercase()), name))
        .filter(|(similarity, _)| *similarity > MIN_SIMILARITY);
    let nearest = similar.max_by(|(one, _), (other, _)| one.total_cmp(other));
    nearest.map(|(_, name)| name)
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
            ("color", None),
        ] {
            assert_eq!(nearest(given, known), expected, "{given}");
        }
    }
}
