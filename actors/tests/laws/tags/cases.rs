//! Bands in the order in which something once went wrong (L4, L13).

use super::*;

#[test]
fn a_retry_through_a_band_that_was_replaced_since_gets_the_first_answer() {
    // A guest lost the band after the tap; the till that resent it heard what is in the wallet now, and gave
    // the change for that.
    let mut run = begun();
    run.fresh(2, What::Pair(0, None).command(), false);
    run.settle();
    run.fresh(2, What::Buy.command(), false);
    run.fresh(2, What::Buy.command(), false);
    run.fresh(4, What::Pair(0, Some(2)).command(), false);
    run.settle();
    run.fresh(4, What::Cash.command(), false);
    run.fresh(2, What::Buy.command(), false);
    assert!(run.seen.contains(&(1, Decline::TagReplaced.number())));
    // Both sales, the one that came too late, and the pairing; by the news of all loops or without.
    for late in [false, true] {
        for of in [0, 3, 4, 5] {
            run.again(of, false, late);
        }
    }
    assert_eq!(run.retried, [8; 2]);
}

#[test]
fn a_wallet_takes_sixteen_further_bands_and_sends_the_next_one_back() {
    let mut run = begun();
    let number = |band: u8| tag(100 + band);
    for band in 0..=u8::try_from(MAX_TAGS).unwrap() {
        run.counter += 1;
        let mut request = request(&run.worlds[0], run.counter, 0, What::Pair(0, None).command());
        // All of the first shard.
        request.tag = number(band * 2);
        request.content = run.worlds[0].keys.content(&request);
        assert_eq!(run.worlds[0].ask(&request).verdict(), Verdict::Applied(actors::codes::Outcome::Applied));
    }
    run.confirm(0);
    let shard = ShardId(FIRST);
    for _ in 0..2 {
        let world = &mut run.worlds[0];
        let taken = world.state.channels().taken_from(shard);
        let outbox = world.state.channels().outbox(shard).unwrap();
        let waiting: Vec<_> = outbox.after(taken).cloned().collect();
        for one in waiting {
            let at = world.state.ledger_time(world.clock);
            let Receipt::Record(record) = world.state.receive(at, shard, one.number, &one.message) else {
                panic!()
            };
            if one.number == MAX_TAGS as u64 + 1 {
                assert_eq!(record.decline, Decline::TooManyTags.to_record());
            } else {
                assert_eq!(record.decline, None);
            }
            world.push(record);
        }
    }
    let state = &run.worlds[0].state;
    let taken = state.all_tag_news().into_iter().filter(|news| matches!(news, News::Taken { .. }));
    assert_eq!(taken.count(), MAX_TAGS);
    assert_eq!(state.given_tag(number(2 * u8::try_from(MAX_TAGS).unwrap()).number), None);
}

#[test]
fn a_pairing_that_was_given_up_before_it_came_stays_given_up() {
    // The second desk of a race gave up and was told that its request is closed; then the request came, was
    // declined by the band itself, and from there on the desk heard another answer to the same cancel.
    let mut run = begun();
    run.fresh(2, What::Pair(0, None).command(), false);
    run.settle();
    run.counter += 1;
    let later = request(&run.worlds[0], run.counter, 2, What::Pair(1, None).command());
    let cancel = request(&run.worlds[0], run.counter, 2, Command::Cancel);
    let burned = Verdict::Applied(actors::codes::Outcome::Declined(Decline::Burned));
    let first = run.answer(2, &cancel);
    assert_eq!(first.verdict, burned);
    assert_eq!(run.answer(2, &later).verdict, Verdict::Declined(Decline::Burned));
    assert_eq!(run.answer(2, &cancel), first);
}

#[test]
fn an_allowance_for_a_further_band_of_a_child_is_its_wallets() {
    // The child lost its band; the allowance set with the new one went to nobody and came back.
    let mut run = begun();
    run.fresh(2, What::Pair(0, None).command(), false);
    run.settle();
    let asked = Command::SetAllowance { child: wallet(2), target: 500, mark: 100 };
    let mut asked = request(&run.worlds[0], 900, 1, asked);
    let content = asked.content;
    run.routes.resolve(&mut asked);
    assert_eq!(asked.command, Command::SetAllowance { child: wallet(0), target: 500, mark: 100 });
    assert_eq!(asked.content, content, "what was asked stays what was asked");
}
