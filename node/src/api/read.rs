//! Answer reads: transactions, blocks, documents, history, receipts.

use super::{Api, Refusal};
use crate::limits::{LIST_DOCUMENTS_READ_MAX, PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX, READ_DEADLINE};
use countersign_gateway::{Caller, Sighted};
use countersign_ledger::Version;
use countersign_ledger::store::{STATE_HEIGHTS_KEPT, STATE_KEPT, StoredBlock};
use countersign_proof::{Hash, Limits, SealLeaf, Transaction, check_document_id};
use countersign_proto::v1::{self, Consistency, get_document_request::At, get_receipt_request::Of};
use std::time::Duration;

const RETRY: Duration = Duration::from_millis(200);

/// The rows of a page, as asked for, within what is allowed.
pub(super) fn page_rows(asked: u32) -> Result<usize, Refusal> {
    match asked {
        0 => Ok(PAGE_ROWS_DEFAULT as usize),
        rows if rows <= PAGE_ROWS_MAX => Ok(rows as usize),
        rows => Err(Refusal::field("TOO_LARGE", "page_size", format!("page_size {rows}, at most {PAGE_ROWS_MAX}"))
            .fact("limit", PAGE_ROWS_MAX)),
    }
}

fn id_of(bytes: &[u8]) -> Result<Hash, Refusal> {
    Ok(Hash::from_slice("transaction_id", bytes)?)
}

/// A version as its caller sees it.
pub(super) fn document(sighted: Sighted) -> v1::Document {
    let Sighted { version, redacted } = sighted;
    countersign_proto::document(&version.record, version.salt, version.value.as_deref(), redacted)
}

impl Api {
    pub(super) fn transaction(
        &self,
        caller: &Caller,
        request: &v1::GetTransactionRequest,
    ) -> Result<v1::GetTransactionResponse, Refusal> {
        let id = id_of(&request.transaction_id)?;
        let found = self.reader.transaction(&id)?;
        let found = found.ok_or_else(|| Refusal::new("NOT_FOUND", format!("no transaction {id} has a leaf here")))?;
        let bytes_max = Limits::MAX.transaction_bytes as usize;
        let transaction = Transaction::parse(found.bytes, &self.genesis.hash(), bytes_max)?;
        let covered = transaction.body.operations.iter().all(|o| caller.check_read(&o.collection).is_ok());
        let shown = covered && self.sight.sees_transaction(Some(caller.account()), &transaction, found.height)?;
        let rejection = self.reader.rejection(found.leaf_index)?.filter(|_| shown);
        let rejection = rejection.unwrap_or_default();
        Ok(v1::GetTransactionResponse {
            redacted: !shown,
            transaction: if shown { transaction.bytes } else { Vec::new() },
            leaf_index: found.leaf_index,
            leaf: found.leaf,
            height: found.height,
            detail: rejection.detail,
            existing: rejection.existing,
            violations: rejection
                .violations
                .into_iter()
                .map(|v| v1::Violation { pointer: v.pointer, keyword: v.keyword })
                .collect(),
            level: self.level_of(found.leaf_index).into(),
        })
    }

    fn level_of(&self, leaf_index: u64) -> v1::Level {
        let certified = *self.published.borrow();
        if leaf_index < certified.everyone.min(certified.size) {
            v1::Level::All
        } else if leaf_index < certified.size {
            v1::Level::Certified
        } else {
            v1::Level::Committed
        }
    }

    pub(super) fn block(&self, height: u64) -> Result<v1::Block, Refusal> {
        let tip = self.applied.borrow().chain.height;
        let beyond = || Refusal::field("OUT_OF_RANGE", "height", format!("height {height}, the newest here is {tip}"));
        let block = self.reader.block(height)?.ok_or_else(beyond)?;
        let seal = self.reader.seal(height)?.ok_or_else(beyond)?;
        Ok(self.show_block(&seal, block, true))
    }

    fn show_block(&self, seal: &SealLeaf, block: StoredBlock, with_leaves: bool) -> v1::Block {
        v1::Block {
            height: seal.height,
            seal: block.leaves.last().cloned().unwrap_or_default(),
            proposal_header: block.proposal.header,
            proposal_signature: block.proposal.signature,
            leaves: if with_leaves { block.leaves } else { Vec::new() },
            tree_size: seal.tree_size(),
            certified: seal.tree_size() <= self.published.borrow().size,
        }
    }

