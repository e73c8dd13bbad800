//! Runs the binary as a user does.
#![cfg(feature = "serve")]

// clippy allows `unwrap` only in modules with `cfg(test)`.
#[cfg(test)]
mod archive;
#[cfg(test)]
#[cfg(unix)]
mod bandwidth;
#[cfg(test)]
#[cfg(unix)]
mod certificates;
#[cfg(test)]
#[cfg(unix)]
mod commands;
#[cfg(test)]
#[cfg(all(unix, feature = "console"))]
mod console;
#[cfg(test)]
#[cfg(unix)]
mod context_copies;
mod copies;
#[cfg(test)]
#[cfg(all(unix, feature = "dav"))]
mod dav;
mod demo;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod editing;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod every_command;
#[cfg(test)]
#[cfg(unix)]
mod files;
#[cfg(test)]
#[cfg(unix)]
mod folders;
#[cfg(test)]
mod fsck;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod fsync;
#[cfg(test)]
mod generated;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod guesses;
#[cfg(test)]
#[cfg(unix)]
mod hostile;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod interactive;
#[cfg(test)]
#[cfg(unix)]
mod listings;
#[cfg(test)]
mod load;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod logging;
#[cfg(test)]
#[cfg(unix)]
mod login;
#[cfg(test)]
#[cfg(all(unix, feature = "mcp"))]
mod mcp;
#[cfg(test)]
#[cfg(unix)]
mod messages;
#[cfg(test)]
#[cfg(unix)]
mod moves;
#[cfg(test)]
mod name_clashes;
#[cfg(test)]
mod operators;
mod previews;
mod serve;
#[cfg(test)]
#[cfg(unix)]
mod settings;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod shells;
#[cfg(test)]
#[cfg(unix)]
mod signals;
#[cfg(test)]
#[cfg(unix)]
mod snapshots;
#[cfg(test)]
#[cfg(unix)]
mod stdio;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod supervision;
#[cfg(test)]
mod support;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod terminal;
#[cfg(test)]
mod test_env;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod transcripts;
#[cfg(test)]
#[cfg(unix)]
mod transfers;
#[cfg(test)]
#[cfg(unix)]
mod two_way;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod watch;
