//! Several processes with one file, killed anywhere.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
};

use super::*;

/// Where a process that is one of several finds the file, and which one it is.
const FILE: &str = "AGB_TEST_STATE";
const ME: &str = "AGB_TEST_STATE_ME";

/// Not a test by itself: what the processes of the test below do. Each has its own files in turn, and says so when one is
/// remembered.
#[tokio::test]
async fn one_of_several() {
    let (Some(path), Ok(me)) = (std::env::var_os(FILE), std::env::var(ME)) else {
        return;
    };
    let (path, me) = (PathBuf::from(path), me.parse::<u64>().unwrap());
    for round in 0.. {
        let state = State::open_with(&path, &context(), Time::default(), 50);
        let state = Arc::new(state.unwrap());
        state.begin().await.unwrap();
        for n in 0..20 {
            let number = round * 20 + n + 1;
            put(&state, me * 100 + n, number).await;
            println!("remembered {} {number}", me * 100 + n);
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
            &format!("{module}::one_of_several"),
        ])
        .env(FILE, path)
        .env(ME, me.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The last number of each file that the process said is remembered, until it is killed after so many.
fn killed_after(mut process: Child, said: usize) -> Vec<(u64, u64)> {
    let lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut last = std::collections::BTreeMap::new();
    let mut heard = 0;
    for line in lines {
        let line = line.unwrap();
        // The harness writes the name of the test before the first, on the same line.
        let Some((_, told)) = line.split_once("remembered ") else {
            continue;
        };
        let (n, number) = told.split_once(' ').unwrap();
        last.insert(n.parse().unwrap(), number.parse().unwrap());
        heard += 1;
        if heard == said {
            process.kill().unwrap();
        }
    }
    process.wait().unwrap();
    assert!(heard >= said, "the process ended by itself");
    last.into_iter().collect()
}

/// What one remembers is not lost through another: they append, cut and write anew as they like.
#[cfg(unix)]
#[test]
fn no_process_loses_what_another_remembers_wherever_they_are_killed() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let path = folder.path().join(format!("state-{round}"));
        let processes: Vec<_> = (1..=4).map(|me| (start(&path, me), me as usize)).collect();
        let listener = |(process, me)| {
            std::thread::spawn(move || killed_after(process, 200 * me + 37 * round))
        };
        let listeners: Vec<_> = processes.into_iter().map(listener).collect();
        let told = listeners.into_iter().flat_map(|it| it.join().unwrap());
        let told: Vec<_> = told.collect();
        let found = open(&path);
        assert_eq!(told.len(), 80);
        for (n, number) in told {
            let is = found.get(&remote(n)).map(|known| known.crc64);
            // One that was killed may have had no time to say so.
            let fits = is.is_some_and(|is| is >= number);
            assert!(fits, "{n}: {is:?}, and {number} was remembered");
        }
        let entries = found.known.read().unwrap().read.len();
        assert_eq!(entries, 80, "there is nothing else in it");
    }
}
