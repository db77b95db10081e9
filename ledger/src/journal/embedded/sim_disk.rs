//! A disk that exists in memory only and keeps apart what a process sees and what a power loss would
//! leave: the stand-in for the real disk in crash-point tests and in the simulator. Deterministic:
//! the same calls and the same seeds give the same bytes. No clock, no thread, no real IO.
//!
//! What survives a power loss: a sector of 512 bytes written and not yet flushed is kept or lost on
//! its own; a length grown and not flushed is kept or lost; of the changes to names since the last
//! directory sync a first part is kept. What was flushed is always kept.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::{Disk, DiskFile, DiskLock, PAGE, Page, bytes_of, bytes_of_mut};
use super::sim_remains::{Remains, Sector};

/// What a disk writes or loses as one.
pub const SECTOR: usize = 512;

/// A mutating call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SimKind {
    /// A file was made.
    Create,
    /// Pages were written.
    Write,
    /// A file was flushed.
    Sync,
    /// A file was renamed.
    Rename,
    /// A file was removed.
    Remove,
    /// The directory was flushed.
    SyncDir,
}

/// One mutating call, as it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimOp {
    /// Which call.
    pub kind: SimKind,
    /// Name of the file; empty for the directory.
    pub name: Arc<str>,
    /// Where, for a write.
    pub offset: u64,
    /// How many pages, for a write.
    pub pages: usize,
}

/// How one call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimFault {
    /// EIO. A failed flush has lost what it was to flush, and the next flush will not say so.
    Io,
    /// ENOSPC.
    Full,
}

/// A handle to a simulated disk; clones are handles to the same one.
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

struct SimFile {
    state: Arc<Mutex<State>>,
    inode: usize,
}

struct SimLock {
    state: Arc<Mutex<State>>,
}

impl DiskLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        lock(&self.state).locked = false;
    }
}

#[derive(Clone, Default)]
struct State {
    /// By number; a file without a name stays readable through its open handles.
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// Changes of names since the last directory sync, in order.
    renames: Vec<Naming>,
    operations: u64,
    trace: Option<Vec<SimOp>>,
    faults: BTreeMap<u64, SimFault>,
    crash_at: Option<u64>,
    frozen: bool,
    remains: Remains,
    unreadable: bool,
    failed_reads: u64,
    locked: bool,
    free: u64,
    seed: u64,
}

#[derive(Clone, Default)]
struct Inode {
    /// The name it has, or had last.
    name: Arc<str>,
    bytes: Vec<u8>,
    /// Sectors written since they were last flushed.
    unflushed: BTreeMap<usize, Unflushed>,
    durable_len: usize,
}

#[derive(Clone)]
struct Unflushed {
    /// What a power loss may leave instead.
    before: [u8; SECTOR],
    /// Number of the call that wrote it last.
    written: u64,
    /// A flush of it failed: no later flush keeps it, only writing it again does.
    lost: bool,
}

#[derive(Clone)]
enum Naming {
    Link(String, usize),
    Rename(String, String),
    Unlink(String),
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn gone() -> io::Error {
    io::Error::other("the machine has crashed")
}

fn full() -> io::Error {
    io::Error::new(ErrorKind::StorageFull, "no space left on the simulated disk")
}

/// `SplitMix64`: the choices of a power loss.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// One of 0 to `count` - 1; `count` is not zero.
fn choose_below(seed: &mut u64, count: usize) -> usize {
    usize::try_from(next(seed) % count as u64).unwrap_or_default()
}

impl SimDisk {
    /// An empty disk with endless space. The seed decides what half-done calls leave behind.
    pub fn new(seed: u64) -> Self {
        Self::from_state(State { free: u64::MAX, seed, ..State::default() })
    }

