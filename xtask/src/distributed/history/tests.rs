use proptest::prelude::*;

use super::*;

/// A history in which each line is an operation: `START END ACTION`.
fn history(text: &str) -> Vec<Operation> {
    text.lines().filter_map(operation).collect()
}

/// `put N`, `delete`, `get N`, `get -`, each followed by `?` if it has no answer and by `!` if it failed.
fn operation(line: &str) -> Option<Operation> {
    let mut words = line.split_whitespace();
    let invoked = words.next()?.parse().unwrap();
    let returned = words.next()?.parse().unwrap();
    let rest: Vec<_> = words.collect();
    let outcome = match rest.last() {
        Some(&"?") => Outcome::Unknown,
        Some(&"!") => Outcome::Failed,
        _ => Outcome::Ok,
    };
    let action = match rest[..] {
        ["put", number, ..] => Action::Put(value(number.parse().unwrap())),
        ["delete", ..] => Action::Delete,
        ["get", "-", ..] => Action::Get(Reading::Absent),
        ["get", number, ..] => Action::Get(Reading::Value(value(number.parse().unwrap()))),
        _ => panic!("{line}"),
    };
    Some(Operation {
        action,
        outcome,
        invoked,
        returned,
    })
}

fn value(number: u32) -> Value {
    Value { writer: 1, number }
}

fn is_accepted(text: &str) -> bool {
    match check(&history(text)) {
        Ok(()) => true,
        Err(Violation::NotLinearizable { .. }) => false,
        Err(violation) => panic!("{violation}"),
    }
}

#[test]
fn a_sequence_is_accepted() {
    assert!(is_accepted(
        "0 1 get -
         2 3 put 1
         4 5 get 1
         6 7 put 2
         8 9 get 2
         10 11 delete
         12 13 get -"
    ));
    assert!(is_accepted(""));
}

#[test]
fn a_read_during_a_write_may_return_either_value() {
    assert!(is_accepted("0 1 put 1\n 2 9 put 2\n 3 4 get 1\n 5 6 get 2"));
    assert!(is_accepted("0 1 put 1\n 2 9 put 2\n 3 8 get 2\n 3 8 get 1"));
    // But not the old value after the new one was read.
    assert!(!is_accepted(
        "0 1 put 1\n 2 9 put 2\n 3 4 get 2\n 5 6 get 1"
    ));
}

#[test]
fn a_lost_acknowledged_write_is_detected() {
    assert!(!is_accepted("0 1 put 1\n 2 3 get -"));
    assert!(!is_accepted("0 1 put 1\n 2 3 put 2\n 4 5 get 1"));
    assert!(!is_accepted("0 1 put 1\n 2 3 delete\n 4 5 get 1"));
}

#[test]
fn a_stale_read_is_detected() {
    assert!(!is_accepted(
        "0 1 put 1\n 2 3 put 2\n 4 5 get 2\n 6 7 get 1"
    ));
    // Two overlapping reads order the writes only in one way.
    assert!(!is_accepted(
        "0 9 put 1\n 0 9 put 2\n 10 11 get 1\n 12 13 get 2"
    ));
}

#[test]
fn a_resurrected_value_is_detected() {
    assert!(!is_accepted(
        "0 1 put 1\n 2 3 delete\n 4 5 get -\n 6 7 get 1"
    ));
    // A failed write changes nothing.
    assert!(!is_accepted("0 1 put 1\n 2 3 put 2 !\n 4 5 get 2"));
    assert!(is_accepted("0 1 put 1\n 2 3 put 2 !\n 4 5 get 1"));
}

#[test]
fn a_mixed_value_is_detected() {
    let mut operations = history("0 1 put 1\n 2 3 put 2");
    let mixed = Operation {
        action: Action::Get(Reading::Corrupt("1.1 and 1.2".to_owned())),
        outcome: Outcome::Ok,
        invoked: 4,
        returned: 5,
    };
    operations.push(mixed.clone());
    assert_eq!(check(&operations), Err(Violation::Corrupt(mixed)));
}

#[test]
fn a_value_that_was_never_written_is_detected() {
    assert!(!is_accepted("0 1 put 1\n 2 3 get 7"));
    assert!(!is_accepted("0 1 get 1\n 2 3 put 1"));
}

