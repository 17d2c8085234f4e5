//! Turn lines into signed transactions whose bytes are the same on every run.

use super::Import;
use crate::failure::Failure;
use countersign_client::{BulkResult, BulkRow, ClientError, TransactionBuilder, import_nonce};
use countersign_proof::{Body, Hash, KeyPair, Limits, Signer, limits::JSON_DEPTH_MAX, parse_json};
use serde_json::Value;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::time::Duration;
use tokio::sync::mpsc::Sender;

/// Reads lines, makes ids, signs.
pub struct RowReader {
    source: Box<dyn BufRead + Send>,
    signing: RowSigning,
    /// By line: the transactions that were answered before.
    answered: HashMap<u64, Hash>,
}

/// What makes a transaction of a row.
pub struct RowSigning {
    collection: String,
    ids: Ids,
    genesis: Hash,
    account: String,
    key: KeyPair,
}

enum Ids {
    Field(String),
    Line(String),
}

impl RowReader {
    pub fn new(command: &Import, genesis: Hash, answered: HashMap<u64, Hash>) -> Result<RowReader, Failure> {
        let source: Box<dyn BufRead + Send> = match command.file.to_str() {
            Some("-") => Box::new(BufReader::new(std::io::stdin())),
            _ => {
                let file = File::open(&command.file).map_err(|e| Failure::file(&command.file, "read", &e))?;
                Box::new(BufReader::new(file))
            }
        };
        let ids = match (&command.id_field, &command.id_line) {
            (Some(field), _) if field.starts_with('/') => Ids::Field(field.clone()),
            (Some(field), _) => Ids::Field(format!("/{}", field.replace('~', "~0").replace('/', "~1"))),
            (None, prefix) => Ids::Line(prefix.clone().expect("one of the two is required")),
        };
        let caller = &command.connection.caller;
        let (collection, account) = (command.collection.clone(), caller.account.clone());
        let signing = RowSigning { collection, ids, genesis, account, key: caller.key_pair()? };
        Ok(RowReader { source, signing, answered })
    }

    /// Sends each row on; one that cannot be a transaction is answered at once. Gives the number of rows skipped.
    pub fn run(mut self, rows: &Sender<BulkRow>, local: &Sender<BulkResult>) -> Result<u64, Failure> {
        let (mut line, mut skipped) = (0, 0);
        while let Some(text) = self.next_line()? {
            line += 1;
            if text.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let sent = match self.signing.row(line, &text, self.answered.get(&line)) {
                Ok(None) => {
                    skipped += 1;
                    true
                }
                Ok(Some(row)) => rows.blocking_send(row).is_ok(),
                Err((id, error)) => local.blocking_send(refused(line, id, error)).is_ok(),
            };
            if !sent {
                // The submitter has ended and says why.
                break;
            }
        }
        Ok(skipped)
    }

    /// The next line, cut off where it is longer than any transaction: it is then refused as malformed.
    fn next_line(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let failed = |e: std::io::Error| Failure::Usage(format!("the rows cannot be read: {e}"));
        let mut line = Vec::new();
        let read =
            (&mut self.source).take(Limits::MAX.transaction_bytes).read_until(b'\n', &mut line).map_err(failed)?;
        if read as u64 == Limits::MAX.transaction_bytes && !line.ends_with(b"\n") {
            self.source.skip_until(b'\n').map_err(failed)?;
        }
        Ok((read > 0).then_some(line))
    }
}

impl RowSigning {
    /// The transaction of a row; none when `answered` is that very transaction. An error comes with the id, if any.
    fn row(&self, line: u64, text: &[u8], answered: Option<&Hash>) -> Result<Option<BulkRow>, (String, ClientError)> {
        let malformed = |e| (String::new(), ClientError::Malformed(e));
        let row = parse_json("row", text, JSON_DEPTH_MAX).map_err(malformed)?;
        let id = self.id(line, &row)?;
        let nonce = import_nonce(&self.collection, &id, &row);
        if answered == Some(&self.transaction_id(&nonce)) {
            return Ok(None);
        }
        let builder = TransactionBuilder::new(self.genesis).create(&self.collection, &id, &row);
        let signed = builder.nonce(nonce).without_expiry().sign(&[(&self.account, &self.key)]);
        let transaction = signed.map_err(|e| (id.clone(), e))?;
        Ok(Some(BulkRow { tag: line, name: id, transaction_id: transaction.id, bytes: transaction.bytes }))
    }

    fn id(&self, line: u64, row: &Value) -> Result<String, (String, ClientError)> {
        let pointer = match &self.ids {
            Ids::Line(prefix) => return Ok(format!("{prefix}{line}")),
            Ids::Field(pointer) => pointer,
        };
        match row.pointer(pointer) {
            Some(Value::String(id)) => Ok(id.clone()),
            Some(Value::Number(id)) => Ok(id.to_string()),
            _ => {
                let reason = format!("{pointer} is no text or number; it is to be the document's id");
                Err((String::new(), ClientError::Invalid { field: "row", reason }))
            }
        }
    }

    /// The id that the row's transaction has, without signing it.
    fn transaction_id(&self, nonce: &[u8; 16]) -> Hash {
        let signer = Signer { account: self.account.clone(), public_key: self.key.public().as_bytes().to_vec() };
        Body { nonce: nonce.to_vec(), signers: vec![signer], ..Body::default() }.transaction_id()
    }
}

fn refused(line: u64, name: String, error: ClientError) -> BulkResult {
    let transaction_id = Hash([0; 32]);
    BulkResult { tag: line, name, transaction_id, result: Err(error), elapsed: Duration::ZERO, sends: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signing(ids: Ids) -> RowSigning {
        let key = KeyPair::from_seed(&[1; 32]);
        let (collection, account) = ("flights".to_owned(), "ua.example/ops".to_owned());
        RowSigning { collection, ids, genesis: Hash([9; 32]), account, key }
    }

    #[test]
    fn a_row_is_the_same_transaction_on_every_run() {
        let signing = signing(Ids::Field("/flightId".into()));
        let first = signing.row(1, br#"{"flightId":"UA1","seats":3}"#, None).expect("a row").expect("new");
        let again = signing.row(7, br#" {"seats":3.0, "flightId":"UA1"}"#, None).expect("a row").expect("new");
        assert_eq!((&first.bytes, &first.name[..]), (&again.bytes, "UA1"));
        let other = signing.row(1, br#"{"flightId":"UA1","seats":4}"#, None).expect("a row").expect("new");
        assert_ne!(first.transaction_id, other.transaction_id);
    }

    #[test]
    fn a_row_is_skipped_only_if_its_very_transaction_was_answered() {
        let signing = signing(Ids::Line("R-".into()));
        let first = signing.row(1, b"{}", None).expect("a row").expect("new");
        assert_eq!(first.name, "R-1");
        assert!(signing.row(1, b"{}", Some(&first.transaction_id)).expect("a row").is_none());
        assert!(signing.row(1, br#"{"a":1}"#, Some(&first.transaction_id)).expect("a row").is_some());
    }

    #[test]
    fn a_row_that_can_be_no_transaction_is_refused_here() {
        let signing = signing(Ids::Field("/flightId".into()));
        for text in ["{", "[1]", r#"{"flightId":null}"#, r#"{"flightId":""}"#, r#"{"flightId":"a","n":1e300}"#] {
            let (_, error) = signing.row(1, text.as_bytes(), None).expect_err(text);
            assert!(super::super::is_local(&error), "{error}");
        }
    }
}
