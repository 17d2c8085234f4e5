//! Hold what one run of `countersign` said.

use crate::TestnetError;
use serde::de::DeserializeOwned;

/// Exit codes of the `countersign` binary that tests name.
pub mod code {
    /// It did what was asked.
    pub const OK: i32 = 0;
    /// Something else failed, such as a document that is not there.
    pub const OTHER: i32 = 1;
    /// Executed and found invalid, recorded.
    pub const REJECTED: i32 = 3;
    /// Turned away at the door, not recorded.
    pub const REFUSED: i32 = 4;
    /// No node could be reached.
    pub const UNAVAILABLE: i32 = 5;
    /// Something did not verify.
    pub const VERIFICATION_FAILED: i32 = 11;
}

const SHOWN_BYTES_MAX: usize = 2_000;

/// How a command ended and what it printed.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The arguments it was given.
    pub command: String,
    /// The exit code; none when a signal or the deadline ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it printed as errors.
    pub stderr: String,
}

impl Answer {
    /// This answer, if the command ended with `code`.
    pub fn expect_code(self, code: i32) -> Result<Answer, TestnetError> {
        if self.code == Some(code) { Ok(self) } else { Err(self.unexpected()) }
    }

    /// This answer, if the command did what was asked.
    pub fn ok(self) -> Result<Answer, TestnetError> {
        self.expect_code(code::OK)
    }

    /// What it printed, read as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, TestnetError> {
        let wrong = |e: serde_json::Error| format!("{e} in {}", tail(&self.stdout, SHOWN_BYTES_MAX));
        serde_json::from_str(&self.stdout)
            .map_err(|e| TestnetError::Answer { command: self.command.clone(), reason: wrong(e) })
    }

    /// All it printed.
    pub fn output(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    fn unexpected(self) -> TestnetError {
        let ended = self.code.map_or("a signal or the deadline".to_owned(), |code| format!("code {code}"));
        let output = tail(&self.output(), SHOWN_BYTES_MAX).to_owned();
        TestnetError::Command { command: self.command, ended, output }
    }
}

/// The last `bytes_max` bytes of a text, from a character's begin on.
pub(crate) fn tail(text: &str, bytes_max: usize) -> &str {
    let from = (text.len().saturating_sub(bytes_max)..=text.len()).find(|at| text.is_char_boundary(*at));
    text[from.unwrap_or(0)..].trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_never_cuts_a_character() {
        assert_eq!(tail("aé", 1), "");
        assert_eq!(tail("aé", 2), "é");
        assert_eq!(tail("aé\n", 99), "aé");
    }
}
