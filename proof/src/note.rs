//! Read and write C2SP signed notes and verifier keys.

use crate::limits::{NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX, VKEY_BYTES_MAX};
use crate::{ProofError, PublicKey};
use base64::prelude::{BASE64_STANDARD, Engine};
use sha2::{Digest, Sha256};
use std::fmt;

/// The signature type of a log's own Ed25519 key.
pub(crate) const TYPE_LOG: u8 = 0x01;
/// The signature type of a `cosignature/v1` Ed25519 key.
pub(crate) const TYPE_COSIGNATURE: u8 = 0x04;

const SIGNATURE_PREFIX: &str = "\u{2014} ";

/// A key that signs notes, with its name: `<name>+<8 hex>+<base64>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    /// The key's name: the origin for a log key, `<organisation>/<node>` for a cosigner.
    pub name: String,
    /// The signature type.
    pub kind: u8,
    /// The Ed25519 key.
    pub key: PublicKey,
}

impl VerifierKey {
    /// A log's own key; its name is the origin.
    pub fn log(origin: &str, key: PublicKey) -> VerifierKey {
        VerifierKey { name: origin.to_owned(), kind: TYPE_LOG, key }
    }

    /// A cosigner's key; its name is the node.
    pub fn cosigner(node: &str, key: PublicKey) -> VerifierKey {
        VerifierKey { name: node.to_owned(), kind: TYPE_COSIGNATURE, key }
    }

    /// Reads a key of a type that is known here, whose id is that of its name and bytes.
    pub fn parse(text: &str) -> Result<VerifierKey, ProofError> {
        let wrong = |reason: &str| ProofError::malformed("vkey", reason);
        ProofError::check_max("vkey", text.len(), VKEY_BYTES_MAX)?;
        // The base64 at the end may hold a plus; a name may not.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong("not <name>+<id>+<key>"));
        };
        if !is_key_name(name) {
            return Err(wrong("a name that is empty or holds a space or control character"));
        }
        let bytes = BASE64_STANDARD.decode(encoded).map_err(|_| wrong("not base64"))?;
        let (kind, key) = match bytes.split_first() {
            Some((kind, key)) if [TYPE_LOG, TYPE_COSIGNATURE].contains(kind) => (*kind, key),
            _ => return Err(wrong("a signature type that is not known here")),
        };
        let key = VerifierKey { name: name.to_owned(), kind, key: PublicKey::from_bytes(key)? };
        if hex::encode(key.id()) != id {
            return Err(ProofError::mismatch("vkey.id", hex::encode(key.id()), id));
        }
        Ok(key)
    }

    /// Whether it is a cosigner's (type 0x04), not a log's own.
    pub fn is_cosigner(&self) -> bool {
        self.kind == TYPE_COSIGNATURE
    }

    /// The four bytes that stand before each of its signatures.
    pub fn id(&self) -> [u8; 4] {
        let mut hasher = Sha256::new();
        hasher.update(self.name.as_bytes());
        hasher.update([b'\n', self.kind]);
        hasher.update(self.key.as_bytes());
        let digest: [u8; 32] = hasher.finalize().into();
        [digest[0], digest[1], digest[2], digest[3]]
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![self.kind];
        bytes.extend_from_slice(self.key.as_bytes());
        write!(f, "{}+{}+{}", self.name, hex::encode(self.id()), BASE64_STANDARD.encode(bytes))
    }
}

/// What C2SP allows as the name of a key. Only ASCII's control characters: those from U+007F on may be in a name.
fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c == '+' || c.is_whitespace() || c < ' ')
}

/// One signature line of a note. Nothing about it is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// The key's name.
    pub name: String,
    /// The key's id.
    pub id: [u8; 4],
    /// What follows the id.
    pub signature: Vec<u8>,
}

impl NoteSignature {
    /// The line, with its line feed.
    pub fn to_line(&self) -> String {
        let mut bytes = self.id.to_vec();
        bytes.extend_from_slice(&self.signature);
        format!("{SIGNATURE_PREFIX}{} {}\n", self.name, BASE64_STANDARD.encode(bytes))
    }

