//! Commands and options of other programs: those that can work do, and others fail with a tip that leads to the right command.
//! Tips for other unknown words name only what is near.

mod commands;
mod options;

use std::{ffi::OsString, path::Path};

use clap::{
    Arg, Command,
    builder::StyledStr,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::nearest::nearest;
use commands::CommandAnswer;
use options::OptionAnswer;

/// The command that the words name, and where its arguments start.
struct Located<'a> {
    command: &'a Command,
    /// The names of the commands, without the program.
    path: String,
    next: usize,
}

fn locate<'a>(root: &'a Command, words: &[OsString]) -> Located<'a> {
    let mut located = Located {
        command: root,
        path: String::new(),
        next: 1,
    };
    while let Some(word) = words.get(located.next)
        && let Some(command) = located.command.find_subcommand(word)
    {
        if !located.path.is_empty() {
            located.path.push(' ');
        }
        located.path += command.get_name();
        located.command = command;
        located.next += 1;
    }
    located
}

/// What an error of the parser is about.
enum Unknown {
    Command(String),
    Option(String),
}

fn unknown(error: &clap::Error) -> Option<Unknown> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    match error.kind() {
        ErrorKind::InvalidSubcommand => text(ContextKind::InvalidSubcommand).map(Unknown::Command),
        ErrorKind::UnknownArgument => {
            let argument = text(ContextKind::InvalidArg)?;
            Some(match argument.starts_with('-') {
                true => Unknown::Option(argument),
                false => Unknown::Command(argument),
            })
        }
        _ => None,
    }
}

/// Returns words that do what the given ones mean in another program, if this program can do it. `root` is built.
pub(crate) fn correct(
    error: &clap::Error,
    root: &Command,
    words: &[OsString],
) -> Option<Vec<OsString>> {
    let located = locate(root, words);
    match unknown(error)? {
        // `agb help --help`.
        Unknown::Command(name) | Unknown::Option(name)
            if is_help(words) && (name == "--help" || name == "-h") =>
        {
            Some(vec![words.first()?.clone(), "help".into()])
        }
        Unknown::Command(name) => correct_command(&located, &name, words),
        Unknown::Option(name) => correct_option(&located, &name, words),
    }
}

fn is_help(words: &[OsString]) -> bool {
    words.get(1).is_some_and(|word| word == "help")
}

fn correct_command(located: &Located<'_>, name: &str, words: &[OsString]) -> Option<Vec<OsString>> {
    let (before, rest) = words.split_at(located.next.min(words.len()));
    // `agb login URL`.
    if located.path == "login" && name.contains("://") {
        let at = rest.iter().position(|word| word == name)?;
        let mut words = words.to_vec();
        words.insert(located.next + at, "--endpoint".into());
        return Some(words);
    }
    let (first, after) = rest.split_first()?;
    if first != name {
        return None;
    }
    // `gh auth login`.
    let is_login = |word: &OsString| word == "login" || word == "logout";
    if located.path.is_empty() && name == "auth" && after.first().is_some_and(is_login) {
        return Some([before, after].concat());
    }
    match commands::answer(&located.path, name)? {
        CommandAnswer::Tip(_) => None,
        CommandAnswer::Runs(replacement) => {
            let replacement: Vec<OsString> = replacement.iter().map(OsString::from).collect();
            // An address is an operand of the command that is inserted before it.
            let kept = if name.contains(":/") { rest } else { after };
            Some([before, &replacement, kept].concat())
        }
    }
}

fn correct_option(located: &Located<'_>, name: &str, words: &[OsString]) -> Option<Vec<OsString>> {
    let (at, word) = position(words, located.next, name)?;
    let (name_part, value) = match word.split_once('=') {
        Some((name, value)) if word.starts_with("--") => (name, Some(value)),
        _ => (word.as_str(), None),
    };
    let mut replaced = words[..at].to_vec();
    let mut rest = &words[at + 1..];
    match options::answer(&located.path, name)? {
        OptionAnswer::Tip(_) => return None,
        OptionAnswer::Omitted => replaced.extend(without_short(&word, name)),
        OptionAnswer::Becomes(option) if has_option(located.command, option) => {
            replaced.extend(without_short(&word, name));
            replaced.push(match value {
                Some(value) => format!("{option}={value}").into(),
                None => option.into(),
            });
        }
        OptionAnswer::Becomes(_) => return None,
        OptionAnswer::Format(_) => {
            let attached = match name_part == name {
                true => value,
                false => word
                    .strip_prefix(name)
                    .map(|value| value.trim_start_matches('=')),
            };
            let value = attached.or_else(|| rest.first()?.to_str());
            if value != Some("json") || !has_option(located.command, "--json") {
                return None;
            }
            if attached.is_none() {
                rest = &rest[1..];
            }
            replaced.push("--json".into());
        }
    }
    replaced.extend_from_slice(rest);
    Some(replaced)
}

/// The other short options of a cluster such as `-av`.
fn without_short(word: &str, name: &str) -> Option<OsString> {
    let short = name.strip_prefix('-').filter(|_| !name.starts_with("--"))?;
    let rest = word.replacen(short, "", 1);
    (rest != "-").then(|| rest.into())
}

