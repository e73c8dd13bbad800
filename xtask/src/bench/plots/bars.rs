//! Horizontal bars with whiskers: the speed of each program relative to a peer.

use super::drawing::{Anchor, BASE, COLORS, Drawing, GOAL, GRID, MUTED, TEXT, WIDTH, text_width};
use crate::bench::results::{Job, Measured};
use crate::bench::units::{quantity, ratio};
use crate::statistics::Spread;

const MARGIN: f64 = 20.0;
const TOP: f64 = 50.0;
const HEADING: f64 = 22.0;
const BAR: f64 = 18.0;
/// Between the tops of two bars.
const STEP: f64 = 24.0;
const GAP: f64 = 14.0;
const AXIS: f64 = 48.0;
/// Half of the height of the end of a whisker.
const WHISKER: f64 = 4.0;
/// About the number of lines of the grid.
const TICKS: f64 = 5.0;

/// A bar.
struct Bar<'a> {
    name: &'a str,
    speed: Spread,
    label: String,
    color: &'static str,
    /// Speeds relative to the base that are goals.
    goals: Vec<f64>,
}

/// The colors of programs, which are the same in all jobs.
#[derive(Default)]
struct Colors<'a>(Vec<&'a str>);

impl<'a> Colors<'a> {
    fn of(&mut self, program: &'a str) -> &'static str {
        let known = self.0.iter().position(|known| *known == program);
        let at = known.unwrap_or_else(|| {
            self.0.push(program);
            self.0.len() - 1
        });
        COLORS[at % COLORS.len()]
    }
}

pub(super) fn draw(title: &str, measured: &Measured) -> String {
    let mut colors = Colors::default();
    let jobs: Vec<(&Job, Vec<Bar<'_>>)> = measured
        .jobs
        .iter()
        .filter_map(|job| Some((job, bars(job, &mut colors)?)))
        .collect();
    let all = || jobs.iter().flat_map(|(_, bars)| bars);
    let count = all().count() as f64;
    let height = TOP + jobs.len() as f64 * (HEADING + GAP) + count * STEP + AXIS;
    let mut drawing = Drawing::new(title, height);
    let widest = |texts: &mut dyn Iterator<Item = f64>| texts.fold(0.0, f64::max);
    let left = MARGIN + widest(&mut all().map(|bar| text_width(bar.name))) + 10.0;
    let right = WIDTH - MARGIN - widest(&mut all().map(|bar| text_width(&bar.label))) - 10.0;
    // Whiskers beyond it are cut, so that one of them does not hide everything else.
    let largest = all().flat_map(|bar| bar.goals.iter().copied().chain([bar.speed.median]));
    let end = largest.fold(1.0, f64::max) * 1.15;
    let step = tick(end / TICKS);
    let x = |speed: f64| left + (right - left) * (speed / end).min(1.0);
    let bottom = height - AXIS;
    axis(&mut drawing, step, end, bottom, x);
    let mut y = TOP;
    for (job, bars) in &jobs {
        drawing.heading(&job.name, MARGIN, y + HEADING - 7.0);
        y += HEADING;
        let top = y;
        for bar in bars {
            draw_bar(&mut drawing, bar, y, left, right, x);
            y += STEP;
        }
        // Above the bars, so that each can be compared with it.
        drawing.dashed_line([x(1.0), top - 2.0], [x(1.0), y - STEP + BAR + 2.0], MUTED);
        y += GAP;
    }
    drawing.finish()
}

/// The bars of a job, or `None` if its programs are not compared.
fn bars<'a>(job: &'a Job, colors: &mut Colors<'a>) -> Option<Vec<Bar<'a>>> {
    let base = job.base.as_deref()?;
    let bars = job.series.iter().filter_map(|series| {
        let speed = job.speed(&series.name, base)?;
        let value = Spread::of(series.values.iter().copied())?;
        let value = quantity(job.quantity, value.median);
        let is_base = series.name == base;
        let goals = job.goals.iter().filter(|goal| goal.of == series.name);
        Some(Bar {
            name: &series.name,
            label: match is_base {
                true => value,
                false => format!("{}× ({value})", ratio(speed.median)),
            },
            color: match is_base {
                true => BASE,
                false => colors.of(&series.name),
            },
            goals: goals
                .filter_map(|goal| Some(goal.speed * job.speed(&goal.relative_to, base)?.median))
                .collect(),
            speed,
        })
    });
    Some(bars.collect())
}

fn axis(drawing: &mut Drawing, step: f64, end: f64, bottom: f64, x: impl Fn(f64) -> f64) {
    let mut tick = 0.0;
    while tick <= end * 1.000_001 {
        drawing.line([x(tick), TOP], [x(tick), bottom], GRID, 1.0);
        let label = format!("{}", (tick * 100.0).round() / 100.0);
        drawing.text(&label, x(tick), bottom + 16.0, Anchor::Middle, MUTED);
        tick += step;
    }
    let label = "Speed relative to the gray program: median, minimum to maximum. Red: goal.";
    drawing.text(label, WIDTH / 2.0, bottom + 36.0, Anchor::Middle, MUTED);
}

fn draw_bar(
    drawing: &mut Drawing,
    bar: &Bar<'_>,
    y: f64,
    left: f64,
    right: f64,
    x: impl Fn(f64) -> f64,
) {
    let middle = y + BAR / 2.0;
    let baseline = middle + 4.5;
    drawing.text(bar.name, left - 8.0, baseline, Anchor::End, TEXT);
    drawing.rectangle([left, y], [x(bar.speed.median) - left, BAR], bar.color);
    let (low, high) = (x(bar.speed.min), x(bar.speed.max));
    if high - low > 0.5 {
        drawing.line([low, middle], [high, middle], TEXT, 1.2);
        let ends = [(low, bar.speed.min), (high, bar.speed.max)];
        // Not at the end of a whisker that is cut.
        let visible = ends
            .into_iter()
            .filter(|(end, speed)| x(speed * 0.999) < *end);
        for (end, _) in visible {
            drawing.line([end, middle - WHISKER], [end, middle + WHISKER], TEXT, 1.2);
        }
    }
    for goal in &bar.goals {
        drawing.line([x(*goal), y - 2.0], [x(*goal), y + BAR + 2.0], GOAL, 2.5);
    }
    drawing.text(&bar.label, right + 8.0, baseline, Anchor::Start, TEXT);
}

/// The next 1, 2 or 5 times a power of ten.
fn tick(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    steps
        .into_iter()
        .find(|step| *step >= least * 0.999_999)
        .unwrap_or(power * 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::Quantity;

    #[test]
    fn ticks_are_round() {
        assert_eq!(tick(0.3), 0.5);
        assert_eq!(tick(1.0), 1.0);
        assert_eq!(tick(21.0), 50.0);
    }

    #[test]
    fn each_program_has_a_bar_with_its_speed_and_the_goal() {
        let mut measured = Measured::default();
        for (program, seconds) in [("curl", 2.0), ("SDK", 1.0)] {
            measured.add("up", Quantity::Seconds, program, seconds);
        }
        measured.add("memory", Quantity::Mebibytes, "SDK", 1.0);
        measured.compare_with("up", "curl");
        measured.goal("up", "SDK", "curl", 0.97);
        let text = draw("x", &measured);
        assert!(text.contains("2.00× (1.00 s)"), "{text}");
        assert!(!text.contains("memory"), "{text}");
        assert_eq!(text.matches(GOAL).count(), 1, "{text}");
    }
}
