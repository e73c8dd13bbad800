//! A minimal HTTP client: one connection, one request at a time, no retries.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

const TIMEOUT: Duration = Duration::from_secs(30);

/// A connection and the API key that it sends.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    key: String,
}

pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Connection {
    /// Connects to `http://HOST:PORT`.
    pub(crate) fn open(endpoint: &str, key: &str) -> io::Result<Self> {
        let address = endpoint.strip_prefix("http://").unwrap_or(endpoint);
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Self {
            stream: BufReader::new(stream),
            key: key.to_owned(),
        })
    }

    /// Calls an operation. `target` is its name and query. Returns the status and the whole envelope.
    pub(crate) fn call(&mut self, method: &str, target: &str) -> io::Result<(u16, Value)> {
        let response = self.call_raw(method, target)?;
        let envelope = serde_json::from_slice(&response.body).map_err(io::Error::other)?;
        Ok((response.status, envelope))
    }

    /// Calls an operation and returns the response without parsing it.
    pub(crate) fn call_raw(&mut self, method: &str, target: &str) -> io::Result<Response> {
        self.send(method, &format!("/sdk/{target}"), true, &[])
    }

    /// Gets the context with this name, creates it if it does not exist, and returns its id.
    pub(crate) fn create_context(&mut self, name: &str) -> io::Result<String> {
        let (_, envelope) =
            self.call("GET", &format!("GetContext?name={name}&allowCreate=true"))?;
        string_at(&envelope, "/data/id")
    }

    /// Returns a presigned URL to upload a file.
    pub(crate) fn upload_url(&mut self, context: &str, path: &str) -> io::Result<String> {
        self.presigned_url("Upload", context, path)
    }

    /// Returns a presigned URL to download a file.
    pub(crate) fn download_url(&mut self, context: &str, path: &str) -> io::Result<String> {
        self.presigned_url("Download", context, path)
    }

    fn presigned_url(&mut self, kind: &str, context: &str, path: &str) -> io::Result<String> {
        let path = path.replace('%', "%25");
        let target = format!("GetContextFile{kind}Url?contextId={context}&filePath={path}");
        let (_, envelope) = self.call("POST", &target)?;
        string_at(&envelope, "/data/url")
    }

    /// Uploads or downloads by a presigned URL.
    pub(crate) fn transfer(
        &mut self,
        method: &str,
        url: &str,
        body: &[u8],
    ) -> io::Result<Response> {
        let path = url.match_indices('/').nth(2).map_or(0, |(at, _)| at);
        self.send(method, &url[path..], false, body)
    }

    fn send(
        &mut self,
        method: &str,
        target: &str,
        authorized: bool,
        body: &[u8],
    ) -> io::Result<Response> {
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
        self.read_response()
    }

    fn read_response(&mut self) -> io::Result<Response> {
        let first = self.read_line()?;
        let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| io::Error::other("the response has no status"))?;
        let mut length = 0;
        loop {
            let line = self.read_line()?;
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
        Ok(Response { status, body })
    }

    fn read_line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}

/// The string at a JSON pointer.
pub(crate) fn string_at(value: &Value, pointer: &str) -> io::Result<String> {
    match value.pointer(pointer) {
        Some(Value::String(text)) => Ok(text.clone()),
        _ => Err(io::Error::other(format!("no {pointer} in {value}"))),
    }
}
