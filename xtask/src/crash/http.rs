//! As much of an HTTP client as a writer needs: one connection, one request at a time, no retry.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// A service that does not answer for so long has a fault of its own.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection with the key that it sends.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    key: String,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Connection {
    /// Connects to `http://HOST:PORT`.
    pub(crate) fn open(endpoint: &str, key: &str) -> io::Result<Self> {
        let address = endpoint.strip_prefix("http://").unwrap_or(endpoint);
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream: BufReader::new(stream),
            key: key.to_owned(),
        })
    }

    /// A control call; gives its status and the whole envelope.
    pub(crate) fn call(&mut self, method: &str, target: &str) -> io::Result<(u16, Value)> {
        let answer = self.ask(method, target)?;
        let envelope = serde_json::from_slice(&answer.body).map_err(io::Error::other)?;
        Ok((answer.status, envelope))
    }

    /// A control call; gives its answer as it came.
    pub(crate) fn ask(&mut self, method: &str, target: &str) -> io::Result<Answer> {
        self.send(method, &format!("/sdk/{target}"), true, &[])
    }

    /// A transfer by a presigned URL.
    pub(crate) fn transfer(&mut self, method: &str, url: &str, body: &[u8]) -> io::Result<Answer> {
        let path = url.match_indices('/').nth(2).map_or(0, |(at, _)| at);
        self.send(method, &url[path..], false, body)
    }

    fn send(
        &mut self,
        method: &str,
        target: &str,
        authorized: bool,
        body: &[u8],
    ) -> io::Result<Answer> {
        let key = match authorized {
            true => format!("authorization: Bearer {}\r\n", self.key),
            false => String::new(),
        };
        let length = body.len();
        let head = format!(
            "{method} {target} HTTP/1.1\r\nhost: x\r\n{key}content-length: {length}\r\n\r\n"
        );
        let stream = self.stream.get_mut();
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        self.answer()
    }

    fn answer(&mut self) -> io::Result<Answer> {
        let first = self.line()?;
        let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| io::Error::other("no status in the answer"))?;
        let mut length = 0;
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(Answer { status, body })
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}
