//! Owns: the memory that wallets lie in, in regions which the kernel may back with huge pages of 2 MiB.
//! A tap touches a few cache lines at random places among hundreds of megabytes. On pages of 4 KiB the
//! processor walks its page table for nearly each of them, and even asking for memory ahead waits for that
//! walk; see `ARCHITECTURE.md` for what it costs.
//! Must never: serve anything but whole pages of `actors`' arrays (16 to 64 KiB, aligned to a cache line):
//! the rest is the system allocator's. What was cut for pages is used for pages again, and never given back.
#![allow(unsafe_code, reason = "an allocator hands out raw memory; every block in it has one owner")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous};

/// Blocks are of one to four of these.
const UNIT: usize = 16 * 1024;
/// The largest block, in units.
const MOST_UNITS: usize = 4;
/// Alignment of the blocks: a cache line.
const LINE: usize = 64;
/// Size and alignment of what the kernel may give in one piece.
const HUGE: usize = 2 * 1024 * 1024;
/// Address space taken at a time. Only what is touched takes memory.
const REGION: usize = 32 * HUGE;

/// Bytes handed out, in use or waiting to be used again.
static CUT: AtomicUsize = AtomicUsize::new(0);

/// Bytes of memory that was handed out for wallets so far; 0 where this is not the program's allocator.
pub fn cut_bytes() -> usize {
    CUT.load(Ordering::Relaxed)
}

/// The allocator of the `fanfare` binary: see the module.
#[derive(Debug)]
pub struct HugePages(Mutex<Pool>);

impl HugePages {
    /// One that has taken nothing yet.
    #[expect(clippy::new_without_default, reason = "it stands in a static: there is one")]
    pub const fn new() -> Self {
        Self(Mutex::new(Pool { rest: ptr::null_mut(), left: 0, free: [None; MOST_UNITS] }))
    }
}

/// How many units a block of this layout takes; `None` if it is the system's.
#[inline]
fn units(layout: Layout) -> Option<usize> {
    let units = layout.size() / UNIT;
    let ours =
        layout.align() == LINE && layout.size().is_multiple_of(UNIT) && (1..=MOST_UNITS).contains(&units);
    ours.then_some(units)
}

