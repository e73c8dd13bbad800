//! The routes of a console, by HTTP, against `agbcloud-server` in the same process.

mod contexts;
mod files;
mod metrics;
mod security;
mod support;
mod unavailable;
