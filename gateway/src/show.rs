//! Make values readable without letting them deceive: times, JSON, texts of strangers.

use serde_json::Value;
use std::io::{self, Write};

const DAY_MS: u64 = 86_400_000;
/// The first millisecond of the year 10000, which RFC 3339 cannot write.
const YEAR_10000_MS: u64 = 253_402_300_800_000;

/// Milliseconds since 1970 as UTC in RFC 3339.
pub(crate) fn time(ms: u64) -> String {
    if ms >= YEAR_10000_MS {
        return format!("{ms} ms after 1970");
    }
    let (year, month, day) = civil(ms / DAY_MS);
    let (second, part) = (ms % DAY_MS / 1000, ms % 1000);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{part:03}Z")
}

/// Days since 1970 as year, month and day (`civil_from_days` of Howard Hinnant's "chrono-compatible low-level date
/// algorithms"): years begin in March, so that the leap day is the last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// The first digits of a hash, for a table; the whole goes into the title.
pub(crate) fn short(hash: impl ToString) -> String {
    hash.to_string().chars().take(12).collect()
}

/// JSON, indented, and cut where the page has no more room.
pub(crate) struct Shown {
    /// What is shown.
    pub(crate) text: String,
    /// The size of the whole in canonical form.
    pub(crate) bytes: usize,
    /// Whether something is left out.
    pub(crate) cut: bool,
}

impl Shown {
    /// Takes what it shows from `room`, the bytes that the page may still show.
    pub(crate) fn of(value: &Value, bytes: usize, room: &mut usize) -> Shown {
        // Indentation can make a deep document many times longer: the writer stops, nothing is cut afterwards.
        let mut writer = Bounded { bytes: Vec::new(), room: *room };
        let cut = serde_json::to_writer_pretty(&mut writer, value).is_err();
        *room = writer.room;
        let whole_characters = match std::str::from_utf8(&writer.bytes) {
            Ok(text) => text,
            Err(e) => std::str::from_utf8(&writer.bytes[..e.valid_up_to()]).expect("valid up to there"),
        };
        Shown { text: visible(whole_characters), bytes, cut }
    }
}

struct Bounded {
    bytes: Vec<u8>,
    room: usize,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.room);
        self.bytes.extend_from_slice(&bytes[..taken]);
        self.room -= taken;
        if taken == 0 && !bytes.is_empty() { Err(io::ErrorKind::WriteZero.into()) } else { Ok(taken) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The text with every character that hides or reorders others as `\uXXXX`, which in JSON means the same.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if deceives(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| shown.push_str(&format!("\\u{unit:04x}")));
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Controls but the line feed, and Unicode's format characters: direction, joining, separators, tags.
fn deceives(c: char) -> bool {
    let control = c.is_control() && c != '\n';
    let format = matches!(c, '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    control || format
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_are_utc_in_rfc_3339() {
        assert_eq!(time(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(time(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(time(1_763_892_000_123), "2025-11-23T10:00:00.123Z");
        assert_eq!(time(4_107_542_399_999), "2100-02-28T23:59:59.999Z");
        assert_eq!(time(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
        assert_eq!(time(YEAR_10000_MS - 1), "9999-12-31T23:59:59.999Z");
        assert_eq!(time(u64::MAX), format!("{} ms after 1970", u64::MAX));
    }

    #[test]
    fn characters_that_deceive_are_written_out() {
        assert_eq!(visible("a\u{202e}b\u{e0041}\u{85}\nä😀"), "a\\u202eb\\udb40\\udc41\\u0085\nä😀");
    }

    #[test]
    fn json_shares_the_room_of_a_page() {
        let mut room = 10;
        let whole = Shown::of(&json!("1234"), 6, &mut room);
        assert_eq!((&whole.text[..], whole.cut, room), ("\"1234\"", false, 4));
        let cut = Shown::of(&json!("äää"), 8, &mut room);
        assert_eq!((&cut.text[..], cut.cut, room), ("\"ä", true, 0));
        let nothing = Shown::of(&json!({}), 2, &mut room);
        assert_eq!((&nothing.text[..], nothing.cut), ("", true));
    }

    #[test]
    fn a_deep_document_is_cut_while_it_is_written() {
        let deep = (0..30).fold(json!(vec![1; 100_000]), |inner, _| json!([inner]));
        let mut room = 1000;
        let shown = Shown::of(&deep, 200_061, &mut room);
        assert!(shown.cut && shown.text.len() <= 1000, "{} bytes", shown.text.len());
    }
}