// SAFETY: blocks come from the system's allocator or from the pool, and go back to the one they came from,
// which their layout alone decides. A block of the pool is `units * UNIT` bytes in a mapping that is never
// undone, aligned to a line, and in one place at a time: the rest, a free list, or its owner's hands.
unsafe impl GlobalAlloc for HugePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match units(layout) {
            Some(units) => self.0.lock().unwrap_or_else(PoisonError::into_inner).take(units),
            // SAFETY: the caller's promise about the layout is passed on.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match units(layout) {
            Some(units) => self.0.lock().unwrap_or_else(PoisonError::into_inner).give(block, units),
            // SAFETY: a block of this layout came from the system.
            None => unsafe { System.dealloc(block, layout) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if units(layout).is_none() {
            // SAFETY: as in `alloc`. The system knows what is zero already.
            return unsafe { System.alloc_zeroed(layout) };
        }
        // SAFETY: as in `alloc`; a block is as long as its layout says.
        unsafe {
            let block = self.alloc(layout);
            if !block.is_null() {
                block.write_bytes(0, layout.size());
            }
            block
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that `size` with this alignment is a layout.
        let to = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        if units(layout).is_none() && units(to).is_none() {
            // SAFETY: it came from the system and stays there.
            return unsafe { System.realloc(block, layout, size) };
        }
        // SAFETY: the new block is another one, and both are as long as their layouts say.
        unsafe {
            let moved = self.alloc(to);
            if !moved.is_null() {
                moved.copy_from_nonoverlapping(block, layout.size().min(size));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

/// Blocks by their size in units, and what is not cut yet.
#[derive(Debug)]
struct Pool {
    rest: *mut u8,
    left: usize,
    /// Blocks that came back, each holding the next of its list in its first bytes.
    free: [Option<NonNull<Free>>; MOST_UNITS],
}

#[derive(Debug)]
struct Free(Option<NonNull<Free>>);

// SAFETY: the pool owns what it points at; the mutex around it lets one thread at a time have it.
unsafe impl Send for Pool {}

impl Pool {
    /// A block; null if there is no memory.
    fn take(&mut self, units: usize) -> *mut u8 {
        if let Some(block) = self.free[units - 1] {
            // SAFETY: what is in the list is a block of ours with a `Free` in it, and nobody else's.
            self.free[units - 1] = unsafe { block.read() }.0;
            return block.as_ptr().cast();
        }
        let size = units * UNIT;
        if self.left < size && !self.grow() {
            return ptr::null_mut();
        }
        let block = self.rest;
        // SAFETY: at least `size` bytes are left of the region.
        self.rest = unsafe { block.add(size) };
        self.left -= size;
        CUT.fetch_add(size, Ordering::Relaxed);
        block
    }

    fn give(&mut self, block: *mut u8, units: usize) {
        #[expect(clippy::cast_ptr_alignment, reason = "blocks are aligned to a line")]
        let Some(block) = NonNull::new(block.cast::<Free>()) else { return };
        // SAFETY: the block is ours again; it is aligned to a line and longer than a `Free`.
        unsafe { block.write(Free(self.free[units - 1])) };
        self.free[units - 1] = Some(block);
    }

    /// The next region; what is left of the last one, less than a block of its size, becomes a block.
    fn grow(&mut self) -> bool {
        let taken = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping of our own, which nothing else knows of.
        let mapped = unsafe { mmap_anonymous(ptr::null_mut(), REGION + HUGE, taken, MapFlags::PRIVATE) };
        let Ok(start) = mapped else { return false };
        if self.left > 0 {
            self.give(self.rest, self.left / UNIT);
        }
        let start = start.cast::<u8>();
        // SAFETY: the mapping is longer than a region by the most that alignment takes.
        self.rest = unsafe { start.add(start.align_offset(HUGE)) };
        self.left = REGION;
        // SAFETY: the range was just mapped. Where the kernel has no huge pages to give it stays as it is.
        let _small = unsafe { madvise(self.rest.cast(), REGION, Advice::LinuxHugepage) };
        true
    }
}

#[cfg(test)]
mod tests {
    use std::slice;

    use proptest::prelude::*;

    use super::*;

    /// A block in use: its layout, and the byte that it is full of.
    struct Held(*mut u8, Layout, u8);

    impl Held {
        fn is_whole(&self) -> bool {
            // SAFETY: allocated with this layout and filled.
            let bytes = unsafe { slice::from_raw_parts(self.0, self.1.size()) };
            self.0.addr().is_multiple_of(self.1.align()) && bytes.iter().all(|byte| *byte == self.2)
        }
    }

    proptest! {
        /// A wallet's page that overlaps another's: guests would spend each other's money.
        #[test]
        fn no_block_changes_but_by_its_owner(
            steps in proptest::collection::vec((0_u8..4, 0_usize..6, any::<prop::sample::Index>()), 1..30)
        ) {
            let heap = HugePages::new();
            let mut held = Vec::<Held>::new();
            for (number, (what, size, which)) in steps.into_iter().enumerate() {
                let fill = u8::try_from(number).unwrap();
                // Sizes of the pool, and two that are not: past its largest, and not of whole units.
                let bytes = [1, 2, 3, 4, 5].map(|units| units * UNIT).get(size).copied().unwrap_or(1_000);
                let layout = Layout::from_size_align(bytes, LINE).unwrap();
                // SAFETY: each layout has a size, and each block is used with its own.
                unsafe {
                    match what {
                        0 if !held.is_empty() => {
                            let Held(block, layout, _) = held.swap_remove(which.index(held.len()));
                            heap.dealloc(block, layout);
                        }
                        1 if !held.is_empty() => {
                            let at = which.index(held.len());
                            let Held(block, old, byte) = held[at];
                            let moved = heap.realloc(block, old, bytes);
                            let kept = slice::from_raw_parts(moved, old.size().min(bytes));
                            prop_assert!(kept.iter().all(|kept| *kept == byte));
                            moved.write_bytes(fill, bytes);
                            held[at] = Held(moved, layout, fill);
                        }
                        2 => {
                            let block = heap.alloc_zeroed(layout);
                            held.push(Held(block, layout, 0));
                        }
                        _ => {
                            let block = heap.alloc(layout);
                            block.write_bytes(fill, bytes);
                            held.push(Held(block, layout, fill));
                        }
                    }
                }
                prop_assert!(held.iter().all(Held::is_whole));
            }
        }
    }

    #[test]
    fn what_comes_back_is_used_again_and_nothing_of_a_region_is_lost() {
        // A shard that is rebuilt each hour must not take new memory each hour.
        let mut pool = Pool { rest: ptr::null_mut(), left: 0, free: [None; MOST_UNITS] };
        let first = pool.take(3);
        pool.give(first, 3);
        assert_eq!(pool.take(3), first);
        assert_eq!(pool.left, REGION - 3 * UNIT);
        while pool.left >= 3 * UNIT {
            pool.take(3);
        }
        let (rest, left) = (pool.rest, pool.left);
        assert!(left > 0 && rest.addr() % UNIT == 0);
        pool.take(3);
        assert_eq!(pool.take(left / UNIT), rest);
        // SAFETY: the region's last byte is mapped.
        unsafe { pool.rest.add(pool.left - 1).write(1) };
    }
}
