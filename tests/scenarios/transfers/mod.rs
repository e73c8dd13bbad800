//! Uploads and downloads of one file.

mod faults;
mod responses;
#[cfg(test)]
mod streams;
