//! Decides whether a resource stays flat over the windows of a soak.

use std::fmt;

use crate::statistics::Spread;

/// Windows that are necessary for a judgement.
pub(super) const FEWEST_WINDOWS: usize = 6;

/// How much a resource may grow: a share of its early value, and an amount.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bound {
    pub(super) share: f64,
    pub(super) amount: f64,
}

/// The growth of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Growth {
    /// Medians of the first and the last third.
    pub(super) early: f64,
    pub(super) late: f64,
    /// Growth between the first and the last point by the Theil–Sen slope.
    pub(super) trend: f64,
    /// The largest growth of a flat series.
    pub(super) allowed: f64,
}

impl Growth {
    /// Measures a series of times and values. `None` if it has too few points.
    pub(super) fn of(points: &[(f64, f64)], bound: Bound) -> Option<Self> {
        if points.len() < FEWEST_WINDOWS {
            return None;
        }
        let values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
        let third = values.len() / 3;
        let early = median(values.get(..third)?)?;
        let late = median(values.get(values.len() - third..)?)?;
        let (first, last) = (points.first()?.0, points.last()?.0);
        Some(Self {
            early,
            late,
            trend: theil_sen(points)? * (last - first),
            allowed: early * bound.share + bound.amount,
        })
    }

    /// Whether both the trend and the medians grew beyond the bound. One of them alone is noise: a single jump has a small
    /// slope, and a series that falls at its end has a small late median.
    pub(super) fn is_leak(&self) -> bool {
        self.trend > self.allowed && self.late - self.early > self.allowed
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1} in the first third, {:.1} in the last, trend {:+.1}, allowed {:+.1}",
            self.early, self.late, self.trend, self.allowed
        )
    }
}

/// The median of all slopes between two points. A minority of outliers does not change it much.
fn theil_sen(points: &[(f64, f64)]) -> Option<f64> {
    let mut slopes = Vec::new();
    for (index, (x, y)) in points.iter().enumerate() {
        for (later_x, later_y) in points.iter().skip(index + 1) {
            if later_x > x {
                slopes.push((later_y - y) / (later_x - x));
            }
        }
    }
    median(&slopes)
}

/// The median, or `None` of no values.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    Spread::of(values.iter().copied()).map(|spread| spread.median)
}

/// The smallest value that is not below this share of the values.
pub(super) fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let index = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(index.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// MiB of memory.
    const BOUND: Bound = Bound {
        share: 0.1,
        amount: 8.0,
    };

    fn growth(values: impl Iterator<Item = f64>) -> Growth {
        let points: Vec<_> = values
            .enumerate()
            .map(|(window, value)| (10.0 * window as f64, value))
            .collect();
        Growth::of(&points, BOUND).unwrap()
    }

    #[test]
    fn noise_around_a_constant_is_flat() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            // A fifth of the windows has a large upload.
            let values = (0..15).map(|_| match random.u8(..5) {
                0 => 80.0,
                _ => 40.0 + 6.0 * random.f64(),
            });
            let growth = growth(values);
            assert!(!growth.is_leak(), "seed {seed}: {growth}");
        }
    }

    #[test]
    fn a_leak_below_the_noise_of_a_window_is_seen() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let values = (0..15).map(|window| 40.0 + 2.0 * f64::from(window) + 6.0 * random.f64());
            let growth = growth(values);
            assert!(growth.is_leak(), "seed {seed}: {growth}");
        }
    }

    #[test]
    fn a_cache_that_is_filled_early_and_one_jump_are_flat() {
        let filled = growth((0..15).map(|window| 40.0 - 20.0 / (1.0 + f64::from(window))));
        assert!(!filled.is_leak(), "{filled}");
        let jump = growth((0..15).map(|window| if window < 13 { 40.0 } else { 60.0 }));
        assert!(!jump.is_leak(), "{jump}");
    }

    #[test]
    fn a_falling_series_is_flat_and_a_short_one_is_not_judged() {
        assert!(!growth((0..15).map(|window| 90.0 - 4.0 * f64::from(window))).is_leak());
        assert_eq!(Growth::of(&[(0.0, 1.0), (1.0, 900.0)], BOUND), None);
    }

    #[test]
    fn the_slope_ignores_outliers() {
        let mut points: Vec<_> = (0..9).map(|x| (f64::from(x), 3.0 * f64::from(x))).collect();
        points[4].1 = 1000.0;
        assert_eq!(theil_sen(&points), Some(3.0));
        assert_eq!(theil_sen(&[(0.0, 1.0)]), None);
    }

    #[test]
    fn quantiles_are_values_of_the_series() {
        let values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!(median(&values), Some(3.0));
        assert_eq!(quantile(&values, 0.99), Some(5.0));
        assert_eq!(quantile(&values, 0.2), Some(1.0));
        assert_eq!(median(&[]), None);
    }
}
