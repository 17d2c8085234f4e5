//! Count a document's tokens and brackets before it is parsed.
//!
//! The parser recurses at each bracket and keeps a node for each token, so that both are bounded first. It also takes
//! `{a: 1, a: 2}` for `{a: 2}`, which I-JSON refuses: that is seen here, where both names still are.

use crate::limits::{QUERY_BRACKETS_MAX, QUERY_BYTES_MAX, QUERY_TOKENS_MAX};
use crate::problem::Problem;
use std::collections::BTreeSet;

/// What an open bracket holds.
enum Open<'a> {
    Selections,
    Arguments,
    List,
    /// The names so far.
    Object(BTreeSet<&'a str>),
}

/// Whether a document is small enough to be parsed, and no object in it has a name twice.
///
/// What is no GraphQL at all may pass: the parser says so, and reads no further than the first wrong sign.
pub(super) fn check_size(query: &str) -> Result<(), Problem> {
    if query.len() > QUERY_BYTES_MAX {
        return Err(too_large(format!("{} bytes, at most {QUERY_BYTES_MAX}", query.len())));
    }
    let (bytes, mut at, mut tokens) = (query.as_bytes(), 0, 0);
    let (mut open, mut name): (Vec<Open>, Option<&str>) = (Vec::new(), None);
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        at += 1;
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b',' => continue,
            b'#' => {
                at += bytes[at..].iter().take_while(|byte| !matches!(byte, b'\r' | b'\n')).count();
                continue;
            }
            _ => tokens += 1,
        }
        if tokens > QUERY_TOKENS_MAX {
            return Err(too_large(format!("more than {QUERY_TOKENS_MAX} words and signs")));
        }
        let before = name.take();
        match byte {
            b'"' => match end_of_string(&bytes[start..]) {
                Some(length) => at = start + length,
                None => return Ok(()),
            },
            b'{' if open.iter().any(|open| matches!(open, Open::Arguments)) => open.push(Open::Object(BTreeSet::new())),
            b'{' => open.push(Open::Selections),
            b'(' => open.push(Open::Arguments),
            b'[' => open.push(Open::List),
            b'}' | b')' | b']' => drop(open.pop()),
            b':' => {
                if let (Some(Open::Object(names)), Some(name)) = (open.last_mut(), before)
                    && !names.insert(name)
                {
                    return Err(Problem::field("query", format_args!("an object has the name {name:?} twice")));
                }
            }
            b'.' => at += bytes[at..].iter().take_while(|byte| **byte == b'.').count(),
            byte if is_word(byte) => {
                at += bytes[at..].iter().take_while(|byte| is_word(**byte)).count();
                name = query.get(start..at);
            }
            _ => {}
        }
        if open.len() > QUERY_BRACKETS_MAX {
            return Err(too_large(format!("brackets nested deeper than {QUERY_BRACKETS_MAX}")));
        }
    }
    Ok(())
}

fn too_large(what: String) -> Problem {
    Problem::new("TOO_LARGE", format!("query: {what}")).at("query")
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The length of the string that begins here; none where it does not end.
fn end_of_string(bytes: &[u8]) -> Option<usize> {
    const BLOCK: &[u8] = b"\"\"\"";
    if bytes.starts_with(BLOCK) {
        let mut at = BLOCK.len();
        while at < bytes.len() {
            match &bytes[at..] {
                rest if rest.starts_with(b"\\\"\"\"") => at += 4,
                rest if rest.starts_with(BLOCK) => return Some(at + BLOCK.len()),
                _ => at += 1,
            }
        }
        // As the parser has it: an empty string, and another begins.
        return Some(2);
    }
    let mut at = 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            b'\r' | b'\n' => return None,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(query: &str) -> String {
        check_size(query).expect_err("refused").detail().to_owned()
    }

    #[test]
    fn each_limit_is_named_by_what_passes_it() {
        assert!(check_size(&format!("{{{}}}", "a ".repeat(QUERY_TOKENS_MAX - 2))).is_ok());
        assert_eq!(refused(&"a ".repeat(QUERY_TOKENS_MAX + 1)), "query: more than 4096 words and signs");
        assert!(check_size(&"{".repeat(QUERY_BRACKETS_MAX)).is_ok());
        assert_eq!(refused(&"{".repeat(QUERY_BRACKETS_MAX + 1)), "query: brackets nested deeper than 48");
        assert_eq!(refused(&"[".repeat(60_000)), "query: brackets nested deeper than 48");
        assert_eq!(refused(&" ".repeat(QUERY_BYTES_MAX + 1)), "query: 65537 bytes, at most 65536");
    }

    #[test]
    fn what_stands_in_strings_and_comments_is_no_bracket() {
        let deep = "{".repeat(100);
        for query in [
            format!("{{a(b: \"{deep}\")}}"),
            format!("{{a(b: \"\\\"{deep}\")}}"),
            format!("{{a(b: \"\"\"{deep}\n\"{deep}\\\"\"\"{deep}\"\"\")}}"),
            format!("{{a}} # {deep}"),
        ] {
            assert!(check_size(&query).is_ok(), "{query}");
        }
        for query in [format!("\"\"{deep}"), format!("# \n{deep}"), format!("\"\\\\\"{deep}"), format!("\"\"\"{deep}")]
        {
            // The last one does not end: the parser says so.
            assert_eq!(check_size(&query).is_err(), !query.starts_with("\"\"\""), "{query}");
        }
    }

    #[test]
    fn a_name_twice_is_seen_in_objects_and_nowhere_else() {
        assert_eq!(refused("{a(v: {x: 1, y: {x: 1}, x: 2})}"), "query: an object has the name \"x\" twice");
        assert_eq!(refused("query($v: T = {x: 1 x: 1}) {a}"), "query: an object has the name \"x\" twice");
        assert!(check_size("{x: a(v: {x: {x: [{x: 1}, {x: 1}]}, y: x}) x: a}").is_ok());
    }
}
