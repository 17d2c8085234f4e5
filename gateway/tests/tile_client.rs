//! Verify a whole ledger with a client that knows C2SP and nothing of ours.

mod common;

use common::{Network, Site};
use countersign_proof::{Checkpoint, Hash, Note, Policy, leaf_hash, node_hash, parse_policy, policy, verify_inclusion};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// The tiles of one certified size.
struct Tiles {
    checkpoint: Checkpoint,
    levels: Vec<Vec<Hash>>,
}

impl Tiles {
    /// Fetches the tiles that a tree of the checkpoint's size requires, each by the specification's own formula.
    async fn fetch(site: &Site, checkpoint: Checkpoint) -> Tiles {
        let mut levels = Vec::new();
        for level in 0.. {
            let width = checkpoint.size >> (8 * level);
            if width == 0 {
                break;
            }
            let mut hashes = Vec::new();
            for suffix in suffixes(width) {
                let bytes = site.bytes(&format!("/tile/{level}/{suffix}")).await;
                hashes.extend(bytes.chunks(32).map(|hash| Hash(hash.try_into().expect("32 bytes"))));
            }
            assert_eq!(hashes.len() as u64, width, "level {level}");
            levels.push(hashes);
        }
        Tiles { checkpoint, levels }
    }

    /// The hash over an aligned, complete subtree: from the nearest level of tiles below.
    fn subtree(&self, level: usize, index: usize) -> Hash {
        if level.is_multiple_of(8) {
            return self.levels[level / 8][index];
        }
        node_hash(&self.subtree(level - 1, 2 * index), &self.subtree(level - 1, 2 * index + 1))
    }

    fn range(&self, range: Range<usize>) -> Hash {
        let length = range.len();
        if length.is_power_of_two() {
            return self.subtree(length.trailing_zeros() as usize, range.start / length);
        }
        let middle = range.start + length.next_power_of_two() / 2;
        node_hash(&self.range(range.start..middle), &self.range(middle..range.end))
    }

    fn inclusion_proof(&self, index: usize, range: Range<usize>) -> Vec<Hash> {
        if range.len() == 1 {
            return Vec::new();
        }
        let middle = range.start + range.len().next_power_of_two() / 2;
        let (near, far) = if index < middle {
            (range.start..middle, middle..range.end)
        } else {
            (middle..range.end, range.start..middle)
        };
        let mut path = self.inclusion_proof(index, near);
        path.push(self.range(far));
        path
    }
}

/// The ends of the paths of so many hashes or entries side by side.
fn suffixes(width: u64) -> Vec<String> {
    let (full, partial) = (width / 256, width % 256);
    let mut suffixes: Vec<String> = (0..full).map(|index| format!("{index:03}")).collect();
    if partial > 0 {
        suffixes.push(format!("{full:03}.p/{partial}"));
    }
    suffixes
}

/// The entries of the log's bundles.
async fn entries(site: &Site, size: u64) -> Vec<Vec<u8>> {
    let mut entries = Vec::new();
    for suffix in suffixes(size) {
        let bundle = site.bytes(&format!("/tile/entries/{suffix}")).await;
        let mut rest = &bundle[..];
        while let Some((length, after)) = rest.split_first_chunk::<2>() {
            let (entry, after) = after.split_at(u16::from_be_bytes(*length).into());
            entries.push(entry.to_vec());
            rest = after;
        }
        assert!(rest.is_empty(), "{suffix}");
    }
    entries
}

/// Checks a checkpoint note as C2SP says: one log of the policy, and witnesses that satisfy its quorum.
fn trusted(note: &str, policy: &Policy) -> Option<Checkpoint> {
    let note = Note::parse(note).expect("a note");
    let checkpoint = Checkpoint::parse(&note.text).expect("a checkpoint");
    let line = |name: &str, id| note.signatures.iter().find(|line| line.name == name && line.id == id);
    let logged = policy.logs().iter().any(|key| {
        let signature = line(&key.name, key.id()).and_then(|line| line.signature.as_slice().try_into().ok());
        key.name == checkpoint.origin && signature.is_some_and(|s| key.key.verify_strict(note.text.as_bytes(), s))
    });
    let cosigned = policy.witnesses().iter().filter(|(_, key)| {
        let line = line(&key.name, key.id()).and_then(|line| line.signature.split_first_chunk::<8>());
        line.is_some_and(|(time, signature)| {
            let message = checkpoint.cosigned_message(u64::from_be_bytes(*time));
            key.key.verify_strict(&message, signature.try_into().expect("64 bytes"))
        })
    });
    let signed: BTreeSet<String> = cosigned.map(|(name, _)| name.clone()).collect();
    (logged && policy.satisfied(&signed)).then_some(checkpoint)
}

#[tokio::test]
async fn a_client_of_tiles_verifies_the_whole_log_and_every_inclusion() {
    let mut network = Network::found();
    network.fill(&[1000, 1, 1500]);
    network.certify();
    network.fill(&[5]);
    let site = network.site(network.view());
    let policy = parse_policy(&site.page("/policy").await).expect("a policy");
    let checkpoint = trusted(&site.page("/checkpoint").await, &policy).expect("certified");
    let tiles = Tiles::fetch(&site, checkpoint).await;
    let size = tiles.checkpoint.size as usize;
    assert_eq!((size, tiles.levels.len()), (2506, 2));
    assert_eq!(tiles.range(0..size), tiles.checkpoint.root);
    let entries = entries(&site, tiles.checkpoint.size).await;
    assert_eq!(entries.len(), size);
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for (index, entry) in entries.iter().enumerate() {
        let path = tiles.inclusion_proof(index, 0..size);
        let root = verify_inclusion(&leaf_hash(entry), index as u64, size as u64, &path).expect("its form");
        assert_eq!(root, tiles.checkpoint.root, "leaf {index}");
        let leaf: serde_json::Value = serde_json::from_slice(entry).expect("canonical JSON");
        *kinds.entry(leaf["kind"].as_str().expect("text").to_owned()).or_default() += 1;
    }
    let kinds: Vec<(&str, usize)> = kinds.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
    assert_eq!(kinds, [("genesis", 1), ("seal", 4), ("transaction", 2501)]);
}

#[tokio::test]
async fn the_policy_served_is_that_of_the_membership_and_refuses_too_few_signatures() {
    let mut network = Network::found();
    network.certify();
    let site = network.site(network.view());
    let text = site.page("/policy").await;
    assert_eq!(text, policy(&network.genesis.origin(), &network.genesis.membership()));
    let parsed = parse_policy(&text).expect("a policy");
    let note = site.page("/checkpoint").await;
    assert!(trusted(&note, &parsed).is_some());
    let lines: Vec<&str> = note.split_inclusive('\n').collect();
    assert_eq!(lines.len(), 8, "three lines, a blank one, the log's and three cosignatures");
    for left_out in 4..8 {
        let fewer: String = lines.iter().enumerate().filter(|(i, _)| *i != left_out).map(|(_, line)| *line).collect();
        assert!(trusted(&fewer, &parsed).is_none(), "without {}", lines[left_out]);
    }
    network.fill(&[1]);
    network.certify();
    assert_eq!(site.page("/policy").await, text, "the members did not change");
}
