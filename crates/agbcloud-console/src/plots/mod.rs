//! Plots of the metrics, drawn as SVG.

mod svg;

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    Json,
    http::{
        StatusCode,
        header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    },
    response::IntoResponse,
};

use crate::{
    metrics::{History, Series},
    web::{
        extract::Path,
        failure::{Failure, Result},
        layout::{Layout, html},
        links,
        visit::Visit,
    },
};

#[derive(Template)]
#[template(path = "metrics.html")]
struct Page {
    layout: Layout,
    plots: Vec<Plot>,
    problem: Option<String>,
}

struct Plot {
    name: &'static str,
    title: &'static str,
    url: String,
    description: String,
}

pub(crate) async fn page(visit: Visit) -> Result {
    let history = history(&visit)?;
    let plots = Series::ALL.iter().map(|series| Plot {
        name: series.name(),
        title: series.title(),
        url: format!("/metrics/plot/{}", links::encode(series.name())),
        description: series.describe(&history.points(*series)),
    });
    Ok(html(&Page {
        layout: visit.layout("Metrics"),
        plots: plots.collect(),
        problem: history.problem(),
    }))
}

/// The descriptions of the plots, for the script.
pub(crate) async fn values(visit: Visit) -> Result<Json<BTreeMap<&'static str, String>>> {
    let history = history(&visit)?;
    let describe = |series: &Series| (series.name(), series.describe(&history.points(*series)));
    let mut values: BTreeMap<_, _> = Series::ALL.iter().map(describe).collect();
    values.insert("problem", history.problem().unwrap_or_default());
    Ok(Json(values))
}

/// A plot as an SVG image.
pub(crate) async fn plot(visit: Visit, Path(name): Path<String>) -> Result {
    let history = history(&visit)?;
    let series = Series::ALL.iter().find(|series| series.name() == name);
    let series = series.ok_or_else(no_metrics)?;
    let headers = [
        (CONTENT_TYPE, "image/svg+xml"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'",
        ),
    ];
    let points = history.points(*series);
    Ok((headers, svg::draw(*series, &points)).into_response())
}

fn history(visit: &Visit) -> Result<&History> {
    visit.app.history.as_deref().ok_or_else(no_metrics)
}

fn no_metrics() -> Failure {
    Failure::new(StatusCode::NOT_FOUND, "There are no metrics")
        .hint("Start the console with 'agb serve --console', or with 'agb console --metrics URL'.")
}
