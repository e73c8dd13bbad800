//! A service with what it holds, and the calls that are measured.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::crash::http::Connection;
use crate::failure::Failure;
use crate::interop::service::Service;

const KEY: &str = "scale-key";
/// Connections that fill a service.
const CONNECTIONS: usize = 32;
/// Entries of a page.
const PAGE: usize = 100;
const CONTENT: &[u8] = b"a few bytes of a small file";
/// The context with most of the files.
const MAIN: &str = "main";

/// How much a service holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) contexts: usize,
    /// In one context, all in one folder.
    pub(super) files: usize,
    /// In each of the contexts that are cleared.
    pub(super) cleared: usize,
}

/// What is measured, by how it is told.
#[derive(Debug, Clone, Copy)]
pub(super) enum Job {
    FirstContexts,
    MiddleContexts,
    FirstFiles,
    DeepFiles,
    Get,
    Create,
    Download,
    Overwrite,
    Put,
    Delete,
}

impl Job {
    pub(super) const ALL: [Self; 10] = [
        Self::FirstContexts,
        Self::MiddleContexts,
        Self::FirstFiles,
        Self::DeepFiles,
        Self::Get,
        Self::Create,
        Self::Download,
        Self::Overwrite,
        Self::Put,
        Self::Delete,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::FirstContexts => "ListContexts, first page of 100",
            Self::MiddleContexts => "ListContexts, page of 100 in the middle, by token",
            Self::FirstFiles => "DescribeContextFiles, first page of 100",
            Self::DeepFiles => "DescribeContextFiles, last page of 100, by number",
            Self::Get => "GetContext, by name",
            Self::Create => "GetContext, which creates it",
            Self::Download => "GET of a file",
            Self::Overwrite => "PUT over a file",
            Self::Put => "PUT of a new file",
            Self::Delete => "DeleteContextFile",
        }
    }
}

pub(super) struct Side {
    program: PathBuf,
    folder: PathBuf,
    size: Size,
    service: Service,
    connection: Connection,
    /// The id of the context with most of the files.
    main: String,
    /// The page token in the middle of the contexts.
    middle: String,
}

impl Side {
    pub(super) fn start(program: &Path, folder: &Path, size: Size) -> Result<Self, Failure> {
        let service = launch(program, folder)?;
        let connection = Connection::open(service.endpoint(), KEY).map_err(super::broken)?;
        Ok(Self {
            program: program.to_owned(),
            folder: folder.to_owned(),
            size,
            service,
            connection,
            main: String::new(),
            middle: String::new(),
        })
    }

    /// Makes all that it is to hold, and a context to be cleared for each round.
    pub(super) fn fill(&mut self, rounds: usize) -> io::Result<()> {
        self.main = create(&mut self.connection, MAIN)?;
        let Size {
            contexts,
            files,
            cleared,
        } = self.size;
        self.in_parallel(contexts, |connection, n| {
            create(connection, &format!("context-{n}")).map(drop)
        })?;
        let main = self.main.clone();
        self.in_parallel(files, |connection, n| put(connection, &main, &file(n)))?;
        for round in 0..rounds {
            self.reconnect()?;
            let id = create(&mut self.connection, &to_clear(round))?;
            self.in_parallel(cleared, |connection, n| put(connection, &id, &file(n)))?;
        }
        self.reconnect()?;
        self.middle = self.token_after(contexts / 2)?;
        Ok(())
    }

    /// The service has closed a connection that nobody used for half a minute.
    pub(super) fn reconnect(&mut self) -> io::Result<()> {
        self.connection = Connection::open(self.service.endpoint(), KEY)?;
        Ok(())
    }

