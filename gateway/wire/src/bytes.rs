//! Owns: reading and writing little-endian integers at fixed places of fixed-size byte arrays.
//! Must never: index out of range (every place is checked when the crate is compiled), allocate.
//! Laws: none by itself; everything outside reaches the engine through it, so it can't panic (L12).

/// `W` bytes at place `AT`; a place outside the array does not compile.
#[inline]
fn take<const AT: usize, const W: usize, const N: usize>(from: &[u8; N]) -> [u8; W] {
    const { assert!(AT + W <= N, "place outside the array") }
    let mut out = [0; W];
    out.copy_from_slice(&from[AT..AT + W]);
    out
}

/// Writes `W` bytes at place `AT`; a place outside the array does not compile.
#[inline]
pub(crate) fn put<const AT: usize, const W: usize, const N: usize>(into: &mut [u8; N], bytes: [u8; W]) {
    const { assert!(AT + W <= N, "place outside the array") }
    into[AT..AT + W].copy_from_slice(&bytes);
}

/// A byte.
#[inline]
pub(crate) fn u8_at<const AT: usize, const N: usize>(from: &[u8; N]) -> u8 {
    take::<AT, 1, N>(from)[0]
}

/// A u16.
#[inline]
pub(crate) fn u16_at<const AT: usize, const N: usize>(from: &[u8; N]) -> u16 {
    u16::from_le_bytes(take::<AT, 2, N>(from))
}

/// A u32.
#[inline]
pub(crate) fn u32_at<const AT: usize, const N: usize>(from: &[u8; N]) -> u32 {
    u32::from_le_bytes(take::<AT, 4, N>(from))
}

/// A u64.
#[inline]
pub(crate) fn u64_at<const AT: usize, const N: usize>(from: &[u8; N]) -> u64 {
    u64::from_le_bytes(take::<AT, 8, N>(from))
}

/// An i64.
#[inline]
pub(crate) fn i64_at<const AT: usize, const N: usize>(from: &[u8; N]) -> i64 {
    i64::from_le_bytes(take::<AT, 8, N>(from))
}

/// Sixteen bytes as they are.
#[inline]
pub(crate) fn id16_at<const AT: usize, const N: usize>(from: &[u8; N]) -> [u8; 16] {
    take::<AT, 16, N>(from)
}

/// Ten bytes as they are.
#[inline]
pub(crate) fn uid10_at<const AT: usize, const N: usize>(from: &[u8; N]) -> [u8; 10] {
    take::<AT, 10, N>(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_read_back_little_endian() {
        let mut bytes = [0_u8; 20];
        put::<1, 8, 20>(&mut bytes, 0x0102_0304_0506_0708_u64.to_le_bytes());
        assert_eq!(bytes[1], 8);
        assert_eq!(u64_at::<1, 20>(&bytes), 0x0102_0304_0506_0708);
        assert_eq!(u32_at::<1, 20>(&bytes), 0x0506_0708);
        assert_eq!(u16_at::<1, 20>(&bytes), 0x0708);
        assert_eq!(u8_at::<8, 20>(&bytes), 1);
    }
}
