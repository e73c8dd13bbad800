//! Lines with whiskers: the cost of each call by size, both on logarithmic axes.

use super::drawing::{Anchor, COLORS, Drawing, GRID, MUTED, WIDTH, text_width};
use crate::bench::results::{Measured, Quantity};
use crate::bench::units::{quantity, thousands};
use crate::statistics::Spread;

const HEIGHT: f64 = 440.0;
const LEFT: f64 = 90.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = HEIGHT - 62.0;
/// Between two names at the ends of lines.
const NAME: f64 = 17.0;
/// Half of the width of the end of a whisker.
const WHISKER: f64 = 4.0;
/// Grid lines of a power of ten.
const STEPS: [f64; 3] = [1.0, 2.0, 5.0];

/// A point of a line.
struct Point {
    size: f64,
    value: Spread,
}

pub(super) fn draw(title: &str, measured: &Measured) -> String {
    let lines: Vec<(&str, Vec<Point>)> = measured
        .jobs
        .iter()
        .map(|job| {
            let points = job.series.iter().filter_map(|series| {
                Some(Point {
                    size: series.size? as f64,
                    value: Spread::of(series.values.iter().copied())?,
                })
            });
            (job.name.as_str(), points.collect())
        })
        .collect();
    let mut drawing = Drawing::new(title, HEIGHT);
    let points = || lines.iter().flat_map(|(_, points)| points);
    let widest = lines.iter().map(|(name, _)| text_width(name));
    let right = WIDTH - widest.fold(0.0, f64::max) - 36.0;
    let largest = points().map(|point| point.size).fold(1.0, f64::max);
    let x = |size: f64| LEFT + (right - LEFT) * size.log10() / largest.log10().max(1.0);
    let low = points()
        .map(|point| point.value.min)
        .fold(f64::INFINITY, f64::min);
    let high = points().map(|point| point.value.max).fold(0.0, f64::max);
    let grid = grid(low, high);
    let (Some(first), Some(last)) = (grid.first(), grid.last()) else {
        return drawing.finish();
    };
    let y = |value: f64| BOTTOM - (BOTTOM - TOP) * (value / first).log10() / (last / first).log10();
    for value in &grid {
        drawing.line([LEFT, y(*value)], [right, y(*value)], GRID, 1.0);
        let label = quantity(Quantity::Seconds, *value);
        drawing.text(&label, LEFT - 8.0, y(*value) + 4.5, Anchor::End, MUTED);
    }
    let mut size = 1.0;
    while size <= largest {
        drawing.line([x(size), TOP], [x(size), BOTTOM], GRID, 1.0);
        let label = thousands(size as u64);
        drawing.text(&label, x(size), BOTTOM + 18.0, Anchor::Middle, MUTED);
        size *= 10.0;
    }
    drawing.text(
        "Number of files in the folder",
        (LEFT + right) / 2.0,
        BOTTOM + 44.0,
        Anchor::Middle,
        MUTED,
    );
    drawing.vertical_text(
        "Time of a call: median, minimum to maximum",
        18.0,
        (TOP + BOTTOM) / 2.0,
    );
    let mut names = Vec::new();
    for ((name, points), color) in lines.iter().zip(COLORS.iter().cycle()) {
        let line: Vec<[f64; 2]> = points
            .iter()
            .map(|point| [x(point.size), y(point.value.median)])
            .collect();
        drawing.polyline(&line, color);
        for (point, at) in points.iter().zip(&line) {
            let (low, high) = (y(point.value.min), y(point.value.max));
            drawing.line([at[0], low], [at[0], high], color, 1.2);
            for end in [low, high] {
                drawing.line([at[0] - WHISKER, end], [at[0] + WHISKER, end], color, 1.2);
            }
            drawing.dot(*at, color);
        }
        if let Some([_, y]) = line.last() {
            names.push((*y, *name, *color));
        }
    }
    names.sort_by(|one, other| one.0.total_cmp(&other.0));
    let places = spaced(names.iter().map(|name| name.0).collect());
    for ((_, name, color), y) in names.iter().zip(places) {
        drawing.text(name, right + 14.0, y + 4.5, Anchor::Start, color);
    }
    drawing.finish()
}

/// Round values from at most `low` to at least `high`.
fn grid(low: f64, high: f64) -> Vec<f64> {
    if !(low > 0.0 && high.is_finite() && low <= high) {
        return Vec::new();
    }
    let powers = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let all: Vec<f64> = powers
        .flat_map(|power| STEPS.map(|step| step * 10_f64.powi(power)))
        .collect();
    let start = all.iter().rposition(|value| *value <= low).unwrap_or(0);
    let end = all
        .iter()
        .position(|value| *value >= high && *value > all[start]);
    let end = end.unwrap_or(all.len() - 1);
    all[start..=end].to_vec()
}

/// Moves ascending places apart, so that names do not overlap.
fn spaced(mut places: Vec<f64>) -> Vec<f64> {
    let mut next = f64::NEG_INFINITY;
    for place in &mut places {
        *place = place.max(next);
        next = *place + NAME;
    }
    // Back up from the end, if they were moved below the plot.
    let mut next = BOTTOM;
    for place in places.iter_mut().rev() {
        *place = place.min(next);
        next = *place - NAME;
    }
    places
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_has_a_point_for_each_size() {
        let mut measured = Measured::default();
        for (size, seconds) in [("1", 0.000_1), ("1,000", 0.000_2)] {
            measured.add("get", Quantity::Seconds, size, seconds);
        }
        let text = draw("x", &measured);
        assert_eq!(text.matches("<circle").count(), 2, "{text}");
        assert!(text.contains("\n1,000\n"), "{text}");
        assert!(text.contains("\n200 µs\n"), "{text}");
    }

    proptest! {
        #[test]
        fn a_grid_contains_all_values(low in 1e-6..1.0_f64, factor in 1.0..1e4_f64) {
            let grid = grid(low, low * factor);
            prop_assert!(grid.len() >= 2);
            prop_assert!(grid[0] <= low && grid[grid.len() - 1] >= low * factor);
        }

        #[test]
        fn names_do_not_overlap(places in prop::collection::vec(TOP..BOTTOM, 1..7)) {
            let mut sorted = places;
            sorted.sort_by(f64::total_cmp);
            let placed = spaced(sorted);
            prop_assert!(placed.windows(2).all(|pair| pair[1] - pair[0] >= NAME - 1e-9));
            prop_assert!(placed.iter().all(|place| *place <= BOTTOM));
        }
    }
}
