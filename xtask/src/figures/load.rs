//! The workloads: clients that send one request after the other.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::http_client::{Connection, Response};

/// Number of tenants.
pub(super) const TENANTS: usize = 16;
/// Small files of each tenant: one page of a listing.
const FILES: usize = 100;
const SMALL: usize = 4 << 10;
const LARGE: usize = 64 << 20;
/// Clients of large files.
const LARGE_CLIENTS: usize = 4;

/// What a client repeats. Files need two requests: one for the URL, one for the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Get,
    List,
    Download,
    Upload,
    DownloadLarge,
    UploadLarge,
}

impl Operation {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Get => "get a context",
            Self::List => "list 100 files",
            Self::Download => "get 4 KiB",
            Self::Upload => "put 4 KiB",
            Self::DownloadLarge => "get 64 MiB",
            Self::UploadLarge => "put 64 MiB",
        }
    }
}

/// An operation, and how many clients repeat it at the same time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Workload {
    pub(super) operation: Operation,
    pub(super) clients: usize,
    /// Tenants that the clients belong to.
    pub(super) tenants: usize,
}

impl Workload {
    pub(super) fn all() -> Vec<Self> {
        use Operation::{Download, DownloadLarge, Get, List, Upload, UploadLarge};
        let mut all = Vec::new();
        let mut add = |operation, clients, tenants| {
            all.push(Self {
                operation,
                clients,
                tenants,
            });
        };
        for operation in [Get, List, Download, Upload] {
            add(operation, 1, 1);
            if operation == Upload {
                add(operation, TENANTS, 1);
            }
            add(operation, TENANTS, TENANTS);
        }
        for operation in [UploadLarge, DownloadLarge] {
            add(operation, 1, 1);
            add(operation, LARGE_CLIENTS, LARGE_CLIENTS);
        }
        all
    }

    pub(super) fn is_large(&self) -> bool {
        matches!(
            self.operation,
            Operation::UploadLarge | Operation::DownloadLarge
        )
    }

    pub(super) fn name(&self) -> String {
        let operation = self.operation.name();
        match (self.clients, self.tenants) {
            (1, _) => format!("{operation}, 1 client"),
            (clients, 1) => format!("{operation}, {clients} clients of 1 tenant"),
            (clients, tenants) => format!("{operation}, {clients} clients of {tenants} tenants"),
        }
    }
}

/// A tenant and its contexts.
#[derive(Debug)]
pub(super) struct Tenant {
    key: String,
    /// The context with a fixed number of files.
    files: String,
    /// The context that receives uploads.
    uploads: String,
}

const FILES_CONTEXT: &str = "files";

/// Creates the tenants with their contexts and files.
pub(super) fn fill(endpoint: &str) -> io::Result<Vec<Tenant>> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..TENANTS)
            .map(|number| scope.spawn(move || create_tenant(endpoint, number)))
            .collect();
        threads.into_iter().map(joined).collect()
    })
}

fn create_tenant(endpoint: &str, number: usize) -> io::Result<Tenant> {
    let key = format!("tenant-{number}");
    let mut connection = Connection::open(endpoint, &key)?;
    let tenant = Tenant {
        files: connection.create_context(FILES_CONTEXT)?,
        uploads: connection.create_context("uploads")?,
        key,
    };
    for file in 0..FILES {
        upload(&mut connection, &tenant.files, &path(file), &[0; SMALL])?;
    }
    if number < LARGE_CLIENTS {
        let content = vec![0; LARGE];
        upload(&mut connection, &tenant.uploads, "/large", &content)?;
    }
    Ok(tenant)
}

fn path(file: usize) -> String {
    format!("/file-{file:03}")
}

/// What all clients of a workload completed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Completed {
    pub(super) operations: f64,
    pub(super) seconds: f64,
}

/// The clients of a workload, connected to all replicas.
pub(super) struct Clients<'a> {
    workload: Workload,
    clients: Vec<Client<'a>>,
}

struct Client<'a> {
    number: usize,
    tenant: &'a Tenant,
    /// To each replica. The requests alternate between them.
    connections: Vec<Connection>,
    requests: usize,
}

impl<'a> Clients<'a> {
    /// Connects the clients, and gets a context over each connection.
    pub(super) fn connect(
        workload: Workload,
        endpoints: &[&str],
        tenants: &'a [Tenant],
    ) -> io::Result<Self> {
        let tenants = tenants.iter().take(workload.tenants).cycle();
        let clients = tenants.take(workload.clients).enumerate();
        let clients = clients.map(|(number, tenant)| {
            let connections = endpoints.iter().map(|endpoint| {
                let mut connection = Connection::open(endpoint, &tenant.key)?;
                connection.create_context(FILES_CONTEXT)?;
                Ok(connection)
            });
            Ok(Client {
                number,
                tenant,
                connections: connections.collect::<io::Result<_>>()?,
                // So that clients do not all use the same replica at a time.
                requests: number,
            })
        });
        Ok(Self {
            workload,
            clients: clients.collect::<io::Result<_>>()?,
        })
    }

