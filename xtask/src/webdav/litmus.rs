//! Runs litmus, the test suite of WebDAV servers, and compares its results with the checked-in list.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use super::output_of;
use crate::failure::Failure;

/// The suites that are run. The suite `http` tests only `Expect: 100-continue`.
const SUITES: [&str; 4] = ["basic", "copymove", "props", "locks"];

/// The results other than passed ones that are known, with their reasons.
const KNOWN: &str = include_str!("litmus-results.txt");

/// The parsed output.
#[derive(Debug, Default, PartialEq)]
struct Report {
    /// Lines such as `FAIL basic options`.
    problems: BTreeSet<String>,
    /// The suites that ran to their end.
    completed: Vec<String>,
    passed: usize,
}

pub(super) fn run(url: &str, password: &str, folder: &Path) -> Result<(), Failure> {
    let mut command = Command::new("litmus");
    command
        .args([url, "agb", password])
        .env("TESTS", SUITES.join(" "))
        // It writes logs to its working directory.
        .current_dir(folder);
    // Its exit code is that of the last suite.
    let (_, output) = output_of(command, "litmus")?;
    let report = parse(&output);
    if report.completed != SUITES {
        return Err(failure(format!(
            "litmus completed only the suites [{}]:\n{output}",
            report.completed.join(", ")
        )));
    }
    let problem = differences(&report.problems, &known(KNOWN));
    match problem.is_empty() {
        true => {
            println!(
                "litmus: {} tests passed in {} suites, {} known warnings",
                report.passed,
                SUITES.len(),
                report.problems.len()
            );
            Ok(())
        }
        false => Err(failure(format!("{problem}\n{output}"))),
    }
}

fn parse(output: &str) -> Report {
    let mut report = Report::default();
    let (mut suite, mut test) = (String::new(), String::new());
    // A test is announced, and its line is overwritten after a carriage return.
    for line in output.split(['\n', '\r']) {
        let quoted = |start: &str| {
            let rest = line.trim().strip_prefix(start)?;
            rest.split('\'').next()
        };
        if let Some(name) = quoted("-> running `") {
            name.clone_into(&mut suite);
        }
        if let Some(name) = quoted("<- summary for `") {
            report.completed.push(name.to_owned());
        }
        let numbered = line.trim_start().split_once(". ");
        let numbered = numbered.filter(|(number, _)| number.parse::<u32>().is_ok());
        let result = match numbered {
            Some((_, rest)) => {
                let (name, result) = rest.split_once(' ').unwrap_or((rest, ""));
                name.trim_end_matches('.').clone_into(&mut test);
                result
            }
            None => line.trim_start_matches([' ', '.']),
        };
        for problem in ["WARNING", "FAIL", "SKIPPED"] {
            if result.starts_with(problem) {
                report.problems.insert(format!("{problem} {suite} {test}"));
            }
        }
        if result.starts_with("pass") {
            report.passed += 1;
        }
    }
    report
}

fn known(text: &str) -> BTreeSet<String> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

/// What was reported and is not known, and the reverse.
fn differences(reported: &BTreeSet<String>, known: &BTreeSet<String>) -> String {
    let new = reported
        .difference(known)
        .map(|line| format!("new: {line}"));
    let stale = known.difference(reported);
    let stale = stale.map(|line| format!("not reported any more: {line}"));
    new.chain(stale).collect::<Vec<_>>().join("\n")
}

fn failure(problem: String) -> Failure {
    Failure::new(
        problem,
        "correct crates/agbcloud-dav, or xtask/src/webdav/litmus-results.txt and docs/webdav.md",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "-> running `basic':\n 0. init.................. \r 0. init.................. pass\n \
        1. options............... FAIL (server does not claim Class 2)\n \
        2. delete_fragment....... WARNING: DELETE removed collection\n    ...................... \r    ...................... pass (with 1 warning)\n\
        <- summary for `basic': of 3 tests run: 2 passed, 1 failed. 66.7%\n";

    #[test]
    fn results_are_read_by_suite_and_name() {
        let report = parse(OUTPUT);
        let problems = ["FAIL basic options", "WARNING basic delete_fragment"];
        assert_eq!(report.problems, problems.map(str::to_owned).into());
        assert_eq!(
            (report.completed, report.passed),
            (vec!["basic".to_owned()], 2)
        );
    }

    #[test]
    fn new_and_stale_results_are_differences() {
        let known = known("# reason\nWARNING basic delete_fragment\nFAIL props gone\n");
        let differences = differences(&parse(OUTPUT).problems, &known);
        let expected = "new: FAIL basic options\nnot reported any more: FAIL props gone";
        assert_eq!(differences, expected);
    }
}
