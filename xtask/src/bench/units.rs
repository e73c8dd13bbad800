//! Numbers with units.

use super::results::Quantity;

/// A ratio with two decimals, or three digits.
pub(super) fn ratio(value: f64) -> String {
    match value {
        value if value < 10.0 => format!("{value:.2}"),
        value if value < 100.0 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

/// A value with its unit and three or more digits.
pub(super) fn quantity(quantity: Quantity, value: f64) -> String {
    match quantity {
        Quantity::Seconds if value < 1e-3 => format!("{} µs", three_digits(value * 1e6)),
        Quantity::Seconds if value < 1.0 => format!("{} ms", three_digits(value * 1e3)),
        Quantity::Seconds => format!("{} s", three_digits(value)),
        Quantity::PerSecond => format!("{}/s", three_digits(value)),
        Quantity::Mebibytes => format!("{} MiB", three_digits(value)),
    }
}

fn three_digits(value: f64) -> String {
    match value {
        value if value < 10.0 => format!("{value:.2}"),
        value if value < 100.0 => format!("{value:.1}"),
        value => thousands(value.round() as u64),
    }
}

/// A number with commas.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_units_and_commas() {
        assert_eq!(quantity(Quantity::Seconds, 0.000_123_4), "123 µs");
        assert_eq!(quantity(Quantity::Seconds, 0.0123), "12.3 ms");
        assert_eq!(quantity(Quantity::Seconds, 1.234), "1.23 s");
        assert_eq!(quantity(Quantity::PerSecond, 1_234_567.0), "1,234,567/s");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_000), "1,000");
    }
}
