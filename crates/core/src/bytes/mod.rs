//! Bytes and bounded texts: Base32, Base64, percent-encoding and strings without a heap.
//!
//! Knows: encodings. Must never know: what the bytes mean.

pub mod base32;
pub mod base64;
pub(crate) mod percent;
mod text;

pub use text::Text;
