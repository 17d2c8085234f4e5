//! Reproduce `vectors/c2sp.json`: the borrowed formats, byte for byte.

use base64::prelude::{BASE64_STANDARD, Engine};
use countersign_proof::*;
use serde_json::Value;

#[test]
fn roots_keys_and_note_of_the_small_log() {
    let v: Value = serde_json::from_str(include_str!("vectors/c2sp.json")).expect("JSON");
    let origin = v["origin"].as_str().expect("text");
    let leaves: Vec<Hash> = (0..7).map(|i| leaf_hash(format!("tx-{i}").as_bytes())).collect();
    assert_eq!(leaves[0].to_string(), v["leaf0_hash"].as_str().expect("text"));
    for (size, root) in v["roots"].as_object().expect("an object") {
        let Ok(computed) = log_root(&leaves[..], size.parse().expect("a number"));
        assert_eq!(BASE64_STANDARD.encode(computed.0), root.as_str().expect("text"));
    }
    let Ok(empty) = log_root(&leaves[..], 0);
    assert_eq!(BASE64_STANDARD.encode(empty.0), v["empty_root"].as_str().expect("text"));
    let log = KeyPair::from_seed(&[1; 32]);
    assert_eq!(VerifierKey::log(origin, log.public()).to_string(), v["log_vkey"].as_str().expect("text"));
    for (seed, vkey) in [0xa0, 0xb0, 0xc0].iter().zip(v["cosigner_vkeys"].as_array().expect("an array")) {
        let vkey = vkey.as_str().expect("text");
        let name = vkey.split('+').next().expect("a name");
        assert_eq!(VerifierKey::cosigner(name, KeyPair::from_seed(&[*seed; 32]).public()).to_string(), vkey);
    }
}
