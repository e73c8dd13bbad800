//! The sample contexts of the console: files of each type that it previews.

use std::fmt::Write;

use agbcloud::{Client, Files};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::failure::Failure;

/// Files that are uploaded at a time.
const CONCURRENT: usize = 16;
/// Files of the folder with several pages.
const LOGS: usize = 240;

/// Contexts that contain one short file.
const OTHERS: [&str; 5] = [
    "code-review",
    "data-cleaning",
    "nightly-build",
    "support-bot",
    "translation",
];

const REPORT: &str = "# Weekly report\n\nThe agent has evaluated **240 runs** of the benchmark.\n\n\
| model | runs | solved |\n| --- | --- | --- |\n| small | 120 | 71 % |\n| large | 120 | 88 % |\n\n\
## Next steps\n\n1. Repeat the runs that ended in a timeout.\n2. Compare the costs per solved task.\n\n\
> The raw results are in `data/results.csv`.\n\n```\nagb get research-agent:/data/results.csv\n```\n";

const SETTINGS: &str = r#"{"model":"large","temperature":0.2,"tools":["search","python"],"limits":{"steps":40,"seconds":900},"retry":true}"#;

const CHART: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 480 240" width="480" height="240">
<rect width="480" height="240" fill="#f4f6f8"/>
<g fill="#0b5cad"><rect x="60" y="110" width="60" height="90"/><rect x="150" y="80" width="60" height="120"/><rect x="240" y="60" width="60" height="140"/><rect x="330" y="30" width="60" height="170"/></g>
<path d="M40 200H440" stroke="#57606a"/>
<g font-family="sans-serif" font-size="14" text-anchor="middle" fill="#1c2128"><text x="90" y="220">May</text><text x="180" y="220">June</text><text x="270" y="220">July</text><text x="360" y="220">August</text></g>
</svg>
"##;

/// Creates the contexts, and returns the numbers of contexts and files.
pub(super) async fn create(client: &Client) -> Result<(usize, usize), Failure> {
    let contexts = client.contexts();
    let research = contexts.get_or_create("research-agent").await?;
    let files = contexts.files(&research.id);
    let samples = samples();
    let count = samples.len();
    stream::iter(samples)
        .map(|(path, content)| upload(&files, path, content))
        .buffer_unordered(CONCURRENT)
        .try_collect::<Vec<_>>()
        .await?;
    for name in OTHERS {
        let context = contexts.get_or_create(name).await?;
        let files = contexts.files(&context.id);
        let content = format!("Notes of {name}.\n");
        upload(&files, "/notes.txt".to_owned(), content.into()).await?;
    }
    Ok((1 + OTHERS.len(), count + OTHERS.len()))
}

async fn upload(files: &Files, path: String, content: Vec<u8>) -> Result<(), Failure> {
    files.upload(path, content).await?;
    Ok(())
}

/// Paths and contents.
fn samples() -> Vec<(String, Vec<u8>)> {
    let mut table = "run,model,solved,steps,seconds\n".to_owned();
    for run in 0..LOGS {
        let model = if run % 2 == 0 { "small" } else { "large" };
        let steps = 5 + run * 7 % 31;
        // Writing to a String can't fail.
        let _ = writeln!(
            table,
            "{run},{model},{},{steps},{}.{}",
            run % 5 != 0,
            steps * 4,
            run % 10
        );
    }
    let mut binary = vec![0; 64 * 1024];
    fastrand::Rng::with_seed(1).fill(&mut binary);
    let mut samples: Vec<(String, Vec<u8>)> = vec![
        ("/report.md".into(), REPORT.into()),
        ("/settings.json".into(), SETTINGS.into()),
        ("/chart.svg".into(), CHART.into()),
        ("/data/results.csv".into(), table.into()),
        ("/model/weights.bin".into(), binary),
        (
            "/notes.txt".into(),
            "Compare with the runs of May.\nAsk for a larger quota.\n".into(),
        ),
    ];
    samples.extend((0..LOGS).map(|run| {
        let log = format!("run {run}: started\nrun {run}: loaded the task\nrun {run}: ended\n");
        (format!("/logs/run-{run:03}.log"), log.into())
    }));
    samples
}
