//! Get a page of a node's HTTP side.

use crate::Failure;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(30);

/// The body of a page of a node on this machine. Errs for any status but 200.
pub fn get(port: u16, path: &str) -> Result<Vec<u8>, Failure> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(WITHIN))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or("no head of an answer")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1).unwrap_or_default();
    let body = answer.split_off(end + 4);
    match status {
        "200" => Ok(body),
        _ => Err(format!("{path}: {status}: {}", String::from_utf8_lossy(&body)).into()),
    }
}

/// The text of a page.
pub fn text(port: u16, path: &str) -> Result<String, Failure> {
    Ok(String::from_utf8(get(port, path)?)?)
}
