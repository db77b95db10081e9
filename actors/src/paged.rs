//! A growing array that never moves what it holds: pages of equal size, found by index. Growth
//! costs one page, never a copy of everything, so a busy shard does not stall when it grows.

/// Elements per page: 256 of 64 to 192 bytes make 16 to 48 KiB.
const PAGE: usize = 256;

/// Pages of `T`.
#[derive(Clone, Debug)]
pub(crate) struct Paged<T> {
    pages: Vec<Box<[T]>>,
    len: u32,
}

impl<T> Default for Paged<T> {
    fn default() -> Self {
        Self { pages: Vec::new(), len: 0 }
    }
}

impl<T: Clone> Paged<T> {
    /// How many elements there are.
    pub(crate) const fn len(&self) -> u32 {
        self.len
    }

    /// Adds `value` (cloned into the unused rest of a new page) and returns its index.
    pub(crate) fn push(&mut self, value: T) -> u32 {
        let index = self.len;
        if (index as usize).is_multiple_of(PAGE) {
            self.pages.push(vec![value.clone(); PAGE].into_boxed_slice());
        }
        self.len += 1;
        self[index] = value;
        index
    }

    /// All elements in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pages.iter().flatten().take(self.len as usize)
    }
}

impl<T> std::ops::Index<u32> for Paged<T> {
    type Output = T;

    #[inline]
    fn index(&self, index: u32) -> &T {
        &self.pages[index as usize / PAGE][index as usize % PAGE]
    }
}

impl<T> std::ops::IndexMut<u32> for Paged<T> {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.pages[index as usize / PAGE][index as usize % PAGE]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_behaves_like_a_vector() {
        let mut paged = Paged::default();
        for value in 0_u32..1_000 {
            assert_eq!(paged.push(value), value);
        }
        paged[700] = 7;
        assert_eq!((paged.len(), paged[699], paged[700]), (1_000, 699, 7));
        assert_eq!(paged.iter().count(), 1_000);
    }
}
