//! L3: what was acknowledged is durable when the answer leaves, and there after any crash.

use actors::answer::Verdict as Says;
use ledger::block::Head;
use ledger::law::Law;

use super::{Release, Verdict, Violation};

/// An answer that names a record leaves only when that record is durable.
pub fn released(release: &Release<'_>) -> Verdict {
    let answer = release.message.answer();
    let names_record = matches!(answer.verdict, Says::Applied(_) | Says::Declined(_));
    if names_record && answer.record.0 >= release.durable {
        let what = format!("{answer:?} left while {} records were durable", release.durable);
        return Err(Violation::new(Law::DurableBeforeTold, what));
    }
    Ok(())
}

/// After a crash or a restart every shard goes at least as far as what was durable before.
pub fn nothing_lost(before: &[Head], after: &[Head]) -> Verdict {
    for (shard, (before, after)) in before.iter().zip(after).enumerate() {
        if after.next_seq < before.next_seq {
            let (was, is) = (before.next_seq, after.next_seq);
            let what = format!("shard {shard} had {was} durable blocks and has {is} after the restart");
            return Err(Violation::new(Law::DurableBeforeTold, what));
        }
    }
    Ok(())
}

/// What a start believes must be durable already: the next crash may come at once.
pub fn believed(opened: &[Head], durable: &[Head]) -> Verdict {
    let mut opened = opened.to_vec();
    opened.resize(durable.len(), Head::default());
    let differs = opened.iter().zip(durable).position(|(opened, durable)| opened != durable);
    differs.map_or(Ok(()), |shard| {
        let (opened, durable) = (opened[shard].next_seq, durable[shard].next_seq);
        let what = format!("shard {shard} was opened with {opened} blocks while {durable} were durable");
        Err(Violation::new(Law::DurableBeforeTold, what))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_that_comes_back_shorter_lost_something() {
        let head = |next_seq| Head { next_seq, ..Head::default() };
        assert_eq!(nothing_lost(&[head(3)], &[head(4)]), Ok(()));
        let lost = nothing_lost(&[head(1), head(3)], &[head(1), head(2)]).unwrap_err();
        assert_eq!(lost.law, Law::DurableBeforeTold);
        assert_eq!(believed(&[head(1)], &[head(1), head(0)]), Ok(()));
        assert!(believed(&[head(2)], &[head(1), head(0)]).is_err(), "not flushed yet");
    }
}
