//! Names from elsewhere on their way to a terminal.

use std::{borrow::Cow, fmt::Write};

/// What a terminal would take for a command, for the end of a line, or for a change of direction that makes a name look
/// like another, is shown and not sent.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_command) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        match is_command(char) {
            true => shown.extend(char.escape_default()),
            false => shown.push(char),
        }
    }
    Cow::Owned(shown)
}

fn is_command(char: char) -> bool {
    let turns =
        matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    char.is_control() || turns
}

/// The same for a message, of which the ends of lines are our own.
pub(crate) fn harmless_lines(text: &str) -> String {
    let mut shown = String::new();
    for (at, line) in text.split('\n').enumerate() {
        if at > 0 {
            shown.push('\n');
        }
        let _ = write!(shown, "{}", harmless(line));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_commands_no_terminal() {
        assert_eq!(harmless("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\\n");
        assert_eq!(harmless("a\u{202e}txt.exe"), "a\\u{202e}txt.exe");
        assert_eq!(harmless("日本 é"), "日本 é");
        assert_eq!(harmless_lines("one\ntwo\u{7}"), "one\ntwo\\u{7}");
    }
}
