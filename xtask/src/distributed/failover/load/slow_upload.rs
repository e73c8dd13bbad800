//! An upload whose last bytes are sent later.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Bytes that are sent later. They fit into the buffers of the system, so that sending them does not wait for the server.
const REST: usize = 64 * 1024;
const TIMEOUT: Duration = Duration::from_secs(60);

/// An upload in progress.
#[derive(Debug)]
pub(crate) struct SlowUpload {
    stream: TcpStream,
    rest: Vec<u8>,
}

impl SlowUpload {
    /// Sends all but the last bytes of a content to one replica.
    pub(crate) fn begin(endpoint: &str, url: &str, content: &[u8]) -> io::Result<Self> {
        let host = endpoint.strip_prefix("http://").unwrap_or(endpoint);
        let mut stream = TcpStream::connect(host)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let path = url.match_indices('/').nth(2).map_or(0, |(at, _)| at);
        let path = url.get(path..).unwrap_or_default();
        let length = content.len();
        write!(
            stream,
            "PUT {path} HTTP/1.1\r\nhost: agb.test\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        )?;
        let (first, rest) = content.split_at(length.saturating_sub(REST));
        stream.write_all(first)?;
        Ok(Self {
            stream,
            rest: rest.to_vec(),
        })
    }

    /// Sends the last bytes.
    pub(crate) fn send_rest(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.rest)
    }

    /// Waits for the response and returns its status.
    pub(crate) fn status(self) -> io::Result<u16> {
        let mut line = String::new();
        BufReader::new(self.stream).read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        status.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}
