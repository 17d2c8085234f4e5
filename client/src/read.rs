//! Read documents, versions and receipts, and check the proofs that come with them.

use crate::client::unverified;
use crate::limits::{BACKOFF_MAX, BACKOFF_MIN};
use crate::{Client, ClientError, Consistency};
use countersign_proof::{
    ConsistencyProof, Hash, HistoryProof, Leaf, Receipt, StateAnswer, StateProof, VerifiedConsistency, VerifiedHistory,
    VerifiedReceipt, VerifiedState, canonical,
};
use countersign_proto::v1::ledger_client::LedgerClient;
use countersign_proto::v1::{self, get_document_request, get_receipt_request};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tonic::transport::Channel;

/// Which version of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The newest.
    Newest,
    /// The one with this number.
    Version(u64),
    /// The one in force after this block.
    Height(u64),
}

/// Which leaf a receipt is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptOf {
    /// That of a transaction.
    Transaction(Hash),
    /// The leaf at this index of the log.
    Leaf(u64),
    /// The seal of this block.
    Height(u64),
}

/// A receipt file and what it was verified to prove.
#[derive(Debug, Clone)]
pub struct ProvenReceipt {
    /// The file, to be kept.
    pub receipt: String,
    /// What it proves.
    pub proof: VerifiedReceipt,
}

/// A document, or its absence, with the state proof that was verified.
#[derive(Debug, Clone)]
pub struct ProvenDocument {
    /// The state proof file, to be kept.
    pub file: Vec<u8>,
    /// What it proves.
    pub proof: VerifiedState,
}

impl Client {
    /// Reads one document in the node's words: nothing is proved. An absent one errs with
    /// [`ClientError::NotFound`]; a deleted one is answered with `deleted`.
    pub async fn get_document(
        &self,
        collection: &str,
        id: &str,
        at: At,
        consistency: Consistency,
    ) -> Result<v1::GetDocumentResponse, ClientError> {
        let response = self.ask_document(collection, id, at, consistency, false).await?;
        match &response.document {
            None => Err(ClientError::NotFound { detail: format!("no document {id:?} in {collection:?}") }),
            Some(d) if d.collection != collection || d.id != id => {
                let (asked, found) = (format!("{collection}/{id}"), format!("{}/{}", d.collection, d.id));
                Err(ClientError::mismatch("document", asked, found))
            }
            Some(_) => Ok(response),
        }
    }

    /// Reads one document, or its absence, and verifies the state proof against the genesis. A version number
    /// cannot be proved this way: ask for the newest or for a height.
    pub async fn get_proven_document(&self, collection: &str, id: &str, at: At) -> Result<ProvenDocument, ClientError> {
        if matches!(at, At::Version(_)) {
            return Err(ClientError::invalid("version", "a proof speaks of a height; ask for --height or the newest"));
        }
        let response = self.ask_document(collection, id, at, Consistency::CertifiedRead, true).await?;
        let file = StateProof::parse(&response.state_proof).map_err(unverified)?;
        let proof = self.judge(|trust| file.verify(trust, collection, id)).await?;
        let height = proof.seal().height;
        if let At::Height(asked) = at
            && asked != height
        {
            return Err(ClientError::mismatch("state proof.seal.height", asked, height));
        }
        check_document(response.document.as_ref(), proof.answer())?;
        Ok(ProvenDocument { file: response.state_proof, proof })
    }

    /// One page of a collection's documents by id, deletions left out.
    pub async fn list_documents(
        &self,
        collection: &str,
        after: &str,
        page_size: u32,
    ) -> Result<v1::ListDocumentsResponse, ClientError> {
        let request = v1::ListDocumentsRequest { collection: collection.into(), after: after.into(), page_size };
        self.ask(request, |mut node, request| async move { node.list_documents(request).await }).await
    }

    /// One page of a document's versions, oldest first.
    pub async fn get_history(
        &self,
        collection: &str,
        id: &str,
        from_version: u64,
        page_size: u32,
    ) -> Result<v1::GetHistoryResponse, ClientError> {
        let request = v1::GetHistoryRequest { collection: collection.into(), id: id.into(), from_version, page_size };
        self.ask(request, |mut node, request| async move { node.get_history(request).await }).await
    }

