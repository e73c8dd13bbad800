//! Random texts.

use std::io;

use data_encoding::HEXLOWER;

/// Returns `bytes` secure random bytes as hexadecimal digits.
///
/// # Errors
///
/// The operating system provides no random bytes.
#[expect(clippy::disallowed_methods, reason = "secrets have no seed")]
pub(crate) fn hex(bytes: usize) -> io::Result<String> {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(HEXLOWER.encode(&random))
}