    pub(super) fn blocks(&self, request: &v1::ListBlocksRequest) -> Result<v1::ListBlocksResponse, Refusal> {
        let rows = page_rows(request.page_size)? as u64;
        let tip = self.applied.borrow().chain.height;
        let mut blocks = Vec::new();
        let end = request.from_height.saturating_add(rows).min(tip + 1);
        for height in request.from_height..end {
            let found = self.reader.block(height)?.zip(self.reader.seal(height)?);
            let Some((block, seal)) = found else { break };
            blocks.push(self.show_block(&seal, block, false));
        }
        Ok(v1::ListBlocksResponse { blocks, next_height: (end <= tip).then_some(end) })
    }

    pub(super) async fn document(
        &self,
        caller: &Caller,
        request: v1::GetDocumentRequest,
    ) -> Result<v1::GetDocumentResponse, Refusal> {
        caller.check_read(&request.collection)?;
        check_document_id("id", &request.id)?;
        let read_height = self.read_height(request.consistency()).await?;
        let (collection, id) = (&request.collection, &request.id);
        let at = match request.at {
            Some(At::Height(height)) if height > read_height => {
                let detail = format!("height {height}, this read goes up to {read_height}");
                return Err(Refusal::field("OUT_OF_RANGE", "height", detail).fact("head", read_height));
            }
            Some(At::Height(height)) => height,
            _ => read_height,
        };
        let version = match request.at {
            Some(At::Version(number)) => {
                self.reader.version(collection, id, number)?.filter(|v| v.record.height <= read_height)
            }
            _ => self.reader.document_at(collection, id, at)?,
        };
        let account = Some(caller.account());
        let document = self.shown(caller, version)?;
        // Whoever may not know of a document gets no proof that there is none either.
        let absence = request.with_proof && self.sight.sees_absence(account, collection)?;
        if document.is_none() && !absence {
            return Err(Refusal::new("NOT_FOUND", format!("no document {id:?} in {collection:?}")));
        }
        let redacted = document.as_ref().is_some_and(|document| !document.redacted.is_empty());
        let state_proof = if request.with_proof { self.state_proof(&request, at, redacted)? } else { Vec::new() };
        Ok(v1::GetDocumentResponse {
            document,
            read_height: at,
            certified: at <= self.published.borrow().height,
            state_proof,
        })
    }

    /// What the caller sees of a version.
    pub(super) fn shown(&self, caller: &Caller, version: Option<Version>) -> Result<Option<v1::Document>, Refusal> {
        let Some(version) = version else { return Ok(None) };
        Ok(self.sight.see(Some(caller.account()), version)?.map(document))
    }

    fn state_proof(&self, request: &v1::GetDocumentRequest, height: u64, redacted: bool) -> Result<Vec<u8>, Refusal> {
        if matches!(request.at, Some(At::Version(_))) {
            let detail = "a state proof is of a height, not of a version: ask by height";
            return Err(Refusal::field("PROOF_UNAVAILABLE", "with_proof", detail));
        }
        if !self.reader.proves_state_at(height)? {
            return Err(Refusal::field("PROOF_UNAVAILABLE", "height", STATE_KEPT).fact("limit", STATE_HEIGHTS_KEPT));
        }
        let proof = self.reader.state_proof(&request.collection, &request.id, height)?;
        let not_yet =
            || Refusal::new("NOT_CERTIFIED_YET", format!("height {height} is not certified yet")).retry(RETRY);
        let mut proof = proof.ok_or_else(not_yet)?;
        if redacted {
            // Version and value hash stay; the salt goes too, or the value could be confirmed by guessing.
            (proof.salt, proof.value) = (None, None);
        }
        Ok(proof.to_bytes())
    }

    /// Up to which height a read of this consistency sees.
    async fn read_height(&self, consistency: Consistency) -> Result<u64, Refusal> {
        match consistency {
            Consistency::Local => Ok(self.applied.borrow().chain.height),
            Consistency::Unspecified | Consistency::CertifiedRead => Ok(self.published.borrow().height),
            Consistency::Linearizable => self.linearizable_height().await,
        }
    }

    /// A height that covers all that was acknowledged anywhere before the call.
    pub(crate) async fn linearizable_height(&self) -> Result<u64, Refusal> {
        let read = tokio::time::timeout(READ_DEADLINE, self.linearize());
        read.await.unwrap_or_else(|_| Err(Refusal::no_leader("no leader confirmed the read in time")))
    }

