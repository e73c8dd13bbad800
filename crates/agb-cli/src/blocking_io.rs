//! Local files, which are read on threads that may block.

use std::io::{self, Read};

/// Size of a read in bytes.
const BUFFER: usize = 128 * 1024;

/// Runs work that blocks on another thread.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await?
}

/// Reads to the end. Returns the number of bytes and their CRC-64.
pub(crate) fn checksum(mut content: impl Read) -> io::Result<(u64, u64)> {
    let mut digest = crc64fast::Digest::new();
    let mut buffer = vec![0; BUFFER];
    let mut size = 0;
    loop {
        match content.read(&mut buffer) {
            Ok(0) => return Ok((size, digest.sum64())),
            Ok(read) => {
                digest.write(&buffer[..read]);
                size += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
