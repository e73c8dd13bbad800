//! Several processes that use one file and are killed at random points.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
};

use super::*;

/// Environment variables with the path of the file and the number of the process.
const FILE: &str = "AGB_TEST_STATE";
const PROCESS: &str = "AGB_TEST_STATE_PROCESS";

/// The work of the processes in the test below. Each records its own files in turn, and prints each recorded file.
#[tokio::test]
async fn child_process() {
    let (Some(path), Ok(me)) = (std::env::var_os(FILE), std::env::var(PROCESS)) else {
        return;
    };
    let (path, me) = (PathBuf::from(path), me.parse::<u64>().unwrap());
    for round in 0.. {
        let state = SyncState::open_with(&path, &context(), Time::default(), 50);
        let state = Arc::new(state.unwrap());
        state.begin().await.unwrap();
        for n in 0..20 {
            let number = round * 20 + n + 1;
            put(&state, me * 100 + n, number).await;
            println!("recorded {} {number}", me * 100 + n);
            std::io::stdout().flush().unwrap();
        }
    }
}

fn context() -> ContextId {
    ContextId::new("SdkCtx-1").unwrap()
}

fn start(path: &Path, me: u64) -> Child {
    let module = module_path!().split_once("::").unwrap().1;
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--nocapture",
            &format!("{module}::child_process"),
        ])
        .env(FILE, path)
        .env(PROCESS, me.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Kills the process after it has printed this number of lines. Returns the last number of each file.
fn kill_after(mut process: Child, max_lines: usize) -> Vec<(u64, u64)> {
    let lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut last = std::collections::BTreeMap::new();
    let mut lines_read = 0;
    for line in lines {
        let line = line.unwrap();
        // The test harness prints the name of the test on the first line.
        let Some((_, recorded)) = line.split_once("recorded ") else {
            continue;
        };
        let (n, number) = recorded.split_once(' ').unwrap();
        last.insert(n.parse().unwrap(), number.parse().unwrap());
        lines_read += 1;
        if lines_read == max_lines {
            process.kill().unwrap();
        }
    }
    process.wait().unwrap();
    assert!(lines_read >= max_lines, "the process ended early");
    last.into_iter().collect()
}

#[cfg(unix)]
#[test]
fn no_process_loses_the_entries_of_another_when_it_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let path = folder.path().join(format!("state-{round}"));
        let processes: Vec<_> = (1..=4).map(|me| (start(&path, me), me as usize)).collect();
        let reader =
            |(process, me)| std::thread::spawn(move || kill_after(process, 200 * me + 37 * round));
        let readers: Vec<_> = processes.into_iter().map(reader).collect();
        let recorded = readers.into_iter().flat_map(|it| it.join().unwrap());
        let recorded: Vec<_> = recorded.collect();
        let found = open(&path);
        assert_eq!(recorded.len(), 80);
        for (n, number) in recorded {
            let is = found.get(&remote(n)).map(|version| version.crc64);
            // A process may have been killed before it printed a recorded file.
            let fits = is.is_some_and(|is| is >= number);
            assert!(fits, "{n}: {is:?}, and {number} was recorded");
        }
        let entries = found.entries.read().unwrap().read.len();
        assert_eq!(entries, 80, "there are no other entries");
    }
}
