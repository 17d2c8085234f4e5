//! Writes why a call was not served, as the body of an error frame.

use bytes::Bytes;

use crate::limits::REASON_BYTES_MAX;
use crate::{CallError, P2pError};

const BUSY: u8 = 1;
const REFUSED: u8 = 2;

/// An answer that is not a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Busy,
    Because(String),
}

impl Refusal {
    /// One byte of code, then the reason, cut to [`REASON_BYTES_MAX`].
    pub(crate) fn encode(&self) -> Bytes {
        match self {
            Refusal::Busy => Bytes::from_static(&[BUSY]),
            Refusal::Because(reason) => {
                let cut = (0..=reason.len().min(REASON_BYTES_MAX)).rev().find(|end| reason.is_char_boundary(*end));
                [&[REFUSED], &reason.as_bytes()[..cut.unwrap_or(0)]].concat().into()
            }
        }
    }

    /// What the caller is told.
    pub(crate) fn decode(body: &[u8]) -> Result<CallError, P2pError> {
        match body {
            [BUSY] => Ok(CallError::Busy),
            [REFUSED, reason @ ..] if reason.len() <= REASON_BYTES_MAX => {
                let reason = std::str::from_utf8(reason).map_err(|_| P2pError::Malformed("reason is not UTF-8"))?;
                Ok(CallError::Refused(reason.to_string()))
            }
            _ => Err(P2pError::Malformed("refusal")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let reason = "é".repeat(REASON_BYTES_MAX);
        let decoded = Refusal::decode(&Refusal::Because(reason.clone()).encode()).expect("decodes");
        assert_eq!(decoded, CallError::Refused(reason[..REASON_BYTES_MAX].to_string()));
    }

    #[test]
    fn what_is_no_refusal_is_malformed() {
        for body in [&[][..], &[0], &[BUSY, 0], &[REFUSED, 0xff], &[REFUSED; 2 + REASON_BYTES_MAX]] {
            assert!(Refusal::decode(body).is_err(), "{body:?}");
        }
    }
}
