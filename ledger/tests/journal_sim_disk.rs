//! The simulated disk loses what a disk may lose, and nothing else.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::ErrorKind;
use std::sync::Arc;

use ledger::journal::embedded::{Disk, DiskFile, PAGE, Page, SECTOR, SimDisk, SimFault};

fn page(fill: u8) -> Page {
    Page([fill; PAGE])
}

/// A disk with a durable page of 1 in file `a`, overwritten by 2 and not flushed.
fn overwritten() -> (SimDisk, Arc<dyn DiskFile>) {
    let disk = SimDisk::new(1);
    let file = disk.create("a").unwrap();
    file.write_at(&[page(1)], 0).unwrap();
    file.sync().unwrap();
    disk.sync_dir().unwrap();
    file.write_at(&[page(2)], 0).unwrap();
    (disk, file)
}

#[test]
fn a_power_loss_keeps_any_subset_of_unflushed_sectors() {
    let (disk, file) = overwritten();
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..64 {
        let bytes = disk.reboot(seed).peek("a").unwrap();
        let sectors = bytes.chunks(SECTOR).map(|sector| sector[0]);
        seen.insert(sectors.collect::<Vec<_>>());
        assert_eq!(bytes, disk.reboot(seed).peek("a").unwrap(), "the same seed, the same bytes");
    }
    assert!(seen.len() > 32);
    assert!(file.sync().is_err(), "the old machine is gone");
    assert_eq!(disk.durable("a", 0, 3), Some(vec![1, 1, 1]));
}

#[test]
fn a_flush_keeps_everything_and_a_restart_loses_nothing() {
    let (disk, file) = overwritten();
    assert_eq!(disk.restart().peek("a").unwrap()[0], 2);
    let (disk, file) = {
        drop((disk, file));
        overwritten()
    };
    file.sync().unwrap();
    assert_eq!(disk.image().peek("a").unwrap()[0], 2);
}

#[test]
fn what_a_failed_flush_lost_is_not_saved_by_the_next_one() {
    let (disk, file) = overwritten();
    disk.fail_at(disk.operations(), SimFault::Io);
    assert!(file.sync().is_err());
    file.sync().unwrap();
    assert_eq!(disk.image().peek("a").unwrap()[0], 1);
    file.write_at(&[page(3)], 0).unwrap();
    file.sync().unwrap();
    assert_eq!(disk.image().peek("a").unwrap()[0], 3);
}

#[test]
fn names_are_durable_with_the_directory_only() {
    let (disk, _file) = overwritten();
    disk.rename("a", "b").unwrap();
    assert_eq!(disk.image().list().unwrap(), ["a"]);
    disk.sync_dir().unwrap();
    assert_eq!(disk.image().list().unwrap(), ["b"]);
}

#[test]
fn a_crash_ends_every_later_call_and_space_is_counted() {
    let (disk, file) = overwritten();
    disk.set_free(PAGE as u64);
    file.write_at(&[page(4)], PAGE as u64).unwrap();
    let error = file.write_at(&[page(4)], 2 * PAGE as u64).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    disk.crash_at(disk.operations());
    assert!(file.write_at(&[page(5)], 0).is_err() && disk.frozen());
    assert!(disk.list().is_err() && disk.sync_dir().is_err() && file.len().is_err());
}