#[test]
fn a_write_without_an_answer_takes_effect_at_any_later_time_or_never() {
    let start = "0 1 put 1\n 2 3 put 2 ?\n";
    assert!(is_accepted(&format!("{start} 4 5 get 1")));
    assert!(is_accepted(&format!("{start} 4 5 get 2")));
    assert!(is_accepted(&format!(
        "{start} 4 5 get 1\n 6 7 put 3\n 8 9 get 3\n 10 11 get 2"
    )));
    // But once only, and not before its start.
    assert!(!is_accepted(&format!("{start} 4 5 get 2\n 6 7 get 1")));
    assert!(!is_accepted("0 1 put 1\n 2 3 get 2\n 4 5 put 2 ?"));
    assert!(is_accepted(
        "0 1 put 1\n 2 3 delete ?\n 4 5 get 1\n 6 7 get -"
    ));
    assert!(!is_accepted(
        "0 1 put 1\n 2 3 delete ?\n 4 5 get -\n 6 7 get 1"
    ));
}

#[test]
fn a_violation_shows_the_operations_that_do_not_fit() {
    let violation = check(&history("0 1 put 1\n 2 3 put 2\n 4 5 get 1")).unwrap_err();
    let text = violation.to_string();
    assert!(text.contains("the value is 1.2"), "{text}");
    assert!(text.contains("get: 1.1 (Ok"), "{text}");
}

#[test]
fn a_long_history_with_many_writes_without_an_answer_is_decided() {
    let mut text = String::new();
    for number in 0..3000 {
        let (start, end) = (number * 10, number * 10 + 15);
        let suffix = if number % 3 == 0 { "?" } else { "" };
        text.push_str(&format!("{start} {end} put {number} {suffix}\n"));
        text.push_str(&format!("{} {} get {number}\n", end + 1, end + 2));
    }
    // Each write overlaps the next.
    let accepted = history(&text);
    assert_eq!(check(&accepted), Ok(()));
    let mut rejected = accepted;
    rejected.extend(history("100000 100001 get 1"));
    assert!(matches!(
        check(&rejected),
        Err(Violation::NotLinearizable { .. })
    ));
}

#[test]
fn a_recorder_keeps_the_files_apart() {
    let recorder = Recorder::new();
    let start = recorder.time();
    recorder.record("/a", Action::Put(value(1)), Outcome::Ok, start);
    recorder.record("/b", Action::Get(Reading::Absent), Outcome::Ok, start);
    recorder.record("/b", Action::Delete, Outcome::Unknown, start);
    let files = recorder.finish();
    let totals = check_all(&files).unwrap();
    let expected = Totals {
        acknowledged: 1,
        unknown: 1,
        readings: 1,
        failed: 0,
    };
    assert_eq!(totals, expected);
    let (operation, start) = (&files["/a"][0], start);
    assert!(operation.invoked == start && operation.returned >= start);
}

/// Tries all orders. Only for a few operations.
fn brute_force(operations: &[Operation]) -> bool {
    fn extend(remaining: &[&Operation], current: Option<Value>) -> bool {
        if remaining
            .iter()
            .all(|next| next.outcome == Outcome::Unknown)
        {
            return true;
        }
        (0..remaining.len()).any(|index| {
            let next = remaining[index];
            let is_first = remaining
                .iter()
                .all(|other| other.outcome == Outcome::Unknown || other.returned >= next.invoked);
            let value = match &next.action {
                Action::Put(value) => Some(*value),
                Action::Delete => None,
                Action::Get(reading) => {
                    let read = match reading {
                        Reading::Value(value) => Some(*value),
                        _ => None,
                    };
                    if read != current {
                        return false;
                    }
                    current
                }
            };
            let mut rest = remaining.to_vec();
            rest.remove(index);
            is_first && extend(&rest, value)
        })
    }
    let relevant: Vec<_> = operations
        .iter()
        .filter(|operation| match operation.action {
            Action::Get(_) => operation.outcome == Outcome::Ok,
            _ => operation.outcome != Outcome::Failed,
        })
        .collect();
    extend(&relevant, None)
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => Just(Outcome::Ok),
        1 => Just(Outcome::Unknown),
        1 => Just(Outcome::Failed),
    ]
}

/// A history of up to seven operations on few values, often not linearizable.
fn any_history() -> impl Strategy<Value = Vec<Operation>> {
    let action = prop_oneof![
        3 => (0_u32..4).prop_map(|number| Action::Put(value(number))),
        1 => Just(Action::Delete),
        3 => (0_u32..4).prop_map(|number| Action::Get(Reading::Value(value(number)))),
        1 => Just(Action::Get(Reading::Absent)),
    ];
    let operation = (action, outcome(), 0_u64..20, 0_u64..12).prop_map(
        |(action, outcome, invoked, duration)| Operation {
            action,
            outcome,
            invoked,
            returned: invoked + duration,
        },
    );
    proptest::collection::vec(operation, 0..7)
}