    /// Repeats the operation for a time, at least once.
    pub(super) fn run(&mut self, time: Duration) -> io::Result<Completed> {
        let operation = self.workload.operation;
        let content = vec![
            0x5a;
            if self.workload.is_large() {
                LARGE
            } else {
                SMALL
            }
        ];
        let content = content.as_slice();
        let start = now();
        let operations = std::thread::scope(|scope| {
            let threads: Vec<_> = self
                .clients
                .iter_mut()
                .map(|client| {
                    scope.spawn(move || {
                        let mut operations = 0.0;
                        while operations == 0.0 || start.elapsed() < time {
                            client.perform(operation, content)?;
                            operations += 1.0;
                        }
                        Ok(operations)
                    })
                })
                .collect();
            threads.into_iter().map(joined).sum::<io::Result<f64>>()
        })?;
        Ok(Completed {
            operations,
            seconds: start.elapsed().as_secs_f64(),
        })
    }
}

impl Client<'_> {
    fn connection(&mut self) -> io::Result<&mut Connection> {
        let count = self.connections.len().max(1);
        self.requests += 1;
        let connection = self.connections.get_mut(self.requests % count);
        connection.ok_or_else(|| io::Error::other("no replica"))
    }

    fn perform(&mut self, operation: Operation, content: &[u8]) -> io::Result<()> {
        static UPLOADS: AtomicU64 = AtomicU64::new(0);
        let tenant = self.tenant;
        let number = self.number;
        match operation {
            Operation::Get => {
                let target = format!("GetContext?name={FILES_CONTEXT}");
                checked(&self.connection()?.call_raw("GET", &target)?)
            }
            Operation::List => {
                let target = format!(
                    "DescribeContextFiles?contextId={}&pageSize={FILES}&pageNumber=1",
                    tenant.files
                );
                checked(&self.connection()?.call_raw("POST", &target)?)
            }
            Operation::Download => {
                let path = path(self.requests % FILES);
                self.download(&tenant.files, &path, content.len())
            }
            Operation::DownloadLarge => self.download(&tenant.uploads, "/large", content.len()),
            Operation::Upload => {
                let upload = UPLOADS.fetch_add(1, Ordering::Relaxed);
                self.upload(&tenant.uploads, &format!("/put-{upload}"), content)
            }
            Operation::UploadLarge => {
                self.upload(&tenant.uploads, &format!("/put-large-{number}"), content)
            }
        }
    }

    fn download(&mut self, context: &str, path: &str, length: usize) -> io::Result<()> {
        let url = self.connection()?.download_url(context, path)?;
        let response = self.connection()?.transfer("GET", &url, &[])?;
        self.skip();
        checked(&response)?;
        match response.body.len() == length {
            true => Ok(()),
            false => Err(io::Error::other("a download has the wrong length")),
        }
    }

    fn upload(&mut self, context: &str, path: &str, content: &[u8]) -> io::Result<()> {
        let url = self.connection()?.upload_url(context, path)?;
        let response = self.connection()?.transfer("PUT", &url, content)?;
        self.skip();
        checked(&response)
    }

    /// Otherwise, two replicas would receive either all URLs or all contents of a client.
    fn skip(&mut self) {
        self.requests += 1;
    }
}

fn upload(
    connection: &mut Connection,
    context: &str,
    path: &str,
    content: &[u8],
) -> io::Result<()> {
    let url = connection.upload_url(context, path)?;
    checked(&connection.transfer("PUT", &url, content)?)
}

fn checked(response: &Response) -> io::Result<()> {
    match response.status {
        200 => Ok(()),
        status => Err(io::Error::other(format!(
            "a request returned status {status}: {}",
            String::from_utf8_lossy(&response.body)
        ))),
    }
}

fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, io::Result<T>>) -> io::Result<T> {
    let panicked = |_| Err(io::Error::other("a thread panicked"));
    thread.join().unwrap_or_else(panicked)
}

#[expect(clippy::disallowed_methods, reason = "measures real time")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workloads_have_distinct_names() {
        let all = Workload::all();
        let names: std::collections::BTreeSet<_> = all.iter().map(Workload::name).collect();
        assert_eq!(names.len(), 13);
        assert!(all.iter().all(|workload| workload.tenants <= TENANTS));
    }
}
