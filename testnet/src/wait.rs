//! Wait for something to become true, with a deadline.

use crate::TestnetError;
use std::thread;
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(100);

/// Tries until `attempt` gives a value. Its `Err` says what is seen instead, for the message at the deadline.
pub fn wait_until<T>(
    what: &str,
    within: Duration,
    mut attempt: impl FnMut() -> Result<T, String>,
) -> Result<T, TestnetError> {
    let deadline = Instant::now() + within;
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(seen) if Instant::now() >= deadline => {
                return Err(TestnetError::Deadline { what: what.to_owned(), seconds: within.as_secs(), seen });
            }
            Err(_) => thread::sleep(POLL),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deadline_tells_what_was_seen() {
        let error = wait_until::<()>("a miracle", Duration::ZERO, || Err("none".to_owned())).expect_err("too late");
        assert_eq!(error.to_string(), "not within 0 s: a miracle; last seen: none");
    }
}
