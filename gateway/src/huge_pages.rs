//! Owns: the memory that wallets lie in, in regions which the kernel may back with huge pages of 2 MiB.
//! A tap touches a few cache lines at random places among hundreds of megabytes. On pages of 4 KiB the
//! processor walks its page table for nearly each of them, and even asking for memory ahead waits for that
//! walk; see `ARCHITECTURE.md` for what it costs. Memory is touched for the first time by a thread of its own, a
//! little ahead: clearing a huge page takes up to milliseconds, which everybody at a bar would wait for.
//! Must never: serve anything but whole pages of `actors`' arrays (16 to 64 KiB, aligned to a cache line):
//! the rest is the system allocator's. What was cut for pages is used for pages again, and never given back.
#![allow(unsafe_code, reason = "an allocator hands out raw memory; every block in it has one owner")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};

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
const REGION: usize = 128 * HUGE;
/// How far ahead memory is touched. At 1.5 million sales a second, 200 MB of it are cut in one: the thread has
/// some ten milliseconds to come.
const AHEAD: usize = 4 * HUGE;

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
        Self(Mutex::new(Pool::new()))
    }

    /// Starts the thread that touches memory ahead. Without it everything works, with pauses.
    pub fn touch_ahead(&'static self) -> io::Result<()> {
        let body = move || {
            self.pool().toucher = Some(thread::current());
            while self.touch() {
                thread::park();
            }
            self.pool().toucher = None;
        };
        thread::Builder::new().name("pages".to_owned()).spawn(body).map(drop)
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Touches what will be cut next. False if the kernel does not know how (before Linux 5.14).
    fn touch(&self) -> bool {
        loop {
            let (start, bytes) = {
                let mut pool = self.pool();
                let untouched = pool.untouched();
                pool.asked = untouched.1 > 0;
                untouched
            };
            if bytes == 0 {
                return true;
            }
            // SAFETY: the range lies in a mapping that is never undone; what it holds stays as it is.
            if unsafe { madvise(start.cast(), bytes, Advice::LinuxPopulateWrite) }.is_err() {
                return false;
            }
            self.pool().is_touched(start, bytes);
        }
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
            Some(units) => self.pool().take(units),
            // SAFETY: the caller's promise about the layout is passed on.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match units(layout) {
            Some(units) => self.pool().give(block, units),
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
    /// How much of the rest was touched, from its start.
    touched: usize,
    /// Who touches it, and whether it was asked to and has not looked yet.
    toucher: Option<Thread>,
    asked: bool,
    /// Blocks that came back, each holding the next of its list in its first bytes.
    free: [Option<NonNull<Free>>; MOST_UNITS],
}

#[derive(Debug)]
struct Free(Option<NonNull<Free>>);

// SAFETY: the pool owns what it points at; the mutex around it lets one thread at a time have it.
unsafe impl Send for Pool {}

impl Pool {
    const fn new() -> Self {
        let free = [None; MOST_UNITS];
        Self { rest: ptr::null_mut(), left: 0, touched: 0, toucher: None, asked: false, free }
    }

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
        self.touched = self.touched.saturating_sub(size);
        self.ask();
        CUT.fetch_add(size, Ordering::Relaxed);
        block
    }

    /// Has more touched when half of it is used up: once, however often it is said.
    fn ask(&mut self) {
        if self.touched < AHEAD / 2
            && !self.asked
            && let Some(toucher) = &self.toucher
        {
            self.asked = true;
            toucher.unpark();
        }
    }

    /// What is to be touched next, to the end of a huge page; it may have no bytes.
    fn untouched(&self) -> (*mut u8, usize) {
        // SAFETY: no more is touched than is left.
        let start = unsafe { self.rest.add(self.touched) };
        let end = self.rest.addr().saturating_add(AHEAD.min(self.left)).next_multiple_of(HUGE);
        (start, end.saturating_sub(start.addr()))
    }

    /// What was untouched a moment ago is not any more. Blocks may have been cut meanwhile, and a region ended.
    fn is_touched(&mut self, start: *mut u8, bytes: usize) {
        let (rest, end) = (self.rest.addr(), start.addr() + bytes);
        if (rest..=rest + self.left).contains(&end) {
            self.touched = end - rest;
        }
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
        // A region is no promise to use it up: a small machine must not refuse it for its length.
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new mapping of our own, which nothing else knows of.
        let mapped = unsafe { mmap_anonymous(ptr::null_mut(), REGION + HUGE, taken, flags) };
        let Ok(start) = mapped else { return false };
        if self.left > 0 {
            self.give(self.rest, self.left / UNIT);
        }
        let start = start.cast::<u8>();
        // SAFETY: the mapping is longer than a region by the most that alignment takes.
        self.rest = unsafe { start.add(start.align_offset(HUGE)) };
        self.left = REGION;
        self.touched = 0;
        // SAFETY: the range was just mapped. Where the kernel has no huge pages to give it stays as it is.
        let _small = unsafe { madvise(self.rest.cast(), REGION, Advice::LinuxHugepage) };
        true
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read as _, Seek as _, SeekFrom};
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

    /// Whether memory is there for each of these bytes: bit 63 of each page's entry in the kernel's list.
    fn is_there(start: *mut u8, bytes: usize) -> bool {
        const SMALL: usize = 4096;
        let mut list = File::open("/proc/self/pagemap").unwrap();
        let mut entries = vec![0; bytes / SMALL * 8];
        list.seek(SeekFrom::Start((start.addr() / SMALL * 8) as u64)).unwrap();
        list.read_exact(&mut entries).unwrap();
        entries.chunks(8).all(|entry| entry[7] & 0x80 != 0)
    }

    #[test]
    fn memory_is_there_before_it_is_cut_and_what_is_held_stays() {
        // A huge page cleared by the loop itself: everybody at the bar waits for it, at each of them.
        let heap = HugePages::new();
        assert!(heap.touch(), "nothing to touch is no failure");
        let layout = Layout::from_size_align(4 * UNIT, LINE).unwrap();
        for round in 0..2 * AHEAD / layout.size() {
            // SAFETY: the layout has a size, and the block is used with it.
            let held = unsafe {
                let block = heap.alloc(layout);
                block.write_bytes(7, layout.size());
                Held(block, layout, 7)
            };
            if heap.pool().touched < AHEAD / 2 {
                assert!(heap.touch());
                let Pool { rest, touched, .. } = *heap.pool();
                assert!(touched >= AHEAD, "round {round}: {touched}");
                assert!(is_there(rest, touched));
            }
            assert!(held.is_whole());
        }
    }

    #[test]
    fn what_was_touched_is_known_though_blocks_were_cut_meanwhile() {
        // Counted twice it would be too little for ever after, counted too far a pause at each page.
        let mut pool = Pool::new();
        pool.take(1);
        let (start, bytes) = pool.untouched();
        assert_eq!((start, bytes), (pool.rest, AHEAD + HUGE - UNIT));
        pool.take(3);
        pool.is_touched(start, bytes);
        assert_eq!(pool.touched, AHEAD + HUGE - 4 * UNIT);
        assert_eq!(pool.untouched().1, 0);
        while pool.left >= UNIT {
            pool.take(1);
        }
        // All of the region is cut, and then the next one is: what was touched of the old one says nothing.
        let end = pool.rest;
        pool.take(1);
        pool.is_touched(end.wrapping_sub(HUGE), HUGE);
        assert_eq!(pool.touched, 0);
    }

    #[test]
    fn what_comes_back_is_used_again_and_nothing_of_a_region_is_lost() {
        // A shard that is rebuilt each hour must not take new memory each hour.
        let mut pool = Pool::new();
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
