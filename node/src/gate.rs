//! Look at every proposal before its append is acknowledged: whose it is, when it is, and whether there was another.
//!
//! This is a filter; the verdict that all nodes reach alike comes at execution. So it refuses only what an honest leader
//! never makes, and lets pass what this node cannot judge yet because it is behind, and what an earlier leader left.

use crate::accuse::Suspicion;
use crate::clock::Clock;
use crate::cursors::Applied;
use crate::distrust::Distrust;
use crate::limits::{CLOCK_AHEAD_MAX, HEADERS_REMEMBERED_MAX, PROPOSALS_AHEAD_MAX};
use crate::members::Members;
use countersign_consensus::{Admit, Offered, Ordered, Position};
use countersign_proof::limits::JSON_DEPTH_MAX;
use countersign_proof::{Hash, Proposal, ProposalHeader, PublicKey, SignedHeader, parse_canonical};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use tokio::sync::{mpsc, watch};

/// What the gate looks at, and the headers it has seen.
pub(crate) struct Gate {
    pub(crate) applied: watch::Receiver<Applied>,
    pub(crate) members: watch::Receiver<Arc<Members>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) suspicions: mpsc::Sender<Suspicion>,
    /// What a leader makes itself, and may not make, ends its term as far as this node goes.
    pub(crate) distrust: Distrust,
    pub(crate) origin: String,
    pub(crate) seen: Mutex<Seen>,
}

/// Headers by term and height, with their digests.
#[derive(Default)]
pub(crate) struct Seen(BTreeMap<(u64, u64), (SignedHeader, Hash)>);

impl Admit for Gate {
    fn admit(&self, from: u64, term: u64, offered: &[Offered<'_>]) -> Result<(), String> {
        for offered in offered {
            let sender = self.members.borrow().name_of(from).map(str::to_owned);
            let Err(reason) = self.look(sender.as_deref(), term, offered) else { continue };
            // A leader answers for what it proposes in its own term, and for what it made whenever that was.
            let made_it = header_of(offered).is_ok_and(|(_, header)| Some(&header.proposer) == sender.as_ref());
            if offered.position.term != term && !made_it {
                // It lies in the log of a leader whose fault it is not, and who can leave it out no more: execution skips it.
                tracing::warn!(from, term, at = %offered.position, reason, "a proposal of an earlier term is wrong");
                continue;
            }
            tracing::error!(from, term, reason, "an append is refused");
            if let Some(leader) = sender {
                self.distrust.refuse(&leader, &reason);
            }
            return Err(reason);
        }
        Ok(())
    }

    /// The voters follow the ledger: whoever may vote is a voter of the membership in force just before, or was one.
    fn admit_voters(&self, from: u64, at: Position, before: &[BTreeSet<u64>], offered: &[BTreeSet<u64>]) -> Ordered {
        let applied = self.applied.borrow().clone();
        let next = applied.position.map_or(0, |position| position.index + 1);
        if at.index != next {
            return if at.index < next { Ordered::Yes } else { Ordered::NotYet };
        }
        let members = self.members.borrow().clone();
        let in_force = applied.epochs.trust.newest().membership.nodes();
        let voters = in_force.filter_map(|(node, _)| members.nodes.get(&node).map(|entry| entry.raft)).collect();
        if are_ordered(&voters, before, offered) {
            return Ordered::Yes;
        }
        let reason = format!("it makes {offered:?} raft's voters, and the ledger has {voters:?}");
        tracing::error!(from, %at, reason, "an append is refused");
        if let Some(leader) = members.name_of(from) {
            self.distrust.refuse(leader, &reason);
        }
        Ordered::No(reason)
    }
}

/// A change leads from the voters there are to the ledger's, by way of both; observers come and go without one.
fn are_ordered(voters: &BTreeSet<u64>, before: &[BTreeSet<u64>], offered: &[BTreeSet<u64>]) -> bool {
    let known = |set: &BTreeSet<u64>| set == voters || before.contains(set);
    offered.iter().all(known) && offered.last().is_some_and(|last| last == voters || Some(last) == before.last())
}

impl Gate {
    fn look(&self, sender: Option<&str>, term: u64, offered: &Offered<'_>) -> Result<(), String> {
        let (proposal, header) = header_of(offered)?;
        if header.origin != self.origin || header.term != offered.position.term {
            return Err(format!("a header of {} and term {} at {}", header.origin, header.term, offered.position));
        }
        let is_senders = sender.is_none_or(|sender| sender == header.proposer);
        if header.term == term && !is_senders {
            return Err(format!("a proposal of {} that another node sent as its own", header.proposer));
        }
        if is_senders {
            self.check_fresh(&header)?;
        }
        if !self.is_signed(&proposal, &header)? {
            return Ok(());
        }
        let contradiction = self.seen.lock().expect("no panic under the lock").note(&header, &proposal)?;
        let Some((first, second)) = contradiction else { return Ok(()) };
        // A full queue: the same is seen again at the next append.
        drop(self.suspicions.try_send(Suspicion::TwoHeaders(first, second)));
        Err(format!("a second header of {} for height {} of term {}", header.proposer, header.height, header.term))
    }

