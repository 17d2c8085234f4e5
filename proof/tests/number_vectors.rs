//! Hold canonical numbers to the vectors of RFC 8785, appendix B: IEEE 754 bits and their one text.

use countersign_proof::{INTEGER_MAX, canonical, parse_json};
use serde_json::{Number, Value};

const VECTORS: [(u64, &str); 24] = [
    (0x0000000000000000, "0"),
    (0x8000000000000000, "0"),
    (0x0000000000000001, "5e-324"),
    (0x8000000000000001, "-5e-324"),
    (0x7fefffffffffffff, "1.7976931348623157e+308"),
    (0xffefffffffffffff, "-1.7976931348623157e+308"),
    (0x4340000000000000, "9007199254740992"),
    (0xc340000000000000, "-9007199254740992"),
    (0x4430000000000000, "295147905179352830000"),
    (0x44b52d02c7e14af5, "9.999999999999997e+22"),
    (0x44b52d02c7e14af6, "1e+23"),
    (0x44b52d02c7e14af7, "1.0000000000000001e+23"),
    (0x444b1ae4d6e2ef4e, "999999999999999700000"),
    (0x444b1ae4d6e2ef4f, "999999999999999900000"),
    (0x444b1ae4d6e2ef50, "1e+21"),
    (0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"),
    (0x3eb0c6f7a0b5ed8d, "0.000001"),
    (0x41b3de4355555553, "333333333.3333332"),
    (0x41b3de4355555554, "333333333.33333325"),
    (0x41b3de4355555555, "333333333.3333333"),
    (0x41b3de4355555556, "333333333.3333334"),
    (0x41b3de4355555557, "333333333.33333343"),
    (0xbecbf647612f3696, "-0.0000033333333333333333"),
    (0x43143ff3c1cb0959, "1424953923781206.2"),
];

#[test]
fn numbers_are_written_as_rfc_8785_says() {
    for (bits, text) in VECTORS {
        let number = Number::from_f64(f64::from_bits(bits)).expect("finite");
        assert_eq!(canonical(&Value::Number(number)), text.as_bytes(), "{bits:016x}");
    }
}

#[test]
fn what_i_json_admits_is_read_back_to_the_same_bits() {
    let mut read = 0;
    for (bits, text) in VECTORS {
        let parsed = parse_json("number", text.as_bytes(), 1);
        if f64::from_bits(bits).abs() > INTEGER_MAX as f64 {
            assert!(parsed.is_err(), "{text}");
            continue;
        }
        let value = parsed.expect(text);
        assert_eq!(value.as_f64().map(f64::to_bits), Some(bits & !(u64::from(text == "0") << 63)), "{text}");
        assert_eq!(canonical(&value), text.as_bytes());
        read += 1;
    }
    assert_eq!(read, 13);
}
