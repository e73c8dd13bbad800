//! The metrics of `agb serve`: read regularly, and kept for an hour in memory.

mod history;
mod sample;
mod series;
mod source;

pub(crate) use history::History;
pub(crate) use series::{Point, Series};
pub(crate) use source::{MetricsSource, sample};
