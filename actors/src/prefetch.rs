//! Asks the processor to fetch a cache line that is about to be read. Cache misses are the whole
//! cost of a tap; asking for many at once hides them behind each other.
//!
//! The one module of this crate with `unsafe`: the intrinsic takes a raw pointer. It reads nothing
//! and cannot fault, whatever the address.
#![allow(unsafe_code, reason = "the prefetch intrinsic takes a raw pointer; it cannot fault")]

/// Hints that the cache line at `value` will be read soon.
#[inline]
pub(crate) fn soon<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch is a hint: it never faults and has no effect a program can observe.
    unsafe {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(value).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}
