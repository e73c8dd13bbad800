//! Shapes and texts on a white background, which is readable on light and dark pages.

use svg::Document;
use svg::node::element::{Circle, Line, Polyline, Rectangle, Text};

pub(super) const WIDTH: f64 = 860.0;
pub(super) const FONT_SIZE: f64 = 13.0;
const TITLE_SIZE: f64 = 17.0;
/// Width of a character relative to the size of the font, which is larger than that of most.
const CHARACTER: f64 = 0.58;

pub(super) const TEXT: &str = "#1f2328";
pub(super) const MUTED: &str = "#59636e";
pub(super) const GRID: &str = "#e4e7eb";
/// What the others are compared with.
pub(super) const BASE: &str = "#a0a7b0";
pub(super) const GOAL: &str = "#b3261e";
/// The palette of Okabe and Ito, which is distinguishable with color blindness.
pub(super) const COLORS: [&str; 6] = [
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00",
];

/// Where a text begins or ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

pub(super) struct Drawing {
    document: Document,
}

impl Drawing {
    pub(super) fn new(title: &str, height: f64) -> Self {
        let background = Rectangle::new()
            .set("width", WIDTH)
            .set("height", height)
            .set("fill", "white");
        let document = Document::new()
            .set("viewBox", (0, 0, WIDTH, height))
            .set("width", WIDTH)
            .set("height", height)
            .set("font-family", "Helvetica, Arial, sans-serif")
            .set("font-size", FONT_SIZE)
            .set("role", "img")
            .add(svg::node::element::Title::new(title))
            .add(background);
        let title = text(title, 20.0, 30.0, Anchor::Start, TEXT)
            .set("font-size", TITLE_SIZE)
            .set("font-weight", "bold");
        Self {
            document: document.add(title),
        }
    }

    fn add(&mut self, node: impl Into<Box<dyn svg::Node>>) {
        svg::Node::append(&mut self.document, node);
    }

    pub(super) fn text(&mut self, content: &str, x: f64, y: f64, anchor: Anchor, color: &str) {
        self.add(text(content, x, y, anchor, color));
    }

    /// A text in bold.
    pub(super) fn heading(&mut self, content: &str, x: f64, y: f64) {
        self.add(text(content, x, y, Anchor::Start, TEXT).set("font-weight", "bold"));
    }

    /// A text along a vertical axis.
    pub(super) fn vertical_text(&mut self, content: &str, x: f64, y: f64) {
        let rotation = format!("rotate(-90 {} {})", rounded(x), rounded(y));
        self.add(text(content, x, y, Anchor::Middle, MUTED).set("transform", rotation));
    }

    pub(super) fn rectangle(&mut self, [x, y]: [f64; 2], [width, height]: [f64; 2], color: &str) {
        let rectangle = Rectangle::new()
            .set("x", rounded(x))
            .set("y", rounded(y))
            .set("width", rounded(width))
            .set("height", rounded(height))
            .set("fill", color);
        self.add(rectangle);
    }

    pub(super) fn line(&mut self, from: [f64; 2], to: [f64; 2], color: &str, width: f64) {
        self.add(line(from, to, color, width));
    }

    pub(super) fn dashed_line(&mut self, from: [f64; 2], to: [f64; 2], color: &str) {
        self.add(line(from, to, color, 1.5).set("stroke-dasharray", "4 3"));
    }

    pub(super) fn polyline(&mut self, points: &[[f64; 2]], color: &str) {
        let points = points
            .iter()
            .map(|[x, y]| format!("{},{}", rounded(*x), rounded(*y)));
        let polyline = Polyline::new()
            .set("points", points.collect::<Vec<_>>().join(" "))
            .set("fill", "none")
            .set("stroke", color)
            .set("stroke-width", 2);
        self.add(polyline);
    }

    pub(super) fn dot(&mut self, [x, y]: [f64; 2], color: &str) {
        let circle = Circle::new()
            .set("cx", rounded(x))
            .set("cy", rounded(y))
            .set("r", 3)
            .set("fill", color);
        self.add(circle);
    }

    pub(super) fn finish(self) -> String {
        self.document.to_string() + "\n"
    }
}

/// The estimated width of a text.
pub(super) fn text_width(content: &str) -> f64 {
    content.chars().count() as f64 * FONT_SIZE * CHARACTER
}

fn text(content: &str, x: f64, y: f64, anchor: Anchor, color: &str) -> Text {
    let anchor = match anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    Text::new(content)
        .set("x", rounded(x))
        .set("y", rounded(y))
        .set("text-anchor", anchor)
        .set("fill", color)
}

fn line(from: [f64; 2], to: [f64; 2], color: &str, width: f64) -> Line {
    Line::new()
        .set("x1", rounded(from[0]))
        .set("y1", rounded(from[1]))
        .set("x2", rounded(to[0]))
        .set("y2", rounded(to[1]))
        .set("stroke", color)
        .set("stroke-width", width)
}

/// A tenth of a pixel: fewer digits, and the same on all machines.
fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped() {
        let mut drawing = Drawing::new("a <b> & c", 100.0);
        drawing.text("<script>", 1.0, 2.0, Anchor::End, TEXT);
        let text = drawing.finish();
        assert!(text.contains("a &lt;b&gt; &amp; c"), "{text}");
        assert!(!text.contains("<script>"), "{text}");
    }
}
