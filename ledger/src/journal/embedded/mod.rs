//! The embedded store: one log for all shards of a node, in one directory (DESIGN 8 and 10).
mod disk;
mod os_disk;
mod sim_disk;
pub use disk::{Disk, DiskFile, DiskLock, PAGE, Page, bytes_of, bytes_of_mut, page_up};
pub use os_disk::{LOCK_NAME, OsDisk};
pub use sim_disk::{SECTOR, SimDisk, SimFault, SimKind, SimOp};