    /// What a leader makes is not from the future.
    fn check_fresh(&self, header: &ProposalHeader) -> Result<(), String> {
        let (now, before) = (self.clock.now_ms(), self.applied.borrow().chain.time);
        if is_from_the_future(header.time, now, before) {
            let (proposer, by) = (&header.proposer, header.time - now);
            return Err(format!("the proposal of {proposer} is {by} ms ahead of this node's clock"));
        }
        Ok(())
    }

    /// Whether a known key of the proposer signed it. Near our own height it must be; further on the key may have been
    /// changed by what is not applied yet, and an unsigned header is neither refused nor remembered: else a liar could
    /// plant one in the way of the true one.
    fn is_signed(&self, proposal: &Proposal, header: &ProposalHeader) -> Result<bool, String> {
        let applied = self.applied.borrow();
        let near = applied.chain.height < header.height && header.height <= applied.chain.height + PROPOSALS_AHEAD_MAX;
        let epochs = &applied.epochs;
        let keys = epochs.trust.keys_of(&header.proposer, |keys| keys.proposal);
        let next = epochs.next.iter().filter_map(|next| next.node(&header.proposer)).map(|keys| keys.proposal);
        let keys: Vec<PublicKey> = keys.chain(next).collect();
        let signature = proposal.signature.as_slice().try_into().ok();
        let message = header.signed_message();
        let signed = signature.is_some_and(|signature| keys.iter().any(|key| key.verify_strict(&message, signature)));
        if signed || !near {
            Ok(signed)
        } else {
            Err(format!("a proposal that no key of {} has signed", header.proposer))
        }
    }
}

fn header_of(offered: &Offered<'_>) -> Result<(Proposal, ProposalHeader), String> {
    let proposal = Proposal::parse(offered.proposal).map_err(|e| e.to_string())?;
    let header = parse_canonical("proposal.header", &proposal.header, JSON_DEPTH_MAX).map_err(|e| e.to_string())?;
    Ok((proposal, header))
}

/// A leader never goes back behind the time of the block before, so that time is no fault of his.
fn is_from_the_future(time: u64, now: u64, before: u64) -> bool {
    time > now.saturating_add(CLOCK_AHEAD_MAX.as_millis() as u64).max(before)
}

impl Seen {
    /// Remembers a signed header, which must follow the one before it in its term. Gives the one before and this one when
    /// they are two of one term and height: a contradiction.
    fn note(
        &mut self,
        header: &ProposalHeader,
        proposal: &Proposal,
    ) -> Result<Option<(SignedHeader, SignedHeader)>, String> {
        let text = String::from_utf8(proposal.header.clone()).map_err(|_| "a header that is not UTF-8".to_owned())?;
        let signed = SignedHeader { header: text, signature: hex::encode(&proposal.signature) };
        let at = (header.term, header.height);
        if let Some((before, _)) = self.0.get(&at)
            && before.header != signed.header
        {
            return Ok(Some((before.clone(), signed)));
        }
        // A leader extends its own chain: the first of a term follows what came before, and is judged at execution.
        if let Some((_, digest)) = self.0.get(&(header.term, header.height.saturating_sub(1)))
            && *digest != header.previous
        {
            let (proposer, height, term) = (&header.proposer, header.height, header.term);
            return Err(format!(
                "{proposer}'s header for height {height} of term {term} does not follow its own before"
            ));
        }
        self.0.insert(at, (signed, header.digest()));
        if self.0.len() > HEADERS_REMEMBERED_MAX {
            self.0.pop_first();
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_proof::KeyPair;

    fn proposal(height: u64, time: u64) -> (ProposalHeader, Proposal) {
        following(Hash([1; 32]), height, time)
    }

    fn following(previous: Hash, height: u64, time: u64) -> (ProposalHeader, Proposal) {
        let header = ProposalHeader {
            count: 0,
            height,
            origin: "l/1".into(),
            previous,
            proposer: "ua.example/1".into(),
            term: 3,
            time,
            transactions: ProposalHeader::transactions_hash([]),
            v: 1,
        };
        let proposal = Proposal::sign(&header, vec![], &KeyPair::from_seed(&[1; 32]));
        (header, proposal)
    }

    #[test]
    fn only_another_header_for_the_same_term_and_height_is_a_contradiction() {
        let mut seen = Seen::default();
        for (height, time) in [(1, 10), (3, 11), (1, 10), (3, 11)] {
            let (header, proposal) = proposal(height, time);
            assert_eq!(seen.note(&header, &proposal), Ok(None), "the same bytes sent again are no contradiction");
        }
        let (header, second) = proposal(3, 12);
        let (first, second) = seen.note(&header, &second).expect("text").expect("a contradiction");
        assert!(first.header.contains("\"time\":11") && second.header.contains("\"time\":12"));
        let again = ProposalHeader { term: 4, ..header };
        let proposal = Proposal::sign(&again, vec![], &KeyPair::from_seed(&[1; 32]));
        assert_eq!(seen.note(&again, &proposal), Ok(None), "a new term proposes the height again");
    }

    #[test]
    fn raft_has_no_voter_that_the_ledger_does_not_have() {
        let set = |ids: &[u64]| ids.iter().copied().collect::<BTreeSet<u64>>();
        let (old, new) = (set(&[1, 2, 3]), set(&[1, 2, 4]));
        let (before, after, both) = ([old.clone()], [new.clone()], [old.clone(), new.clone()]);
        assert!(are_ordered(&old, &before, &before), "an observer comes");
        assert!(are_ordered(&new, &before, &both), "a change begins");
        assert!(are_ordered(&new, &both, &after), "and ends");
        assert!(are_ordered(&old, &[], &before), "the first of all");
        for usurped in [vec![set(&[1])], vec![old.clone(), set(&[1])], vec![set(&[1, 2]), old.clone()], vec![]] {
            assert!(!are_ordered(&old, &before, &usurped), "{usurped:?}");
        }
    }

    #[test]
    fn a_leader_follows_its_own_headers() {
        let mut seen = Seen::default();
        let (first, signed) = proposal(1, 10);
        assert_eq!(seen.note(&first, &signed), Ok(None));
        let (header, signed) = following(first.digest(), 2, 11);
        assert_eq!(seen.note(&header, &signed), Ok(None));
        let (header, signed) = following(first.digest(), 3, 12);
        assert!(seen.note(&header, &signed).is_err(), "it leaves out its own second");
    }

    #[test]
    fn a_wild_clock_is_refused_and_the_time_of_the_block_before_is_not() {
        assert!(!is_from_the_future(20_000, 10_000, 0));
        assert!(is_from_the_future(20_001, 10_000, 0));
        assert!(!is_from_the_future(20_001, 10_000, 20_001));
    }
}
