//! A service with test data, and the calls that are measured.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::agb_serve::Service;
use crate::failure::Failure;
use crate::http_client::{Connection, string_at};

pub(crate) const KEY: &str = "scale-key";
/// Number of connections that create the data.
const CONNECTIONS: usize = 32;
/// Page size.
const PAGE: usize = 100;
const CONTENT: &[u8] = b"a few bytes of a small file";
/// Name of the context with most of the files.
const MAIN: &str = "main";

/// Size of the data.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) contexts: usize,
    /// Files in one context, all in one folder.
    pub(crate) files: usize,
    /// Files in each of the contexts that are cleared.
    pub(crate) cleared: usize,
}

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Operation {
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

impl Operation {
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

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FirstContexts => "ListContexts, first page of 100",
            Self::MiddleContexts => "ListContexts, page of 100 in the middle",
            Self::FirstFiles => "DescribeContextFiles, first page of 100",
            Self::DeepFiles => "DescribeContextFiles, last page of 100",
            Self::Get => "GetContext, by name",
            Self::Create => "GetContext, creating it",
            Self::Download => "GET of a file",
            Self::Overwrite => "PUT over a file",
            Self::Put => "PUT of a new file",
            Self::Delete => "DeleteContextFile",
        }
    }
}

pub(crate) struct Instance {
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

impl Instance {
    pub(crate) fn start(program: &Path, folder: &Path, size: Size) -> Result<Self, Failure> {
        let service = launch(program, folder)?;
        let connection = Connection::open(service.endpoint(), KEY).map_err(failure)?;
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

    /// Creates the data, and one context to clear in each round.
    pub(crate) fn fill(&mut self, rounds: usize) -> io::Result<()> {
        self.main = self.connection.create_context(MAIN)?;
        let Size {
            contexts,
            files,
            cleared,
        } = self.size;
        self.in_parallel(contexts, |connection, n| {
            connection.create_context(&format!("context-{n}")).map(drop)
        })?;
        let main = self.main.clone();
        self.in_parallel(files, |connection, n| put(connection, &main, &file(n)))?;
        for round in 0..rounds {
            self.reconnect()?;
            let id = self.connection.create_context(&to_clear(round))?;
            self.in_parallel(cleared, |connection, n| put(connection, &id, &file(n)))?;
        }
        self.reconnect()?;
        self.middle = self.token_after(contexts / 2)?;
        Ok(())
    }

    /// Opens a new connection, since the service closes one that was idle for half a minute.
    pub(crate) fn reconnect(&mut self) -> io::Result<()> {
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
                #[cfg(target_os = "linux")]
                if crate::distributed::interrupt::check().is_err() {
                    return Err(io::ErrorKind::Interrupted.into());
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

    /// The page token after at least this number of contexts.
    fn token_after(&mut self, contexts: usize) -> io::Result<String> {
        let (mut token, mut seen) = (String::new(), 0);
        loop {
            let target = format!("ListContexts?maxResults={PAGE}&nextToken={token}");
            let (_, page) = self
                .connection
                .call("GET", target.trim_end_matches("&nextToken="))?;
            token = string_at(&page, "/nextToken")?;
            seen += PAGE;
            if seen >= contexts {
                return Ok(token);
            }
        }
    }

    /// Measures one call. `n` differs in each.
    pub(crate) fn measure(&mut self, operation: Operation, n: usize) -> io::Result<Duration> {
        let main = &self.main;
        let middle = &self.middle;
        // Files spread over the whole folder.
        let known = file(n.wrapping_mul(7919) % self.size.files);
        let fresh = format!("/new-{n}");
        let pages = (self.size.files / PAGE).max(1);
        let files = format!("DescribeContextFiles?contextId={main}&pageSize={PAGE}&pageNumber");
        let connection = &mut self.connection;
        let (method, target, body) = match operation {
            Operation::FirstContexts => ("GET", format!("ListContexts?maxResults={PAGE}"), None),
            Operation::MiddleContexts => (
                "GET",
                format!("ListContexts?maxResults={PAGE}&nextToken={middle}"),
                None,
            ),
            Operation::FirstFiles => ("POST", format!("{files}=1"), None),
            Operation::DeepFiles => ("POST", format!("{files}={pages}"), None),
            Operation::Get => {
                let n = n.wrapping_mul(7919) % self.size.contexts;
                ("GET", format!("GetContext?name=context-{n}"), None)
            }
            Operation::Create => (
                "GET",
                format!("GetContext?name=new-{n}&allowCreate=true"),
                None,
            ),
            Operation::Delete => (
                "POST",
                format!("DeleteContextFile?contextId={main}&filePath={fresh}"),
                None,
            ),
            Operation::Download => ("GET", connection.download_url(main, &known)?, Some("")),
            Operation::Overwrite => ("PUT", connection.upload_url(main, &known)?, Some("x")),
            Operation::Put => ("PUT", connection.upload_url(main, &fresh)?, Some("x")),
        };
        let start = Instant::now();
        let response = match body {
            Some(body) => connection.transfer(method, &target, body.as_bytes())?,
            None => connection.call_raw(method, &target)?,
        };
        let took = start.elapsed();
        match response.status {
            200 => Ok(took),
            status => Err(io::Error::other(format!(
                "{operation:?} returned status {status}: {}",
                String::from_utf8_lossy(&response.body)
            ))),
        }
    }

    /// Clears the context of this round. Returns the time until the response, and until the context is available.
    pub(crate) fn clear(&mut self, round: usize) -> io::Result<(Duration, Duration)> {
        self.reconnect()?;
        let id = self.connection.create_context(&to_clear(round))?;
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
            if string_at(&context, "/data/state")? == "available" {
                return Ok((answered, start.elapsed()));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Kills the service and returns the time of a restart until it listens.
    pub(crate) fn restart(&mut self) -> Result<Duration, Failure> {
        self.service.kill();
        let start = Instant::now();
        self.service = launch(&self.program, &self.folder)?;
        let took = start.elapsed();
        self.reconnect().map_err(failure)?;
        Ok(took)
    }

    pub(crate) fn endpoint(&self) -> &str {
        self.service.endpoint()
    }

    /// Resident memory in KiB. 0 on systems without `/proc`.
    pub(crate) fn resident_memory(&self) -> u64 {
        let status = format!("/proc/{}/status", self.service.process_id());
        let status = std::fs::read_to_string(status).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    }
}

fn launch(program: &Path, folder: &Path) -> Result<Service, Failure> {
    Service::start(program, folder, &["--api-key", KEY], Stdio::inherit())
}

fn file(n: usize) -> String {
    format!("/file-{n:07}")
}

fn to_clear(round: usize) -> String {
    format!("to-clear-{round}")
}

fn put(connection: &mut Connection, context: &str, path: &str) -> io::Result<()> {
    let url = connection.upload_url(context, path)?;
    match connection.transfer("PUT", &url, CONTENT)?.status {
        200 => Ok(()),
        status => Err(io::Error::other(format!(
            "an upload returned status {status}"
        ))),
    }
}

pub(crate) fn failure(error: io::Error) -> Failure {
    Failure::new(
        format!("a call failed: {error}"),
        "see the log of agb serve above; check the space left on the disk",
    )
}
