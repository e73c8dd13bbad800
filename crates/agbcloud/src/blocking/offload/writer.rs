//! A writer of std that async code can write to.

use std::{
    io::{self, Write},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::AsyncWrite;

use super::{CHUNK, Offloaded};

type Writer = Box<dyn Write + Send>;

/// Writes on a thread for it, a chunk at a time. A chunk counts as written when it is, so nothing is going on any
/// more once an operation has ended; who asks for one ends it before the next.
pub(in crate::blocking) struct OffloadedWriter(Offloaded<Writer, usize>);

impl OffloadedWriter {
    pub(in crate::blocking) fn new(writer: impl Write + Send + 'static) -> Self {
        Self(Offloaded::Idle(Box::new(writer)))
    }
}

impl AsyncWrite for OffloadedWriter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.start(|| {
            let chunk = bytes[..bytes.len().min(CHUNK)].to_vec();
            move |writer: &mut Writer| writer.write_all(&chunk).map(|()| chunk.len())
        });
        self.0.poll(cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0
            .start(|| |writer: &mut Writer| writer.flush().map(|()| 0));
        self.0.poll(cx).map_ok(|_| ())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn what_is_buffered_is_out_after_the_shutdown() {
        use tokio::io::AsyncWriteExt as _;

        let out = Shared::default();
        let buffered = io::BufWriter::with_capacity(4 * CHUNK, out.clone());
        let mut writer = OffloadedWriter::new(buffered);
        let bytes = vec![7; 3 * CHUNK + 1];
        writer.write_all(&bytes).await.unwrap();
        assert!(out.0.lock().unwrap().is_empty());
        writer.shutdown().await.unwrap();
        assert!(*out.0.lock().unwrap() == bytes);
    }

    #[tokio::test]
    async fn a_writer_that_panicked_is_gone() {
        use tokio::io::AsyncWriteExt as _;

        struct Panics;

        impl Write for Panics {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                panic!("on purpose")
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        let mut writer = OffloadedWriter::new(Panics);
        assert!(writer.write_all(b"a").await.is_err());
        let error = writer.shutdown().await.unwrap_err();
        assert!(error.to_string().contains("panicked before"), "{error}");
    }
}
