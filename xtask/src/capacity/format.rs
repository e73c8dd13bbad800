//! Numbers in tables.

/// A number with three significant digits and a unit of the list, each `base` times as large as the one before.
fn scaled(mut number: f64, base: f64, units: &[&str]) -> String {
    let mut units = units.iter();
    let mut unit = units.next();
    while number >= 999.5 {
        let Some(next) = units.next() else { break };
        number /= base;
        unit = Some(next);
    }
    let digits = match number {
        number if number >= 99.95 => 0,
        number if number >= 9.995 => 1,
        _ => 2,
    };
    format!("{number:.digits$} {}", unit.unwrap_or(&""))
}

pub(super) fn bytes(number: f64) -> String {
    scaled(number, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB", "PiB"])
}

/// A count, as `8.08 billion`.
pub(super) fn count(number: f64) -> String {
    let units = ["", "thousand", "million", "billion", "trillion"];
    scaled(number, 1000.0, &units).trim_end().to_owned()
}

/// A whole number with separators, with three significant digits.
pub(super) fn rate(number: f64) -> String {
    let magnitude = 10_f64.powf((number.max(1.0).log10() - 2.0).floor().max(0.0));
    let digits = ((number / magnitude).round() * magnitude).to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups: Vec<_> = groups.map(String::from_utf8_lossy).collect();
    groups.join(",")
}

pub(super) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

pub(super) fn milliseconds(time: f64) -> String {
    format!("{time:.1} ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        assert_eq!(bytes(315.08), "315 B");
        assert_eq!(bytes(1023.0), "1.00 KiB");
        assert_eq!(bytes(3.15e12), "2.86 TiB");
        assert_eq!(count(8_080_000_000.0), "8.08 billion");
        assert_eq!(count(12.0), "12.0");
        assert_eq!(rate(123_456.0), "123,000");
        assert_eq!(rate(1999.6), "2,000");
        assert_eq!(rate(42.0), "42");
    }
}
