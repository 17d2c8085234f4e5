//! Answer what auditors ask: trust, consistency, complete histories, evidence, whole blocks.

use super::outlet::{Ended, Outlet};
use super::{Api, Refusal, Streamed};
use crate::accuse::Accusation;
use crate::limits::COSIGNATURES_AHEAD_MAX;
use countersign_gateway::Caller;
use countersign_proof::{Note, NoteSignature, VerifierKey, check_document_id, joining, organisation_of};
use countersign_proto::v1;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

const RETRY: Duration = Duration::from_millis(200);
/// Blocks of an export that wait to be read.
const EXPORT_WAITING_MAX: usize = 4;

impl Api {
    pub(super) fn trust_bundle(&self) -> Result<v1::GetTrustBundleResponse, Refusal> {
        Ok(v1::GetTrustBundleResponse { bundle: self.reader.trust_bundle(&self.genesis)?.to_bytes() })
    }

    pub(super) fn consistency_proof(
        &self,
        request: &v1::GetConsistencyProofRequest,
    ) -> Result<v1::GetConsistencyProofResponse, Refusal> {
        let newest = self.certified.borrow().size;
        let new = if request.new_size == 0 { newest } else { request.new_size };
        if request.old_size == 0 || request.old_size > new || new > newest {
            let detail =
                format!("sizes {} and {new}: need 1 <= old <= new <= {newest}, the certified size", request.old_size);
            return Err(Refusal::field("OUT_OF_RANGE", "old_size", detail).fact("head", newest));
        }
        let proof = self.reader.consistency(request.old_size, new)?;
        let none = || Refusal::new("NOT_CERTIFIED_YET", "no certified checkpoints of these sizes").retry(RETRY);
        Ok(v1::GetConsistencyProofResponse { proof: proof.ok_or_else(none)?.to_bytes() })
    }

    pub(super) fn history_proof(
        &self,
        caller: &Caller,
        request: &v1::GetHistoryProofRequest,
    ) -> Result<v1::GetHistoryProofResponse, Refusal> {
        caller.check_read(&request.collection)?;
        check_document_id("id", &request.id)?;
        // Each value of the history is in its proof, and that there was none before: it is for those who see all of them.
        if !self.sight.sees_everything(Some(caller.account()), &request.collection)? {
            let detail = format!("access rules keep some of {:?} from {}", request.collection, caller.account());
            return Err(Refusal::new("PERMISSION_DENIED", detail));
        }
        let newest = self.published.borrow().height;
        let to = request.to_height.unwrap_or(newest);
        if request.from_height > to || to > newest {
            let detail =
                format!("heights {} to {to}: need from <= to <= {newest}, the certified height", request.from_height);
            return Err(Refusal::field("OUT_OF_RANGE", "to_height", detail).fact("head", newest));
        }
        let proof = self.reader.history_proof(&request.collection, &request.id, request.from_height, to, newest)?;
        let none = || Refusal::field("PROOF_UNAVAILABLE", "from_height", "too many versions: ask for fewer heights");
        Ok(v1::GetHistoryProofResponse { proof: proof.ok_or_else(none)?.to_bytes() })
    }

