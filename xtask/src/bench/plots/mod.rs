//! The plots, as SVG.

mod bars;
mod drawing;
mod lines;

use super::comparison::{Comparison, Plot};
use super::results::Measured;

/// Whether there is something to draw.
pub(super) fn has_plot(comparison: Comparison, measured: &Measured) -> bool {
    match comparison.plot() {
        Plot::Bars => measured.jobs.iter().any(|job| job.base.is_some()),
        Plot::Lines => !measured.jobs.is_empty(),
    }
}

/// Draws a comparison.
pub(super) fn draw(comparison: Comparison, measured: &Measured) -> String {
    match comparison.plot() {
        Plot::Bars => bars::draw(comparison.title(), measured),
        Plot::Lines => lines::draw(comparison.title(), measured),
    }
}