    /// Waits until this node has executed all that was acknowledged anywhere before the call.
    async fn linearize(&self) -> Result<u64, Refusal> {
        let index = self.read_indexes.find().await?;
        let mut applied = self.applied.clone();
        let seen = applied.wait_for(|applied| applied.position.is_some() && applied.index() >= index);
        let seen = seen.await.map_err(|_| Refusal::no_leader("the node is stopping"))?;
        Ok(seen.chain.height)
    }

    pub(super) async fn documents(
        &self,
        caller: &Caller,
        request: &v1::ListDocumentsRequest,
    ) -> Result<v1::ListDocumentsResponse, Refusal> {
        caller.check_read(&request.collection)?;
        let rows = page_rows(request.page_size)?;
        if !request.after.is_empty() {
            check_document_id("after", &request.after)?;
        }
        self.check_collection(&request.collection)?;
        let read_height = self.applied.borrow().chain.height;
        let (mut shown, mut after, mut read) = (Vec::new(), request.after.clone(), 0);
        // A page with more behind it is never empty, however many documents the rules hide.
        loop {
            let (documents, next) = self.reader.documents(&request.collection, &after, rows - shown.len())?;
            read += documents.len();
            for version in documents {
                shown.extend(self.shown(caller, Some(version))?);
            }
            after = next.unwrap_or_default();
            if after.is_empty() || shown.len() == rows {
                break;
            }
            if read >= LIST_DOCUMENTS_READ_MAX {
                let detail =
                    format!("more than {LIST_DOCUMENTS_READ_MAX} documents read for a page; go on after {after:?}");
                if shown.is_empty() {
                    return Err(Refusal::new("INDEX_REQUIRED", detail));
                }
                break;
            }
            tokio::task::yield_now().await;
        }
        Ok(v1::ListDocumentsResponse { documents: shown, next_after: after, read_height })
    }

    /// A list of what never was is an error of the caller's, not an empty list.
    fn check_collection(&self, collection: &str) -> Result<(), Refusal> {
        let known = countersign_proof::SYSTEM_COLLECTIONS.contains(&collection)
            || self.reader.document("$schemas", collection)?.is_some();
        let unknown = || Refusal::field("UNKNOWN_COLLECTION", "collection", format!("no collection {collection:?}"));
        if known { Ok(()) } else { Err(unknown()) }
    }

    pub(super) fn history(
        &self,
        caller: &Caller,
        request: &v1::GetHistoryRequest,
    ) -> Result<v1::GetHistoryResponse, Refusal> {
        caller.check_read(&request.collection)?;
        check_document_id("id", &request.id)?;
        let rows = page_rows(request.page_size)?;
        let from = request.from_version.max(1);
        let mut versions = self.reader.history(&request.collection, &request.id, from, rows + 1)?;
        let next_version = versions.get(rows).map(|version| version.record.version);
        versions.truncate(rows);
        let mut shown = Vec::with_capacity(versions.len());
        for version in versions {
            shown.extend(self.shown(caller, Some(version))?);
        }
        if shown.is_empty() && from == 1 && next_version.is_none() {
            let detail = format!("no document {:?} in {:?}", request.id, request.collection);
            return Err(Refusal::new("NOT_FOUND", detail));
        }
        Ok(v1::GetHistoryResponse { versions: shown, next_version })
    }

    pub(super) fn receipt(&self, request: &v1::GetReceiptRequest) -> Result<v1::GetReceiptResponse, Refusal> {
        let missing = || Refusal::field("MALFORMED", "of", "name a transaction, a leaf or a height");
        let not_found = |what: String| Refusal::new("NOT_FOUND", what);
        let index = match request.of.as_ref().ok_or_else(missing)? {
            Of::TransactionId(bytes) => {
                let id = id_of(bytes)?;
                let used = self.reader.find(&id)?;
                used.ok_or_else(|| not_found(format!("no transaction {id} has a leaf here")))?.leaf
            }
            Of::LeafIndex(index) => *index,
            Of::Height(height) => {
                let seal = self.reader.seal(*height)?;
                seal.ok_or_else(|| not_found(format!("no block {height} here")))?.index()
            }
        };
        if index >= self.applied.borrow().chain.size {
            return Err(not_found(format!("no leaf {index} here")));
        }
        let receipt = self.reader.receipt_from(index, request.checkpoint_size)?;
        let not_yet = || Refusal::new("NOT_CERTIFIED_YET", format!("leaf {index} is not certified yet")).retry(RETRY);
        Ok(v1::GetReceiptResponse { receipt: receipt.ok_or_else(not_yet)?.to_string() })
    }
}