    /// A proof that the versions written between two heights are all there are, verified. `to` none is the newest.
    pub async fn history_proof(
        &self,
        collection: &str,
        id: &str,
        from: u64,
        to: Option<u64>,
    ) -> Result<(Vec<u8>, VerifiedHistory), ClientError> {
        let (collection, id) = (collection.to_owned(), id.to_owned());
        let request = v1::GetHistoryProofRequest { collection, id, from_height: from, to_height: to };
        let asked = request.clone();
        let file =
            self.ask(request, |mut node, request| async move { node.get_history_proof(request).await }).await?.proof;
        let parsed = HistoryProof::parse(&file).map_err(unverified)?;
        let proof = self.judge(|trust| parsed.verify(trust, &asked.collection, &asked.id)).await?;
        if proof.heights().0 != from || to.is_some_and(|to| proof.heights().1 != to) {
            return Err(ClientError::mismatch("history proof.from", from, proof.heights().0));
        }
        Ok((file, proof))
    }

    /// A proof that the certified log at `new` (0 for the newest) begins with the one at `old`, verified.
    pub async fn consistency_proof(&self, old: u64, new: u64) -> Result<(Vec<u8>, VerifiedConsistency), ClientError> {
        let request = v1::GetConsistencyProofRequest { old_size: old, new_size: new };
        let call = self.ask(request, |mut node, request| async move { node.get_consistency_proof(request).await });
        let file = call.await?.proof;
        let parsed = ConsistencyProof::parse(&file).map_err(unverified)?;
        let proof = self.judge(|trust| parsed.verify(trust)).await?;
        if proof.smaller().checkpoint().size < old || proof.larger().checkpoint().size < new {
            return Err(ClientError::mismatch("consistency proof.old", old, proof.smaller().checkpoint().size));
        }
        Ok((file, proof))
    }

    /// The membership that is admitted, and what an `activate` of it needs.
    pub async fn activation(&self) -> Result<v1::GetActivationResponse, ClientError> {
        let call = |mut node: LedgerClient<Channel>, request| async move { node.get_activation(request).await };
        self.ask(v1::GetActivationRequest {}, call).await
    }

    /// The evidence a node holds, each file as it is: nothing of it is believed until it is verified.
    pub async fn evidence(&self) -> Result<Vec<v1::EvidenceFile>, ClientError> {
        let call = |mut node: LedgerClient<Channel>, request| async move { node.list_evidence(request).await };
        Ok(self.ask(v1::ListEvidenceRequest {}, call).await?.evidence)
    }

    /// Whole blocks from a height up to the certified one, as the node gives them: for whoever executes them again.
    pub async fn export_blocks(&self, from_height: u64) -> Result<tonic::Streaming<v1::ExportedBlock>, ClientError> {
        let (at, mut node) = self.node();
        let request = self.request(v1::ExportBlocksRequest { from_height });
        let stream = node.export_blocks(request).await;
        Ok(stream.map_err(|status| self.named(at, ClientError::of_read(&status)))?.into_inner())
    }

    /// A transaction with what became of it.
    pub async fn get_transaction(&self, id: Hash) -> Result<v1::GetTransactionResponse, ClientError> {
        let request = v1::GetTransactionRequest { transaction_id: id.0.to_vec() };
        self.ask(request, |mut node, request| async move { node.get_transaction(request).await }).await
    }

    /// One block with its leaves.
    pub async fn get_block(&self, height: u64) -> Result<v1::Block, ClientError> {
        let request = v1::GetBlockRequest { height };
        self.ask(request, |mut node, request| async move { node.get_block(request).await }).await
    }

    /// A receipt, verified against the genesis and to be of the leaf that was asked for. Waits up to `wait` for the
    /// leaf to be there and certified.
    pub async fn receipt(&self, of: ReceiptOf, wait: Duration) -> Result<ProvenReceipt, ClientError> {
        self.receipt_under(of, 0, wait).await
    }

