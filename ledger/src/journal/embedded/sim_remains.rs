//! What a simulated power loss did to what was written and not flushed: lost, torn, reordered. A campaign counts them,
//! for one in which none of it happened has proved nothing about it.

use super::disk::PAGE;
use super::sim_disk::SECTOR;

/// What one power loss did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remains {
    /// Sectors that were written and are as they were before.
    pub lost: usize,
    /// Pages of which some sectors are new and some are old.
    pub torn: usize,
    /// A sector is there that was written after one that is lost, or lies behind it in the same write.
    pub reordered: bool,
}

/// A sector that was not flushed and whose bytes had changed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sector {
    /// Which file.
    pub(super) file: usize,
    /// Its number in it.
    pub(super) number: usize,
    /// The call that wrote it last.
    pub(super) written: u64,
    /// Whether it was kept.
    pub(super) kept: bool,
}

impl Remains {
    /// From all such sectors, file by file and in the order of their places.
    pub(super) fn of(sectors: &[Sector]) -> Self {
        let page = |sector: &Sector| (sector.file, sector.number * SECTOR / PAGE);
        let pages = sectors.chunk_by(|one, other| page(one) == page(other));
        let half = |page: &&[Sector]| page.iter().any(|one| one.kept != page[0].kept);
        let of = |kept: bool| {
            let these = sectors.iter().filter(move |sector| sector.kept == kept);
            these.map(|sector| (sector.written, sector.file, sector.number))
        };
        Self {
            lost: of(false).count(),
            torn: pages.filter(half).count(),
            reordered: of(true).max().zip(of(false).min()).is_some_and(|(kept, lost)| kept > lost),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sectors(of: &[(usize, u64, bool)]) -> Vec<Sector> {
        of.iter().map(|&(number, written, kept)| Sector { file: 1, number, written, kept }).collect()
    }

    fn remains(of: &[(usize, u64, bool)]) -> Remains {
        Remains::of(&sectors(of))
    }

    #[test]
    fn what_is_lost_torn_and_out_of_order_is_told_apart() {
        let page = PAGE / SECTOR;
        assert_eq!(remains(&[]), Remains::default());
        assert_eq!(remains(&[(0, 1, true), (1, 1, true)]), Remains::default());
        let lost = Remains { lost: 2, torn: 0, reordered: false };
        assert_eq!(remains(&[(0, 1, false), (1, 1, false)]), lost);
        // One write, its first half there; then its second one.
        assert_eq!(remains(&[(0, 1, true), (1, 1, false)]), Remains { lost: 1, torn: 1, reordered: false });
        assert_eq!(remains(&[(0, 1, false), (1, 1, true)]), Remains { lost: 1, torn: 1, reordered: true });
        // Two pages of one write, the first one lost; two writes, the later one lost; then the earlier one.
        assert_eq!(remains(&[(0, 1, false), (page, 1, true)]), Remains { lost: 1, torn: 0, reordered: true });
        assert_eq!(
            remains(&[(0, 1, true), (page, 2, false)]),
            Remains { lost: 1, torn: 0, reordered: false }
        );
        assert_eq!(remains(&[(0, 1, false), (page, 2, true)]), Remains { lost: 1, torn: 0, reordered: true });
        let mut files = sectors(&[(0, 1, false), (1, 1, true)]);
        files[1].file = 2;
        assert_eq!(Remains::of(&files).torn, 0);
    }
}
