//! Numbers of bytes with a unit.

/// Parses a whole number of bytes with an optional unit of 1024, such as `10k`, `2M` or `1GiB`.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|char: char| char.is_ascii_alphabetic());
    let factor: u64 = match &*text[digits.len()..].to_ascii_lowercase() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        _ => return None,
    };
    // A number may have a sign for `parse`.
    let has_sign = digits.starts_with(['+', '-']);
    let number: u64 = digits.parse().ok().filter(|_| !has_sign)?;
    number.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_powers_of_1024() {
        for (text, bytes) in [
            ("0", 0),
            ("512", 512),
            ("512B", 512),
            ("10k", 10 << 10),
            ("2M", 2 << 20),
            ("2MiB", 2 << 20),
            ("3GB", 3 << 30),
            ("1t", 1 << 40),
        ] {
            assert_eq!(parse(text), Some(bytes), "{text}");
        }
        for text in [
            "",
            "M",
            "1x",
            "1.5M",
            "+1",
            "-1",
            "1 M",
            "99999999999T",
            "ü",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