    fn parse(line: &str) -> Result<NoteSignature, ProofError> {
        let wrong = |reason: &str| ProofError::malformed("note.signature", reason);
        let rest = line.strip_prefix(SIGNATURE_PREFIX).ok_or_else(|| wrong("a line without the em dash"))?;
        let (name, encoded) = rest.split_once(' ').ok_or_else(|| wrong("a line without a space"))?;
        if !is_key_name(name) {
            return Err(wrong("a name that is empty or holds a space or plus"));
        }
        let bytes = BASE64_STANDARD.decode(encoded).map_err(|_| wrong("not base64"))?;
        let (id, signature) = bytes
            .split_first_chunk::<4>()
            .filter(|(_, signature)| !signature.is_empty())
            .ok_or_else(|| wrong("no longer than a key id"))?;
        Ok(NoteSignature { name: name.to_owned(), id: *id, signature: signature.to_vec() })
    }

    /// Whether this is a line by `key`, as its name and id say. Another key may have both: an id has 32 bits.
    pub(crate) fn is_by(&self, key: &VerifierKey) -> bool {
        self.name == key.name && self.id == key.id()
    }
}

/// A text and the signatures under it. Nothing about them is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The signed text, with its last line feed.
    pub text: String,
    /// The signature lines, in order.
    pub signatures: Vec<NoteSignature>,
}

impl Note {
    /// Reads a note: the text before the last blank line, then one signature a line, at least one.
    pub fn parse(bytes: &str) -> Result<Note, ProofError> {
        ProofError::check_max("note", bytes.len(), NOTE_BYTES_MAX)?;
        if bytes.chars().any(|c| c != '\n' && c < ' ') {
            return Err(ProofError::malformed("note", "holds a control character"));
        }
        let at = bytes.rfind("\n\n").ok_or_else(|| ProofError::malformed("note", "no blank line"))?;
        let (text, lines) = (&bytes[..=at], &bytes[at + 2..]);
        let lines = lines.strip_suffix('\n').ok_or_else(|| ProofError::malformed("note", "no line feed at the end"))?;
        let lines: Vec<&str> = lines.split('\n').collect();
        ProofError::check_max("note.signatures", lines.len(), NOTE_SIGNATURES_MAX)?;
        let signatures = lines.into_iter().map(NoteSignature::parse).collect::<Result<_, _>>()?;
        Ok(Note { text: text.to_owned(), signatures })
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The blank line that parts text and signatures.
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| f.write_str(&signature.to_line()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeyPair;

    #[test]
    fn a_verifier_key_is_read_back_and_nothing_near_it_is() {
        let key = VerifierKey::log("ledger.example/net1", KeyPair::from_seed(&[1; 32]).public());
        let text = key.to_string();
        assert_eq!(VerifierKey::parse(&text), Ok(key));
        let encoded = &text["ledger.example/net1+bcd7d861+".len()..];
        for near in [
            String::new(),
            "ledger.example/net1".into(),
            "ledger.example/net1+bcd7d861".into(),
            format!("+bcd7d861+{encoded}"),
            format!("ledger example/net1+bcd7d861+{encoded}"),
            format!("ledger.example/net2+bcd7d861+{encoded}"),
            format!("ledger.example/net1+BCD7D861+{encoded}"),
            format!("ledger.example/net1+bcd7d862+{encoded}"),
            format!("ledger.example/net1+bcd7d861+{}", &encoded[..encoded.len() - 4]),
            format!("ledger.example/net1+bcd7d861+{encoded}="),
            // Type 0x06, which is not known here.
            format!("ledger.example/net1+bcd7d861+B{}", &encoded[1..]),
            format!("{}+bcd7d861+{encoded}", "a".repeat(VKEY_BYTES_MAX)),
        ] {
            VerifierKey::parse(&near).expect_err(&near);
        }
    }
}