    /// The same, under a checkpoint of at least `checkpoint_size`.
    pub async fn receipt_under(
        &self,
        of: ReceiptOf,
        checkpoint_size: u64,
        wait: Duration,
    ) -> Result<ProvenReceipt, ClientError> {
        let deadline = Instant::now() + wait;
        let mut backoff = BACKOFF_MIN;
        loop {
            let error = match self.ask_receipt(of, checkpoint_size).await {
                Ok(receipt) => return self.check_receipt(of, receipt).await,
                Err(error) => error,
            };
            let may_come = matches!(error, ClientError::NotFound { .. } | ClientError::Refused { .. });
            if !(may_come || error.may_pass()) || Instant::now() + backoff >= deadline {
                return Err(error);
            }
            sleep(backoff).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    async fn ask_document(
        &self,
        collection: &str,
        id: &str,
        at: At,
        consistency: Consistency,
        with_proof: bool,
    ) -> Result<v1::GetDocumentResponse, ClientError> {
        let at = match at {
            At::Newest => None,
            At::Version(version) => Some(get_document_request::At::Version(version)),
            At::Height(height) => Some(get_document_request::At::Height(height)),
        };
        let (collection, id) = (collection.to_owned(), id.to_owned());
        let request = v1::GetDocumentRequest { collection, id, at, consistency: consistency.into(), with_proof };
        self.ask(request, |mut node, request| async move { node.get_document(request).await }).await
    }

    async fn ask_receipt(&self, of: ReceiptOf, checkpoint_size: u64) -> Result<String, ClientError> {
        let of = match of {
            ReceiptOf::Transaction(id) => get_receipt_request::Of::TransactionId(id.0.to_vec()),
            ReceiptOf::Leaf(index) => get_receipt_request::Of::LeafIndex(index),
            ReceiptOf::Height(height) => get_receipt_request::Of::Height(height),
        };
        let request = v1::GetReceiptRequest { of: Some(of), checkpoint_size };
        Ok(self.ask(request, |mut node, request| async move { node.get_receipt(request).await }).await?.receipt)
    }

    async fn check_receipt(&self, of: ReceiptOf, receipt: String) -> Result<ProvenReceipt, ClientError> {
        let parsed = Receipt::parse(&receipt).map_err(unverified)?;
        let proof = self.judge(|trust| parsed.verify(trust)).await?;
        let (asked, found) = match (of, proof.leaf()) {
            (ReceiptOf::Transaction(id), Leaf::Transaction(leaf)) => (id.to_string(), leaf.id.to_string()),
            (ReceiptOf::Leaf(index), _) => (index.to_string(), proof.index().to_string()),
            (ReceiptOf::Height(height), Leaf::Seal(seal)) => (height.to_string(), seal.height.to_string()),
            _ => (format!("{of:?}"), "a leaf of another kind".to_owned()),
        };
        if asked != found {
            return Err(ClientError::mismatch("receipt.leaf", asked, found));
        }
        Ok(ProvenReceipt { receipt, proof })
    }
}

/// What the node says beside a proof must be what the proof says.
fn check_document(said: Option<&v1::Document>, proven: &StateAnswer) -> Result<(), ClientError> {
    let (record, value) = match proven {
        StateAnswer::Present { record, value } => (Some(record), value.as_ref()),
        StateAnswer::Deleted { record } => (Some(record), None),
        StateAnswer::Absent => (None, None),
    };
    let Some(said) = said else { return Ok(()) };
    let Some(record) = record else {
        return Err(ClientError::mismatch("document", "absent", format!("version {}", said.version)));
    };
    if said.version != record.version || said.deleted != record.value.is_none() {
        return Err(ClientError::mismatch("document.version", record.version, said.version));
    }
    match value {
        Some(value) if !said.value.is_empty() && said.value != canonical(value) => {
            Err(ClientError::mismatch("document.value", "the proven value", "another"))
        }
        _ => Ok(()),
    }
}
