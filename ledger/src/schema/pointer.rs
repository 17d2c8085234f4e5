//! Write JSON pointers (RFC 6901).
use std::fmt::Write;

/// One step of a path into a value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step<'a> {
    Member(&'a str),
    Element(usize),
}

/// `name` as one token of a pointer.
pub(super) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The pointer along `path`.
pub(super) fn of(path: &[Step<'_>]) -> String {
    path.iter().fold(String::new(), |mut pointer, step| {
        match step {
            Step::Member(name) => write!(pointer, "/{}", escape(name)),
            Step::Element(index) => write!(pointer, "/{index}"),
        }
        .expect("a String takes every write");
        pointer
    })
}
