//! Protocol buffers, as far as one message needs them: numbers and lengths of bytes, each after its key.
//!
//! Knows: how fields are framed. Must never know: what a field means.

use core::fmt;

/// The bytes are cut short or framed in a way that can't be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// A number.
    Varint(u64),
    /// Text, bytes or a message.
    Bytes(&'a [u8]),
    /// Four or eight bytes, which no field of ours is; skipped.
    Fixed,
}

/// The fields of a message, in their order; nothing comes after the first that is broken.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn of(message: &'a [u8]) -> Fields<'a> {
        Fields { rest: message }
    }

    fn field(&mut self) -> Result<(u64, Value<'a>), Broken> {
        const VARINT: u64 = 0;
        const EIGHT: u64 = 1;
        const BYTES: u64 = 2;
        const FOUR: u64 = 5;
        let key = self.varint()?;
        let value = match key & 7 {
            VARINT => Value::Varint(self.varint()?),
            BYTES => {
                let len = self.varint()?;
                Value::Bytes(self.take(usize::try_from(len).map_err(|_| Broken)?)?)
            }
            EIGHT => self.take(8).map(|_| Value::Fixed)?,
            FOUR => self.take(4).map(|_| Value::Fixed)?,
            _ => return Err(Broken),
        };
        match key >> 3 {
            0 => Err(Broken),
            number => Ok((number, value)),
        }
    }

    fn varint(&mut self) -> Result<u64, Broken> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let [byte] = *self.take(1)?.first_chunk().ok_or(Broken)?;
            let bits = u64::from(byte & 0x7f);
            // Of the tenth byte only one bit has a place.
            if shift == 63 && bits > 1 {
                return Err(Broken);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Broken)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Broken> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Broken)?;
        self.rest = rest;
        Ok(taken)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// Where bytes are written.
pub(super) trait Sink {
    fn put(&mut self, bytes: &[u8]) -> fmt::Result;
}

/// A sink that counts.
struct Len(usize);

impl Sink for Len {
    fn put(&mut self, bytes: &[u8]) -> fmt::Result {
        self.0 += bytes.len();
        Ok(())
    }
}

/// How many bytes something writes.
pub(super) fn len_of(write: impl FnOnce(&mut dyn Sink) -> fmt::Result) -> usize {
    let mut len = Len(0);
    write(&mut len).expect("counting never fails");
    len.0
}

/// Key and length of so many bytes, which the caller writes after it.
pub(super) fn bytes(number: u8, len: usize, out: &mut dyn Sink) -> fmt::Result {
    out.put(&[number << 3 | 2])?;
    varint(len as u64, out)
}

/// A numbered number.
pub(super) fn varint_field(number: u8, value: u64, out: &mut dyn Sink) -> fmt::Result {
    out.put(&[number << 3])?;
    varint(value, out)
}

fn varint(mut value: u64, out: &mut dyn Sink) -> fmt::Result {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        let more = if value == 0 { 0 } else { 0x80 };
        out.put(&[low & 0x7f | more])?;
        if value == 0 {
            return Ok(());
        }
    }
}
