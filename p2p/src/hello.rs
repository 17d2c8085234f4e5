//! Introduces both ends of a connection to each other.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::limits::{HELLO_BYTES_MAX, NAME_BYTES_MAX};
use crate::{P2pError, Stream};

/// Raised when frames or hellos change.
const VERSION: u8 = 1;
const FIXED_BYTES: usize = 1 + 32 + 1 + 1;

/// Which of a pair's two connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Small and urgent: votes, heartbeats, cosignatures.
    Control,
    /// Large and patient: log, forwarded transactions, catch-up.
    Bulk,
}

impl Lane {
    /// Both, in the order they are dialled.
    pub const ALL: [Lane; 2] = [Lane::Control, Lane::Bulk];
}

/// What each side says first, the dialling side before the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) genesis: [u8; 32],
    pub(crate) lane: Lane,
    pub(crate) name: String,
}

impl Hello {
    /// Sends it, its length as u16 big-endian in front.
    pub(crate) async fn write(&self, stream: &mut dyn Stream) -> Result<(), P2pError> {
        let body = self.encode();
        let length = u16::try_from(body.len()).expect("a hello is at most HELLO_BYTES_MAX");
        stream.write_all(&[length.to_be_bytes().as_slice(), &body].concat()).await?;
        Ok(stream.flush().await?)
    }

    /// Takes the other side's; reads not one byte beyond it.
    pub(crate) async fn read(stream: &mut dyn Stream) -> Result<Self, P2pError> {
        let length = usize::from(stream.read_u16().await?);
        if length > HELLO_BYTES_MAX {
            return Err(P2pError::Malformed("hello too long"));
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        Hello::decode(&body)
    }

    fn encode(&self) -> Vec<u8> {
        assert!(self.name.len() <= NAME_BYTES_MAX, "names are checked where they enter: {}", self.name.len());
        let lane = match self.lane {
            Lane::Control => 0,
            Lane::Bulk => 1,
        };
        [&[VERSION], self.genesis.as_slice(), &[lane, self.name.len() as u8], self.name.as_bytes()].concat()
    }

    fn decode(body: &[u8]) -> Result<Self, P2pError> {
        // The version is judged first: another version's hello need not look like ours.
        match body.first() {
            Some(&VERSION) if body.len() >= FIXED_BYTES => {}
            Some(&VERSION) | None => return Err(P2pError::Malformed("hello too short")),
            Some(&version) => return Err(P2pError::WrongVersion(version)),
        }
        let (fixed, name) = body.split_at(FIXED_BYTES);
        let lane = match fixed[33] {
            0 => Lane::Control,
            1 => Lane::Bulk,
            _ => return Err(P2pError::Malformed("unknown lane")),
        };
        if name.len() != usize::from(fixed[34]) {
            return Err(P2pError::Malformed("length of the name"));
        }
        let name = std::str::from_utf8(name).map_err(|_| P2pError::Malformed("name is not UTF-8"))?;
        let genesis = fixed[1..33].try_into().expect("32 bytes were sliced");
        Ok(Hello { genesis, lane, name: name.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Hello {
        Hello { genesis: [7; 32], lane: Lane::Bulk, name: "alpha/1".into() }
    }

    #[test]
    fn a_hello_comes_back_as_it_went() {
        assert_eq!(Hello::decode(&hello().encode()).expect("decodes"), hello());
    }

    #[test]
    fn a_hello_that_is_cut_or_padded_or_of_another_version_is_refused() {
        let bytes = hello().encode();
        for cut in 0..bytes.len() {
            assert!(Hello::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        assert!(Hello::decode(&[bytes.as_slice(), b"x"].concat()).is_err());
        let mut other = bytes;
        other[0] = 2;
        assert!(matches!(Hello::decode(&other), Err(P2pError::WrongVersion(2))));
    }
}
