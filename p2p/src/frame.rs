//! Encodes frames, and decodes them from bytes as they arrive.
//!
//! ```text
//! length u32 BE | genesis 32 | kind u8 | service u8 | id u64 BE | body
//!               └──────────────── length counts these ───────────────┘
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::P2pError;
use crate::limits::{COPIED_BODY_BYTES_MAX, FRAME_HEADER_BYTES, READ_STEP_BYTES};

const LENGTH_BYTES: usize = 4;

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Request = 1,
    Reply = 2,
    Error = 3,
    Tell = 4,
    Ping = 5,
}

impl Kind {
    fn parse(byte: u8) -> Option<Kind> {
        [Kind::Request, Kind::Reply, Kind::Error, Kind::Tell, Kind::Ping].into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// One message between two members; `id` pairs a reply or error with its request and is 0 otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) service: u8,
    pub(crate) id: u64,
    pub(crate) body: Bytes,
}

impl Frame {
    /// Appends the frame; its length was checked against the limit before it was queued.
    pub(crate) fn encode(&self, genesis: &[u8; 32], out: &mut BytesMut) {
        let length = FRAME_HEADER_BYTES + self.body.len();
        out.reserve(LENGTH_BYTES + length);
        out.put_u32(u32::try_from(length).expect("a frame is at most frame_bytes_max"));
        out.put_slice(genesis);
        out.put_u8(self.kind as u8);
        out.put_u8(self.service);
        out.put_u64(self.id);
        out.put_slice(&self.body);
    }
}

/// Bytes read and not yet understood; its memory follows what has arrived, never what was announced.
pub(crate) struct FrameReader {
    genesis: [u8; 32],
    frame_bytes_max: usize,
    buffer: BytesMut,
}

impl FrameReader {
    pub(crate) fn new(genesis: [u8; 32], frame_bytes_max: usize) -> Self {
        FrameReader { genesis, frame_bytes_max, buffer: BytesMut::new() }
    }

    /// Where to read the next bytes into. It grows by one step, or doubles, when it is nearly full.
    pub(crate) fn space(&mut self) -> &mut BytesMut {
        if self.buffer.capacity() - self.buffer.len() < READ_STEP_BYTES / 4 {
            self.buffer.reserve(READ_STEP_BYTES);
        }
        &mut self.buffer
    }

    /// The next whole frame, or `None` until more bytes are here. After an error the connection is of no further use.
    ///
    /// Length, genesis and kind are judged as soon as they are here, not when the body is.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Frame>, P2pError> {
        let mut head = &self.buffer[..];
        if head.len() < LENGTH_BYTES {
            return Ok(None);
        }
        let length = head.get_u32() as usize;
        if length > self.frame_bytes_max {
            return Err(P2pError::FrameTooLong(length));
        }
        if length < FRAME_HEADER_BYTES {
            return Err(P2pError::Malformed("frame shorter than its header"));
        }
        if head.len() < FRAME_HEADER_BYTES {
            return Ok(None);
        }
        if head[..32] != self.genesis {
            return Err(P2pError::WrongGenesis);
        }
        head.advance(32);
        let kind = Kind::parse(head.get_u8()).ok_or(P2pError::Malformed("unknown kind of frame"))?;
        let (service, id) = (head.get_u8(), head.get_u64());
        let body_length = length - FRAME_HEADER_BYTES;
        if head.len() < body_length {
            return Ok(None);
        }
        self.buffer.advance(LENGTH_BYTES + FRAME_HEADER_BYTES);
        Ok(Some(Frame { kind, service, id, body: self.take_body(body_length) }))
    }

    fn take_body(&mut self, length: usize) -> Bytes {
        let body = self.buffer.split_to(length);
        if length <= COPIED_BODY_BYTES_MAX {
            return Bytes::copy_from_slice(&body);
        }
        // The memory of a large frame goes with its body; else the connection would keep it for life.
        if self.buffer.len() <= READ_STEP_BYTES {
            self.buffer = BytesMut::from(&self.buffer[..]);
        }
        body.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENESIS: [u8; 32] = [9; 32];
    const MAX: usize = 8 << 20;

    fn encoded(frame: &Frame) -> BytesMut {
        let mut bytes = BytesMut::new();
        frame.encode(&GENESIS, &mut bytes);
        bytes
    }

    fn tell(body_length: usize) -> Frame {
        Frame { kind: Kind::Tell, service: 3, id: 0, body: Bytes::from(vec![5; body_length]) }
    }

    #[test]
    fn frames_come_back_whatever_the_size_of_the_pieces() {
        let frames = [tell(0), tell(1), tell(COPIED_BODY_BYTES_MAX + 1), tell(7)];
        let bytes: Vec<u8> = frames.iter().flat_map(encoded).collect();
        for piece in [1, 3, 46, 1000, bytes.len()] {
            let mut reader = FrameReader::new(GENESIS, MAX);
            let mut seen = Vec::new();
            for part in bytes.chunks(piece) {
                reader.space().put_slice(part);
                while let Some(frame) = reader.next_frame().expect("well formed") {
                    seen.push(frame);
                }
            }
            assert_eq!(seen, frames, "pieces of {piece}");
        }
    }

    #[test]
    fn an_announced_length_costs_no_memory_before_its_bytes_arrive() {
        let mut reader = FrameReader::new(GENESIS, MAX);
        let bytes = encoded(&tell(MAX - FRAME_HEADER_BYTES));
        for byte in &bytes[..10_000] {
            reader.space().put_u8(*byte);
            assert_eq!(reader.next_frame().expect("no fault yet"), None);
        }
        assert!(reader.space().capacity() <= 2 * READ_STEP_BYTES, "{}", reader.space().capacity());
    }

    #[test]
    fn a_large_frame_leaves_no_memory_behind() {
        let mut reader = FrameReader::new(GENESIS, MAX);
        for _ in 0..3 {
            for part in encoded(&tell(MAX - FRAME_HEADER_BYTES)).chunks(10_000) {
                assert_eq!(reader.next_frame().expect("well formed"), None);
                reader.space().put_slice(part);
            }
            assert!(reader.next_frame().expect("well formed").is_some());
            assert!(reader.space().capacity() <= 2 * READ_STEP_BYTES, "{}", reader.space().capacity());
        }
    }

    #[test]
    fn a_frame_is_refused_by_its_first_bytes() {
        let refuse = |bytes: &[u8]| {
            let mut reader = FrameReader::new(GENESIS, 1000);
            reader.space().put_slice(bytes);
            reader.next_frame().expect_err("must be refused")
        };
        assert!(matches!(refuse(&1001_u32.to_be_bytes()), P2pError::FrameTooLong(1001)));
        assert!(matches!(refuse(&41_u32.to_be_bytes()), P2pError::Malformed(_)));
        let mut alien = encoded(&tell(500));
        alien[4] ^= 1;
        assert!(matches!(refuse(&alien[..46]), P2pError::WrongGenesis));
        let mut unknown = encoded(&tell(500));
        unknown[36] = 6;
        assert!(matches!(refuse(&unknown[..46]), P2pError::Malformed(_)));
    }
}
