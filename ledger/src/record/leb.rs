//! Minimal LEB128 and the bounded reader that decoders share. A longer form of a number than
//! needed is rejected, so that one value has one encoding and a hash of bytes is a hash of meaning.

use thiserror::Error;

/// Why bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("byte {offset}: {what}")]
pub struct ReadError {
    /// Where, from the start of what was read.
    pub offset: usize,
    /// What was wrong.
    pub what: &'static str,
}

/// Appends `value` in minimal LEB128.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the low seven bits are meant")]
pub fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a signed value: zigzag, then LEB128.
#[inline]
#[expect(clippy::cast_sign_loss, reason = "zigzag maps the sign into the lowest bit")]
pub fn put_signed(out: &mut Vec<u8>, value: i64) {
    put(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// Reads from the front of a slice; never past its end, never panics.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// How far it has read.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// How many bytes are left.
    pub const fn left(&self) -> usize {
        self.bytes.len() - self.offset
    }

    /// An error at the present place.
    pub const fn error(&self, what: &'static str) -> ReadError {
        ReadError { offset: self.offset, what }
    }

    /// The next `count` bytes.
    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], ReadError> {
        let end = self.offset.checked_add(count).ok_or(self.error("a length that overflows"))?;
        let taken = self.bytes.get(self.offset..end).ok_or(self.error("the bytes end early"))?;
        self.offset = end;
        Ok(taken)
    }

    /// The next `N` bytes as an array.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let error = self.error("the bytes end early");
        self.take(N)?.try_into().map_err(|_| error)
    }

    /// One byte.
    #[inline]
    pub fn byte(&mut self) -> Result<u8, ReadError> {
        Ok(self.array::<1>()?[0])
    }

    /// A little-endian `u16`.
    pub fn u16(&mut self) -> Result<u16, ReadError> {
        self.array().map(u16::from_le_bytes)
    }

    /// A little-endian `u32`.
    #[inline]
    pub fn u32(&mut self) -> Result<u32, ReadError> {
        self.array().map(u32::from_le_bytes)
    }

    /// A little-endian `u64`.
    #[inline]
    pub fn u64(&mut self) -> Result<u64, ReadError> {
        self.array().map(u64::from_le_bytes)
    }

    /// A minimal LEB128 number.
    #[inline]
    pub fn leb(&mut self) -> Result<u64, ReadError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(self.error("a number above 64 bits"));
            }
            value |= bits << shift;
            if byte < 0x80 {
                if byte == 0 && shift != 0 {
                    return Err(self.error("a number written longer than needed"));
                }
                return Ok(value);
            }
        }
        Err(self.error("a number above 64 bits"))
    }

    /// A LEB128 number that must fit `T`.
    #[inline]
    pub fn leb_as<T: TryFrom<u64>>(&mut self) -> Result<T, ReadError> {
        let value = self.leb()?;
        T::try_from(value).map_err(|_| self.error("a number out of range"))
    }

    /// A zigzag LEB128 number.
    #[inline]
    #[expect(clippy::cast_possible_wrap, reason = "zigzag takes the sign out of the lowest bit")]
    pub fn leb_signed(&mut self) -> Result<i64, ReadError> {
        let value = self.leb()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// Nothing may be left.
    pub fn finish(&self) -> Result<(), ReadError> {
        if self.left() == 0 { Ok(()) } else { Err(self.error("bytes left over")) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_longer_form_is_rejected() {
        for bytes in [&[0x80, 0x00][..], &[0xff, 0x80, 0x00], &[0xff; 10]] {
            assert!(Reader::new(bytes).leb().is_err(), "{bytes:x?}");
        }
        assert!(Reader::new(&[0x80]).leb().is_err());
        assert_eq!(Reader::new(&[]).leb(), Err(ReadError { offset: 0, what: "the bytes end early" }));
    }

    proptest! {
        #[test]
        fn numbers_survive(value in any::<u64>(), signed in any::<i64>()) {
            let mut bytes = Vec::new();
            put(&mut bytes, value);
            put_signed(&mut bytes, signed);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.leb(), Ok(value));
            prop_assert_eq!(reader.leb_signed(), Ok(signed));
            prop_assert_eq!(reader.finish(), Ok(()));
        }

        #[test]
        fn whatever_is_read_is_written_the_same(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            let mut reader = Reader::new(&bytes);
            if let Ok(value) = reader.leb() {
                let mut again = Vec::new();
                put(&mut again, value);
                prop_assert_eq!(&again[..], &bytes[..reader.offset()]);
            }
        }
    }
}
