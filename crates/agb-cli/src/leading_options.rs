//! The words of the command line in the order that the parser expects: `agb --profile staging ls NAME:/`.

use std::ffi::{OsStr, OsString};

use clap::{Arg, Args, Command};

use crate::commands::{Bandwidth, Session};

/// The words in the order that the parser expects.
pub(crate) fn in_order(root: &Command, words: &[OsString]) -> Vec<OsString> {
    let moved = move_behind_command(root, words);
    words_of_find(moved.as_deref().unwrap_or(words))
}

/// The options of find(1), which have one dash.
const FIND_OPTIONS: [&str; 16] = [
    "-name",
    "-type",
    "-size",
    "-newer",
    "-older",
    "-iname",
    "-limit",
    "-maxdepth",
    "-mindepth",
    "-mtime",
    "-mmin",
    "-newermt",
    "-path",
    "-regex",
    "-print",
    "-delete",
];

/// Accepts the options of `find` with one dash, as in find(1).
fn words_of_find(words: &[OsString]) -> Vec<OsString> {
    let mut words = words.to_vec();
    if words.get(1).is_some_and(|word| word == "find") {
        for word in words.iter_mut().skip(2) {
            if FIND_OPTIONS.iter().any(|option| word == option) {
                let mut option = OsString::from("-");
                option.push(&word);
                *word = option;
            }
        }
    }
    words
}

/// Moves the options of [`Session`] and [`Bandwidth`] that stand before the command or its subcommand behind it, where clap expects them. clap's
/// own global options would be defined for every command, which takes longer than to parse one.
fn move_behind_command(root: &Command, words: &[OsString]) -> Option<Vec<OsString>> {
    let mut command = root;
    let mut options: Option<Command> = None;
    let (mut kept, mut moved) = (Vec::new(), Vec::new());
    let mut rest = words;
    while command.has_subcommands() || kept.is_empty() {
        let Some((word, others)) = rest.split_first() else {
            break;
        };
        if kept.is_empty() {
            // The program itself.
        } else if word.as_encoded_bytes().starts_with(b"-") {
            let options = options.get_or_insert_with(movable_options);
            let Some(takes_next) = takes_next_word(options, word) else {
                break;
            };
            let length = if takes_next { 2.min(rest.len()) } else { 1 };
            moved.extend_from_slice(&rest[..length]);
            rest = &rest[length..];
            continue;
        } else {
            let Some(subcommand) = command.find_subcommand(word) else {
                break;
            };
            command = subcommand;
        }
        kept.push(word.clone());
        rest = others;
    }
    if moved.is_empty() {
        return None;
    }
    // Behind the words of all subcommands, but before the same options, of which a later one takes precedence.
    let options = options.get_or_insert_with(movable_options);
    let is_next = |word: &OsString| word == "--" || takes_next_word(options, word).is_some();
    let next = rest.iter().position(is_next).unwrap_or(rest.len());
    let (before, after) = rest.split_at(next);
    kept.extend_from_slice(before);
    kept.append(&mut moved);
    kept.extend_from_slice(after);
    Some(kept)
}

/// The options that may stand before the command.
pub(crate) fn movable_options() -> Command {
    Bandwidth::augment_args(Session::augment_args(Command::new("agb")))
}

/// Whether the value of an option is in the next word; `None` if it is another option.
fn takes_next_word(options: &Command, word: &OsStr) -> Option<bool> {
    let word = word.to_str()?;
    let takes_value = |option: &Arg| option.get_action().takes_values();
    if let Some(long) = word.strip_prefix("--") {
        let (name, value) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (long, None),
        };
        let option = options
            .get_arguments()
            .find(|option| option.get_long() == Some(name))?;
        return Some(value.is_none() && takes_value(option));
    }
    let shorts = word.strip_prefix('-').filter(|shorts| !shorts.is_empty())?;
    for short in shorts.chars() {
        let mut all = options.get_arguments();
        all.find(|option| option.get_short() == Some(short) && !takes_value(option))?;
    }
    Some(false)
}
