//! Square pictures in black and white as PNG: the few lines of the format that a code needs.
//!
//! Knows: PNG (ISO/IEC 15948) with one bit a dot, uncompressed. Must never know: what is pictured.

const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";
/// Longest stored block of DEFLATE (RFC 1951 §3.2.4).
const BLOCK_BYTES_MAX: usize = 0xffff;

/// A picture with so many dots a side; `is_black` is asked for column and row.
pub(crate) fn black_and_white(side: usize, is_black: impl Fn(usize, usize) -> bool) -> Vec<u8> {
    let mut lines = Vec::new();
    for y in 0..side {
        // Each line begins with its filter: none.
        lines.push(0);
        for byte in 0..side.div_ceil(8) {
            let bit = |at: usize| {
                let x = byte * 8 + at;
                u8::from(x >= side || !is_black(x, y)) << (7 - at)
            };
            lines.push((0..8).map(bit).sum());
        }
    }
    let side = u32::try_from(side).unwrap_or(u32::MAX).to_be_bytes();
    // One bit a dot, shades of grey, nothing interlaced.
    let header = [&side[..], &side, &[1, 0, 0, 0, 0]].concat();
    let mut picture = SIGNATURE.to_vec();
    for (kind, body) in [
        (b"IHDR", header),
        (b"IDAT", stored(&lines)),
        (b"IEND", Vec::new()),
    ] {
        let named = [&kind[..], &body].concat();
        picture.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
        picture.extend(&named);
        picture.extend(crc32(&named).to_be_bytes());
    }
    picture
}

/// A zlib stream (RFC 1950) of stored blocks.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let mut blocks = bytes.chunks(BLOCK_BYTES_MAX).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        stream.push(u8::from(blocks.peek().is_none()));
        stream.extend(length.to_le_bytes());
        stream.extend((!length).to_le_bytes());
        stream.extend(block);
    }
    stream.extend(adler32(bytes).to_be_bytes());
    stream
}

fn adler32(bytes: &[u8]) -> u32 {
    let (low, high) = bytes.iter().fold((1u32, 0u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    high << 16 | low
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            if sum & 1 == 1 {
                sum >> 1 ^ 0xedb8_8320
            } else {
                sum >> 1
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_those_of_the_standards() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
    }

    #[test]
    fn picture_has_a_line_of_filter_and_bits_for_each_row() {
        let picture = black_and_white(9, |x, y| x == y);
        assert_eq!(picture[..8], SIGNATURE);
        // Behind signature, header chunk, length and name of the data, head of the stream and of its block.
        let lines = &picture[8 + 25 + 8 + 2 + 5..][..27];
        assert_eq!(lines[..3], [0, 0b0111_1111, 0xff]);
        assert_eq!(lines[24..], [0, 0xff, 0b0111_1111]);
        assert!(picture.ends_with(b"IEND\xae\x42\x60\x82"));
    }
}
