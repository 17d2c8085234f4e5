//! Run a command to its end, or kill it at a deadline.

use std::io::{self, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(5);

/// What a command printed, and how it ended; no status when the deadline came first.
pub(crate) struct Ended {
    pub status: Option<ExitStatus>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs it without input.
pub(crate) fn run_within(command: &mut Command, within: Duration) -> io::Result<Ended> {
    let deadline = Instant::now() + within;
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let stdout = read_beside(child.stdout.take().expect("stdout is piped"));
    let stderr = read_beside(child.stderr.take().expect("stderr is piped"));
    let mut status = child.try_wait()?;
    while status.is_none() && Instant::now() < deadline {
        thread::sleep(POLL);
        status = child.try_wait()?;
    }
    if status.is_none() {
        child.kill()?;
        child.wait()?;
    }
    let text = |reader: thread::JoinHandle<String>| reader.join().expect("reading into a buffer does not panic");
    Ok(Ended { status, stdout: text(stdout), stderr: text(stderr) })
}

/// A full pipe would stop the child, so each is read on its own thread.
fn read_beside(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before an error is still worth showing.
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_hangs_is_killed_and_keeps_what_it_said() {
        let mut command = Command::new("bash");
        command.args(["-c", "echo here; exec sleep 60"]);
        let ended = run_within(&mut command, Duration::from_millis(300)).expect("bash runs");
        assert!(ended.status.is_none());
        assert_eq!(ended.stdout, "here\n");
    }

    #[test]
    fn a_full_pipe_does_not_stop_a_command() {
        let mut command = Command::new("bash");
        command.args(["-c", "head -c 1000000 /dev/zero; exit 7"]);
        let ended = run_within(&mut command, Duration::from_secs(20)).expect("bash runs");
        assert_eq!((ended.status.and_then(|s| s.code()), ended.stdout.len()), (Some(7), 1_000_000));
    }
}
