//! Which sales were taken back by a void, and by which one: beside the wallets, since few are.

use ledger::ids::RecordNumber;

use crate::table::Table;

/// Sales taken back, by the position of their record.
#[derive(Clone, Debug, Default)]
pub struct Refunds {
    /// Sale to void.
    by_sale: Table<RecordNumber, RecordNumber>,
    /// Void to sale, for the void that is itself cancelled.
    by_void: Table<RecordNumber, RecordNumber>,
}

impl Refunds {
    /// Whether this sale was taken back.
    pub(crate) fn is_refunded(&self, sale: RecordNumber) -> bool {
        self.by_sale.contains_key(&sale)
    }

    /// `void` took `sale` back.
    pub(crate) fn refund(&mut self, sale: RecordNumber, void: RecordNumber) {
        self.by_sale.insert(sale, void);
        self.by_void.insert(void, sale);
    }

    /// The sale that the record at `position` took back, if it was a void that stands.
    pub(crate) fn sale_of(&self, position: RecordNumber) -> Option<RecordNumber> {
        self.by_void.get(&position).copied()
    }

    /// If the record at `position` was a void, its sale stands again.
    pub(crate) fn undo(&mut self, position: RecordNumber) {
        if let Some(sale) = self.by_void.remove(&position) {
            self.by_sale.remove(&sale);
        }
    }

    /// All pairs by rising position of the sale.
    pub(crate) fn sorted(&self) -> Vec<(RecordNumber, RecordNumber)> {
        let mut all: Vec<_> = self.by_sale.iter().map(|(sale, void)| (*sale, *void)).collect();
        all.sort_unstable();
        all
    }
}