    /// The newest certified checkpoint since the admission that every joining node has cosigned.
    pub(super) fn activation(&self) -> Result<v1::GetActivationResponse, Refusal> {
        let epochs = self.applied.borrow().epochs.clone();
        let Some(next) = &epochs.next else { return Ok(v1::GetActivationResponse::default()) };
        let admitted = self.reader.document("$members", "next")?.map_or(0, |version| version.record.height);
        let since = self.reader.seal(admitted)?.map_or(0, |seal| seal.tree_size());
        let join = joining(&epochs.trust.newest().membership, next);
        let mut by_size: BTreeMap<u64, BTreeMap<String, NoteSignature>> = BTreeMap::new();
        for kept in self.reader.cosignatures(since, COSIGNATURES_AHEAD_MAX)? {
            if let Some((node, key)) = join.iter().find(|(node, _)| *node == kept.cosignature.node) {
                let line = kept.cosignature.to_note_signature(&VerifierKey::cosigner(node, *key));
                by_size.entry(kept.size).or_default().insert(node.clone(), line);
            }
        }
        let members = countersign_proof::canonical(next);
        if join.is_empty() {
            by_size.entry(self.certified.borrow().size.max(since)).or_default();
        }
        for (size, lines) in by_size.iter().rev().filter(|(_, lines)| lines.len() == join.len()) {
            let Some(note) = self.reader.certificate_at(*size)? else { continue };
            let mut note = Note::parse(&note)?;
            note.signatures.extend(lines.values().cloned());
            return Ok(v1::GetActivationResponse { members, checkpoint: note.to_string(), waiting_for: Vec::new() });
        }
        let waiting_for = join.into_iter().map(|(node, _)| node).collect();
        Ok(v1::GetActivationResponse { members, checkpoint: String::new(), waiting_for })
    }

    pub(super) fn evidence(&self) -> v1::ListEvidenceResponse {
        let shown = self.accusations.borrow().clone();
        let file = |accusation: &Accusation| v1::EvidenceFile {
            file: accusation.file.to_bytes(),
            what: accusation.verified.what().to_owned(),
            organisations: accusation.verified.accused().iter().map(|a| a.organisation.clone()).collect(),
            sentence: accusation.verified.sentence().to_owned(),
        };
        v1::ListEvidenceResponse { evidence: shown.iter().map(file).collect() }
    }

    /// Blocks up to the certified height, a few at a time: a slow reader slows only himself.
    pub(super) fn export(&self, caller: Caller, from_height: u64) -> Result<Streamed<v1::ExportedBlock>, Refusal> {
        caller.check_read_all()?;
        // The governance account of this node's own organisation has the node's disk, too.
        let own = organisation_of(&self.node);
        if caller.account() != own
            && let Some(hidden) = self.sight.hides_some_of(Some(caller.account()))?
        {
            let detail = format!(
                "access rules keep some of {hidden:?} from {}; whole blocks are for accounts that see everything, and here for {own}",
                caller.account()
            );
            return Err(Refusal::new("PERMISSION_DENIED", detail));
        }
        let permit = self.subscriptions.clone().try_acquire_owned();
        let permit =
            permit.map_err(|_| Refusal::new("TOO_MANY_SUBSCRIPTIONS", "this node has too many open streams"))?;
        let (outlet, stream) = Outlet::open(EXPORT_WAITING_MAX);
        let (api, last) = (self.clone(), self.certified.borrow().height);
        tokio::spawn(async move {
            api.give_blocks(&caller, from_height.max(1)..=last, outlet).await;
            drop(permit);
        });
        Ok(stream)
    }

    /// Gives whole blocks, each to one who may still read them: an export may take long.
    async fn give_blocks(&self, caller: &Caller, heights: RangeInclusive<u64>, outlet: Outlet<v1::ExportedBlock>) {
        for height in heights {
            let block = self.callers.check_still(caller).map_err(Refusal::from).and_then(|()| self.exported(height));
            let block = match block {
                Ok(block) => block,
                Err(refusal) => return outlet.end(refusal),
            };
            match outlet.give(block).await {
                Ok(()) => {}
                Err(Ended::Gone) => return,
                Err(Ended::Slow) => {
                    return outlet
                        .end(Refusal::new("SLOW_READER", format!("blocks were not read; go on from {height}")));
                }
            }
        }
    }

    fn exported(&self, height: u64) -> Result<v1::ExportedBlock, Refusal> {
        let missing = || Refusal::new("NOT_FOUND", format!("no block {height} here"));
        let block = self.reader.block(height)?.ok_or_else(missing)?;
        let size = block.first + block.leaves.len() as u64;
        Ok(v1::ExportedBlock {
            height,
            header: block.proposal.header,
            signature: block.proposal.signature,
            transactions: block.proposal.transactions,
            leaves: block.leaves,
            certificate: self.reader.certificate_at(size)?.unwrap_or_default(),
        })
    }
}
