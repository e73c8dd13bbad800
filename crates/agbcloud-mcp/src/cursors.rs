//! [`Cursors`]: short texts for the positions of listings and searches.
//!
//! A position can have kilobytes, which a model would have to repeat. The server keeps it and returns a short text.

use std::{
    collections::VecDeque,
    io,
    sync::{Mutex, PoisonError},
};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    failure::{Failure, Result},
    limits::{MAX_CURSOR_BYTES, MAX_CURSORS},
    random,
};

/// Start of each cursor.
const PREFIX: &str = "next";

/// Random bytes in a cursor, so that one of an earlier process is not taken for another.
const PROCESS_BYTES: usize = 4;

/// The positions that calls returned, the newest last. Old ones are forgotten.
#[derive(Debug)]
pub(crate) struct Cursors {
    process: String,
    saved: Mutex<Saved>,
}

#[derive(Debug, Default)]
struct Saved {
    count: u64,
    bytes: usize,
    positions: VecDeque<Position>,
}

#[derive(Debug)]
struct Position {
    text: String,
    /// The call whose position it is, with its arguments.
    call: String,
    state: String,
}

impl Position {
    fn bytes(&self) -> usize {
        self.text.len() + self.call.len() + self.state.len()
    }
}

impl Cursors {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            process: random::hex(PROCESS_BYTES)?,
            saved: Mutex::default(),
        })
    }

    /// Keeps the position of a call and returns its cursor.
    pub(crate) fn save(&self, call: &impl Serialize, state: &impl Serialize) -> Result<String> {
        let (call, state) = (to_json(call)?, to_json(state)?);
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        saved.count += 1;
        let text = format!("{PREFIX}-{}-{}", self.process, saved.count);
        let position = Position {
            text: text.clone(),
            call,
            state,
        };
        saved.bytes += position.bytes();
        saved.positions.push_back(position);
        while saved.positions.len() > MAX_CURSORS
            || (saved.bytes > MAX_CURSOR_BYTES && saved.positions.len() > 1)
        {
            let oldest = saved.positions.pop_front();
            saved.bytes -= oldest.map_or(0, |position| position.bytes());
        }
        Ok(text)
    }

    /// Returns the position of a cursor, which stays valid.
    ///
    /// # Errors
    ///
    /// `invalid_argument` for a forgotten cursor, and for that of a call with other arguments.
    pub(crate) fn load<T: DeserializeOwned>(
        &self,
        cursor: &str,
        call: &impl Serialize,
    ) -> Result<T> {
        let call = to_json(call)?;
        let saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let mut positions = saved.positions.iter().rev();
        let found = positions.find(|position| position.text == cursor);
        let Some(position) = found else {
            return Err(Failure::invalid_argument(
                "the cursor is not known; the server forgets old ones, and all when it restarts",
                "repeat the call without a cursor",
            ));
        };
        if position.call != call {
            return Err(Failure::invalid_argument(
                "the cursor is of a call with other arguments",
                "pass the cursor with the arguments of the call that returned it",
            ));
        }
        serde_json::from_str(&position.state).map_err(|_| unreadable())
    }
}

fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|_| unreadable())
}

fn unreadable() -> Failure {
    Failure::invalid_argument(
        "the position of the listing can't be stored",
        "repeat the call without a cursor",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_returns_the_position_of_its_call_only() {
        let cursors = Cursors::new().unwrap();
        let cursor = cursors.save(&("list", "/a"), &7).unwrap();
        assert_eq!(cursors.load::<u32>(&cursor, &("list", "/a")), Ok(7));
        for (text, call) in [(&*cursor, ("list", "/b")), ("next-0-1", ("list", "/a"))] {
            let failure = cursors.load::<u32>(text, &call).unwrap_err();
            assert_eq!(failure.kind, "invalid_argument");
        }
    }

    #[test]
    fn old_positions_are_forgotten() {
        let cursors = Cursors::new().unwrap();
        let first = cursors.save(&"a", &1).unwrap();
        let large = "x".repeat(MAX_CURSOR_BYTES / 2);
        cursors.save(&"a", &large).unwrap();
        assert!(cursors.load::<u32>(&first, &"a").is_ok());
        let last = cursors.save(&"a", &large).unwrap();
        assert!(cursors.load::<u32>(&first, &"a").is_err());
        assert!(cursors.load::<String>(&last, &"a").is_ok());
        for _ in 0..MAX_CURSORS {
            cursors.save(&"a", &1).unwrap();
        }
        assert!(cursors.load::<String>(&last, &"a").is_err());
        assert_eq!(cursors.saved.lock().unwrap().positions.len(), MAX_CURSORS);
    }
}
