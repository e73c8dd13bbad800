//! Plots as SVG, with the colors of light and dark pages.

use std::fmt::Write;

use crate::{
    metrics::{Point, Series},
    text,
};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 200.0;
/// Around the area of the values.
const LEFT: f64 = 76.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 26.0;
/// Horizontal lines above the axis.
const LINES: u32 = 4;

const STYLE: &str = "text{font:12px sans-serif;fill:#57606a}.grid{stroke:#d0d7de}\
    .line{fill:none;stroke:#0b5cad;stroke-width:2;stroke-linejoin:round}.dot{fill:#0b5cad}\
    @media(prefers-color-scheme:dark){text{fill:#a3adb8}.grid{stroke:#39424d}.line{stroke:#6cb2ff}.dot{fill:#6cb2ff}}";

/// Draws the values from zero to a round number. The alternative text of the image describes them.
pub(super) fn draw(series: Series, points: &[Point]) -> String {
    let values = points.iter().filter_map(|(_, value)| *value);
    let highest = values.fold(0.0, f64::max);
    let unit = match series {
        Series::Bytes => binary_unit(highest),
        _ => 1.0,
    };
    let top = round_up(highest / unit) * unit;
    let (start, end) = match points {
        [(start, _), .., (end, _)] => (*start, *end),
        _ => (0.0, 1.0),
    };
    let duration = (end - start).max(1.0);
    let x = |at: f64| LEFT + (at - start) / duration * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\"><style>{STYLE}</style>"
    );
    // Writing to a String can't fail.
    for line in 0..=LINES {
        let value = top * f64::from(line) / f64::from(LINES);
        let at = y(value);
        let _ = write!(
            svg,
            "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            at + 4.0,
            series.format(value)
        );
    }
    for part in points.split(|(_, value)| value.is_none()) {
        let place = |(at, value): &Point| value.map(|value| (x(*at), y(value)));
        let places: Vec<_> = part.iter().filter_map(place).collect();
        match places.as_slice() {
            [] => {}
            [(x, y)] => {
                let _ = write!(
                    svg,
                    "<circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2\"/>"
                );
            }
            places => {
                svg.push_str("<polyline class=\"line\" points=\"");
                for (x, y) in places {
                    let _ = write!(svg, "{x:.1},{y:.1} ");
                }
                svg.push_str("\"/>");
            }
        }
    }
    for (at, anchor) in [(start, "start"), (end, "end")] {
        let time = std::time::Duration::try_from_secs_f64(at).unwrap_or_default();
        let time = text::time(std::time::SystemTime::UNIX_EPOCH + time).unwrap_or_default();
        let clock = time.split_whitespace().nth(1).unwrap_or_default();
        if !points.is_empty() {
            let _ = write!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{clock} UTC</text>",
                if anchor == "start" {
                    LEFT
                } else {
                    WIDTH - RIGHT
                },
                HEIGHT - 6.0
            );
        }
    }
    svg.push_str("</svg>");
    svg
}

/// The largest power of 1024 that is not larger than the value.
fn binary_unit(value: f64) -> f64 {
    let mut unit = 1.0;
    while value / unit >= 1024.0 {
        unit *= 1024.0;
    }
    unit
}

/// The next number that is 1, 2, 4 or 8 times a power of ten.
fn round_up(value: f64) -> f64 {
    if !value.is_finite() || value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let step = [1.0, 2.0, 4.0, 8.0]
        .into_iter()
        .find(|step| step * power >= value);
    step.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_divide_the_line() {
        let points = [
            (10.0, Some(1.0)),
            (20.0, Some(3.0)),
            (30.0, None),
            (40.0, Some(2.0)),
        ];
        let svg = draw(Series::Requests, &points);
        assert_eq!(svg.matches("<polyline").count(), 1);
        assert_eq!(svg.matches("<circle").count(), 1);
        assert!(
            svg.contains(">4.0/s</text>") && svg.contains(">00:00:40 UTC<"),
            "{svg}"
        );
        assert!(!svg.contains("NaN"), "{svg}");
    }

    #[test]
    fn a_plot_without_values_has_axes_only() {
        for points in [&[][..], &[(5.0, None)][..]] {
            let svg = draw(Series::Latency, points);
            assert!(!svg.contains("<polyline") && !svg.contains("NaN"), "{svg}");
        }
    }

    #[test]
    fn the_axis_ends_at_a_round_number() {
        assert_eq!(round_up(0.0), 1.0);
        assert_eq!(round_up(3.0), 4.0);
        assert_eq!(round_up(81.0), 100.0);
        assert_eq!(round_up(100.0), 100.0);
        assert_eq!(round_up(f64::NAN), 1.0);
        assert_eq!(binary_unit(0.0), 1.0);
        assert_eq!(binary_unit(5_000_000.0), 1_048_576.0);
    }
}
