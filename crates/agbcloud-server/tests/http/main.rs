//! Tests of the service over real sockets.

#![expect(
    clippy::disallowed_methods,
    reason = "these tests wait for real processes and sockets"
)]

// The attribute lets clippy allow `unwrap` in these modules.
#[cfg(test)]
mod access;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod bitrot;
#[cfg(test)]
mod checksums;
#[cfg(test)]
mod clear;
#[cfg(test)]
mod client;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod contexts;
#[cfg(test)]
mod crowds;
#[cfg(test)]
mod direct_downloads;
#[cfg(test)]
mod durability;
#[cfg(test)]
mod file_urls;
#[cfg(test)]
mod files;
#[cfg(test)]
mod fsck;
#[cfg(test)]
mod half_closed;
#[cfg(test)]
mod inline_contents;
#[cfg(test)]
mod interference;
#[cfg(test)]
mod interleavings;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod load;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod mismatch;
#[cfg(test)]
mod objects;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod quotas;
#[cfg(test)]
mod races;
#[cfg(test)]
mod raw;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod stale_listing;
#[cfg(test)]
mod stores;
#[cfg(test)]
mod tenants;
#[cfg(test)]
#[cfg(feature = "tls")]
mod tls;
#[cfg(test)]
mod urls;
