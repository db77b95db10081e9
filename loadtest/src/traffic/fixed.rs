//! Owns: the traffic of the limits: one-line purchases of the right size whose answers carry no balance.
//! Must never: cost the client less than a real sale: it is encoded by the same code.
//! Laws: none.

use wire::{Answer, Class, Flags, Line, Request, RequestId, RequestsWriter};

use super::{Wallets, put};
use crate::driver::{Sent, Traffic};

/// Purchases for a server that only echoes.
#[derive(Debug)]
pub struct Fixed {
    wallets: Wallets,
    lines: Vec<Line>,
    next: u32,
}

impl Fixed {
    /// Purchases of `lines` lines each, walking over these wallets.
    pub fn new(wallets: Wallets, lines: u8) -> Self {
        let line = |item| Line { item: u32::from(item) + 1, quantity: 1, unit_price: 650 };
        Self { wallets, lines: (0..lines).map(line).collect(), next: 0 }
    }
}

impl Traffic for Fixed {
    fn next(&mut self, _: usize, id: RequestId, till: u32, frame: &mut RequestsWriter<'_>) -> Option<Sent> {
        let uid = self.wallets.uid(self.next)?;
        let mut request = Request::purchase(id, uid, &self.lines);
        request.flags = Flags::CONFIRM;
        let wallet = self.next;
        self.next = (wallet + 1) % self.wallets.len().max(1);
        put(frame, till, request, (wallet, -request.amount))
    }

    fn answered(&mut self, _: usize, _: Sent, answer: &Answer) -> Result<(), String> {
        match answer.class {
            Class::Applied => Ok(()),
            other => Err(format!("an echo said {}", other.name())),
        }
    }
}
