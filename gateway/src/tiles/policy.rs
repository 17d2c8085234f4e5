//! Answer with the policy of an epoch: that of the newest certified checkpoint, or an earlier one.

use super::checkpoint::newest_certificate;
use super::plain::{Plain, newest};
use crate::proofs::Strict;
use crate::refusal::Refusal;
use axum::extract::State;
use axum::response::Response;
use countersign_ledger::store::Reader;
use countersign_proof::{Checkpoint, Membership, Note, Trust};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// The newest certified one if not given.
    epoch: Option<u64>,
}

pub(super) async fn policy(State(reader): State<Reader>, Strict(asked): Strict<Asked>) -> Result<Response, Plain> {
    let (size, note) = newest_certificate(&reader)?;
    let origin = Checkpoint::parse(&Note::parse(&note)?.text)?.origin;
    let trust = Trust::executed(&origin, reader.epochs()?);
    Ok(newest(countersign_proof::policy(&origin, &membership(&trust, size, asked.epoch)?)))
}

/// The membership in force at a certified size, or that of an earlier epoch without the keys that are revoked since: a
/// policy cannot say up to which size a key counts. What the block at that size itself changed holds for those above.
fn membership(trust: &Trust, size: u64, asked: Option<u64>) -> Result<Membership, Refusal> {
    let none = || Refusal::Missing(format!("no epoch covers the certified size {size} here"));
    let newest = &trust.epoch_at(size).ok_or_else(none)?.membership;
    let epoch = asked.unwrap_or(newest.epoch);
    let earlier = trust.epochs().iter().map(|epoch| &epoch.membership).find(|membership| membership.epoch == epoch);
    let beyond = || Refusal::Missing(format!("epoch {epoch}: the newest that is certified is {}", newest.epoch));
    let membership = earlier.filter(|_| epoch <= newest.epoch).ok_or_else(beyond)?;
    Ok(Membership { revoked: newest.revoked.clone(), ..membership.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_proof::{Epoch, Genesis, Hash};
    use std::collections::BTreeMap;

    #[test]
    fn an_earlier_epoch_is_given_without_the_keys_revoked_since_and_none_beyond_the_certified_one() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../../proof/tests/vectors/ledger.json")).expect("JSON");
        let genesis = Genesis::parse(vectors["genesis"].as_str().expect("text").as_bytes()).expect("a genesis");
        let founding = genesis.membership();
        let gone = founding.nodes().next().expect("a node").1.log;
        let next = Membership { epoch: 1, revoked: BTreeMap::from([(gone, 9)]), ..founding.clone() };
        let last = Membership { epoch: 2, previous: Hash([1; 32]), ..next.clone() };
        let epochs = [(founding.clone(), 0), (next, 10), (last, 20)];
        let epochs = epochs.map(|(membership, after)| Epoch { membership, after }).to_vec();
        let trust = Trust::executed("l/1", epochs);
        let of = |size, asked| membership(&trust, size, asked).ok().map(|m| (m.epoch, m.revoked.len()));
        assert_eq!((of(10, None), of(10, Some(0)), of(10, Some(1))), (Some((0, 0)), Some((0, 0)), None));
        assert_eq!((of(11, None), of(11, Some(0)), of(11, Some(2))), (Some((1, 1)), Some((0, 1)), None));
        assert_eq!((of(21, None), of(21, Some(1)), of(21, Some(3))), (Some((2, 1)), Some((1, 1)), None));
    }
}
