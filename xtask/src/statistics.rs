//! Statistics of repeated measurements.

/// The spread of some values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Returns `None` without values. The median of an even number of values is the mean of the two in the middle.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        let middle = values.len() / 2;
        let upper = *values.get(middle)?;
        let median = match values.len() % 2 {
            0 => f64::midpoint(*values.get(middle - 1)?, upper),
            _ => upper,
        };
        Some(Self {
            min: *values.first()?,
            median,
            max: *values.last()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_the_middle() {
        let spread = |min, median, max| Some(Spread { min, median, max });
        assert_eq!(Spread::of([]), None);
        assert_eq!(Spread::of([4.0, 1.0, 3.0]), spread(1.0, 3.0, 4.0));
        assert_eq!(Spread::of([4.0, 1.0, 3.0, 2.0]), spread(1.0, 2.5, 4.0));
    }

    #[cfg(target_os = "linux")]
    proptest::proptest! {
        #[test]
        fn half_of_the_values_are_on_each_side_of_the_median(
            values in proptest::collection::vec(-1e9..1e9_f64, 1..50)
        ) {
            let Spread { min, median, max } = Spread::of(values.iter().copied()).unwrap();
            let count = |test: &dyn Fn(f64) -> bool| values.iter().filter(|value| test(**value)).count();
            assert!(2 * count(&|value| value <= median) >= values.len());
            assert!(2 * count(&|value| value >= median) >= values.len());
            assert_eq!(count(&|value| (min..=max).contains(&value)), values.len());
            assert!(values.contains(&min) && values.contains(&max));
        }
    }
}
