//! A minimal HTTP client: one connection, one request at a time, no retries.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Default limit on the time of a request, from its first byte to the last byte of its response.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A connection and the API key that it sends.
pub(crate) struct Connection {
    stream: BufReader<TimedStream>,
    host: String,
    key: String,
    timeout: Duration,
}

pub(crate) struct Response {
    pub(crate) status: u16,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The value of a header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find_map(|(key, value)| (key == name).then_some(value.as_str()))
    }
}

impl Connection {
    /// Connects to `http://HOST:PORT`.
    pub(crate) fn open(endpoint: &str, key: &str) -> io::Result<Self> {
        Self::open_with_timeout(endpoint, key, TIMEOUT)
    }

    /// Connects with a limit on the time of each request. A request beyond it fails with `ErrorKind::TimedOut`.
    pub(crate) fn open_with_timeout(
        endpoint: &str,
        key: &str,
        timeout: Duration,
    ) -> io::Result<Self> {
        let host = endpoint.strip_prefix("http://").unwrap_or(endpoint);
        let stream = TcpStream::connect(host)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::new(TimedStream {
                stream,
                deadline: deadline_after(timeout),
            }),
            host: host.to_owned(),
            key: key.to_owned(),
            timeout,
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
        let (host, key) = (self.host.clone(), format!("Bearer {}", self.key));
        let headers = [("host", host.as_str()), ("authorization", key.as_str())];
        let count = if authorized { 2 } else { 1 };
        self.request(method, target, &headers[..count], body)
    }

    /// Sends a request with these headers, and `content-length`.
    pub(crate) fn request(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Response> {
        let mut head = format!("{method} {target} HTTP/1.1\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        let stream = self.stream.get_mut();
        stream.deadline = deadline_after(self.timeout);
        let written = stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(body));
        match (written, self.read_response(method)) {
            // A service that does not read a body to its end may have responded before it closed the connection.
            (_, Ok(response)) => Ok(response),
            (Err(error), Err(_)) | (Ok(()), Err(error)) => Err(error),
        }
    }

    fn read_response(&mut self, method: &str) -> io::Result<Response> {
        let first = self.read_line()?;
        let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| io::Error::other("the response has no status"))?;
        let mut headers = Vec::new();
        loop {
            let line = self.read_line()?;
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':') {
                headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            }
        }
        let mut response = Response {
            status,
            headers,
            body: Vec::new(),
        };
        if method != "HEAD" {
            response.body = self.read_body(&response)?;
        }
        Ok(response)
    }

    fn read_body(&mut self, response: &Response) -> io::Result<Vec<u8>> {
        if response.header("transfer-encoding") == Some("chunked") {
            return self.read_chunks();
        }
        let length = response.header("content-length").unwrap_or("0");
        let mut body = vec![0; length.parse().map_err(io::Error::other)?];
        self.stream.read_exact(&mut body)?;
        Ok(body)
    }

    fn read_chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.read_line()?;
            let length = line.split(';').next().unwrap_or_default();
            let length = usize::from_str_radix(length, 16).map_err(io::Error::other)?;
            let start = body.len();
            body.resize(start + length, 0);
            self.stream.read_exact(&mut body[start..])?;
            // The end of the chunk, or of the trailers, of which there are none.
            self.read_line()?;
            if length == 0 {
                return Ok(body);
            }
        }
    }

    fn read_line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}

/// A stream whose reads and writes fail after a deadline.
struct TimedStream {
    stream: TcpStream,
    deadline: Instant,
}

impl TimedStream {
    fn remaining(&self) -> io::Result<Duration> {
        let remaining = self.deadline.saturating_duration_since(now());
        match remaining.is_zero() {
            true => Err(io::ErrorKind::TimedOut.into()),
            false => Ok(remaining),
        }
    }
}

impl Read for TimedStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.remaining()?))?;
        self.stream.read(buffer).map_err(timed_out)
    }
}

impl Write for TimedStream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.remaining()?))?;
        self.stream.write(buffer).map_err(timed_out)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// The kind of an expired timeout of a socket depends on the platform.
fn timed_out(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => error,
    }
}

fn deadline_after(timeout: Duration) -> Instant {
    now() + timeout
}

#[expect(
    clippy::disallowed_methods,
    reason = "the server is a process, so that time is real"
)]
fn now() -> Instant {
    Instant::now()
}

/// The string at a JSON pointer.
pub(crate) fn string_at(value: &Value, pointer: &str) -> io::Result<String> {
    match value.pointer(pointer) {
        Some(Value::String(text)) => Ok(text.clone()),
        _ => Err(io::Error::other(format!("no {pointer} in {value}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Accepts one connection and sends an answer after the head of the request.
    fn answer(answer: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            while head.read_line(&mut line).unwrap() > 2 {
                line.clear();
            }
            stream.write_all(answer).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            // Open until the client closes it.
            let _ = io::copy(&mut head, &mut io::sink());
        });
        address
    }

    fn get(text: &'static [u8]) -> io::Result<Response> {
        let mut connection = Connection::open(&answer(text), "")?;
        connection.request("GET", "/", &[], b"")
    }

    #[test]
    fn chunks_are_joined() {
        let text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        assert_eq!(get(text).unwrap().body, b"abcde");
    }

    #[test]
    fn headers_are_found_by_their_lower_case_names() {
        let text = b"HTTP/1.1 503 Busy\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n";
        let response = get(text).unwrap();
        assert_eq!(response.status, 503);
        assert_eq!(response.header("retry-after"), Some("2"));
    }

    #[test]
    fn a_cut_body_is_an_error() {
        for text in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"[..],
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        ] {
            let error = get(text).err().map(|error| error.kind());
            assert_eq!(error, Some(io::ErrorKind::UnexpectedEof));
        }
    }

    #[test]
    fn a_request_ends_at_its_timeout() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut connection =
            Connection::open_with_timeout(&address, "", Duration::from_millis(50)).unwrap();
        let error = connection.request("GET", "/", &[], b"").err();
        assert_eq!(error.unwrap().kind(), io::ErrorKind::TimedOut);
    }
}