/// The position of an option, which may be one of a cluster of short ones.
fn position(words: &[OsString], from: usize, name: &str) -> Option<(usize, String)> {
    let is_long = name.starts_with("--");
    let end = words.iter().position(|word| word == "--");
    let candidates = words.iter().enumerate().take(end.unwrap_or(words.len()));
    let mut candidates = candidates
        .skip(from)
        .filter_map(|(at, word)| Some((at, word.to_str()?)));
    let found = candidates.find(|(_, word)| match is_long {
        true => word.split('=').next() == Some(name),
        false => {
            let cluster = word.strip_prefix('-').filter(|rest| !rest.starts_with('-'));
            cluster.is_some_and(|cluster| cluster.contains(&name[1..]))
        }
    });
    found.map(|(at, word)| (at, word.to_owned()))
}

fn has_option(command: &Command, option: &str) -> bool {
    let mut options = command.get_arguments();
    match option.strip_prefix("--") {
        Some(long) => options.any(|option| option.get_long() == Some(long)),
        None => {
            let short = option[1..].chars().next();
            options.any(|option| option.get_short() == short)
        }
    }
}

/// Replaces the tips of an error of the parser: by the one for a command or an option of another program, or by a name that is
/// near. `root` is built.
pub(crate) fn explain(mut error: clap::Error, root: &Command, words: &[OsString]) -> clap::Error {
    let located = locate(root, words);
    match unknown(&error) {
        Some(Unknown::Command(name)) => {
            forget_tips(&mut error);
            if let Some(tip) = command_tip(&located, &name, words) {
                add_tip(&mut error, tip);
            } else if error.kind() == ErrorKind::InvalidSubcommand
                && let Some(near) = near_command(located.command, &name)
            {
                let near = ContextValue::Strings(vec![near]);
                error.insert(ContextKind::SuggestedSubcommand, near);
            }
        }
        Some(Unknown::Option(name)) => {
            let is_file = Path::new(&name).exists();
            let as_value = error
                .get(ContextKind::Suggested)
                .cloned()
                .filter(|_| is_file);
            forget_tips(&mut error);
            set_usage(&mut error, located.command);
            if let Some(tip) = option_tip(&located.path, &name, words) {
                add_tip(&mut error, tip.to_owned());
            } else if let Some(near) = near_option(located.command, &name) {
                error.insert(ContextKind::SuggestedArg, ContextValue::String(near));
            } else if let Some(as_value) = as_value {
                error.insert(ContextKind::Suggested, as_value);
            }
        }
        None if error.kind() == ErrorKind::InvalidValue => keep_near_value(&mut error),
        None => {}
    }
    error
}

fn command_tip(located: &Located<'_>, name: &str, words: &[OsString]) -> Option<String> {
    // A name after the first operand is another operand.
    words.get(located.next).filter(|word| *word == name)?;
    match commands::answer(&located.path, name)? {
        CommandAnswer::Tip(tip) => Some(tip.replace("{name}", name)),
        CommandAnswer::Runs(_) => None,
    }
}

fn option_tip(path: &str, name: &str, words: &[OsString]) -> Option<&'static str> {
    let name = match options::answer(path, name) {
        Some(_) => name,
        None if is_help(words) => return None,
        None => name.split('=').next().unwrap_or(name),
    };
    match options::answer(path, name)? {
        OptionAnswer::Tip(tip) | OptionAnswer::Format(tip) => Some(tip),
        OptionAnswer::Omitted | OptionAnswer::Becomes(_) => None,
    }
}

fn near_command(command: &Command, name: &str) -> Option<String> {
    let subcommands = command.get_subcommands();
    let names = subcommands.flat_map(|subcommand| {
        std::iter::once(subcommand.get_name()).chain(subcommand.get_all_aliases())
    });
    nearest(name, names).map(str::to_owned)
}

fn near_option(command: &Command, name: &str) -> Option<String> {
    let long = name.strip_prefix("--")?;
    let visible = command
        .get_arguments()
        .filter(|option| !option.is_hide_set());
    let names = visible.filter_map(Arg::get_long);
    nearest(long, names).map(|name| format!("--{name}"))
}

/// Keeps the suggested value only if it is near.
fn keep_near_value(error: &mut clap::Error) {
    let suggested = error.remove(ContextKind::SuggestedValue);
    if let (Some(ContextValue::String(given)), Some(ContextValue::String(suggested))) =
        (error.get(ContextKind::InvalidValue), suggested)
        && nearest(given, [suggested.as_str()]).is_some()
    {
        error.insert(ContextKind::SuggestedValue, ContextValue::String(suggested));
    }
}

fn forget_tips(error: &mut clap::Error) {
    for kind in [
        ContextKind::Suggested,
        ContextKind::SuggestedSubcommand,
        ContextKind::SuggestedArg,
        ContextKind::TrailingArg,
    ] {
        error.remove(kind);
    }
}

fn add_tip(error: &mut clap::Error, tip: String) {
    let tip = ContextValue::StyledStrs(vec![StyledStr::from(tip)]);
    error.insert(ContextKind::Suggested, tip);
}

/// The usage in an error of the parser contains the option that it suggests.
fn set_usage(error: &mut clap::Error, command: &Command) {
    let usage = command.clone().render_usage();
    error.insert(ContextKind::Usage, ContextValue::StyledStr(usage));
}

#[cfg(test)]
mod tests;
