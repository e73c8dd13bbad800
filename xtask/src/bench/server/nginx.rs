//! nginx with one worker for each core, which serves and accepts files of a folder.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use super::target::{FILE, FILE_SIZE, failed};
use super::{accepts_connections, create_folder};
use crate::distributed::engines::{Account, Process, free_port};
use crate::failure::Failure;
use crate::temporary;

const START_TIMEOUT: Duration = Duration::from_secs(10);
/// Number of attempts to find a port that is still free.
const ATTEMPTS: usize = 3;

pub(super) struct Nginx {
    process: Process,
    address: String,
    /// Not in the folder of the task, which only its own user can read.
    _folder: TempDir,
}

impl Nginx {
    pub(super) fn start() -> Result<Self, Failure> {
        let account = Account::choose()?;
        let folder = temporary::folder("nginx")?;
        account.own(folder.path())?;
        for name in ["root", "body"] {
            create_folder(&folder.path().join(name))?;
            account.own(&folder.path().join(name))?;
        }
        let file = folder
            .path()
            .join("root")
            .join(FILE.trim_start_matches('/'));
        std::fs::write(&file, [7; FILE_SIZE]).map_err(|error| failed("write a file", error))?;
        let mut attempt = 0;
        loop {
            attempt += 1;
            match launch(&account, folder.path()) {
                Ok((process, address)) => {
                    return Ok(Self {
                        process,
                        address,
                        _folder: folder,
                    });
                }
                Err(failure) if attempt == ATTEMPTS => return Err(failure),
                Err(_) => crate::distributed::interrupt::check()?,
            }
        }
    }

    /// `HOST:PORT`.
    pub(super) fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.process.stop(Signal::TERM);
    }
}

fn launch(account: &Account, folder: &Path) -> Result<(Process, String), Failure> {
    let port = free_port()?;
    let address = format!("127.0.0.1:{port}");
    account.write(&folder.join("nginx.conf"), &configuration(folder, &address))?;
    let mut command = account.command(Path::new("nginx"), folder, "KILL");
    command
        .arg("-p")
        .arg(folder)
        .arg("-c")
        .arg(folder.join("nginx.conf"))
        .arg("-e")
        .arg(folder.join("error.log"));
    let log = folder.join("output.log");
    let mut process = Process::start("nginx", command, &log)?;
    process.wait_until_ready(START_TIMEOUT, || accepts_connections(&address))?;
    Ok((process, address))
}

fn configuration(folder: &Path, address: &str) -> String {
    let folder = folder.display();
    format!(
        "daemon off; worker_processes auto; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    sendfile on;
    tcp_nodelay on;
    # As the service, which never closes a connection in use.
    keepalive_requests 1000000000;
    client_max_body_size 0;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/body; fastcgi_temp_path {folder}/body;
    uwsgi_temp_path {folder}/body; scgi_temp_path {folder}/body;
    server {{ listen {address}; root {folder}/root; location / {{ dav_methods PUT; }} }}
}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nginx_listens_only_on_its_address() {
        let text = configuration(Path::new("/x"), "127.0.0.1:1");
        assert_eq!(text.matches("listen ").count(), 1);
        assert!(text.contains("listen 127.0.0.1:1; root /x/root;"), "{text}");
        assert_eq!(text.matches('{').count(), text.matches('}').count());
    }
}