/// A history of a real register: each operation takes effect at an instant of its own, inside its interval.
fn register_history() -> impl Strategy<Value = Vec<Operation>> {
    let step = (0_u8..4, outcome(), any::<bool>(), 0_u64..40, 0_u64..40);
    proptest::collection::vec(step, 0..120).prop_map(|steps| {
        let mut current = None;
        let mut operations = Vec::new();
        for (number, (kind, outcome, took_effect, before, after)) in (0_u32..).zip(steps) {
            let instant = 100 + u64::from(number) * 10;
            let happens = match outcome {
                Outcome::Ok => true,
                Outcome::Failed => false,
                Outcome::Unknown => took_effect,
            };
            let action = match kind {
                0 | 1 => {
                    let new = value(number);
                    if happens {
                        current = Some(new);
                    }
                    Action::Put(new)
                }
                2 => {
                    if happens {
                        current = None;
                    }
                    Action::Delete
                }
                _ => Action::Get(current.map_or(Reading::Absent, Reading::Value)),
            };
            // A write without an answer may take effect after the client gave up.
            let returned = match outcome {
                Outcome::Unknown => (instant + after).saturating_sub(20),
                _ => instant + after,
            };
            let invoked = instant - before;
            operations.push(Operation {
                action,
                outcome,
                invoked,
                returned: returned.max(invoked),
            });
        }
        operations
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_search_agrees_with_all_orders(operations in any_history()) {
        let expected = brute_force(&operations);
        prop_assert_eq!(check(&operations).is_ok(), expected, "{:?}", operations);
    }

    #[test]
    fn a_history_of_a_register_is_accepted(operations in register_history()) {
        prop_assert_eq!(check(&operations), Ok(()));
    }

    #[test]
    fn a_value_read_after_its_replacement_is_rejected(
        operations in register_history(),
        choice in any::<prop::sample::Index>(),
    ) {
        // A value that was read, then a write that was read, both complete: the first value is gone.
        let mut operations = operations;
        let end = operations.iter().map(|operation| operation.returned).max().unwrap_or(0);
        let reads: Vec<_> = operations
            .iter()
            .filter(|operation| operation.outcome == Outcome::Ok)
            .filter_map(|operation| match &operation.action {
                Action::Get(Reading::Value(value)) => Some(*value),
                _ => None,
            })
            .collect();
        prop_assume!(!reads.is_empty());
        let old = reads[choice.index(reads.len())];
        let later = |action, start| Operation {
            action,
            outcome: Outcome::Ok,
            invoked: end + start,
            returned: end + start + 1,
        };
        operations.push(later(Action::Put(value(1_000_000)), 1));
        operations.push(later(Action::Get(Reading::Value(value(1_000_000))), 3));
        operations.push(later(Action::Get(Reading::Value(old)), 5));
        let is_rejected = matches!(check(&operations), Err(Violation::NotLinearizable { .. }));
        prop_assert!(is_rejected);
    }
}

/// Whether a history is accepted after what remains of an earlier one.
fn is_accepted_after(earlier: &str, expired: u64, later: &str) -> bool {
    let mut operations = remaining(history(earlier), expired);
    operations.extend(history(later));
    check(&operations).is_ok()
}

#[test]
fn the_value_of_the_last_reading_remains() {
    let earlier = "0 1 put 1
                   2 3 put 2
                   4 5 get 2";
    assert!(is_accepted_after(earlier, 0, "6 7 get 2"));
    assert!(!is_accepted_after(earlier, 0, "6 7 get 1"));
    assert!(!is_accepted_after(earlier, 0, "6 7 get -"));
    assert!(!is_accepted_after("0 1 get -", 0, "6 7 get 2"));
}

#[test]
fn a_write_without_an_answer_may_take_effect_later_but_only_once_and_in_time() {
    let earlier = "0 1 put 1
                   2 3 put 2 ?
                   4 5 get 1";
    assert!(is_accepted_after(earlier, 0, "6 7 get 2"));
    assert!(is_accepted_after(earlier, 0, "6 7 get 1"));
    assert!(!is_accepted_after(earlier, 3, "6 7 get 2"));
    let observed = "2 3 put 2 ?
                    4 5 get 2
                    6 7 delete
                    8 9 get -";
    assert!(!is_accepted_after(observed, 0, "10 11 get 2"));
    let deleted = "0 1 put 1
                   2 3 delete ?
                   4 5 get 1";
    assert!(is_accepted_after(deleted, 0, "6 7 get -"));
    assert!(!is_accepted_after(deleted, 3, "6 7 get -"));
}