    fn from_state(state: State) -> Self {
        Self { state: Arc::new(Mutex::new(state)) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The disk after a power loss: what was flushed, and of the rest what `seed` chooses.
    pub fn reboot(&self, mut seed: u64) -> Self {
        let mut state = self.lock();
        state.frozen = true;
        let kept = choose_below(&mut seed, state.renames.len() + 1);
        Self::from_state(state.after_power_loss(kept, &mut || next(&mut seed)))
    }

    /// A copy of what is durable at this moment and nothing else: the worst power loss there is.
    pub fn image(&self) -> Self {
        Self::from_state(self.lock().after_power_loss(0, &mut || 0))
    }

    /// The process was killed, the machine lives: everything written is there, flushed or not.
    /// The old handle is frozen, as the dead process's would be.
    pub fn restart(&self) -> Self {
        let mut state = self.lock();
        let mut living = state.clone();
        state.frozen = true;
        living.forget_process();
        Self::from_state(living)
    }

    /// A copy of all there is, flushed or not, as another process on the living machine would find it.
    pub fn copy(&self) -> Self {
        let mut copied = self.lock().clone();
        copied.forget_process();
        Self::from_state(copied)
    }

    /// What the power loss that this disk came out of had done.
    pub fn remains(&self) -> Remains {
        self.lock().remains
    }

    /// From now on every call fails.
    pub fn freeze(&self) {
        self.lock().frozen = true;
    }

    /// Whether it has crashed or was frozen.
    pub fn frozen(&self) -> bool {
        self.lock().frozen
    }

    /// The machine crashes in the middle of mutating call number `op` (from 0, over its life):
    /// that call may be half done, and it and every later one fails.
    pub fn crash_at(&self, op: u64) {
        self.lock().crash_at = Some(op);
    }

    /// Mutating call number `op` fails.
    pub fn fail_at(&self, op: u64, fault: SimFault) {
        self.lock().faults.insert(op, fault);
    }

    /// No call fails any more that was told to.
    pub fn heal(&self) {
        self.lock().faults.clear();
    }

    /// While set, reads fail.
    pub fn set_unreadable(&self, unreadable: bool) {
        self.lock().unreadable = unreadable;
    }

    /// How many reads failed because they were told to.
    pub fn failed_reads(&self) -> u64 {
        self.lock().failed_reads
    }

    /// Bytes that files can still grow by.
    pub fn set_free(&self, bytes: u64) {
        self.lock().free = bytes;
    }

    /// How many mutating calls there were.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Keeps every mutating call from now on, for [`SimDisk::trace`].
    pub fn keep_trace(&self) {
        self.lock().trace = Some(Vec::new());
    }

    /// The mutating calls since [`SimDisk::keep_trace`].
    pub fn trace(&self) -> Vec<SimOp> {
        self.lock().trace.clone().unwrap_or_default()
    }

    /// Bytes of a file that would survive whatever happens now; `None` if there is no such place.
    pub fn durable(&self, name: &str, offset: usize, length: usize) -> Option<Vec<u8>> {
        let state = self.lock();
        let inode = &state.inodes[*state.durable_names.get(name)?];
        let end = offset.checked_add(length).filter(|end| *end <= inode.durable_len)?;
        let mut bytes = inode.bytes.get(offset..end)?.to_vec();
        for (sector, unflushed) in inode.unflushed.range(offset / SECTOR..end.div_ceil(SECTOR)) {
            for (at, byte) in (sector * SECTOR..).zip(unflushed.before) {
                if (offset..end).contains(&at) {
                    bytes[at - offset] = byte;
                }
            }
        }
        Some(bytes)
    }

    /// The bytes of a file as a process sees them.
    pub fn peek(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.lock();
        state.names.get(name).map(|&inode| state.inodes[inode].bytes.clone())
    }

    /// Rot: overwrites bytes behind everybody's back, seen and durable ones alike. `false` if the
    /// file has no such place.
    pub fn poke(&self, name: &str, offset: usize, bytes: &[u8]) -> bool {
        let mut state = self.lock();
        let Some(&inode) = state.names.get(name) else { return false };
        let inode = &mut state.inodes[inode];
        let Some(place) = inode.bytes.get_mut(offset..offset + bytes.len()) else { return false };
        place.copy_from_slice(bytes);
        for at in offset..offset + bytes.len() {
            inode.unflushed.remove(&(at / SECTOR));
        }
        true
    }

    /// Rot: flips one bit.
    pub fn flip(&self, name: &str, offset: usize, bit: u8) -> bool {
        let byte = self.peek(name).and_then(|bytes| bytes.get(offset).copied());
        byte.is_some_and(|byte| self.poke(name, offset, &[byte ^ (1 << (bit % 8))]))
    }
}

impl State {
    fn forget_process(&mut self) {
        self.operations = 0;
        self.trace = None;
        self.faults.clear();
        self.crash_at = None;
        self.frozen = false;
        (self.unreadable, self.failed_reads) = (false, 0);
        self.locked = false;
    }

    fn after_power_loss(&self, names_kept: usize, choose: &mut dyn FnMut() -> u64) -> Self {
        let mut after = self.clone();
        after.forget_process();
        after.names = after.durable_names.clone();
        for naming in after.renames.drain(..).take(names_kept) {
            apply_naming(&mut after.names, &naming);
        }
        after.durable_names = after.names.clone();
        let mut sectors = Vec::new();
        for (number, inode) in after.inodes.iter_mut().enumerate() {
            inode.lose(choose, &mut |sector| sectors.push(Sector { file: number, ..sector }));
        }
        after.remains = Remains::of(&sectors);
        after
    }

    /// Counts a mutating call and says whether it may happen. `true` in the error case means that
    /// the call may be half done.
    fn begin(&mut self, op: SimOp) -> Result<(), Refused> {
        if self.frozen {
            return Err(Refused { error: gone(), half: false });
        }
        let number = self.operations;
        self.operations += 1;
        if let Some(trace) = &mut self.trace {
            trace.push(op);
        }
        if self.crash_at.is_some_and(|at| number >= at) {
            self.frozen = true;
            return Err(Refused { error: gone(), half: true });
        }
        match self.faults.get(&number) {
            None => Ok(()),
            Some(SimFault::Io) => Err(Refused { error: io::Error::other("EIO (simulated)"), half: true }),
            Some(SimFault::Full) => Err(Refused { error: full(), half: false }),
        }
    }

    fn name_changed(&mut self, naming: Naming) {
        apply_naming(&mut self.names, &naming);
        self.renames.push(naming);
    }

    fn named(&mut self, kind: SimKind, name: &str) -> io::Result<()> {
        let op = SimOp { kind, name: name.into(), offset: 0, pages: 0 };
        self.begin(op).map_err(|refused| refused.error)
    }

    fn on_file(&mut self, inode: usize, kind: SimKind, offset: u64, pages: usize) -> Result<(), Refused> {
        let name = Arc::clone(&self.inodes[inode].name);
        self.begin(SimOp { kind, name, offset, pages })
    }

    fn toss(&mut self) -> bool {
        next(&mut self.seed) & 1 == 1
    }
}

struct Refused {
    error: io::Error,
    half: bool,
}

fn apply_naming(names: &mut BTreeMap<String, usize>, naming: &Naming) {
    match naming {
        Naming::Link(name, inode) => {
            names.insert(name.clone(), *inode);
        }
        Naming::Rename(from, to) => {
            if let Some(inode) = names.remove(from) {
                names.insert(to.clone(), inode);
            }
        }
        Naming::Unlink(name) => {
            names.remove(name);
        }
    }
}

impl Inode {
    /// Each unflushed sector is kept or lost on its own, and so is a grown length. `tell` hears of
    /// each whose bytes had changed.
    fn lose(&mut self, choose: &mut dyn FnMut() -> u64, tell: &mut dyn FnMut(Sector)) {
        for (sector, Unflushed { before, written, .. }) in std::mem::take(&mut self.unflushed) {
            let at = sector * SECTOR;
            let (kept, now) = (choose() & 1 != 0, &mut self.bytes[at..at + SECTOR]);
            if *now != before {
                tell(Sector { file: 0, number: sector, written, kept });
            }
            if !kept {
                now.copy_from_slice(&before);
            }
        }
        if choose() & 1 == 0 {
            self.bytes.truncate(self.durable_len);
        }
        self.durable_len = self.bytes.len();
    }

    fn write(&mut self, offset: usize, bytes: &[u8], call: u64) {
        let end = offset + bytes.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        for at in (offset..end).step_by(SECTOR) {
            let mut before = [0; SECTOR];
            before.copy_from_slice(&self.bytes[at..at + SECTOR]);
            let fresh = Unflushed { before, written: call, lost: false };
            let unflushed = self.unflushed.entry(at / SECTOR).or_insert(fresh);
            (unflushed.written, unflushed.lost) = (call, false);
        }
        self.bytes[offset..end].copy_from_slice(bytes);
    }

    fn flush(&mut self) {
        self.unflushed.retain(|_, unflushed| unflushed.lost);
        self.durable_len = self.bytes.len();
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, pages: &mut [Page], offset: u64) -> io::Result<()> {
        let mut state = lock(&self.state);
        if state.frozen {
            return Err(gone());
        }
        if state.unreadable {
            state.failed_reads += 1;
            return Err(io::Error::other("the medium cannot be read here"));
        }
        let out = bytes_of_mut(pages);
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|at| state.inodes[self.inode].bytes.get(at..at + out.len()));
        out.copy_from_slice(bytes.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, pages: &[Page], offset: u64) -> io::Result<()> {
        let mut state = lock(&self.state);
        let begun = state.on_file(self.inode, SimKind::Write, offset, pages.len());
        let at = usize::try_from(offset).map_err(io::Error::other)?;
        let grows = (at + pages.len() * PAGE).saturating_sub(state.inodes[self.inode].bytes.len()) as u64;
        match begun {
            Ok(()) if grows > state.free => Err(full()),
            Ok(()) => {
                state.free -= grows;
                let call = state.operations;
                state.inodes[self.inode].write(at, bytes_of(pages), call);
                Ok(())
            }
            Err(Refused { error, half }) => {
                // A half-done write leaves its first pages or all of them.
                if half && grows == 0 && state.toss() {
                    let part = 1 + choose_below(&mut state.seed, pages.len());
                    let call = state.operations;
                    state.inodes[self.inode].write(at, bytes_of(&pages[..part]), call);
                }
                Err(error)
            }
        }
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = lock(&self.state);
        match state.on_file(self.inode, SimKind::Sync, 0, 0) {
            Ok(()) => {
                state.inodes[self.inode].flush();
                Ok(())
            }
            Err(refused) => {
                if refused.half && !state.frozen {
                    state.inodes[self.inode]
                        .unflushed
                        .values_mut()
                        .for_each(|unflushed| unflushed.lost = true);
                }
                Err(refused.error)
            }
        }
    }

    fn len(&self) -> io::Result<u64> {
        let state = lock(&self.state);
        if state.frozen { Err(gone()) } else { Ok(state.inodes[self.inode].bytes.len() as u64) }
    }
}

impl Disk for SimDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let state = self.lock();
        if state.frozen { Err(gone()) } else { Ok(state.names.keys().cloned().collect()) }
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.lock();
        state.named(SimKind::Create, name)?;
        if state.names.contains_key(name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let inode = state.inodes.len();
        state.inodes.push(Inode { name: name.into(), ..Inode::default() });
        state.name_changed(Naming::Link(name.to_owned(), inode));
        Ok(Arc::new(SimFile { state: Arc::clone(&self.state), inode }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let state = self.lock();
        if state.frozen {
            return Err(gone());
        }
        let inode = *state.names.get(name).ok_or(ErrorKind::NotFound)?;
        Ok(Arc::new(SimFile { state: Arc::clone(&self.state), inode }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.named(SimKind::Rename, from)?;
        let inode = *state.names.get(from).ok_or(ErrorKind::NotFound)?;
        state.inodes[inode].name = to.into();
        state.name_changed(Naming::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.named(SimKind::Remove, name)?;
        let inode = *state.names.get(name).ok_or(ErrorKind::NotFound)?;
        state.free = state.free.saturating_add(state.inodes[inode].bytes.len() as u64);
        state.name_changed(Naming::Unlink(name.to_owned()));
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut state = self.lock();
        state.named(SimKind::SyncDir, "")?;
        state.renames.clear();
        state.durable_names = state.names.clone();
        Ok(())
    }

    fn lock(&self) -> io::Result<Box<dyn DiskLock>> {
        let mut state = self.lock();
        if state.frozen {
            return Err(gone());
        }
        if state.locked {
            return Err(ErrorKind::WouldBlock.into());
        }
        state.locked = true;
        Ok(Box::new(SimLock { state: Arc::clone(&self.state) }))
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let state = self.lock();
        if state.frozen { Err(gone()) } else { Ok(state.free) }
    }
}
