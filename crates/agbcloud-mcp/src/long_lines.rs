//! [`LongLines`]: answers messages that are too long to be kept.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use serde_json::json;
use tokio::io::{AsyncBufRead, AsyncRead, BufReader, ReadBuf};

use crate::message_id::{IdScanner, MessageId};

/// The method of the request that replaces a line that is too long.
pub(crate) const TOO_LONG_METHOD: &str = "agb/message-too-long";

/// A message that the transport answers as invalid, without an id.
const INVALID_MESSAGE: &[u8] = b"[]\n";

/// Ends the part of a line that has been passed on, so that it is no valid message.
const INVALID_END: &[u8] = b"\0\n";

/// A reader of lines. A line of more than the maximum is replaced by a request of [`TOO_LONG_METHOD`] with the same id, so that
/// the client gets an answer. The transport, which drops such a line, would never answer. It also drops a last line that does not
/// end: this one ends it.
pub(crate) struct LongLines<R> {
    reader: BufReader<R>,
    max_bytes: usize,
    line_bytes: usize,
    scanner: IdScanner,
    is_too_long: bool,
    /// What replaces the line, and the part of it that has been passed on.
    inserted: Vec<u8>,
    inserted_sent: usize,
}

impl<R: AsyncRead + Unpin> LongLines<R> {
    /// Limits lines to this number of bytes, with the line feed.
    pub(crate) fn new(reader: R, max_bytes: usize) -> Self {
        Self {
            reader: BufReader::new(reader),
            max_bytes,
            line_bytes: 0,
            scanner: IdScanner::default(),
            is_too_long: false,
            inserted: Vec::new(),
            inserted_sent: 0,
        }
    }

    fn send_inserted(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let rest = &self.inserted[self.inserted_sent..];
        let len = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..len]);
        self.inserted_sent += len;
        if self.inserted_sent == self.inserted.len() {
            self.inserted.clear();
            self.inserted_sent = 0;
        }
        len > 0
    }

    fn end_line(&mut self) {
        let id = std::mem::take(&mut self.scanner).finish();
        match (self.is_too_long, id) {
            (true, MessageId::Valid(id)) => {
                let request = json!({"jsonrpc": "2.0", "id": id, "method": TOO_LONG_METHOD});
                let line = format!("{request}\n");
                self.inserted.extend_from_slice(line.as_bytes());
            }
            (true, MessageId::Invalid) => self.inserted.extend_from_slice(INVALID_MESSAGE),
            _ => {}
        }
        self.line_bytes = 0;
        self.is_too_long = false;
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for LongLines<R> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.send_inserted(buffer) || buffer.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            let available = ready!(Pin::new(&mut this.reader).poll_fill_buf(cx))?;
            if available.is_empty() {
                if this.line_bytes == 0 {
                    return Poll::Ready(Ok(()));
                }
                if !this.is_too_long {
                    this.inserted.push(b'\n');
                }
                this.end_line();
                continue;
            }
            let available = &available[..available.len().min(buffer.remaining())];
            let end = available.iter().position(|byte| *byte == b'\n');
            let len = end.map_or(available.len(), |end| end + 1);
            let part = &available[..len];
            this.scanner.feed(part);
            this.line_bytes = this.line_bytes.saturating_add(len);
            if !this.is_too_long && this.line_bytes > this.max_bytes {
                this.is_too_long = true;
                this.inserted.extend_from_slice(INVALID_END);
            }
            let is_passed_on = !this.is_too_long;
            if is_passed_on {
                buffer.put_slice(part);
            }
            Pin::new(&mut this.reader).consume(len);
            if end.is_some() {
                this.end_line();
            }
            if is_passed_on {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::AsyncReadExt;

    use super::*;

    const MAX: usize = 64;

    /// Returns the lines that a transport reads.
    async fn lines(text: &str) -> Vec<String> {
        let mut read = String::new();
        let mut reader = LongLines::new(text.as_bytes(), MAX);
        reader.read_to_string(&mut read).await.unwrap();
        read.lines().map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn a_long_line_becomes_a_request_with_its_id() {
        let long = "x".repeat(MAX);
        let text = format!(
            "{{\"id\":1}}\n{{\"method\":\"{long}\",\"id\":2}}\n{{\"method\":\"{long}\"}}\n{{\"id\":3}}\n"
        );
        let lines = lines(&text).await;
        let valid: Vec<serde_json::Value> = lines
            .iter()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        let replaced = json!({"jsonrpc": "2.0", "id": 2, "method": TOO_LONG_METHOD});
        assert_eq!(valid, [json!({"id": 1}), replaced, json!({"id": 3})]);
    }

    #[tokio::test]
    async fn a_long_line_without_a_usable_id_is_an_invalid_message() {
        let long = "x".repeat(MAX);
        let lines = lines(&format!("{{\"method\":\"{long}\",\"id\":null}}\n")).await;
        assert_eq!(lines.last().unwrap(), "[]");
    }

    #[tokio::test]
    async fn the_last_line_is_ended() {
        let long = "x".repeat(MAX);
        assert_eq!(lines("{\"id\":1}\n{\"id\":2}").await.len(), 2);
        let lines = lines(&format!("{{\"method\":\"{long}\",\"id\":2}}")).await;
        assert!(lines.last().unwrap().contains(TOO_LONG_METHOD), "{lines:?}");
    }

    #[tokio::test]
    async fn a_valid_message_before_much_white_space_is_not_passed_on_as_well() {
        let text = format!("{{\"id\":1,\"method\":\"a\"}}{}\n", " ".repeat(20_000));
        let lines = lines(&text).await;
        let valid = lines
            .iter()
            .filter(|line| serde_json::from_str::<serde_json::Value>(line).is_ok());
        assert_eq!(valid.count(), 1, "{lines:?}");
        assert!(lines.iter().any(|line| line.contains(TOO_LONG_METHOD)));
    }

    proptest! {
        #[test]
        fn lines_up_to_the_maximum_are_not_changed(
            lines in prop::collection::vec("[ -~]{0,63}", 0..20),
            end in any::<bool>(),
            part in 1_usize..80,
        ) {
            let mut text = lines.join("\n");
            if end {
                text.push('\n');
            }
            let mut expected = text.clone();
            if !expected.is_empty() && !expected.ends_with('\n') {
                expected.push('\n');
            }
            let read = async {
                let mut reader = LongLines::new(text.as_bytes(), MAX);
                let mut read = Vec::new();
                let mut buffer = vec![0; part];
                loop {
                    match reader.read(&mut buffer).await.unwrap() {
                        0 => return read,
                        len => read.extend_from_slice(&buffer[..len]),
                    }
                }
            };
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            prop_assert_eq!(runtime.block_on(read), expected.as_bytes());
        }
    }
}