    fn in_parallel(
        &self,
        times: usize,
        work: impl Fn(&mut Connection, usize) -> io::Result<()> + Sync,
    ) -> io::Result<()> {
        let next = AtomicUsize::new(0);
        let one = || {
            let mut connection = Connection::open(self.service.endpoint(), KEY)?;
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= times {
                    return Ok(());
                }
                work(&mut connection, n)?;
            }
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(one)).collect();
            threads.into_iter().try_for_each(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err(io::Error::other("a thread panicked")))
            })
        })
    }

    /// The page token after so many contexts, more or less.
    fn token_after(&mut self, contexts: usize) -> io::Result<String> {
        let (mut token, mut seen) = (String::new(), 0);
        loop {
            let target = format!("ListContexts?maxResults={PAGE}&nextToken={token}");
            let (_, page) = self
                .connection
                .call("GET", target.trim_end_matches("&nextToken="))?;
            token = text(&page, "/nextToken")?;
            seen += PAGE;
            if seen >= contexts {
                return Ok(token);
            }
        }
    }

    /// How long a call takes; `n` is another one each time.
    pub(super) fn time(&mut self, job: Job, n: usize) -> io::Result<Duration> {
        let main = &self.main;
        let middle = &self.middle;
        // Spread over the folder, and after the first that was measured none is new to a cache.
        let known = file(n.wrapping_mul(7919) % self.size.files);
        let fresh = format!("/new-{n}");
        let pages = self.size.files / PAGE;
        let files = format!("DescribeContextFiles?contextId={main}&pageSize={PAGE}&pageNumber");
        let connection = &mut self.connection;
        let (method, target, body) = match job {
            Job::FirstContexts => ("GET", format!("ListContexts?maxResults={PAGE}"), None),
            Job::MiddleContexts => (
                "GET",
                format!("ListContexts?maxResults={PAGE}&nextToken={middle}"),
                None,
            ),
            Job::FirstFiles => ("POST", format!("{files}=1"), None),
            Job::DeepFiles => ("POST", format!("{files}={pages}"), None),
            Job::Get => {
                let n = n.wrapping_mul(7919) % self.size.contexts;
                ("GET", format!("GetContext?name=context-{n}"), None)
            }
            Job::Create => (
                "GET",
                format!("GetContext?name=new-{n}&allowCreate=true"),
                None,
            ),
            Job::Delete => (
                "POST",
                format!("DeleteContextFile?contextId={main}&filePath={fresh}"),
                None,
            ),
            Job::Download => ("GET", url(connection, main, &known, "Download")?, Some("")),
            Job::Overwrite => ("PUT", url(connection, main, &known, "Upload")?, Some("x")),
            Job::Put => ("PUT", url(connection, main, &fresh, "Upload")?, Some("x")),
        };
        let start = Instant::now();
        let answer = match body {
            Some(body) => connection.transfer(method, &target, body.as_bytes())?,
            None => connection.ask(method, &target)?,
        };
        let took = start.elapsed();
        match answer.status {
            200 => Ok(took),
            status => Err(io::Error::other(format!(
                "{job:?} was answered {status}: {}",
                String::from_utf8_lossy(&answer.body)
            ))),
        }
    }

    /// Clears the context of this round: how long it takes until the answer, and until it is available again.
    pub(super) fn clear(&mut self, round: usize) -> io::Result<(Duration, Duration)> {
        self.reconnect()?;
        let id = create(&mut self.connection, &to_clear(round))?;
        let start = Instant::now();
        let (status, answer) = self
            .connection
            .call("POST", &format!("ClearContext?id={id}"))?;
        let answered = start.elapsed();
        if status != 200 {
            return Err(io::Error::other(answer.to_string()));
        }
        loop {
            let (_, context) = self
                .connection
                .call("GET", &format!("GetContext?id={id}"))?;
            if text(&context, "/data/state")? == "available" {
                return Ok((answered, start.elapsed()));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Kills it, and tells how long it then takes until it listens.
    pub(super) fn restart(&mut self) -> Result<Duration, Failure> {
        self.service.kill();
        let start = Instant::now();
        self.service = launch(&self.program, &self.folder)?;
        let took = start.elapsed();
        self.reconnect().map_err(super::broken)?;
        Ok(took)
    }

    /// Resident memory in KiB; 0 where the system does not tell.
    pub(super) fn resident(&self) -> u64 {
        let status = format!("/proc/{}/status", self.service.process());
        let status = std::fs::read_to_string(status).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    }
}

fn launch(program: &Path, folder: &Path) -> Result<Service, Failure> {
    Service::launch(program, folder, &["--api-key", KEY], Stdio::inherit())
}

fn file(n: usize) -> String {
    format!("/file-{n:07}")
}

fn to_clear(round: usize) -> String {
    format!("to-clear-{round}")
}

fn create(connection: &mut Connection, name: &str) -> io::Result<String> {
    let target = format!("GetContext?name={name}&allowCreate=true");
    let (_, answer) = connection.call("GET", &target)?;
    text(&answer, "/data/id")
}

fn put(connection: &mut Connection, context: &str, path: &str) -> io::Result<()> {
    let url = url(connection, context, path, "Upload")?;
    let answer = connection.transfer("PUT", &url, CONTENT)?;
    match answer.status {
        200 => Ok(()),
        status => Err(io::Error::other(format!("an upload was answered {status}"))),
    }
}

fn url(connection: &mut Connection, context: &str, path: &str, way: &str) -> io::Result<String> {
    let target = format!("GetContextFile{way}Url?contextId={context}&filePath={path}");
    let (_, answer) = connection.call("POST", &target)?;
    text(&answer, "/data/url")
}

fn text(answer: &Value, pointer: &str) -> io::Result<String> {
    match answer.pointer(pointer) {
        Some(Value::String(text)) => Ok(text.clone()),
        _ => Err(io::Error::other(format!("no {pointer} in {answer}"))),
    }
}
