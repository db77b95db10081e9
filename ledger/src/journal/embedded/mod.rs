//! The embedded store: one log for all shards of a node, in one directory.
//!
//! A block goes from a [`Port`] into the queue of `shared`; whoever holds the commit token (`writer`)
//! gathers the ready blocks of all shards into one frame, writes it to the current `segment`, flushes
//! once and confirms them all. That is the caller's own thread for a small write with nothing in
//! flight, else a [`Worker`], which also makes segments ahead and writes the MARK. `recovery` reads a
//! log back and tells damage from a torn tail; `lookup` finds single records by position.
//!
//! It starts no thread and reads no clock; all IO goes through [`Disk`]. It upholds L3 (nothing is
//! confirmed before its flush), L7 (chain), L8 (a block that does not continue its shard's head is
//! refused; one process has the directory), L10 (only confirmed blocks are read) and L12 (room).

mod disk;
mod frame;
mod index;
mod log;
mod lookup;
mod mark;
mod os_disk;
mod port;
mod recovery;
mod scan;
mod segment;
mod shared;
mod sim_disk;
mod sim_remains;
mod stats;
pub mod trials;
mod worker;
mod writer;

pub use disk::{Disk, DiskFile, DiskLock, PAGE, Page, bytes_of, bytes_of_mut, page_up};
pub use frame::{FRAME_HEADER, Frame, FrameHeader, MAX_BLOCK_COST, MAX_FRAME, Place};
pub use log::{Clock, Log, LogConfig, Look, OpenError, Opened};
pub use mark::MARK_NAME;
pub use os_disk::{LOCK_NAME, OsDisk};
pub use port::Port;
pub use segment::{FIRST_FRAME, MAX_SEGMENT, MIN_SEGMENT, SegmentHeader};
pub use sim_disk::{SECTOR, SimDisk, SimFault, SimKind, SimOp};
pub use sim_remains::Remains;
pub use stats::{FLUSH_CLASSES, Stats};
pub use worker::{Step, Worker};
