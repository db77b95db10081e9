//! The festival that a real server is broken with: vendors, items, one till and device for each terminal,
//! and the wristbands.
//! Must never: differ from run to run.
//! Laws: L13 (every device has a till of its own).

use std::fmt::Write as _;

use wire::{Line, Uid};

const VENDORS: u32 = 4;
/// What each vendor sells: minor units.
const PRICES: [u32; 3] = [650, 250, 900];

/// An item that `device` may sell.
pub fn line(device: u32, choice: u32, quantity: u16) -> Line {
    let choice = choice % 3;
    let item = vendor_of(device) * 10 + choice;
    Line { item, quantity, unit_price: PRICES[choice as usize] }
}

fn vendor_of(device: u32) -> u32 {
    (device - 1) % VENDORS + 1
}

/// The wristband of a wallet.
pub fn band(wallet: usize) -> Option<Uid> {
    let number = u32::try_from(wallet).ok()?.to_le_bytes();
    let [a, b, c, d] = number;
    Uid::new(&[4, a, b, c, d, 0x5a, 0xa5])
}

/// The festival file for so many terminals: each may sell, open wallets, top up and take sales back.
pub fn text(terminals: u32) -> String {
    let mut text = "[festival]\nid = 1\nname = \"Breakers\"\ncurrency = \"EUR\"\n\
        time_zone = \"Europe/Paris\"\ncut_over_hour = 6\n\n\
        [limits]\nbalance_cap = \"250.00\"\ntop_up_min = \"1.00\"\ntop_up_max = \"150.00\"\n\
        largest_amount = \"500.00\"\nlooks_repeated_seconds = 20\npurse_order = [\"bonus\", \"paid\"]\n"
        .to_owned();
    // Writing into a string does not fail.
    let _whole = lists(&mut text, terminals);
    text
}

fn lists(text: &mut String, terminals: u32) -> std::fmt::Result {
    for vendor in 1..=VENDORS {
        write!(text, "\n[[vendors]]\nid = {vendor}\nname = \"Bar {vendor}\"\n")?;
        for (choice, price) in (0..).zip(PRICES) {
            let (item, units, cents) = (vendor * 10 + choice, price / 100, price % 100);
            write!(text, "\n[[items]]\nid = {item}\nname = \"Item {item}\"\nvendor = {vendor}\n")?;
            write!(text, "price = \"{units}.{cents:02}\"\nvat = \"20\"\n")?;
        }
    }
    for device in 1..=terminals {
        let vendor = vendor_of(device);
        write!(text, "\n[[tills]]\nid = {device}\nname = \"Till {device}\"\nvendor = {vendor}\n")?;
        write!(text, "\n[[devices]]\nnumber = {device}\ntill = {device}\n")?;
        text.push_str("roles = [\"sell\", \"top_up\", \"refund\", \"pair\"]\n");
    }
    Ok(())
}
